//! Slice: `y[.., i, ..] = x[.., start + i * step, ..]` (<https://onnx.ai/onnx/operators/onnx__Slice.html>).
//! With step 1 the bounds are positions, recomputed after a cut. An axis that is reversed whole (step -1) stays so by itself; one that is
//! taken in other steps stays whole: what is left of it would be no steps any more.

use super::{AxisId, Meaning, NodeView, OpRule, Relations, Slot, Summary, Unsupported};
use crate::model::constant::movement::slice_range;

/// Slice.
pub(super) struct Slice;

impl OpRule for Slice {
    fn op_types(&self) -> &'static [&'static str] {
        &["Slice"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., i, ..] = x[.., start + i * step, ..]`",
            shrinks: "every axis that is taken in steps of 1, or reversed whole; the bounds follow",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        if x.rank() != y.rank() {
            return Unsupported::shapes();
        }
        let bounds = Bounds::of(node)?;
        let axes = x.all_from_front(&bounds.axes)?;
        for (e, &k) in axes.iter().enumerate() {
            bounds.relate(rel, e, [x.axis(k), y.axis(k)])?;
        }
        for k in (0..x.rank()).filter(|k| !axes.contains(k)) {
            rel.link(x.axis(k), y.axis(k));
        }
        Ok(())
    }
}

/// What a Slice is told, an element for each axis that it names; the bounds with where they stand.
struct Bounds {
    starts: (Vec<i64>, Slot),
    ends: (Vec<i64>, Slot),
    axes: Vec<i64>,
    steps: Vec<i64>,
}

impl Bounds {
    fn of(node: &NodeView<'_>) -> Result<Self, Unsupported> {
        let unknown = || Unsupported("has bounds that are computed from data".into());
        let starts = node.ints_at("starts", 1).ok_or_else(unknown)?;
        let ends = node.ints_at("ends", 2).ok_or_else(unknown)?;
        let count = starts.0.len();
        let all = || (0..count as i64).collect();
        let given = |slot: usize| node.node.input(slot).map(|_| node.ints(slot).ok_or_else(unknown)).transpose();
        let in_attribute = || node.node.proto.attr_ints("axes").map(<[i64]>::to_vec);
        let axes = given(3)?.or_else(in_attribute).unwrap_or_else(all);
        let steps = given(4)?.unwrap_or_else(|| vec![1; count]);
        Ok(Self { starts, ends, axes, steps })
    }

    /// What the element `e` says of an axis of the input and of the output.
    fn relate(&self, rel: &mut Relations<'_>, e: usize, [x, y]: [AxisId; 2]) -> Result<(), Unsupported> {
        let (Some(&start), Some(&end), Some(&step)) = (self.starts.0.get(e), self.ends.0.get(e), self.steps.get(e))
        else {
            return Unsupported::because("has bounds of different lengths");
        };
        let (n, made) = (rel.length(x), rel.length(y));
        let range = slice_range(start, end, step, n as i64);
        let (from, count) = range.ok_or_else(|| Unsupported("has a step of 0".into()))?;
        match step {
            -1 if count == n && made == n => rel.link_by(x, (0..n).rev().collect(), y),
            1 if made == count => {
                let from = from as usize;
                rel.link_at(x, from, 1, y);
                rel.count((self.starts.1, e), Meaning::Position, x, 0..from);
                rel.count((self.ends.1, e), Meaning::Position, x, 0..from + count);
            }
            _ => rel.pin_all([x, y], "it takes this axis in steps"),
        }
        Ok(())
    }
}
