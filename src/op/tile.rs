//! Tile: `y[.., t n + i, ..] = x[.., i, ..]` for every repeat `t` (<https://onnx.ai/onnx/operators/onnx__Tile.html>). The repeats of an axis
//! of length 1 are its length, and recomputed after a cut.

use super::{AxisId, NodeView, OpRule, Relations, Slot, Summary, Unsupported};

/// Tile.
pub(super) struct Tile;

const REPEATS: Slot = Slot::Input { slot: 1, replaces: None };

impl OpRule for Tile {
    fn op_types(&self) -> &'static [&'static str] {
        &["Tile"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., t n + i, ..] = x[.., i, ..]`",
            shrinks: "every axis; a repeated one loses a coordinate in each repeat",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let repeats = node.ints(1).ok_or_else(|| Unsupported("has repeats that are computed from data".into()))?;
        if repeats.len() != x.rank() || y.rank() != x.rank() {
            return Unsupported::because("has repeats that do not fit its input");
        }
        for (k, &r) in repeats.iter().enumerate() {
            let repeats = usize::try_from(r).unwrap_or(0);
            match (repeats, x.dims[k]) {
                (1, _) => rel.link(x.axis(k), y.axis(k)),
                (_, 1) => stretched(rel, x.axis(k), y.axis(k), (REPEATS, k)),
                (_, n) if repeats.checked_mul(n) != Some(y.dims[k]) => {
                    return Unsupported::because("has repeats that do not fit what it makes");
                }
                _ => {
                    let times = rel.factor(repeats);
                    rel.pin(times, "it counts repeats");
                    rel.product(y.axis(k), &[times, x.axis(k)]);
                }
            }
        }
        Ok(())
    }
}

/// Axis `to` repeats the only coordinate of axis `from`; the integer `at` counts it.
fn stretched(rel: &mut Relations<'_>, from: AxisId, to: AxisId, at: (Slot, usize)) {
    rel.free(from);
    rel.free(to);
    rel.count_all(at, to);
}
