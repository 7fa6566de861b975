//! What a network costs: parameters, multiply-adds, bytes, from dims alone.

use std::collections::BTreeSet;

use crate::model::constant::Known;
use crate::model::{Constants, Dims, Graph, Node, NodeId, ValueId};
use crate::op::{self, NodeDims};

/// Costs of a network or a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Elements of the constants that computing nodes read: floating-point and 8-bit ones.
    pub params: u64,
    /// Multiply-adds of Conv, ConvTranspose, Gemm, MatMul and Einsum.
    pub macs: u64,
    /// Bytes of the parameters.
    pub weight_bytes: u64,
    /// The most bytes of activations alive at once, nodes run in the file's order; 0 for a layer.
    pub peak_activation_bytes: u64,
    /// Contractions of which the multiply-adds are not known, because a shape or the operator's formula is not.
    pub uncounted: usize,
}

/// A node that contracts: its cost and what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerCost {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Its cost.
    pub cost: Cost,
    /// Dims of its output; empty where unknown.
    pub output_shape: Vec<usize>,
    /// Bytes that it moves: its weights, and the activations that it reads and writes, counted as float32.
    pub moved_bytes: u64,
}

/// The cost of the whole graph, at the given dims.
pub fn total(graph: &Graph<'_>, constants: &Constants, dims: &Dims) -> Cost {
    let mut seen = vec![false; graph.values().len()];
    let mut sum = Cost { peak_activation_bytes: peak(graph, constants, dims), ..Cost::default() };
    for node in graph.nodes().iter().filter(|n| !constants.covers(n)) {
        let work = macs(constants, dims, node);
        sum.macs += work;
        sum.uncounted += usize::from(node.contracts() && work == 0 && !is_empty(constants, dims, node));
        for value in node.inputs.iter().flatten().map(|v| constants.root(graph, *v, 0).0) {
            if !std::mem::replace(&mut seen[value.index()], true) {
                let (params, bytes) = parameters(constants, value);
                sum.params += params;
                sum.weight_bytes += bytes;
            }
        }
    }
    sum
}

/// The cost of each contraction, in the graph's order.
pub fn layers(graph: &Graph<'_>, constants: &Constants, dims: &Dims) -> Vec<LayerCost> {
    let contracts = |n: &&Node<'_>| !constants.covers(n) && n.contracts();
    let live = graph.live();
    let layer = |node| layer(constants, dims, node, &read_by(graph, constants, &live, node));
    graph.nodes().iter().filter(contracts).map(layer).collect()
}

/// The constants that a node reads, be it through nodes that only read constants, as DequantizeLinear does.
fn read_by(graph: &Graph<'_>, constants: &Constants, live: &[bool], node: &Node<'_>) -> BTreeSet<ValueId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<ValueId> = node.inputs.iter().flatten().copied().filter(|v| !live[v.index()]).collect();
    while let Some(value) = open.pop() {
        match graph.producer(value).filter(|_| constants.get(value).is_none()) {
            Some(maker) => open.extend(maker.inputs.iter().flatten().filter(|v| !found.contains(*v))),
            None => _ = found.insert(value),
        }
    }
    found
}

fn layer(constants: &Constants, dims: &Dims, node: &Node<'_>, read: &BTreeSet<ValueId>) -> LayerCost {
    let parts: Vec<_> = read.iter().map(|&v| parameters(constants, v)).collect();
    let cost = Cost {
        params: parts.iter().map(|p| p.0).sum(),
        weight_bytes: parts.iter().map(|p| p.1).sum(),
        macs: macs(constants, dims, node),
        peak_activation_bytes: 0,
        uncounted: 0,
    };
    let output_shape = node.output(0).and_then(|v| dims.get(v)).map(<[usize]>::to_vec).unwrap_or_default();
    let moved_bytes = cost.weight_bytes + activations(constants, dims, node);
    LayerCost { id: node.id, node: node.name().into(), op: node.op().into(), cost, output_shape, moved_bytes }
}

