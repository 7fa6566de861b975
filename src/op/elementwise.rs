//! Operators that compute each element on its own: `y[i] = f(x[i])` and, broadcasting, `y[i] = f(a[i], b[i], ...)`
//! (<https://onnx.ai/onnx/repo-docs/Broadcasting.html>).

use super::{NodeView, OpRule, Operand, Relations, Role, Summary, Unsupported};

/// Functions of one operand. Further inputs are scalars (bounds, ratios) or give a type only.
pub(super) struct Unary;

#[rustfmt::skip]
const UNARY: &[&str] = &[
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Cast", "CastLike", "Ceil", "Celu", "Clip",
    "Cos", "Cosh", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf",
    "IsNaN", "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid",
    "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
];

impl OpRule for Unary {
    fn op_types(&self) -> &'static [&'static str] {
        UNARY
    }

    fn summary(&self) -> Summary {
        Summary { formula: "`y[i] = f(x[i])`", shrinks: "every axis", judged: "by what reads it" }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let x = node.need(0)?;
        if node.op() == "Dropout" && node.node.input(2).is_some() && node.ints(2).is_none_or(|i| i != [0]) {
            return Unsupported::because("is in training mode");
        }
        for y in (0..node.node.outputs.len()).filter_map(|k| node.output(k)) {
            broadcast(rel, &x, &y);
        }
        if node.op() == "CastLike" {
            node.need(1)?.axes().for_each(|a| rel.free(a));
        }
        Ok(())
    }
}

/// Functions of several operands that are broadcast to one another.
pub(super) struct Variadic;

#[rustfmt::skip]
const VARIADIC: &[&str] = &[
    "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual",
    "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
];

impl OpRule for Variadic {
    fn op_types(&self) -> &'static [&'static str] {
        VARIADIC
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "`y[i] = f(a[i], b[i], ..)`, broadcast",
            shrinks: "every axis; one of length 1 is not tied to longer ones",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        if node.opset() < 7 && node.attr_int("broadcast", 0) != 0 {
            return Unsupported::because("broadcasts in the way of operator sets before 7");
        }
        if node.opset() < 7 && node.op() == "PRelu" {
            return Unsupported::because("lays its slopes along channels in the way of operator sets before 7");
        }
        let y = node.made()?;
        let inputs: Vec<Operand<'_>> = (0..node.node.inputs.len()).filter_map(|k| node.input(k)).collect();
        if inputs.len() != node.node.inputs.len() {
            return Unsupported::because("has an input of unknown shape");
        }
        inputs.iter().for_each(|x| broadcast(rel, x, &y));
        if matches!(node.op(), "Add" | "Sub" | "Sum") {
            joined(rel, &inputs, &y);
        }
        Ok(())
    }
}

/// Links the axes of `x` to those of `y`, aligned at the last. A size-1 axis of `x` that is stretched is left alone.
pub(super) fn broadcast(rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>) {
    let Some(skip) = y.rank().checked_sub(x.rank()) else { return };
    for k in 0..x.rank() {
        rel.link(x.axis(k), y.axis(k + skip));
    }
    y.axes().for_each(|a| rel.free(a));
}

/// Marks the axes that two activations both carry into the sum.
fn joined(rel: &mut Relations<'_>, inputs: &[Operand<'_>], y: &Operand<'_>) {
    for k in 0..y.rank() {
        let carries = |x: &&Operand<'_>| {
            let own = (k + x.rank()).checked_sub(y.rank()).map(|k| x.dims[k]);
            !x.constant && own == Some(y.dims[k]) && y.dims[k] > 1
        };
        if inputs.iter().filter(carries).count() > 1 {
            rel.role(y.axis(k), Role::Joined);
        }
    }
}
