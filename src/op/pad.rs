//! Pad: `y[.., begin + i, ..] = x[.., i, ..]`, a constant elsewhere (<https://onnx.ai/onnx/operators/onnx__Pad.html>).
//! Padded channels (ResNet's option-A shortcuts) are coordinates like others, and the amounts are recomputed after a cut.

use super::{Meaning, NodeView, OpRule, Operand, Relations, Slot, Summary, Unsupported};

/// Pad.
pub(super) struct Pad;

impl OpRule for Pad {
    fn op_types(&self) -> &'static [&'static str] {
        &["Pad"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., begin + i, ..] = x[.., i, ..]`, a constant elsewhere",
            shrinks: "every axis that is padded with a constant, or not at all; the amounts follow",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let unknown = || Unsupported("has amounts that are computed from data".into());
        let (pads, slot) = node.ints_at("pads", 1).ok_or_else(unknown)?;
        let all = || Some((0..x.rank() as i64).collect::<Vec<_>>());
        let axes = if node.node.input(3).is_some() { node.ints(3) } else { all() }.ok_or_else(unknown)?;
        if pads.len() != 2 * axes.len() || x.rank() != y.rank() {
            return Unsupported::because("has amounts that do not fit its input");
        }
        let mode = node.node.proto.attr_str("mode").unwrap_or("constant");
        let mut padded = vec![false; x.rank()];
        for (e, &axis) in axes.iter().enumerate() {
            let k = x.from_front(axis)?;
            padded[k] = true;
            match (pads[e], pads[e + axes.len()]) {
                (0, 0) => rel.link(x.axis(k), y.axis(k)),
                (begin, end) if begin >= 0 && end >= 0 && mode == "constant" => {
                    pad_axis(rel, (&x, &y, k), begin as usize, [(slot, e), (slot, e + axes.len())]);
                }
                _ => {
                    rel.pin_all([x.axis(k), y.axis(k)], "it pads this axis with its own values, or cuts it");
                }
            }
        }
        for k in (0..x.rank()).filter(|&k| !padded[k]) {
            rel.link(x.axis(k), y.axis(k));
        }
        Ok(())
    }
}

/// Axis `k` of `x` lies at `begin` in that of `y`; the `amounts` before and behind it count what is around it.
fn pad_axis(
    rel: &mut Relations<'_>,
    (x, y, k): (&Operand<'_>, &Operand<'_>, usize),
    begin: usize,
    amounts: [(Slot, usize); 2],
) {
    let stop = begin + x.dims[k];
    rel.link_at(y.axis(k), begin, 1, x.axis(k));
    rel.count(amounts[0], Meaning::Amount, y.axis(k), 0..begin);
    rel.count(amounts[1], Meaning::Amount, y.axis(k), stop..y.dims[k].max(stop));
}
