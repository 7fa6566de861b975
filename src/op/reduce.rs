//! Reductions: `y[i] = reduce over k of x[i, k]` (<https://onnx.ai/onnx/operators/onnx__ReduceMean.html> and its relatives).
//! A sum does not see a channel that is zero, so that its axis may shrink; a mean changes, and is a matter of consent; a maximum or a
//! product pins.

use super::{NodeView, OpRule, Operand, Relations, Summary, Unsupported};

/// Reductions over given axes.
pub(super) struct Reduce;

impl OpRule for Reduce {
    fn op_types(&self) -> &'static [&'static str] {
        &[
            "ReduceL1",
            "ReduceL2",
            "ReduceLogSum",
            "ReduceLogSumExp",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceProd",
            "ReduceSum",
            "ReduceSumSquare",
        ]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i] = reduce over k of x[i, k]`",
            shrinks: "every axis that is not reduced over; by a sum or a norm also that",
            judged: "sums and norms are compared, and their input is masked",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let reduced = reduced_axes(node, &x)?;
        let keep = node.attr_int("keepdims", 1) != 0;
        let sums = matches!(node.op(), "ReduceL1" | "ReduceL2" | "ReduceSum" | "ReduceSumSquare");
        let mut out = 0;
        for k in 0..x.rank() {
            match reduced.contains(&k) {
                true if sums => rel.free(x.axis(k)),
                true if node.op() == "ReduceMean" => rel.renormalizes(x.axis(k), "it takes a mean over this axis"),
                true => rel.pin(x.axis(k), "it is reduced over this axis, and its result would change"),
                false => rel.link(x.axis(k), y.axis(out)),
            }
            if keep || !reduced.contains(&k) {
                out += 1;
            }
        }
        y.axes().for_each(|a| rel.free(a));
        Ok(())
    }
}

/// The axes reduced over, from the front. Errors where they are computed.
fn reduced_axes(node: &NodeView<'_>, x: &Operand<'_>) -> Result<Vec<usize>, Unsupported> {
    let given = node.node.proto.attr_ints("axes").map(<[i64]>::to_vec);
    let axes = match (given, node.node.input(1)) {
        (Some(axes), _) => axes,
        (None, Some(_)) => node.ints(1).ok_or_else(|| Unsupported("reduces over axes that are not known".into()))?,
        (None, None) => Vec::new(),
    };
    if axes.is_empty() {
        return Ok(if node.attr_int("noop_with_empty_axes", 0) != 0 { Vec::new() } else { (0..x.rank()).collect() });
    }
    x.all_from_front(&axes)
}
