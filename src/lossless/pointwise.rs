//! What operators that compute each element on its own are known to make.

use super::numbers;
use super::values::At;
use crate::model::Tensor;
use crate::model::constant::computed;
use crate::model::constant::movement::broadcast;

/// Operators of one operand.
const UNARY: &[&str] = &[
    "Abs",
    "Atan",
    "Ceil",
    "Celu",
    "Clip",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Mish",
    "Neg",
    "Relu",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
];

/// Whether this file knows the operator.
pub(super) fn speaks_for(op: &str) -> bool {
    const OTHER: [&str; 13] = [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Max",
        "Min",
        "Sum",
        "PRelu",
        "BatchNormalization",
        "InstanceNormalization",
        "Cast",
        "QuantizeLinear",
        "DequantizeLinear",
    ];
    UNARY.contains(&op) || OTHER.contains(&op)
}

/// What is known of the output.
pub(super) fn made(at: &At<'_>) -> Option<Tensor> {
    match at.node.op() {
        "BatchNormalization" => batch_norm(at),
        "InstanceNormalization" => instance_norm(at),
        "Cast" | "QuantizeLinear" | "DequantizeLinear" => at.some(0).and_then(|t| zeros_alone(&t)),
        "Add" | "Sum" => joined(at, |a, b| a + b),
        "Sub" => joined(at, |a, b| a - b),
        "Mul" => joined(at, |a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }),
        "Div" => joined(at, |a, b| a / b).and_then(|t| finite(&t)),
        "Max" => joined(at, |a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) }),
        "Min" => joined(at, |a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { a.min(b) }),
        "PRelu" => joined(at, |x, slope| if x >= 0.0 { x } else { x * slope }),
        "Clip" => {
            let inputs = [at.some(0), at.some(1), at.some(2)];
            let bounds_known = (1..3).all(|s| at.node.input(s).is_none() || inputs[s].is_some());
            computed(at.node.proto, &inputs, 13).filter(|_| bounds_known)
        }
        _ => unary(at),
    }
}

/// `scale (x - mean) / sqrt(var + e) + bias`: known where x is, or where the scale is zero.
fn batch_norm(at: &At<'_>) -> Option<Tensor> {
    if at.int("training_mode", 0) != 0 || at.int("spatial", 1) == 0 {
        return None;
    }
    let [scale, bias, mean, var] = [at.vector(1)?, at.vector(2)?, at.vector(3)?, at.vector(4)?];
    let x = at.along(0, 1);
    let n = scale.len();
    if [&bias, &mean, &var].iter().any(|v| v.len() != n) || (x.is_none() && scale.iter().all(|s| *s != 0.0)) {
        return None;
    }
    let epsilon = at.float("epsilon", 1e-5);
    let channel = |c: usize| match x.as_ref().and_then(|x| *x.get(c)?) {
        _ if scale[c] == 0.0 => bias[c],
        Some(x) => scale[c] * (x - mean[c]) / (var[c] + epsilon).sqrt() + bias[c],
        None => f32::NAN,
    };
    at.by_channel(&(0..n).map(channel).collect::<Vec<_>>()).and_then(|t| finite(&t))
}

/// A channel that is zero, or scaled by zero, is its bias.
fn instance_norm(at: &At<'_>) -> Option<Tensor> {
    let (scale, bias, x) = (at.vector(1)?, at.vector(2)?, at.along(0, 1));
    let zero = |c: usize| scale[c] == 0.0 || x.as_ref().is_some_and(|x| x.get(c) == Some(&Some(0.0)));
    let channel = |c: usize| if zero(c) { bias[c] } else { f32::NAN };
    if bias.len() == scale.len() { at.by_channel(&(0..scale.len()).map(channel).collect::<Vec<_>>()) } else { None }
}

/// All operands together, broadcast.
fn joined(at: &At<'_>, f: impl Fn(f32, f32) -> f32) -> Option<Tensor> {
    let legacy = at.facts.graph.model().opset() < 7 && (at.int("broadcast", 0) != 0 || at.node.op() == "PRelu");
    let slots = 0..at.node.inputs.len();
    if legacy || slots.clone().all(|s| at.some(s).is_none()) {
        return None;
    }
    let mut out = at.all(0)?;
    for slot in slots.skip(1) {
        let (a, b) = broadcast(&out, &at.all(slot)?)?;
        let values: Vec<f32> = numbers(&a)?.iter().zip(numbers(&b)?).map(|(a, b)| f(*a, b)).collect();
        out = Tensor::from_floats(a.dims, &values);
    }
    Some(out)
}

fn unary(at: &At<'_>) -> Option<Tensor> {
    let training = at.node.op() == "Dropout" && (at.node.input(2).is_some() || at.facts.graph.model().opset() < 7);
    let x = at.some(0).filter(|_| !training)?;
    let values: Vec<f32> =
        numbers(&x)?.iter().map(|&v| if v.is_nan() { v } else { one(at, f64::from(v)) as f32 }).collect();
    finite(&Tensor::from_floats(x.dims, &values))
}

/// The function of one known number; NaN where it is not known.
fn one(at: &At<'_>, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let alpha = |default: f32| f64::from(at.float("alpha", default));
    match at.node.op() {
        "Identity" | "Dropout" => x,
        "Relu" => x.max(0.0),
        "LeakyRelu" => {
            if x < 0.0 {
                alpha(0.01) * x
            } else {
                x
            }
        }
        "Sigmoid" => sigmoid(x),
        "Tanh" => x.tanh(),
        "HardSigmoid" => (alpha(0.2) * x + f64::from(at.float("beta", 0.5))).clamp(0.0, 1.0),
        "HardSwish" => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        "Elu" => {
            if x < 0.0 {
                alpha(1.0) * x.exp_m1()
            } else {
                x
            }
        }
        "Softplus" => x.exp().ln_1p(),
        "Softsign" => x / (1.0 + x.abs()),
        "Swish" => x * sigmoid(alpha(1.0) * x),
        "Exp" => x.exp(),
        "Abs" => x.abs(),
        "Neg" => -x,
        "Sqrt" => x.sqrt(),
        // What remains is zero at zero.
        _ => {
            if x == 0.0 {
                0.0
            } else {
                f64::NAN
            }
        }
    }
}

/// What is zero stays so under casts and quantization, where a zero point stands for it.
fn zeros_alone(t: &Tensor) -> Option<Tensor> {
    let values: Vec<f32> = numbers(t)?.iter().map(|v| if *v == 0.0 { 0.0 } else { f32::NAN }).collect();
    Some(Tensor::from_floats(t.dims.clone(), &values))
}

/// Infinities are no numbers to build on.
fn finite(t: &Tensor) -> Option<Tensor> {
    let values: Vec<f32> = numbers(t)?.iter().map(|v| if v.is_finite() { *v } else { f32::NAN }).collect();
    Some(Tensor::from_floats(t.dims.clone(), &values))
}
