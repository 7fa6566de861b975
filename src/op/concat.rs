//! Concat: `y[.., offset of part + i, ..] = part[.., i, ..]` (<https://onnx.ai/onnx/operators/onnx__Concat.html>).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// Concat.
pub(super) struct Concat;

impl OpRule for Concat {
    fn op_types(&self) -> &'static [&'static str] {
        &["Concat"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., offset of part + i, ..] = part[.., i, ..]`",
            shrinks: "every axis",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let y = node.made()?;
        let axis = node.axis(&y, "axis", 1)?;
        let mut offset = 0;
        for slot in 0..node.node.inputs.len() {
            let x = node.need(slot)?;
            if x.rank() != y.rank() {
                return Unsupported::because("joins values of different rank");
            }
            for k in (0..y.rank()).filter(|&k| k != axis) {
                rel.link(x.axis(k), y.axis(k));
            }
            rel.link_at(y.axis(axis), offset, 1, x.axis(axis));
            offset += x.dims[axis];
        }
        Ok(())
    }
}
