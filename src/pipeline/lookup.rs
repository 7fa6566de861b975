//! How large the integers are that an input takes: a model that looks them up in a table, as words in an embedding, takes as many as there are
//! rows. Numbers made up for it should use all of them, for a few rows say little of what the model does with the others.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::{Constants, Graph, Model, Node, ValueId};
use crate::runtime::Feed;

/// Operators that pass integers on as they are.
const PASSED: &[&str] =
    &["Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Concat"];

/// The rows of the smallest table that each input is looked up in, directly or through what only moves integers; `None` where there is none.
/// Errors where the model is malformed.
pub(super) fn rows(model: &Model, feeds: &[Feed]) -> Result<Vec<Option<usize>>> {
    if feeds.iter().all(|f| f.dtype.is_float()) {
        return Ok(vec![None; feeds.len()]);
    }
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let of = |feed: &Feed| {
        let reached = passed_on(&graph, graph.find(&feed.name)?);
        let looked_up = |n: &Node<'_>| n.input(1).filter(|v| n.op() == "Gather" && reached.contains(v)).map(|_| n.id);
        graph.nodes().iter().filter_map(looked_up).filter_map(|id| table(graph.node(id), &constants)).min()
    };
    Ok(feeds.iter().map(|f| if f.dtype.is_float() { None } else { of(f) }).collect())
}

/// A value and all that have the same integers.
fn passed_on(graph: &Graph<'_>, from: ValueId) -> BTreeSet<ValueId> {
    let mut reached = BTreeSet::from([from]);
    for node in graph.nodes().iter().filter(|n| PASSED.contains(&n.op()) && n.proto.in_default_domain()) {
        let moved =
            if node.op() == "Concat" { node.inputs.as_slice() } else { node.inputs.get(..1).unwrap_or_default() };
        if moved.iter().flatten().any(|v| reached.contains(v)) {
            reached.extend(node.outputs.iter().copied().flatten());
        }
    }
    reached
}

/// The rows of a constant table that a Gather looks into.
fn table(gather: &Node<'_>, constants: &Constants) -> Option<usize> {
    let known = constants.get(gather.input(0)?)?;
    let dims = known.dims();
    let axis = gather.proto.attr_int("axis").unwrap_or(0);
    let axis = if axis < 0 { axis + i64::try_from(dims.len()).ok()? } else { axis };
    dims.get(usize::try_from(axis).ok()?).copied().filter(|n| *n > 0)
}

#[cfg(test)]
mod tests;
