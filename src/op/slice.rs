//! Slice: `y[.., i, ..] = x[.., start + i * step, ..]` (<https://onnx.ai/onnx/operators/onnx__Slice.html>).
//! With step 1 the bounds are positions, recomputed after a cut. An axis that is reversed whole (step -1) stays so by itself; one that is
//! taken in other steps stays whole: what is left of it would be no steps any more.

use super::{Meaning, NodeView, OpRule, Relations, Slot, Summary, Unsupported};
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
        let unknown = || Unsupported("has bounds that are computed from data".into());
        let (starts, at_start) = node.ints_at("starts", 1).ok_or_else(unknown)?;
        let (ends, at_end) = node.ints_at("ends", 2).ok_or_else(unknown)?;
        let all = || (0..starts.len() as i64).collect();
        let axes = if node.node.input(3).is_some() {
            node.ints(3).ok_or_else(unknown)?
        } else {
            node.node.proto.attr_ints("axes").map_or_else(all, <[i64]>::to_vec)
        };
        let steps =
            if node.node.input(4).is_some() { node.ints(4).ok_or_else(unknown)? } else { vec![1; starts.len()] };
        let mut sliced = vec![false; x.rank()];
        for (e, &axis) in axes.iter().enumerate() {
            let k = x.normal(axis).ok_or_else(|| Unsupported("has an axis out of range".into()))?;
            let (Some(&start), Some(&end), Some(&step)) = (starts.get(e), ends.get(e), steps.get(e)) else {
                return Unsupported::because("has bounds of different lengths");
            };
            sliced[k] = true;
            let n = x.dims[k];
            let (from, count) =
                slice_range(start, end, step, n as i64).ok_or_else(|| Unsupported("has a step of 0".into()))?;
            if step == -1 && count == n && y.dims[k] == n {
                rel.link_by(x.axis(k), (0..n).rev().collect(), y.axis(k));
                continue;
            }
            if step != 1 || y.dims[k] != count {
                rel.pin(x.axis(k), "it takes this axis in steps");
                rel.pin(y.axis(k), "it takes this axis in steps");
                continue;
            }
            let from = from as usize;
            rel.link_at(x.axis(k), from, 1, y.axis(k));
            position(rel, (at_start, e), &x, k, from);
            position(rel, (at_end, e), &x, k, from + count);
        }
        for k in (0..x.rank()).filter(|&k| !sliced[k]) {
            rel.link(x.axis(k), y.axis(k));
        }
        Ok(())
    }
}

/// The bound `at` stands before coordinate `p` of axis `k`.
fn position(rel: &mut Relations<'_>, at: (Slot, usize), x: &super::Operand<'_>, k: usize, p: usize) {
    rel.count(at, Meaning::Position, x.axis(k), 0..p);
}
