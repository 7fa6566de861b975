//! The path of a budget where costs were measured: what costs least for what it saves goes first.
//!
//! Again and again the strand and the level to which it jumps are taken of which the added cost is the smallest for the price that is really
//! saved, as far as all strands have gone by then, until nothing is left. The path does not depend on a target, so that what holds for paths
//! by rate ([`super::budget`]) holds for it. A jump is walked level by level, so that a target ends it at a single unit.
//!
//! Levels to jump to are those at the measured shares: between them cost is linear. A jump over several levels passes over a bump that would
//! hold up single steps: this walks on the lower convex hull of each curve.
//!
//! What a strand saves grows less as others go down (a layer's price is a product of its widths), so what it last cost for a saving is a lower
//! bound of what it costs now: only those that seem best are priced again. Where this does not hold, the path is a little less good, and valid.

use super::ErrorCurves;
use super::budget::{Price, Step};
use super::strand::Strand;

/// All levels but the first of each strand.
pub(super) fn path(strands: &[Strand], curves: &ErrorCurves, price: Price<'_>, groups: usize) -> Vec<Step> {
    let mut climb = Climb::new(strands, curves, price, groups);
    let mut path = Vec::new();
    while let Some(jump) = climb.best() {
        path.extend((climb.at[jump.strand] + 1..=jump.to).map(|level| (jump.strand, level)));
        climb.take(&jump);
    }
    path
}

/// A strand and the level that it jumps to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Jump {
    /// Added cost for what is saved, rounded: what differs by less costs the same.
    ratio: f32,
    /// The rate at which that level is reached: of equal jumps the one that stays lower goes first.
    rate: f64,
    strand: usize,
    to: usize,
    /// Whether it was priced as all strands stand now.
    fresh: bool,
}

struct Climb<'a> {
    strands: &'a [Strand],
    price: Price<'a>,
    /// Levels to jump to and their costs, by strand: the first is where it begins.
    knots: Vec<Vec<(usize, f64)>>,
    /// The level of each strand.
    at: Vec<usize>,
    /// Units that are gone of each group.
    gone: Vec<usize>,
    /// The price of what is left.
    left: u64,
    /// The best jump of each strand that is not at its end.
    jumps: Vec<Option<Jump>>,
}

impl<'a> Climb<'a> {
    fn new(strands: &'a [Strand], curves: &ErrorCurves, price: Price<'a>, groups: usize) -> Self {
        let mut gone = vec![0; groups];
        for strand in strands {
            strand.cells.iter().zip(&strand.levels[0]).for_each(|(cell, n)| gone[cell.group] += n);
        }
        let knots = strands.iter().map(|s| curves.knots(s)).collect();
        let (at, left) = (vec![0; strands.len()], price(&gone));
        let mut climb = Self { strands, price, knots, at, gone, left, jumps: Vec::new() };
        climb.jumps = (0..strands.len()).map(|s| climb.jump(s)).collect();
        climb
    }

    /// The best of all jumps.
    fn best(&mut self) -> Option<Jump> {
        loop {
            let order = |a: &&Jump, b: &&Jump| {
                a.ratio.total_cmp(&b.ratio).then(a.rate.total_cmp(&b.rate)).then(a.strand.cmp(&b.strand))
            };
            let best = *self.jumps.iter().flatten().min_by(order)?;
            if best.fresh {
                return Some(best);
            }
            self.jumps[best.strand] = self.jump(best.strand);
        }
    }

    /// The best jump of a strand from where it is; of equal ones the shortest.
    fn jump(&self, s: usize) -> Option<Jump> {
        let strand = &self.strands[s];
        let from = self.knots[s].iter().rev().find(|k| k.0 <= self.at[s])?;
        let jump = |&(to, cost): &(usize, f64)| {
            let saved = self.left.saturating_sub((self.price)(&self.gone_at(s, to)));
            Jump { ratio: ratio(cost - from.1, saved), rate: strand.rates[to], strand: s, to, fresh: true }
        };
        let further = self.knots[s].iter().filter(|k| k.0 > self.at[s]).map(jump);
        further.min_by(|a, b| a.ratio.total_cmp(&b.ratio).then(a.to.cmp(&b.to)))
    }

    /// Units that are gone of each group where a strand is at that level.
    fn gone_at(&self, s: usize, level: usize) -> Vec<usize> {
        let (strand, mut gone) = (&self.strands[s], self.gone.clone());
        for (c, cell) in strand.cells.iter().enumerate() {
            gone[cell.group] = gone[cell.group] + strand.levels[level][c] - strand.levels[self.at[s]][c];
        }
        gone
    }

    fn take(&mut self, jump: &Jump) {
        self.gone = self.gone_at(jump.strand, jump.to);
        self.at[jump.strand] = jump.to;
        self.left = (self.price)(&self.gone);
        self.jumps.iter_mut().flatten().for_each(|j| j.fresh = false);
        self.jumps[jump.strand] = self.jump(jump.strand);
    }
}

/// Added cost for what is saved; without end where nothing is saved, or the cost is without end.
fn ratio(added: f64, saved: u64) -> f32 {
    if saved == 0 || !added.is_finite() {
        return f32::INFINITY;
    }
    (added / saved as f64) as f32
}
