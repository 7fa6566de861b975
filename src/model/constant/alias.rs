//! Constants of several names: an exporter gives a parameter that has two names an Identity, one that is stored in half precision a Cast, and one
//! that is read both ways a Transpose.

use super::Constants;
use crate::model::graph::{Graph, Node, NodeId, ValueId};

impl Constants {
    /// The stored constant of which this one is another name, its axes in the same order.
    pub(crate) fn same_as(&self, graph: &Graph<'_>, id: ValueId) -> ValueId {
        let mut at = id;
        while let Some(of) = graph.producer(at).and_then(|n| self.renamed(n)) {
            at = of;
        }
        at
    }

    /// The stored constant that this one stands for, whatever the order of axes, and which axis of that its axis is.
    pub(crate) fn root(&self, graph: &Graph<'_>, id: ValueId, axis: usize) -> (ValueId, usize) {
        let (mut at, mut axis) = (id, axis);
        while let Some(node) = graph.producer(at) {
            match self.renamed(node).or_else(|| node.input(0).filter(|_| self.is_alias(graph, node))) {
                Some(of) => (at, axis) = (of, self.axis_before(node, axis)),
                None => break,
            }
        }
        (at, axis)
    }

    /// Whether a node makes another name of a matrix: that has its fate, and shrinks with it.
    ///
    /// What a Transpose makes of a matrix that nothing else reads is a matrix of its own. So is each name of what a grouped convolution reads: each
    /// block of its filters loses channels of its own.
    pub(crate) fn is_alias(&self, graph: &Graph<'_>, node: &Node<'_>) -> bool {
        let (Some(x), Some(y)) = (node.input(0), node.output(0)) else { return false };
        let is_other = |x: ValueId| self.renamed(node).is_some() || (self.is_turned(node) && self.is_shared(graph, x));
        let made_of = |at: &ValueId| graph.producer(*at).and_then(|n| self.made_of(n));
        let stored = std::iter::successors(Some(x), made_of).last().unwrap_or(x);
        self.is_matrix(y) && is_other(x) && !self.is_in_blocks(graph, stored)
    }

    /// Whether a value is another name of a matrix.
    pub(crate) fn is_other_name(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        graph.producer(id).is_some_and(|n| self.is_alias(graph, n))
    }

    /// Whether a grouped convolution reads a constant, by whatever name.
    fn is_in_blocks(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        graph.value(id).readers.iter().map(|r| graph.node(r.0)).any(|node| match self.made_of(node) {
            Some(_) => node.output(0).is_some_and(|y| self.is_in_blocks(graph, y)),
            None => node.contracts() && node.proto.attr_int("group").unwrap_or(1) > 1 && !self.is_of_one_channel(id),
        })
    }

    /// Whether filters read one channel each, as those of depthwise convolutions do.
    fn is_of_one_channel(&self, id: ValueId) -> bool {
        self.get(id).is_some_and(|k| k.dims().get(1) == Some(&1))
    }

    /// The axis of what an alias is made of.
    pub(crate) fn axis_before(&self, node: &Node<'_>, axis: usize) -> usize {
        if !self.is_turned(node) {
            return axis;
        }
        let rank = node.output(0).and_then(|y| self.get(y)).map_or(0, |k| k.dims().len());
        match node.proto.attr_ints("perm") {
            Some(perm) => perm.get(axis).and_then(|&k| usize::try_from(k).ok()).unwrap_or(axis),
            None => rank.saturating_sub(axis + 1),
        }
    }

    /// A constant and, of a matrix, all its other names.
    pub(crate) fn names(&self, graph: &Graph<'_>, id: ValueId) -> Vec<ValueId> {
        let mut names = vec![id];
        let mut at = 0;
        while let Some(&name) = names.get(at) {
            let readers = graph.value(name).readers.iter().map(|r| graph.node(r.0));
            names.extend(readers.filter(|n| self.is_alias(graph, n)).filter_map(|n| n.output(0)));
            at += 1;
        }
        names
    }

    /// The input slots in which nodes that compute read a constant, of a matrix by whatever name: sorted.
    pub(crate) fn uses(&self, graph: &Graph<'_>, id: ValueId) -> Vec<(NodeId, usize)> {
        let (root, _) = self.root(graph, id, 0);
        let readers = self.names(graph, root).into_iter().flat_map(|name| graph.value(name).readers.clone());
        let mut uses: Vec<(NodeId, usize)> = readers.filter(|r| !self.covers(graph.node(r.0))).collect();
        uses.sort_unstable();
        uses
    }

    /// The constant of which an Identity makes another name, or a Cast from one floating-point type to another.
    fn renamed(&self, node: &Node<'_>) -> Option<ValueId> {
        let is_float = |v: Option<ValueId>| v.and_then(|v| self.get(v)).is_some_and(|k| k.dtype().is_float());
        let keeps = node.op() == "Identity" || (is_float(node.input(0)) && is_float(node.output(0)));
        node.input(0).filter(|&x| node.renames() && keeps && self.is_constant(x))
    }

    /// Whether a node transposes a constant.
    fn is_turned(&self, node: &Node<'_>) -> bool {
        node.op() == "Transpose" && node.proto.in_default_domain() && node.input(0).is_some_and(|x| self.is_constant(x))
    }

    /// The constant of which a node makes another name, or the transpose.
    fn made_of(&self, node: &Node<'_>) -> Option<ValueId> {
        self.renamed(node).or_else(|| node.input(0).filter(|_| self.is_turned(node)))
    }

    /// Whether several nodes read a constant, or one that it is made of.
    fn is_shared(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        let of = graph.producer(id).and_then(|n| self.made_of(n));
        graph.value(id).readers.len() > 1 || of.is_some_and(|of| self.is_shared(graph, of))
    }
}
