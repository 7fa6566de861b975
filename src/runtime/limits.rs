//! Sizes that no network has: tract lists the positions of a kernel one by one, and would do so for days.

use tract_onnx::prelude::*;

use crate::error::{Error, Result};
use crate::model::Graph;
use crate::model::graph::node_name;
use crate::model::proto::NodeProto;

/// The most positions of a kernel.
const MOST_POSITIONS: i64 = 1 << 22;

/// The largest stride, dilation or pad.
const LARGEST: u64 = 1 << 31;

/// The most elements of a value.
const MOST_ELEMENTS: usize = 1 << 31;

/// Errors at a node of which the kernel, strides, dilations or pads are beyond reason.
pub(super) fn check(graph: &Graph<'_>) -> Result<()> {
    graph.nodes().iter().try_for_each(|n| check_node(n.proto))
}

fn check_node(node: &NodeProto) -> Result<()> {
    if let Some(perm) = node.attr_ints("perm").filter(|p| node.op_type() == "Transpose" && !is_permutation(p)) {
        return Err(Error::bad_model(format!("its perm {perm:?} is no permutation")).at(node_name(node)));
    }
    let of = |name: &str| node.attr_ints(name).unwrap_or(&[]);
    let fail = |name: &str| {
        Err(Error::bad_model(format!("its {name} {:?} is too large to be real", of(name))).at(node_name(node)))
    };
    let positions = of("kernel_shape").iter().try_fold(1i64, |n, k| n.checked_mul(*k));
    if positions.is_none_or(|n| n > MOST_POSITIONS) {
        return fail("kernel_shape");
    }
    let too_large = |name: &&&str| of(name).iter().any(|v| v.unsigned_abs() > LARGEST);
    let all = ["kernel_shape", "strides", "dilations", "pads", "output_padding", "output_shape"];
    all.iter().find(too_large).map_or(Ok(()), |name| fail(name))
}

/// tract would look for its axes without an end.
fn is_permutation(perm: &[i64]) -> bool {
    (0..perm.len() as i64).all(|axis| perm.contains(&axis))
}

/// Errors at a node that makes more than a machine holds.
pub(super) fn check_values(model: &TypedModel) -> TractResult<()> {
    for node in &model.nodes {
        for dims in node.outputs.iter().filter_map(|o| o.fact.shape.as_concrete()) {
            let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            if count.is_none_or(|n| n > MOST_ELEMENTS) {
                return Err(TractError::msg(format!("\"{}\" makes {dims:?}, which no machine holds", node.name)));
            }
        }
    }
    Ok(())
}
