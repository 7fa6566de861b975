//! Pools: `y[n, c, p] = pool over k of x[n, c, p + k]`, each channel on its own
//! (<https://onnx.ai/onnx/operators/onnx__MaxPool.html> and its relatives).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// Pools over windows, and over everything.
pub(super) struct Pool;

impl OpRule for Pool {
    fn op_types(&self) -> &'static [&'static str] {
        &["AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, p] = pool over k of x[n, c, p + k]`",
            shrinks: "channels",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        if node.output(1).is_some() {
            return Unsupported::because("gives indices that count through all channels");
        }
        if x.rank() != y.rank() || x.rank() < 2 {
            return Unsupported::shapes();
        }
        rel.link(x.axis(0), y.axis(0));
        rel.link(x.axis(1), y.axis(1));
        for k in 2..x.rank() {
            rel.pin_all([x.axis(k), y.axis(k)], "a pool slides over it");
        }
        Ok(())
    }
}
