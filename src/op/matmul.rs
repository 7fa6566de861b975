//! Gemm: `y[m, n] = sum over k of a[m, k] b[k, n] + c[m, n]` (<https://onnx.ai/onnx/operators/onnx__Gemm.html>) and
//! MatMul: `y[.., m, n] = sum over k of a[.., m, k] b[.., k, n]`, batch axes broadcast (<https://onnx.ai/onnx/operators/onnx__MatMul.html>).

use super::elementwise::broadcast;
use super::{NodeDims, NodeView, OpRule, Relations, Role, Summary, Unsupported};

/// Gemm.
pub(super) struct Gemm;

impl OpRule for Gemm {
    fn op_types(&self) -> &'static [&'static str] {
        &["Gemm"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[m, n] = sum over k of a[m, k] b[k, n] + c[m, n]`",
            shrinks: "rows, columns, and what is summed over",
            judged: "compared; both operands are masked",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (a, b, y) = (node.need(0)?, node.need(1)?, node.made()?);
        if a.rank() != 2 || b.rank() != 2 || y.rank() != 2 {
            return Unsupported::because("has operands that are not matrices");
        }
        let flip = |name| usize::from(node.attr_int(name, 0) != 0);
        let (at, bt) = (flip("transA"), flip("transB"));
        rel.link(a.axis(at), y.axis(0));
        rel.link(a.axis(1 - at), b.axis(bt));
        rel.link(b.axis(1 - bt), y.axis(1));
        rel.role(b.axis(1 - bt), Role::Filter);
        rel.role(b.axis(bt), Role::Kernel);
        if a.constant {
            rel.role(a.axis(at), Role::Filter);
            rel.role(a.axis(1 - at), Role::Kernel);
        }
        if let Some(c) = node.input(2) {
            broadcast(rel, &c, &y);
            if c.rank() > 0 {
                rel.role(c.axis(c.rank() - 1), Role::PerChannel);
            }
        }
        Ok(())
    }

    fn macs(&self, node: &NodeDims<'_>) -> u64 {
        let transposed = node.node.attr_int("transA").unwrap_or(0) != 0;
        node.output_len(0) * node.input(0).get(usize::from(!transposed)).copied().unwrap_or(0) as u64
    }
}

/// MatMul.
pub(super) struct MatMul;

impl OpRule for MatMul {
    fn op_types(&self) -> &'static [&'static str] {
        &["MatMul"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[.., m, n] = sum over k of a[.., m, k] b[.., k, n]`",
            shrinks: "every axis",
            judged: "compared; both operands are masked",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (a, b, y) = (node.need(0)?, node.need(1)?, node.made()?);
        if a.rank() == 0 || b.rank() == 0 {
            return Unsupported::because("has a scalar operand");
        }
        let matrix = usize::from(a.rank() > 1) + usize::from(b.rank() > 1);
        if y.rank() != a.rank().max(b.rank()).saturating_sub(2) + matrix {
            return Unsupported::shapes();
        }
        let b_k = b.rank().saturating_sub(2);
        rel.link(a.axis(a.rank() - 1), b.axis(b_k));
        rel.role(b.axis(b_k), Role::Kernel);
        let mut rest = y.rank();
        if b.rank() > 1 {
            rest -= 1;
            rel.link(b.axis(b.rank() - 1), y.axis(rest));
            rel.role(b.axis(b.rank() - 1), Role::Filter);
        }
        if a.rank() > 1 {
            rest -= 1;
            rel.link(a.axis(a.rank() - 2), y.axis(rest));
            if a.constant {
                rel.role(a.axis(a.rank() - 2), Role::Filter);
                rel.role(a.axis(a.rank() - 1), Role::Kernel);
            }
        }
        for operand in [a, b] {
            let batch = operand.rank().saturating_sub(2);
            for k in 0..batch {
                rel.link(operand.axis(k), y.axis(rest - batch + k));
            }
        }
        Ok(())
    }

    fn macs(&self, node: &NodeDims<'_>) -> u64 {
        node.output_len(0) * node.input(0).last().copied().unwrap_or(0) as u64
    }
}
