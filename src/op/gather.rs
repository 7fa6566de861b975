//! Gather: `y[.., j.., ..] = x[.., index[j..], ..]` (<https://onnx.ai/onnx/operators/onnx__Gather.html>).
//! With a list of constant indices the axis is looked into by a table, and the indices are recomputed after a cut; one index alone
//! names a coordinate that must stay. Where indices are data (an embedding), any coordinate may be asked for.

use super::{Meaning, NodeView, OpRule, Operand, Relations, Slot, Summary, Unsupported};
use crate::model::attr::from_front;

/// Gather.
pub(super) struct Gather;

const INDICES: Slot = Slot::Input { slot: 1, replaces: None };

impl OpRule for Gather {
    fn op_types(&self) -> &'static [&'static str] {
        &["Gather"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., j.., ..] = x[.., index[j..], ..]`",
            shrinks: "every axis, the gathered one where the indices are a constant list; they follow",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, index, y) = (node.need(0)?, node.need(1)?, node.made()?);
        let axis = node.axis(&x, "axis", 0)?;
        if y.rank() + 1 != x.rank() + index.rank() {
            return Unsupported::shapes();
        }
        for k in (0..x.rank()).filter(|&k| k != axis) {
            rel.link(x.axis(k), y.axis(if k < axis { k } else { k + index.rank() - 1 }));
        }
        let indices = node.ints(1).and_then(|list| positions(&list, x.dims[axis]));
        match (indices, index.rank()) {
            (Some(list), 0) => one(rel, &x, axis, &list),
            (Some(list), 1) => many(rel, &x, &y, axis, list),
            (Some(_), _) => {
                rel.pin(x.axis(axis), "a table of several axes points into it");
                (0..index.rank()).for_each(|j| rel.pin(y.axis(axis + j), "a table of several axes makes it"));
            }
            (None, _) => {
                rel.pin(x.axis(axis), "any of its coordinates may be looked up");
                (0..index.rank()).for_each(|j| rel.link(index.axis(j), y.axis(axis + j)));
            }
        }
        Ok(())
    }
}

/// Indices counted from the front; `None` where one is out of range.
fn positions(list: &[i64], length: usize) -> Option<Vec<usize>> {
    list.iter().map(|&i| from_front(i, length)).collect()
}

/// A coordinate that is taken alone stays; those that are not taken may go.
fn one(rel: &mut Relations<'_>, x: &Operand<'_>, axis: usize, list: &[usize]) {
    let taken = rel.factor(1);
    rel.pin(taken, "one coordinate of it is taken alone");
    if let Some(&i) = list.first() {
        rel.link_at(x.axis(axis), i, 1, taken);
        rel.count((INDICES, 0), Meaning::Index { made: taken }, x.axis(axis), 0..i);
    }
}

/// A list: each of its elements goes where the coordinate that it makes goes.
fn many(rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>, axis: usize, list: Vec<usize>) {
    for (e, &i) in list.iter().enumerate() {
        rel.count((INDICES, e), Meaning::Index { made: y.axis(axis) }, x.axis(axis), 0..i);
    }
    rel.link_by(x.axis(axis), list, y.axis(axis));
}
