//! ConvTranspose: `y[n, o, p + s k] += w[i, o, k] x[n, i, p]`, summed over the inputs `i` of o's group, plus `b[o]`
//! (<https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>). The weight is `[Cin, Cout / g, k..]`: its first axis is the input's.

use super::conv::bias_and_window;
use super::{NodeDims, NodeView, OpRule, Relations, Role, Summary, Unsupported};

/// ConvTranspose.
pub(super) struct ConvTranspose;

impl OpRule for ConvTranspose {
    fn op_types(&self) -> &'static [&'static str] {
        &["ConvTranspose"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, o, p + s k] += w[i, o, k] x[n, i, p]`, plus `b[o]`",
            shrinks: "channels of input and output, groups",
            judged: "compared; its input is masked",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, w, y) = (node.need(0)?, node.need(1)?, node.made()?);
        let group = usize::try_from(node.attr_int("group", 1)).unwrap_or(0);
        if x.rank() < 2 || w.rank() != x.rank() || y.rank() != x.rank() || group == 0 || w.dims[0] % group != 0 {
            return Unsupported::shapes();
        }
        if node.node.proto.attr_ints("output_shape").is_some_and(|s| s.len() > x.rank() - 2) {
            return Unsupported::because("is told the number of its channels");
        }
        let g = rel.attr_axis("group", group);
        let i = rel.factor(w.dims[0] / group);
        rel.link(x.axis(0), y.axis(0));
        rel.link(x.axis(1), w.axis(0));
        rel.product(w.axis(0), &[g, i]);
        rel.product(y.axis(1), &[g, w.axis(1)]);
        rel.role(w.axis(1), Role::Filter);
        let depthwise = group > 1 && group == w.dims[0];
        rel.role(w.axis(0), if depthwise { Role::Filter } else { Role::Kernel });
        bias_and_window(node, rel, [&x, &w, &y]);
        Ok(())
    }

    fn macs(&self, node: &NodeDims<'_>) -> u64 {
        let x: u64 = node.input(0).iter().map(|&d| d as u64).product();
        x * node.input(1).iter().skip(1).product::<usize>() as u64
    }
}
