//! Transpose: `y[i of perm] = x[i]` (<https://onnx.ai/onnx/operators/onnx__Transpose.html>).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// Transpose.
pub(super) struct Transpose;

impl OpRule for Transpose {
    fn op_types(&self) -> &'static [&'static str] {
        &["Transpose"]
    }

    fn summary(&self) -> Summary {
        Summary { formula: "`y[i of perm] = x[i]`", shrinks: "every axis", judged: "by what reads it" }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let reversed = || (0..x.rank() as i64).rev().collect();
        let perm = node.node.proto.attr_ints("perm").map_or_else(reversed, <[i64]>::to_vec);
        if perm.len() != x.rank() || y.rank() != x.rank() {
            return Unsupported::because("has a permutation that does not fit its input");
        }
        for (k, &p) in perm.iter().enumerate() {
            let from = x.from_front(p)?;
            rel.link(x.axis(from), y.axis(k));
        }
        Ok(())
    }
}
