//! Operators that look up or write elements at indices that are data: GatherElements, GatherND, ScatterElements, ScatterND
//! (<https://onnx.ai/onnx/operators/onnx__GatherElements.html>, <https://onnx.ai/onnx/operators/onnx__ScatterND.html> and relatives).
//! An axis that indices point into stays whole; one that passes as it is (`y[i, j] = x[index[i, j], j]`: axis j) may shrink.

use super::{NodeView, OpRule, Operand, Relations, Summary, Unsupported};

/// All of them.
pub(super) struct ByIndex;

const POINTED: &str = "indices point into it";

impl OpRule for ByIndex {
    fn op_types(&self) -> &'static [&'static str] {
        &["GatherElements", "GatherND", "Scatter", "ScatterElements", "ScatterND"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, j] = x[index[i, j], j]`; ScatterElements: `y[index[i, j], j] = update[i, j]`",
            shrinks: "axes that the indices do not point into",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, index, y) = (node.need(0)?, node.need(1)?, node.made()?);
        match node.op() {
            "GatherElements" => elements(rel, node.axis(&x, "axis", 0)?, &[x, index, y]),
            "GatherND" => {
                let batch = usize::try_from(node.attr_int("batch_dims", 0)).unwrap_or(0);
                let q = index.dims.last().copied().unwrap_or(0);
                gather_nd(rel, (&x, &index, &y), batch, q)
            }
            "ScatterND" => {
                let q = index.dims.last().copied().unwrap_or(0);
                scatter_nd(rel, [&x, &node.need(2)?, &y], q)
            }
            _ => elements(rel, node.axis(&x, "axis", 0)?, &[x, index, node.need(2)?, y]),
        }
    }
}

/// All operands have the same axes, and only `axis` is pointed into; one that the indices do not cover whole stays too.
fn elements(rel: &mut Relations<'_>, axis: usize, operands: &[Operand<'_>]) -> Result<(), Unsupported> {
    let x = &operands[0];
    if operands.iter().any(|o| o.rank() != x.rank()) {
        return Unsupported::shapes();
    }
    for k in 0..x.rank() {
        let passes = k != axis && operands.iter().all(|o| o.dims[k] == x.dims[k]);
        for o in operands {
            if passes {
                rel.link(x.axis(k), o.axis(k));
            } else {
                rel.pin(o.axis(k), POINTED);
            }
        }
    }
    Ok(())
}

/// `y[b, i, j] = x[b, index[b, i, :], j]`.
fn gather_nd(
    rel: &mut Relations<'_>,
    (x, index, y): (&Operand<'_>, &Operand<'_>, &Operand<'_>),
    batch: usize,
    q: usize,
) -> Result<(), Unsupported> {
    if batch >= index.rank()
        || q > x.rank()
        || batch + q > x.rank()
        || y.rank() + q + batch + 1 != index.rank() + x.rank()
    {
        return Unsupported::shapes();
    }
    for k in 0..index.rank() - 1 {
        rel.link(index.axis(k), y.axis(k));
        if k < batch {
            rel.link(x.axis(k), y.axis(k));
        }
    }
    rel.pin(index.axis(index.rank() - 1), "it is an index of several axes");
    (batch..batch + q).for_each(|k| rel.pin(x.axis(k), POINTED));
    let behind = batch + q;
    (behind..x.rank()).for_each(|k| rel.link(x.axis(k), y.axis(index.rank() - 1 + k - behind)));
    Ok(())
}

/// `y = x`, but `y[index[i, :], j] = update[i, j]`.
fn scatter_nd(rel: &mut Relations<'_>, [x, update, y]: [&Operand<'_>; 3], q: usize) -> Result<(), Unsupported> {
    let skip = if q > x.rank() || y.rank() != x.rank() { None } else { (update.rank() + q).checked_sub(x.rank()) };
    let skip = skip.ok_or_else(|| Unsupported("has shapes that do not fit together".into()))?;
    for k in 0..x.rank() {
        if k < q {
            rel.pin_all([x.axis(k), y.axis(k)], POINTED);
        } else {
            rel.link(x.axis(k), y.axis(k));
            rel.link(update.axis(skip + k - q), y.axis(k));
        }
    }
    Ok(())
}
