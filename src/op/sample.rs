//! Operators that sample an image at given places, each channel on its own: `y[r, c, q] = sum over p of weight(r, p, q) x[b(r), c, p]`:
//! RoiAlign, MaxRoiPool (<https://onnx.ai/onnx/operators/onnx__RoiAlign.html>), GridSample
//! (<https://onnx.ai/onnx/operators/onnx__GridSample.html>).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// All of them.
pub(super) struct Sample;

const PLACES: &str = "it is sampled at places that are data";

impl OpRule for Sample {
    fn op_types(&self) -> &'static [&'static str] {
        &["GridSample", "MaxRoiPool", "RoiAlign"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[r, c, q] = sum over p of weight(r, p, q) x[b(r), c, p]`",
            shrinks: "channels",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        if x.rank() < 3 || y.rank() != x.rank() {
            return Unsupported::shapes();
        }
        rel.link(x.axis(1), y.axis(1));
        for k in (0..x.rank()).filter(|&k| k != 1) {
            rel.pin_all([x.axis(k), y.axis(k)], PLACES);
        }
        Ok(())
    }
}
