//! Conv: `y[n, o, p] = b[o] + sum over i, k of w[o, i, k] x[n, group(o) * Cin/g + i, p + k]`
//! (<https://onnx.ai/onnx/operators/onnx__Conv.html>). One product formula covers plain and depthwise; where every group has several inputs
//! and several outputs, each group keeps equally many of both, wherever they lie.

use super::{NodeDims, NodeView, OpRule, Operand, Relations, Role, Summary, Unsupported};

/// Conv.
pub(super) struct Conv;

impl OpRule for Conv {
    fn op_types(&self) -> &'static [&'static str] {
        &["Conv"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[n, o, p] = b[o] + sum over i, k of w[o, i, k] x[n, i, p + k]`",
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
        rel.link(x.axis(0), y.axis(0));
        rel.link(w.axis(0), y.axis(1));
        if is_grouped(node, &w, group) {
            let inputs = rel.block_axis(&w, group);
            rel.link(x.axis(1), inputs);
            rel.balanced(x.axis(1), group);
            rel.balanced(y.axis(1), group);
        } else {
            let g = rel.attr_axis("group", group);
            let m = rel.factor(w.dims[0] / group);
            rel.product(x.axis(1), &[g, w.axis(1)]);
            rel.product(y.axis(1), &[g, m]);
        }
        rel.role(w.axis(0), Role::Filter);
        rel.role(w.axis(1), Role::Kernel);
        bias_and_window(node, rel, [&x, &w, &y]);
        Ok(())
    }

    fn macs(&self, node: &NodeDims<'_>) -> u64 {
        node.output_len(0) * node.input(1).iter().skip(1).product::<usize>() as u64
    }
}

/// What every convolution of `x` with `w` to `y` has: a bias for each channel that it makes, and axes that its kernel slides over.
pub(super) fn bias_and_window(node: &NodeView<'_>, rel: &mut Relations<'_>, [x, w, y]: [&Operand<'_>; 3]) {
    if let Some(b) = node.input(2) {
        rel.link(b.axis(0), y.axis(1));
        rel.role(b.axis(0), Role::PerChannel);
    }
    for k in 2..x.rank() {
        rel.pin_all([x.axis(k), y.axis(k)], "a convolution slides over it");
        rel.pin(w.axis(k), "it is the kernel's size");
    }
}

/// Whether groups keep inputs and outputs of their own: several of each, and a constant weight that nothing else reads.
fn is_grouped(node: &NodeView<'_>, w: &Operand<'_>, group: usize) -> bool {
    let alone = node.graph.value(w.value).readers.len() == 1;
    group > 1 && w.dims[0] / group > 1 && w.dims[1] > 1 && w.constant && alone
}
