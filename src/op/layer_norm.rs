//! Normalisations over an axis itself, `y[i, k] = f(x[i, k]; statistics of x[i, :])`: LayerNormalization, RMSNormalization
//! (<https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>, <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>), LRN
//! (<https://onnx.ai/onnx/operators/onnx__LRN.html>), MeanVarianceNormalization and LpNormalization. A cut changes the statistics.

use super::elementwise::broadcast;
use super::{NodeView, OpRule, Operand, Relations, Role, Summary, Unsupported};

/// LayerNormalization and RMSNormalization: statistics over all axes from `axis` on.
pub(super) struct LayerNormalization;

/// Those without weights, each over axes of its own.
pub(super) struct OverAxes;

const CHANGES: &str = "it is normalised over this axis, and its statistics would change";

impl OpRule for LayerNormalization {
    fn op_types(&self) -> &'static [&'static str] {
        &["LayerNormalization", "RMSNormalization"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, k] = scale[k] (x[i, k] - mean(x[i, :])) / sqrt(var(x[i, :]) + e) + b[k]`; RMS: without the mean",
            shrinks: "axes before the normalised ones; these only with consent",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let axis = node.axis(&x, "axis", -1)?;
        normalised(rel, &x, &y, axis..x.rank())?;
        for v in (1..3).filter_map(|slot| node.input(slot)) {
            broadcast(rel, &v, &y);
            v.axes().for_each(|a| rel.role(a, Role::PerChannel));
        }
        for statistic in (1..3).filter_map(|slot| node.output(slot)) {
            (0..axis.min(statistic.rank())).for_each(|k| rel.link(x.axis(k), statistic.axis(k)));
        }
        Ok(())
    }
}

impl OpRule for OverAxes {
    fn op_types(&self) -> &'static [&'static str] {
        &["LRN", "LpNormalization", "MeanVarianceNormalization"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i, k] = f(x[i, k]; statistics of x[i, :])`",
            shrinks: "axes that are not normalised; the others only with consent",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let given = match node.op() {
            "LRN" => vec![1],
            "LpNormalization" => vec![node.attr_int("axis", -1)],
            _ => node.node.proto.attr_ints("axes").map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec),
        };
        let axes = x.all_from_front(&given)?;
        normalised(rel, &x, &y, axes)
    }
}

/// All axes pass; those that `over` names change what the others are divided by.
fn normalised(
    rel: &mut Relations<'_>,
    x: &Operand<'_>,
    y: &Operand<'_>,
    over: impl IntoIterator<Item = usize>,
) -> Result<(), Unsupported> {
    over.into_iter().for_each(|k| rel.renormalizes(x.axis(k), CHANGES));
    rel.link_all(x, y)
}
