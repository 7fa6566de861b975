//! Split: `part[.., i, ..] = x[.., offset of part + i, ..]` (<https://onnx.ai/onnx/operators/onnx__Split.html>).
//! The sizes are an attribute before operator set 13, an input since; without them the parts are equal.

use super::{NodeView, OpRule, Relations, Slot, Summary, Unsupported};

/// Split.
pub(super) struct Split;

impl OpRule for Split {
    fn op_types(&self) -> &'static [&'static str] {
        &["Split"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`part[.., i, ..] = x[.., offset of part + i, ..]`",
            shrinks: "every axis; the sizes follow",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let x = node.need(0)?;
        let axis = node.axis(&x, "axis", 0)?;
        if node.node.input(1).is_some() && node.ints(1).is_none() {
            return Unsupported::because("has sizes that are computed from data");
        }
        let slot = if node.opset() < 13 {
            Slot::Attr("split")
        } else {
            Slot::Input { slot: 1, replaces: Some("num_outputs") }
        };
        let mut offset = 0;
        for part in 0..node.node.outputs.len() {
            let y = node.output(part).ok_or_else(|| Unsupported("has an unused or unknown part".into()))?;
            if y.rank() != x.rank() {
                return Unsupported::shapes();
            }
            for k in (0..x.rank()).filter(|&k| k != axis) {
                rel.link(x.axis(k), y.axis(k));
            }
            rel.link_at(x.axis(axis), offset, 1, y.axis(axis));
            rel.count_all((slot, part), y.axis(axis));
            offset += y.dims[axis];
        }
        Ok(())
    }
}
