//! Softmax and its relatives: `y[i, k] = f(x[i, k]; x[i, :])`: every element depends on all of the axis
//! (<https://onnx.ai/onnx/operators/onnx__Softmax.html>).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// Normalisations to a distribution.
pub(super) struct Softmax;

impl OpRule for Softmax {
    fn op_types(&self) -> &'static [&'static str] {
        &["Hardmax", "LogSoftmax", "Softmax"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, k] = f(x[i, k]; x[i, :])`",
            shrinks: "every axis but the one that is normalised",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let flat = node.opset() < 13;
        let axis = node.axis(&x, "axis", if flat { 1 } else { -1 })?;
        let mixed = axis..if flat { x.rank() } else { axis + 1 };
        rel.pin_all(mixed.map(|k| x.axis(k)), "each of its outputs depends on the whole axis");
        rel.link_all(&x, &y)
    }
}
