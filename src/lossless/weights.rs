//! The numbers that weights stand for: stored ones, and what nodes make of stored ones on their way to a contraction.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::couple::Facts;
use crate::model::attr::from_front;
use crate::model::constant::{Known, computed};
use crate::model::{Node, Tensor, ValueId};

/// A weight in float32.
#[derive(Debug, Clone)]
pub(super) struct Weight {
    pub dims: Vec<usize>,
    pub data: Vec<f32>,
    /// Whether these are the very numbers; else only zeros are right.
    pub exact: bool,
}

/// For each coordinate of axes of weights, whether all elements there are zero.
type ByAxis = HashMap<(ValueId, usize), Rc<[bool]>>;

/// The weights of a graph, each read once.
pub(super) struct Weights<'a> {
    facts: &'a Facts<'a>,
    read: RefCell<HashMap<ValueId, Option<Rc<Weight>>>>,
    zeros: RefCell<ByAxis>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, read: RefCell::default(), zeros: RefCell::default() }
    }

    /// The weight that a value is; `None` where it depends on an input, or is made in a way that is not followed.
    pub(super) fn get(&self, value: ValueId) -> Option<Rc<Weight>> {
        if let Some(found) = self.read.borrow().get(&value) {
            return found.clone();
        }
        let made = self.make(value).map(Rc::new);
        self.read.borrow_mut().insert(value, made.clone());
        made
    }

    /// Whether a value is a weight of which all elements at a coordinate of an axis are zero.
    pub(super) fn is_zero_along(&self, value: ValueId, axis: usize, i: usize) -> bool {
        let found = self.zeros.borrow().get(&(value, axis)).cloned();
        let zeros = found.unwrap_or_else(|| {
            let made: Rc<[bool]> = self.get(value).map_or(Vec::new(), |w| w.zeros_along(axis)).into();
            self.zeros.borrow_mut().insert((value, axis), made.clone());
            made
        });
        zeros.get(i).copied().unwrap_or(false)
    }

    fn make(&self, value: ValueId) -> Option<Weight> {
        if let Some(known) = self.facts.constants.get(value).filter(|_| self.facts.constants.is_constant(value)) {
            let t = known.tensor();
            return Some(Weight { data: t.floats()?, dims: t.dims, exact: true });
        }
        let node = self.facts.graph.producer(value).filter(|n| n.proto.in_default_domain())?;
        let x = node.input(0)?;
        match node.op() {
            "DequantizeLinear" => self.dequantized(node, x),
            "QuantizeLinear" => {
                self.get(x).map(|w| Weight { dims: w.dims.clone(), data: w.data.clone(), exact: false })
            }
            "Identity" | "Cast" | "Transpose" => {
                let w = self.get(x)?;
                let whole = Tensor::from_floats(w.dims.clone(), &w.data);
                let moved = if node.op() == "Transpose" { computed(node.proto, &[Some(whole)], 0)? } else { whole };
                Some(Weight { data: moved.floats()?, dims: moved.dims, exact: false })
            }
            _ => None,
        }
    }

    /// `scale[c] (x[i, c] - zero[c])`; of what was quantized from a float, that float.
    fn dequantized(&self, node: &Node<'_>, x: ValueId) -> Option<Weight> {
        let Some(ints) = self.facts.constants.get(x).and_then(Known::ints) else {
            return self.get(x).map(|w| (*w).clone());
        };
        let dims = self.facts.constants.get(x)?.dims().to_vec();
        let scale = self.facts.constants.get(node.input(1)?)?.tensor().floats()?;
        let zero = match node.input(2) {
            Some(z) => self.facts.constants.get(z)?.ints()?,
            None => vec![0; scale.len()],
        };
        let (inner, length) = match (scale.len(), from_front(node.proto.attr_int("axis").unwrap_or(1), dims.len())) {
            (1, _) => (1, 1),
            (n, Some(k)) if n == dims[k] => (dims[k + 1..].iter().product::<usize>().max(1), n),
            _ => return None,
        };
        if zero.len() != length || node.proto.attr_int("block_size").unwrap_or(0) != 0 {
            return None;
        }
        let real = |(f, v): (usize, &i64)| {
            let c = f / inner % length;
            (v - zero[c]) as f32 * scale[c]
        };
        Some(Weight { dims, data: ints.iter().enumerate().map(real).collect(), exact: false })
    }
}

impl Weight {
    /// Whether all elements at these coordinates of the first axes are zero.
    pub(super) fn is_zero_at(&self, at: &[usize]) -> bool {
        let inner: usize = self.dims[at.len()..].iter().product();
        let first = at.iter().zip(&self.dims).fold(0, |f, (i, d)| f * d + i) * inner;
        self.data.get(first..first + inner).is_some_and(|part| part.iter().all(|v| *v == 0.0))
    }

    /// The sum of all elements at these coordinates of the first axes.
    pub(super) fn sum_at(&self, at: &[usize]) -> f64 {
        let inner: usize = self.dims[at.len()..].iter().product();
        let first = at.iter().zip(&self.dims).fold(0, |f, (i, d)| f * d + i) * inner;
        self.data.get(first..first + inner).map_or(f64::NAN, |part| part.iter().map(|v| f64::from(*v)).sum())
    }

    /// For each coordinate of an axis, whether all elements there are zero.
    fn zeros_along(&self, axis: usize) -> Vec<bool> {
        let length = self.dims.get(axis).copied().unwrap_or(0);
        let inner = self.dims.iter().skip(axis + 1).product::<usize>().max(1);
        let mut zero = vec![true; length];
        for (row, part) in self.data.chunks(inner).enumerate().filter(|_| length > 0) {
            zero[row % length] &= part.iter().all(|v| *v == 0.0);
        }
        zero
    }
}
