//! BatchNormalization: `y[n, c, p] = scale[c] (x[n, c, p] - mean[c]) / sqrt(var[c] + e) + bias[c]`
//! (<https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>).

use super::{NodeView, OpRule, Relations, Role, Summary, Unsupported};

/// BatchNormalization in inference.
pub(super) struct BatchNormalization;

impl OpRule for BatchNormalization {
    fn op_types(&self) -> &'static [&'static str] {
        &["BatchNormalization"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, p] = scale[c] (x[n, c, p] - mean[c]) / sqrt(var[c] + e) + bias[c]`",
            shrinks: "every axis",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        if node.attr_int("training_mode", 0) != 0 || (1..5).any(|k| node.output(k).is_some()) {
            return Unsupported::because("is in training mode");
        }
        if x.rank() < 2 || node.attr_int("spatial", 1) == 0 {
            return Unsupported::because("does not normalise channels");
        }
        x.axes().zip(y.axes()).for_each(|(a, b)| rel.link(a, b));
        for slot in 1..5 {
            let v = node.need(slot)?;
            rel.link(v.axis(0), y.axis(1));
            rel.role(v.axis(0), Role::PerChannel);
        }
        Ok(())
    }
}
