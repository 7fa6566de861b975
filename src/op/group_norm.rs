//! InstanceNormalization: `y[n, c, p] = scale[c] (x[n, c, p] - mean(x[n, c, :])) / sqrt(var(x[n, c, :]) + e) + b[c]`
//! (<https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>): exact, each channel has statistics of its own.
//! GroupNormalization: the same with the statistics of a channel's group
//! (<https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>): exact where whole groups go.

use super::batch_norm::per_channel;
use super::{NodeView, OpRule, Operand, Relations, Summary, Unsupported};

/// InstanceNormalization.
pub(super) struct InstanceNormalization;

/// GroupNormalization.
pub(super) struct GroupNormalization;

impl OpRule for InstanceNormalization {
    fn op_types(&self) -> &'static [&'static str] {
        &["InstanceNormalization"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, p] = scale[c] (x[n, c, p] - mean(x[n, c, :])) / sqrt(var(x[n, c, :]) + e) + b[c]`",
            shrinks: "channels",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        normalised(rel, &x, &y)?;
        per_channel(node, rel, 1..3, y.axis(1))
    }
}

impl OpRule for GroupNormalization {
    fn op_types(&self) -> &'static [&'static str] {
        &["GroupNormalization"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, p] = scale[c] (x[n, c, p] - mean of c's group) / sqrt(var of c's group + e) + b[c]`",
            shrinks: "channels, whole groups of them",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let groups = usize::try_from(node.attr_int("num_groups", 0)).unwrap_or(0);
        if groups == 0 || x.rank() < 2 || x.dims[1] % groups != 0 {
            return Unsupported::because("has groups that do not fit its input");
        }
        normalised(rel, &x, &y)?;
        let g = rel.attr_axis("num_groups", groups);
        let m = rel.factor(x.dims[1] / groups);
        rel.renormalizes(m, "its group's statistics are taken over it");
        rel.product(x.axis(1), &[g, m]);
        per_channel(node, rel, 1..3, if node.opset() < 21 { g } else { y.axis(1) })
    }
}

/// Batch and channels pass; what else there is makes the statistics.
fn normalised(rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>) -> Result<(), Unsupported> {
    if x.rank() < 2 {
        return Unsupported::shapes();
    }
    rel.pin_all((2..x.rank()).map(|k| x.axis(k)), "a channel's statistics are taken over it");
    rel.link_all(x, y)
}
