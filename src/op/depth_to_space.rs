//! DepthToSpace and SpaceToDepth: a channel is a digit of a longer channel axis, beside the place within a block of b x b pixels
//! (<https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>, <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>).
//! DepthToSpace: `y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h, w]` (DCR), or `x[n, (c b + i) b + j, h, w]` (CRD).

use super::{NodeView, OpRule, Relations, Summary, Unsupported};

/// Both ways between channels and pixels.
pub(super) struct DepthToSpace;

impl OpRule for DepthToSpace {
    fn op_types(&self) -> &'static [&'static str] {
        &["DepthToSpace", "SpaceToDepth"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h, w]`; CRD: `x[n, (c b + i) b + j, h, w]`",
            shrinks: "channels, whole blocks of them on the deep side",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let b = usize::try_from(node.attr_int("blocksize", 0)).unwrap_or(0);
        if x.rank() != 4 || y.rank() != 4 || b == 0 {
            return Unsupported::shapes();
        }
        let (deep, wide) = if node.op() == "DepthToSpace" { (&x, &y) } else { (&y, &x) };
        if b.checked_mul(b).and_then(|bb| bb.checked_mul(wide.dims[1])) != Some(deep.dims[1]) {
            return Unsupported::because("has blocks that do not fit its channels");
        }
        let block = [rel.factor(b), rel.factor(b)];
        block.iter().for_each(|&f| rel.pin(f, "it is a place within a block of pixels"));
        let crd = node.op() == "DepthToSpace" && node.node.proto.attr_str("mode") == Some("CRD");
        let c = wide.axis(1);
        let digits = if crd { [c, block[0], block[1]] } else { [block[0], block[1], c] };
        rel.link(x.axis(0), y.axis(0));
        rel.product(deep.axis(1), &digits);
        for k in 2..4 {
            rel.pin_all([x.axis(k), y.axis(k)], "its pixels are moved in blocks");
        }
        Ok(())
    }
}
