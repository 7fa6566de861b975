//! Operators that mix the coordinates of some axes and keep the others apart: `y[i, k] = f(x[i, :], k)`
//! (<https://onnx.ai/onnx/operators/onnx__CumSum.html>, <https://onnx.ai/onnx/operators/onnx__TopK.html> and others). What is mixed stays whole.

use super::{NodeView, OpRule, Operand, Relations, Summary, Unsupported};

/// All of them.
pub(super) struct Along;

impl OpRule for Along {
    fn op_types(&self) -> &'static [&'static str] {
        &["ArgMax", "ArgMin", "CumSum", "Det", "OneHot", "ReverseSequence", "TopK", "Trilu"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, k] = f(x[i, :], k)`",
            shrinks: "every axis but the one that is searched, summed, sorted, reversed or made",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let one = |k: i64| x.from_front(k).map(|k| vec![k]);
        let mixed = match node.op() {
            "ArgMax" | "ArgMin" => one(node.attr_int("axis", 0))?,
            "CumSum" => match node.ints(1).as_deref() {
                Some([axis]) => one(*axis)?,
                _ => return Unsupported::because("has an axis that is not known"),
            },
            "OneHot" => return one_hot(node, rel, &x, &y),
            "ReverseSequence" => x.all_from_front(&[node.attr_int("time_axis", 0), node.attr_int("batch_axis", 1)])?,
            "TopK" => one(node.attr_int("axis", -1))?,
            _ => x.all_from_front(&[-2, -1])?,
        };
        for out in [Some(y), node.output(1)].into_iter().flatten() {
            one_by_one(rel, &x, &out, &mixed)?;
        }
        Ok(())
    }
}

/// Links all axes but the mixed ones, which the output keeps or lacks.
fn one_by_one(rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>, mixed: &[usize]) -> Result<(), Unsupported> {
    let kept = match x.rank().checked_sub(y.rank()) {
        Some(0) => true,
        Some(n) if n == mixed.len() => false,
        _ => return Unsupported::shapes(),
    };
    let mut to = 0;
    for k in 0..x.rank() {
        if mixed.contains(&k) {
            rel.pin(x.axis(k), "each of its outputs depends on the whole axis");
            if kept {
                rel.pin(y.axis(to), "each of its outputs depends on the whole axis");
            }
        } else {
            rel.link(x.axis(k), y.axis(to));
        }
        to += usize::from(kept || !mixed.contains(&k));
    }
    Ok(())
}

/// OneHot makes an axis of its own; the others are those of the indices.
fn one_hot(node: &NodeView<'_>, rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>) -> Result<(), Unsupported> {
    let axis = node.axis(y, "axis", -1)?;
    if y.rank() != x.rank() + 1 {
        return Unsupported::shapes();
    }
    (0..x.rank()).for_each(|k| rel.link(x.axis(k), y.axis(k + usize::from(k >= axis))));
    rel.pin(y.axis(axis), "its coordinates are classes");
    Ok(())
}
