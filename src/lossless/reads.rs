//! How a contraction hears a channel that it sums over.

use super::Analysis;
use super::contract::is_padded;
use super::values::At;
use crate::model::constant::Known;
use crate::model::proto::DataType;
use crate::model::{Node, NodeId, ValueId};

/// An activation that a node sums over an axis of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub node: NodeId,
    pub slot: usize,
    pub value: ValueId,
    pub axis: usize,
}

/// What a channel is to a contraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// Zero.
    Zero,
    /// Weighed with zeros, or only where what is made goes too.
    Unread,
    /// A number at every place, which a bias can take up.
    Constant(f32),
    /// Something else.
    Heard,
}

/// The input slots that a node sums over, each with the axis.
pub(super) fn contracted(at: &At<'_>) -> Vec<(usize, usize)> {
    let node = at.node;
    let rank = |slot: usize| node.input(slot).and_then(|v| at.facts.dims.get(v)).map_or(0, <[usize]>::len);
    let turned = |name: &str| usize::from(at.int(name, 0) != 0);
    if !node.proto.in_default_domain() {
        return Vec::new();
    }
    match node.op() {
        "Conv" | "ConvTranspose" => vec![(0, 1)],
        "Gemm" => vec![(0, 1 - turned("transA")), (1, turned("transB"))],
        "MatMul" => vec![(0, rank(0).saturating_sub(1)), (1, rank(1).saturating_sub(2))],
        "ReduceSum" | "ReduceSumSquare" | "ReduceL1" | "ReduceL2" => {
            let axes = node.proto.attr_ints("axes").map(<[i64]>::to_vec).or_else(|| at.ints(1));
            let sums = |k: usize| {
                let k = k as i64;
                axes.as_ref().is_none_or(|a| a.is_empty() || a.contains(&k) || a.contains(&(k - rank(0) as i64)))
            };
            (0..rank(0)).filter(|&k| sums(k)).map(|k| (0, k)).collect()
        }
        "Einsum" => {
            let terms = Terms::of(node);
            let summed = |t: &Terms| t.places(|c| !t.output.contains(c));
            // What is not understood sums over everything.
            let everything = || (0..node.inputs.len()).flat_map(|s| (0..rank(s)).map(move |k| (s, k))).collect();
            terms.as_ref().map_or_else(everything, summed)
        }
        _ => Vec::new(),
    }
}

/// The labels of an Einsum without an ellipsis.
struct Terms {
    operands: Vec<Vec<char>>,
    output: String,
}

impl Terms {
    fn of(node: &Node<'_>) -> Option<Self> {
        let text: String = node.proto.attr_str("equation")?.split_whitespace().collect();
        let (left, right) = text.split_once("->")?;
        let operands = left.split(',').map(|o| o.chars().collect()).collect();
        (!text.contains('.')).then(|| Self { operands, output: right.into() })
    }

    fn places(&self, wanted: impl Fn(char) -> bool) -> Vec<(usize, usize)> {
        let of = |(slot, labels): (usize, &Vec<char>)| {
            labels.iter().enumerate().filter(|(_, c)| wanted(**c)).map(move |(k, _)| (slot, k)).collect::<Vec<_>>()
        };
        self.operands.iter().enumerate().flat_map(of).collect()
    }
}

