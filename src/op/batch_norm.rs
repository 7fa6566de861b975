//! BatchNormalization: `y[n, c, p] = scale[c] (x[n, c, p] - mean[c]) / sqrt(var[c] + e) + bias[c]`
//! (<https://onnx.ai/onnx/operators/onnx__BatchNormalization.html>).

use std::ops::Range;

use super::{AxisId, NodeView, OpRule, Relations, Role, Summary, Unsupported};

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
        rel.link_all(&x, &y)?;
        per_channel(node, rel, 1..5, y.axis(1))
    }
}

/// The vectors in these slots have a number for each coordinate of `channels`. Errors where one is not there.
pub(super) fn per_channel(
    node: &NodeView<'_>,
    rel: &mut Relations<'_>,
    slots: Range<usize>,
    channels: AxisId,
) -> Result<(), Unsupported> {
    for slot in slots {
        let v = node.need(slot)?;
        rel.link(v.axis(0), channels);
        rel.role(v.axis(0), Role::PerChannel);
    }
    Ok(())
}