/// Bytes of the activations that a node reads and writes, counted as float32.
fn activations(constants: &Constants, dims: &Dims, node: &Node<'_>) -> u64 {
    let values: BTreeSet<ValueId> = node.inputs.iter().chain(&node.outputs).flatten().copied().collect();
    let changing = values.into_iter().filter(|&v| constants.get(v).is_none());
    changing.filter_map(|v| dims.get(v)).map(|d| 4 * d.iter().product::<usize>() as u64).sum()
}

/// Whether a node is known to make nothing.
fn is_empty(constants: &Constants, dims: &Dims, node: &Node<'_>) -> bool {
    let of = |v: ValueId| constants.get(v).map(|k| k.dims()).or_else(|| dims.get(v));
    node.output(0).and_then(of).is_some_and(|d| d.contains(&0))
}

fn macs(constants: &Constants, dims: &Dims, node: &Node<'_>) -> u64 {
    let of = |v: &Option<ValueId>| v.and_then(|v| constants.get(v).map(|k| k.dims()).or_else(|| dims.get(v)));
    let (inputs, outputs): (Vec<_>, Vec<_>) =
        (node.inputs.iter().map(of).collect(), node.outputs.iter().map(of).collect());
    macs_at(node, &inputs, &outputs)
}

/// Multiply-adds of a node whose inputs and outputs have these dims; `None` where unknown.
pub fn macs_at<D: AsRef<[usize]>>(node: &Node<'_>, inputs: &[Option<D>], outputs: &[Option<D>]) -> u64 {
    fn all<D: AsRef<[usize]>>(dims: &[Option<D>]) -> Vec<Option<&[usize]>> {
        dims.iter().map(|d| d.as_ref().map(AsRef::as_ref)).collect()
    }
    let view = NodeDims { node: node.proto, inputs: all(inputs), outputs: all(outputs) };
    op::rule(node.proto).map_or(0, |rule| rule.macs(&view))
}

/// Whether the elements of a constant count as parameters.
pub fn counts(known: &Known) -> bool {
    element_bytes(known).is_some()
}

/// Elements and bytes of a constant that counts as a parameter.
fn parameters(constants: &Constants, value: ValueId) -> (u64, u64) {
    let counted = constants.get(value).and_then(|known| Some((known, element_bytes(known)?)));
    counted.map_or((0, 0), |(known, width)| {
        let n = known.dims().iter().product::<usize>() as u64;
        (n, n * width)
    })
}

fn element_bytes(known: &Known) -> Option<u64> {
    use crate::model::proto::DataType as D;
    Some(match known.dtype() {
        D::Float => 4,
        D::Double => 8,
        D::Float16 | D::Bfloat16 => 2,
        D::Int8 | D::Uint8 | D::Float8e4m3fn | D::Float8e4m3fnuz | D::Float8e5m2 | D::Float8e5m2fnuz => 1,
        _ => return None,
    })
}

/// The most bytes of activations alive at once, counted as float32.
fn peak(graph: &Graph<'_>, constants: &Constants, dims: &Dims) -> u64 {
    let bytes = |v: ValueId| match constants.get(v) {
        Some(_) => 0,
        None => 4 * dims.get(v).map_or(0, |d| d.iter().product::<usize>() as u64),
    };
    let last_read = |v: ValueId| match graph.value(v) {
        value if value.is_output => usize::MAX,
        value => value.readers.last().map_or(0, |r| r.0.index()),
    };
    let inputs = graph.value_ids().filter(|&v| graph.producer(v).is_none());
    let mut alive: u64 = inputs.map(bytes).sum();
    let mut peak = alive;
    for node in graph.nodes() {
        alive += node.outputs.iter().flatten().map(|&v| bytes(v)).sum::<u64>();
        peak = peak.max(alive);
        let mut read: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
        read.sort_unstable();
        read.dedup();
        let dead = read.into_iter().filter(|&v| last_read(v) == node.id.index());
        alive -= dead.map(bytes).sum::<u64>();
        let unread =
            node.outputs.iter().flatten().filter(|&&v| graph.value(v).readers.is_empty() && !graph.value(v).is_output);
        alive -= unread.map(|&v| bytes(v)).sum::<u64>();
    }
    peak
}
