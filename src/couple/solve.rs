//! Solves the statements of the rules: which coordinates share one fate, and which may not go.
//!
//! Links are united (union-find). A product is an AND where union-find is an OR: of its factors one stays free, the others are pinned, and
//! every coordinate of the whole shares the fate of its digit in the free factor. Cost: near-linear in coordinates.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::op::relations::Product;
use crate::op::{AxisId, Statements};

/// Pinned without anyone having said so: the only coordinate of its axis.
pub const SINGLE: u32 = u32::MAX - 1;
/// Added to a node's number: pinned because another factor of that node's product is free.
pub const BY_PRODUCT: u32 = 1 << 31;
const FREE: u32 = u32::MAX;

/// Classes of coordinates.
#[derive(Debug, Clone)]
pub struct Solution {
    offsets: Vec<u32>,
    parent: Vec<u32>,
    pin: Vec<u32>,
}

/// Solves.
pub fn solve(said: &Statements) -> Solution {
    let mut s = Solution::new(said);
    for link in &said.links {
        for i in 0..said.length(link.part) {
            s.unite(s.at(link.whole, link.start + i * link.step), s.at(link.part, i));
        }
    }
    for table in &said.tables {
        for (i, &from) in table.index.iter().enumerate() {
            s.unite(s.at(table.from, from), s.at(table.to, i));
        }
    }
    let mut open: Vec<&Product> = said.products.iter().collect();
    while !open.is_empty() {
        let (forced, mut rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|p| s.free_factors(p).len() < 2);
        if forced.is_empty() {
            let product = rest.remove(0);
            s.resolve(product, s.best_factor(product, said));
        } else {
            for product in forced {
                let factor = s.free_factors(product).first().copied().unwrap_or(0);
                s.resolve(product, factor);
            }
        }
        open = rest;
    }
    s
}

impl Solution {
    fn new(said: &Statements) -> Self {
        let mut offsets = vec![0u32];
        for axis in &said.axes {
            offsets.push(offsets[offsets.len() - 1] + axis.length as u32);
        }
        let total = offsets[offsets.len() - 1];
        let mut s = Self { offsets, parent: (0..total).collect(), pin: vec![FREE; total as usize] };
        for (id, axis) in said.axes.iter().enumerate() {
            if axis.length == 1 {
                s.pin_axis(AxisId(id as u32), SINGLE);
            }
        }
        for (i, pin) in said.pins.iter().enumerate() {
            s.pin_axis(pin.axis, i as u32);
        }
        s
    }

    /// The class of coordinate `i` of an axis.
    pub fn class(&self, axis: AxisId, i: usize) -> u32 {
        self.find(self.at(axis, i))
    }

    /// The pin that holds a class: an index into the statements' pins, [`SINGLE`], or [`BY_PRODUCT`] with a node.
    pub fn pinned(&self, class: u32) -> Option<u32> {
        Some(self.pin[self.find(class) as usize]).filter(|p| *p != FREE)
    }

    /// Number of coordinates of an axis.
    pub fn length(&self, axis: AxisId) -> usize {
        (self.offsets[axis.index() + 1] - self.offsets[axis.index()]) as usize
    }

    fn at(&self, axis: AxisId, i: usize) -> u32 {
        self.offsets[axis.index()] + i as u32
    }

    fn find(&self, mut c: u32) -> u32 {
        while self.parent[c as usize] != c {
            c = self.parent[c as usize];
        }
        c
    }

    /// Unites two classes. The smaller number leads, so that the result does not depend on the order; the pin of the first statement holds.
    fn unite(&mut self, a: u32, b: u32) {
        let (ra, rb) = (self.find(a), self.find(b));
        let (root, other) = (ra.min(rb), ra.max(rb));
        self.pin[root as usize] = self.pin[root as usize].min(self.pin[other as usize]);
        for mut c in [a, b, other] {
            while self.parent[c as usize] != root && c != root {
                c = std::mem::replace(&mut self.parent[c as usize], root);
            }
        }
    }

    fn pin_axis(&mut self, axis: AxisId, pin: u32) {
        for i in 0..self.length(axis) {
            let root = self.find(self.at(axis, i)) as usize;
            self.pin[root] = self.pin[root].min(pin);
        }
    }

    fn is_free(&self, c: u32) -> bool {
        self.pinned(c).is_none()
    }

    /// Positions of the factors of which some coordinate may go.
    fn free_factors(&self, product: &Product) -> Vec<usize> {
        let free = |f: &AxisId| (0..self.length(*f)).any(|i| self.is_free(self.at(*f, i)));
        (0..product.factors.len()).filter(|&k| free(&product.factors[k])).collect()
    }

    /// The factor that leaves the most classes free; of equals the one that the fewest products share, then the outermost.
    fn best_factor(&self, product: &Product, said: &Statements) -> usize {
        let shared = |f: AxisId| said.products.iter().filter(|p| p.factors.contains(&f)).count();
        let rank = |k: usize| (self.classes_left(product, k), Reverse(shared(product.factors[k])), Reverse(k));
        (0..product.factors.len()).max_by_key(|&k| rank(k)).unwrap_or(0)
    }

    /// Classes that could still go if factor `k` were the free one.
    fn classes_left(&self, product: &Product, k: usize) -> usize {
        let factor = product.factors[k];
        let mut free: Vec<bool> = (0..self.length(factor)).map(|i| self.is_free(self.at(factor, i))).collect();
        for (c, digit) in self.digits(product, k) {
            free[digit] &= self.is_free(c);
        }
        let classes: HashSet<u32> = (0..free.len()).filter(|&i| free[i]).map(|i| self.class(factor, i)).collect();
        classes.len()
    }

    /// Each coordinate of the whole with its digit in factor `k`.
    fn digits(&self, product: &Product, k: usize) -> impl Iterator<Item = (u32, usize)> + use<> {
        let inner: usize = product.factors[k + 1..].iter().map(|f| self.length(*f)).product();
        let (n, from, len) = (self.length(product.factors[k]), self.at(product.whole, 0), self.length(product.whole));
        (0..len).map(move |i| (from + i as u32, i / inner.max(1) % n))
    }

    fn resolve(&mut self, product: &Product, k: usize) {
        for (c, digit) in self.digits(product, k) {
            self.unite(c, self.at(product.factors[k], digit));
        }
        let reason = self.pin_of(product);
        for (other, factor) in product.factors.iter().enumerate() {
            if other != k {
                self.pin_axis(*factor, reason);
            }
        }
    }

    /// What to blame for the factors that are held so that another may be free: what holds them already, else their own shape.
    fn pin_of(&self, product: &Product) -> u32 {
        let held = product.factors.iter().flat_map(|f| (0..self.length(*f)).map(|i| self.at(*f, i)));
        let pins = held.filter_map(|c| self.pinned(c)).filter(|p| *p != SINGLE);
        pins.min().unwrap_or(BY_PRODUCT | product.node.0)
    }
}

#[cfg(test)]
mod tests;
