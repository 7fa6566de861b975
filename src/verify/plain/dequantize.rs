//! A copy of a model without quantization: rounding to 8 bits hides small faults and turns others into steps. What QuantizeLinear hands to
//! DequantizeLinear passes as it is, and constants are stored as the numbers that they stand for:
//! `y[.., i, ..] = (x[.., i, ..] - zero_point[i]) * scale[i]` (<https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>).

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::model::attr::from_front;
use crate::model::proto::{DataType, NodeProto, TensorProto, TypeProto, TypeValue};
use crate::model::{Constants, Graph, Known, Model, Node, NodeId, Tensor, ValueId};

/// Whether some node quantizes or dequantizes.
pub(super) fn is_quantized(model: &Model) -> bool {
    model.graph_proto().node.iter().any(|n| quantizes(n) || dequantizes(n))
}

/// The copy. What it does not understand stays as it is. Errors where a constant is malformed.
pub(super) fn copy(model: &Model) -> Result<Model> {
    let graph = model.graph()?;
    let known = Constants::new(&graph)?;
    let passing = passing(&graph, &known);
    let stored: HashMap<NodeId, TensorProto> = graph.nodes().iter().filter_map(|n| stored(&graph, &known, n)).collect();
    let mut proto = model.proto().clone();
    let Some(copy) = &mut proto.graph else { return Ok(model.clone()) };
    for (node, at) in copy.node.iter_mut().zip(0..).filter(|(_, at)| passing.contains(&NodeId(*at))) {
        for output in copy.output.iter_mut().filter(|o| node.output.iter().any(|n| n == o.name())) {
            if let Some(TypeProto { value: Some(TypeValue::TensorType(t)), .. }) = &mut output.r#type {
                t.elem_type = Some(DataType::Float.into());
            }
        }
        *node = identity(node, at);
    }
    let mut at = 0..;
    copy.node.retain(|_| at.next().is_none_or(|at| !stored.contains_key(&NodeId(at))));
    let mut stored: Vec<_> = stored.into_iter().collect();
    stored.sort_by_key(|s| s.0);
    copy.initializer.extend(stored.into_iter().map(|s| s.1));
    Model::new(proto)
}

fn quantizes(node: &NodeProto) -> bool {
    node.op_type() == "QuantizeLinear" && is_known_domain(node)
}

fn dequantizes(node: &NodeProto) -> bool {
    node.op_type() == "DequantizeLinear" && is_known_domain(node)
}

/// ONNX Runtime's own operators of these names mean the same.
fn is_known_domain(node: &NodeProto) -> bool {
    node.in_default_domain() || node.domain() == "com.microsoft"
}

/// Each QuantizeLinear that only DequantizeLinear reads, and these.
fn passing(graph: &Graph<'_>, known: &Constants) -> HashSet<NodeId> {
    let mut passing = HashSet::new();
    for node in graph.nodes().iter().filter(|n| quantizes(n.proto)) {
        let Some(value) = node.output(0).map(|v| graph.value(v)) else { continue };
        let undone = |(n, slot): &(NodeId, usize)| *slot == 0 && dequantizes(graph.node(*n).proto);
        let static_parts = node.inputs.iter().skip(1).flatten().all(|v| known.get(*v).is_some());
        if static_parts && !value.captured && value.readers.iter().all(undone) {
            passing.insert(node.id);
            passing.extend(value.readers.iter().map(|r| r.0));
        }
    }
    passing
}

fn identity(node: &NodeProto, at: u32) -> NodeProto {
    let name = if node.name().is_empty() { format!("secateur_pass_{at}") } else { node.name().to_owned() };
    NodeProto {
        op_type: Some("Identity".into()),
        name: Some(name),
        input: node.input.iter().take(1).cloned().collect(),
        output: node.output.clone(),
        ..NodeProto::default()
    }
}

/// The constant that a DequantizeLinear makes, if it makes one and that is no output of the graph.
fn stored(graph: &Graph<'_>, known: &Constants, node: &Node<'_>) -> Option<(NodeId, TensorProto)> {
    let out = node.output(0).filter(|o| dequantizes(node.proto) && !graph.value(*o).is_output)?;
    let operand = |slot: usize| node.input(slot).and_then(|v: ValueId| known.get(v)).map(Known::tensor);
    let zero = match node.input(2) {
        Some(v) => Some(known.get(v)?.tensor()),
        None => None,
    };
    let tensor = dequantized(&operand(0)?, &operand(1)?, zero.as_ref(), node.proto)?;
    Some((node.id, tensor.to_proto(graph.name(out))))
}

/// `None` where the types or the blocks are others than a tensor's or an axis's.
fn dequantized(x: &Tensor, scale: &Tensor, zero: Option<&Tensor>, node: &NodeProto) -> Option<Tensor> {
    let (values, scales) = (x.ints()?, scale.floats()?);
    let zeros = zero.map_or_else(|| Some(vec![0; scales.len()]), Tensor::ints)?;
    if zeros.len() != scales.len() || scale.dims.len() > 1 || node.attr_int("block_size").unwrap_or(0) != 0 {
        return None;
    }
    let inner = if scales.len() == 1 { x.len().max(1) } else { inner(x, scales.len(), node)? };
    let real = |(i, v): (usize, &i64)| {
        let c = i / inner % scales.len();
        (v - zeros[c]) as f32 * scales[c]
    };
    Some(Tensor::from_floats(x.dims.clone(), &values.iter().enumerate().map(real).collect::<Vec<_>>()))
}

/// Elements between one channel and the next.
fn inner(x: &Tensor, channels: usize, node: &NodeProto) -> Option<usize> {
    let axis = from_front(node.attr_int("axis").unwrap_or(1), x.dims.len())?;
    (x.dims[axis] == channels).then(|| x.dims[axis + 1..].iter().product::<usize>().max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_channel_has_its_scale_and_zero_point() {
        let x = Tensor { dtype: DataType::Int8, dims: vec![2, 2], data: vec![1, 2, 3, 0xff].into() };
        let scale = Tensor::from_floats(vec![2], &[0.5, 2.0]);
        let zero = Tensor { dtype: DataType::Int8, dims: vec![2], data: vec![1, 0].into() };
        let along = |axis: i64| {
            let mut node = NodeProto::default();
            node.set_int("axis", axis);
            dequantized(&x, &scale, Some(&zero), &node).unwrap().floats().unwrap()
        };
        assert_eq!(along(0), [0.0, 0.5, 6.0, -2.0]);
        assert_eq!(along(-1), [0.0, 4.0, 1.0, -2.0]);
    }
}