impl Analysis<'_> {
    /// What a node sums over of activations.
    pub(super) fn reads_of(&self, node: &Node<'_>) -> Vec<Read> {
        let tensors = std::collections::HashMap::new();
        let at = At { node, facts: self.facts, known: &self.known, weights: &self.weights, tensors: &tensors };
        let read = |(slot, axis): (usize, usize)| {
            let value = node.input(slot).filter(|v| self.live[v.index()])?;
            Some(Read { node: node.id, slot, value, axis })
        };
        contracted(&at).into_iter().filter_map(read).collect()
    }

    /// What coordinate `i` is to a contraction; `with`: whether a coordinate of an axis of what it makes goes too.
    pub(super) fn verdict(&self, read: &Read, i: usize, with: &dyn Fn(usize, usize) -> bool) -> Verdict {
        match self.values.at(read.value, read.axis, i) {
            Some(0.0) => Verdict::Zero,
            _ if self.is_unread(read, i, with) => Verdict::Unread,
            Some(c) if c.is_finite() && self.takes_up(read) => Verdict::Constant(c),
            _ => Verdict::Heard,
        }
    }

    fn is_unread(&self, read: &Read, i: usize, with: &dyn Fn(usize, usize) -> bool) -> bool {
        let node = self.facts.graph.node(read.node);
        let weight = |slot: usize| node.input(slot).and_then(|v| self.weights.get(v));
        let turned = |name: &str| node.proto.attr_int(name).unwrap_or(0) != 0;
        let silent = || match node.op() {
            "Conv" => {
                let w = weight(1)?;
                let group = usize::try_from(node.proto.attr_int("group").unwrap_or(1)).ok()?;
                let rows = w.dims[0].checked_div(group)?;
                let block = i.checked_div(w.dims[1])?;
                Some((block * rows..(block + 1) * rows).all(|o| with(1, o) || w.is_zero_at(&[o, i % w.dims[1]])))
            }
            "ConvTranspose" => {
                let w = weight(1)?;
                let group = usize::try_from(node.proto.attr_int("group").unwrap_or(1)).ok()?;
                let first = i / w.dims[0].checked_div(group).filter(|n| *n > 0)? * w.dims[1];
                Some((0..w.dims[1]).all(|o| with(1, first + o) || w.is_zero_at(&[i, o])))
            }
            "Gemm" | "MatMul" => {
                let other = 1 - read.slot;
                let Some(w) = weight(other) else { return Some(self.other_is_zero(node, other, i)) };
                let rank = w.dims.len();
                let sums = match (node.op(), other) {
                    ("Gemm", 0) => usize::from(!turned("transA")),
                    ("Gemm", _) => usize::from(turned("transB")),
                    (_, 0) => rank.checked_sub(1)?,
                    _ => rank.saturating_sub(2),
                };
                Some(self.weights.is_zero_along(node.input(other)?, sums, i))
            }
            "Einsum" => {
                let terms = Terms::of(node)?;
                let label = *terms.operands.get(read.slot)?.get(read.axis)?;
                let others = terms.places(|c| c == label).into_iter().filter(|p| p.0 != read.slot);
                let zero = |(slot, axis): (usize, usize)| {
                    node.input(slot).is_some_and(|v| self.weights.is_zero_along(v, axis, i))
                };
                Some(others.into_iter().any(zero))
            }
            _ => None,
        };
        silent().unwrap_or(false)
    }

    /// Whether the other activation of a product is zero at the coordinate that is summed over.
    fn other_is_zero(&self, node: &Node<'_>, slot: usize, i: usize) -> bool {
        let read = self.reads_of(node).into_iter().find(|r| r.slot == slot);
        read.is_some_and(|r| self.values.at(r.value, r.axis, i) == Some(0.0))
    }

    /// Whether the node has, or can be given, a bias that takes up what a constant channel adds.
    fn takes_up(&self, read: &Read) -> bool {
        let node = self.facts.graph.node(read.node);
        let tensors = std::collections::HashMap::new();
        let at = At { node, facts: self.facts, known: &self.known, weights: &self.weights, tensors: &tensors };
        let known = |slot: usize| {
            node.input(slot).and_then(|v| self.facts.constants.get(v).filter(|_| self.facts.constants.is_constant(v)))
        };
        let is_plain = |k: &Known| matches!(k.dtype(), DataType::Float | DataType::Double);
        let outputs = at.made_dims(0).and_then(|d| d.get(1)).copied().unwrap_or(0);
        let bias = match node.input(2) {
            None => true,
            Some(_) => known(2).is_some_and(|c| {
                let (n, len) = (c.dims().iter().product::<usize>(), c.dims().last().copied().unwrap_or(1));
                is_plain(c) && n == len && (n == outputs || (n == 1 && node.op() == "Gemm"))
            }),
        };
        let plain = read.slot == 0 && known(1).is_some_and(is_plain) && bias;
        match node.op() {
            "Conv" => plain && !is_padded(&at),
            "Gemm" => plain && at.float("beta", 1.0) == 1.0 && self.facts.graph.model().opset() >= 7,
            _ => false,
        }
    }
}
