//! Channel shuffles: Reshape, Transpose, Reshape that together only permute one axis. Seen as one, every channel may go by itself; the
//! three nodes apart would let only products of their digits go.

use super::Facts;
use crate::model::{Dims, Node, NodeId, ValueId};

/// Three nodes that permute one axis: `y[.., i, ..] = x[.., index[i], ..]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shuffle {
    /// Reshape, Transpose, Reshape.
    pub nodes: [NodeId; 3],
    /// What is shuffled.
    pub x: ValueId,
    /// The shuffled value.
    pub y: ValueId,
    /// The axis.
    pub axis: usize,
    /// Which coordinate of `x` each one of `y` is.
    pub index: Vec<usize>,
}

/// The shuffles of a graph: those that are shuffles at the given dims and at larger ones. A node is part of one at the most, the first: what
/// lies within a shuffle is not spoken of, so that no other may read it.
pub(super) fn find(facts: &Facts<'_>) -> Vec<Shuffle> {
    let mut found: Vec<Shuffle> = Vec::new();
    for shuffle in facts.graph.nodes().iter().filter_map(|first| starting_at(facts, first)) {
        let taken = |node: &NodeId| found.iter().any(|s| s.nodes.contains(node));
        if !shuffle.nodes.iter().any(taken) {
            found.push(shuffle);
        }
    }
    found
}

fn starting_at(facts: &Facts<'_>, first: &Node<'_>) -> Option<Shuffle> {
    let is = |n: &Node<'_>, op: &str| n.op() == op && n.proto.in_default_domain();
    let turn = only_reader(facts, first).filter(|n| is(n, "Transpose"))?;
    let last = only_reader(facts, turn).filter(|n| is(n, "Reshape"))?;
    if !is(first, "Reshape") || turn.id == last.id {
        return None;
    }
    let values = Values { x: first.input(0)?, split: first.output(0)?, turned: turn.output(0)?, y: last.output(0)? };
    let (axis, index) = values.permutation(facts.dims, turn)?;
    let grown = facts.grown.is_none_or(|dims| values.permutation(dims, turn) == Some((axis, index.clone())));
    let moves = index.iter().enumerate().any(|(i, &from)| i != from);
    (grown && moves && !facts.constants.is_constant(values.x)).then_some(Shuffle {
        nodes: [first.id, turn.id, last.id],
        x: values.x,
        y: values.y,
        axis,
        index,
    })
}

/// The only node that reads what `node` makes, as its data.
fn only_reader<'f>(facts: &'f Facts<'_>, node: &Node<'_>) -> Option<&'f Node<'f>> {
    let value = facts.graph.value(node.output(0)?);
    match value.readers.as_slice() {
        [(reader, 0)] if !value.is_output && !value.captured => Some(facts.graph.node(*reader)),
        _ => None,
    }
}

/// The values along the three nodes.
struct Values {
    x: ValueId,
    split: ValueId,
    turned: ValueId,
    y: ValueId,
}

impl Values {
    /// The axis that is permuted at these dims, and how.
    fn permutation(&self, dims: &Dims, turn: &Node<'_>) -> Option<(usize, Vec<usize>)> {
        let (x, split, turned, y) =
            (dims.get(self.x)?, dims.get(self.split)?, dims.get(self.turned)?, dims.get(self.y)?);
        let perm: Vec<usize> = match turn.proto.attr_ints("perm") {
            Some(p) => {
                p.iter().map(|&a| usize::try_from(a).ok().filter(|&a| a < split.len())).collect::<Option<_>>()?
            }
            None => (0..split.len()).rev().collect(),
        };
        let each_once = (0..split.len()).all(|k| perm.contains(&k)) && perm.len() == split.len();
        if x != y || !each_once || perm.len() != turned.len() || perm.iter().zip(turned).any(|(&p, &d)| split[p] != d) {
            return None;
        }
        // Axes of length 1 hold no digit; of the others, those from the first to the last one that moves.
        let long: Vec<usize> = (0..split.len()).filter(|&k| split[k] > 1).collect();
        let order: Vec<usize> = perm.iter().filter_map(|p| long.iter().position(|k| k == p)).collect();
        let moved = |k: &usize| order[*k] != *k;
        let (from, to) = ((0..order.len()).find(moved)?, (0..order.len()).rev().find(moved)?);
        let digits: Vec<usize> = long[from..=to].iter().map(|&k| split[k]).collect();
        let outer: usize = long[..from].iter().map(|&k| split[k]).product();
        let axis = (0..x.len()).find(|&k| x[..k].iter().product::<usize>() == outer && x[k] > 1)?;
        let order: Vec<usize> = order[from..=to].iter().map(|p| p - from).collect();
        (digits.iter().product::<usize>() == x[axis]).then(|| (axis, index(&digits, &order)))
    }
}

/// For every coordinate of the permuted axis, in row-major order of the permuted digits, the coordinate that it was.
fn index(digits: &[usize], perm: &[usize]) -> Vec<usize> {
    let stride = |k: usize| digits[k + 1..].iter().product::<usize>();
    perm.iter().fold(vec![0], |so_far, &p| {
        so_far.iter().flat_map(|at| (0..digits[p]).map(move |i| at + i * stride(p))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::index;

    #[test]
    fn two_digits_change_places() {
        assert_eq!(index(&[2, 3], &[1, 0]), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn three_digits_turn() {
        assert_eq!(index(&[2, 2, 2], &[2, 0, 1]), [0, 2, 4, 6, 1, 3, 5, 7]);
    }
}
