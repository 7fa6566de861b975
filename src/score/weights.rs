//! The numbers that a constant stands for: its elements, or what they are dequantized to where a DequantizeLinear reads them.

use crate::couple::Facts;
use crate::model::{Node, Tensor, ValueId};

/// The weights of a constant, in its own order; `None` where its elements are no numbers that can be compared.
pub(super) fn floats(facts: &Facts<'_>, value: ValueId, tensor: &Tensor) -> Option<Vec<f32>> {
    tensor.floats().or_else(|| {
        let ints = tensor.ints()?;
        let readers = facts.graph.value(value).readers.iter().map(|r| facts.graph.node(r.0));
        let scaled = readers.filter(|n| n.op() == "DequantizeLinear" && n.input(0) == Some(value));
        let dequantized = scaled.take(1).find_map(|n| dequantize(facts, n, tensor, &ints));
        dequantized.or_else(|| Some(ints.iter().map(|&v| v as f32).collect()))
    })
}

/// `y[i, c] = scale[c] (x[i, c] - zero[c])`.
fn dequantize(facts: &Facts<'_>, node: &Node<'_>, x: &Tensor, ints: &[i64]) -> Option<Vec<f32>> {
    let scale = facts.constants.get(node.input(1)?)?.tensor().floats()?;
    let zero = node.input(2).and_then(|v| facts.constants.get(v)?.ints()).unwrap_or_default();
    let axis = node.proto.attr_int("axis").unwrap_or(1);
    let axis = if axis < 0 { axis + x.dims.len() as i64 } else { axis };
    let axis = usize::try_from(axis).unwrap_or(0).min(x.dims.len());
    let inner: usize = x.dims.iter().skip(axis + 1).product();
    let length = x.dims.get(axis).copied().unwrap_or(1);
    let channel = |i: usize, n: usize| if n == length { i / inner.max(1) % length.max(1) } else { 0 };
    let one = |(i, &v): (usize, &i64)| {
        let zero = zero.get(channel(i, zero.len())).copied().unwrap_or(0);
        Some(scale.get(channel(i, scale.len()))? * (v - zero) as f32)
    };
    ints.iter().enumerate().map(one).collect()
}
