//! Blocks of one branch: convolutions of every form, normalisations, activations, constants and the ways to store them.

use secateur::build::{Conv, Op, Val};
use secateur::model::Tensor;

use super::site::Site;

/// Conv: 1x1, 3x3, 5x5, stride, pad, bias or none; with Relu or bare.
pub(super) fn conv(s: &mut Site<'_>, x: Val) -> Val {
    let (kernel, pad) = s.pick.one(&[(1, 0), (3, 1), (3, 0), (5, 2), (1, 1)]);
    let stride = s.pick.one(&[1, 1, 2]);
    let c = Conv { out: s.width, kernel, stride, pad, group: 1, bias: !s.pick.yes() };
    let y = s.conv_as(&x, "conv", c);
    if s.pick.yes() { s.relu(&y, "relu") } else { y }
}

/// One filter, or several, for each channel.
pub(super) fn depthwise(s: &mut Site<'_>, x: Val) -> Val {
    let c = x.dims[1];
    let (multiplier, stride, kernel) = (s.pick.one(&[1, 1, 2, 3]), s.pick.one(&[1, 1, 2]), s.pick.one(&[3, 1]));
    let c = Conv { out: c * multiplier, kernel, stride, pad: kernel / 2, group: c, bias: !s.pick.yes() };
    let y = s.conv_as(&x, "dw", c);
    let y = s.relu(&y, "relu");
    s.conv(&y, "pw", s.width)
}

/// A convolution in groups, behind one that makes a number of channels that can be grouped.
pub(super) fn grouped(s: &mut Site<'_>, x: Val) -> Val {
    let group = s.pick.one(&[2, 3, 4]);
    let (per, out) = (s.pick.one(&[1, 2, 3]), s.pick.one(&[2, 1, 3]));
    let y = if x.dims[1].is_multiple_of(group) && s.pick.yes() { x } else { s.conv(&x, "before", group * per) };
    let y = s.relu(&y, "relu");
    let kernel = s.pick.one(&[1, 3]);
    let c = Conv { out: group * out, kernel, stride: 1, pad: kernel / 2, group, bias: !s.pick.yes() };
    s.conv_as(&y, "grouped", c)
}

/// BatchNormalization: behind a convolution, before one, or around a Relu so that it cannot be folded.
pub(super) fn batch_norm(s: &mut Site<'_>, x: Val) -> Val {
    let form = s.pick.below(3);
    let y = if form == 0 { s.conv_as(&x, "conv", Conv::square(s.width, 3).pad(1).no_bias()) } else { x };
    let y = if form == 2 { s.relu(&y, "before") } else { y };
    let name = s.name("bn");
    let y = s.ground.g.batch_norm(&y, &name);
    if form == 1 { s.conv(&y, "behind", s.width) } else { s.relu(&y, "relu") }
}

/// Functions of an element that take no operand.
const FUNCTIONS: &[&str] = &[
    "Relu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Elu",
    "Selu",
    "HardSigmoid",
    "Softplus",
    "Softsign",
    "Abs",
    "Neg",
    "Erf",
    "Sin",
    "Celu",
    "ThresholdedRelu",
    "Identity",
    "Ceil",
];

/// An activation, with and without operands of its own.
pub(super) fn activation(s: &mut Site<'_>, x: Val) -> Val {
    let c = x.dims[1];
    match s.pick.below(FUNCTIONS.len() + 5) {
        0 => clip(s, &x),
        1 => {
            let slope = s.numbers("slope", &[c, 1, 1]);
            s.like("PRelu", "prelu", &[&x, &slope])
        }
        2 => {
            let slope = s.numbers("slope", &[1]);
            s.like("PRelu", "prelu", &[&x, &slope])
        }
        3 => {
            let ratio = if s.ground.opset >= 12 { Some(s.scalar("ratio", 0.5)) } else { None };
            let inputs: Vec<&Val> = [&x].into_iter().chain(&ratio).collect();
            let mask = s.pick.yes().then(|| x.dims.clone());
            let dims: Vec<Vec<usize>> = [x.dims.clone()].into_iter().chain(mask).collect();
            let name = s.name("dropout");
            s.ground.g.node_multi(Op::new("Dropout", &name), &inputs, &dims).remove(0)
        }
        4 => {
            let sigmoid = s.like("Sigmoid", "sigmoid", &[&x]);
            s.like("Mul", "swish", &[&x, &sigmoid])
        }
        k if FUNCTIONS[k - 5] == "Celu" && s.ground.opset < 12 => s.like("Elu", "act", &[&x]),
        k => s.like(FUNCTIONS[k - 5], "act", &[&x]),
    }
}

fn clip(s: &mut Site<'_>, x: &Val) -> Val {
    let (low, high) = (s.scalar("low", 0.0), s.scalar("high", 6.0));
    s.like("Clip", "clip", &[x, &low, &high])
}

/// Constants that broadcast: (1,C,1,1), (C,1,1), scalar, (1,1,1,1), a plane (H,W), a full (C,H,W).
pub(super) fn constants(s: &mut Site<'_>, x: Val) -> Val {
    let (c, h, w) = (x.dims[1], x.dims[2], x.dims[3]);
    let mut y = x;
    for (k, op) in ["Mul", "Add", "Sub", "Div"].into_iter().enumerate() {
        let dims: &[usize] = match s.pick.below(6) {
            0 => &[1, c, 1, 1],
            1 => &[c, 1, 1],
            2 => &[],
            3 => &[1, 1, 1, 1],
            4 => &[h, w],
            _ => &[c, h, w],
        };
        let constant = s.numbers(&format!("constant{k}"), dims);
        let first = k < 3 && s.pick.yes();
        let inputs = if first { [&constant, &y] } else { [&y, &constant] };
        let dims = y.dims.clone();
        y = s.node(op, &format!("op{k}"), &inputs, &dims);
    }
    y
}

/// A pool.
pub(super) fn pool(s: &mut Site<'_>, x: Val) -> Val {
    let room = x.dims[2].min(x.dims[3]) > 1;
    let (kernel, stride) = if room { s.pick.one(&[(2, 2), (2, 1)]) } else { (1, 1) };
    let op = s.pick.one(&["MaxPool", "AveragePool"]);
    let space = |n: usize| (n - kernel) / stride + 1;
    let dims = [x.dims[0], x.dims[1], space(x.dims[2]), space(x.dims[3])];
    let pair = |n: usize| [n as i64; 2];
    let with = |op: Op| op.ints("kernel_shape", &pair(kernel)).ints("strides", &pair(stride));
    s.node_with(op, "pool", with, &[&x], &dims)
}

/// Small constants of unrelated layers that a simplifier has merged: a bias, and the vectors of a normalisation.
pub(super) fn merged_constants(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width;
    let (bias, scale) = (s.numbers("bias", &[n]), s.numbers("scale", &[n]));
    let (wa, wb) = (s.weights("a.weight", &[n, x.dims[1], 1, 1]), s.weights("b.weight", &[n, n, 1, 1]));
    let dims = [x.dims[0], n, x.dims[2], x.dims[3]];
    let y = s.node("Conv", "a", &[&x, &wa, &bias], &dims);
    let y = s.relu(&y, "ra");
    let y = s.node("Conv", "b", &[&y, &wb, &bias], &dims);
    if !s.pick.yes() {
        return y;
    }
    let y = s.node("BatchNormalization", "bn", &[&y, &scale, &bias, &bias, &scale], &dims);
    s.conv(&y, "c", s.width)
}

/// A weight that is no plain initializer: in a Constant node, behind Identity, transposed or reshaped by a node, or a fill.
pub(super) fn stored_otherwise(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c) = (s.width, x.dims[1]);
    let dims = [n, c, 1, 1];
    let w = match s.pick.below(5) {
        0 => {
            let values: Vec<f32> = (0..n * c).map(|i| ((i * 37 % 23) as f32 - 11.0) / 8.0).collect();
            let tensor = Tensor::from_floats(dims.to_vec(), &values);
            s.node_with("Constant", "weight", |op| op.tensor("value", &tensor), &[], &dims)
        }
        1 => {
            let w = s.weights("w", &dims);
            s.node("Identity", "weight", &[&w], &dims)
        }
        2 => {
            let w = s.weights("w", &[c, n, 1, 1]);
            s.transpose(&w, "weight", &[1, 0, 2, 3])
        }
        3 => {
            let (w, shape) = (s.weights("w", &[n, c]), s.ints("shape", &[n as i64, c as i64, 1, 1]));
            s.node("Reshape", "weight", &[&w, &shape], &dims)
        }
        _ => {
            let shape = s.ints("shape", &[n as i64, c as i64, 1, 1]);
            let tensor = Tensor::from_floats(vec![1], &[0.25]);
            s.node_with("ConstantOfShape", "weight", |op| op.tensor("value", &tensor), &[&shape], &dims)
        }
    };
    let y = s.node("Conv", "conv", &[&x, &w], &[x.dims[0], n, x.dims[2], x.dims[3]]);
    s.relu(&y, "relu")
}

/// One weight for two convolutions, on purpose.
pub(super) fn tied(s: &mut Site<'_>, x: Val) -> Val {
    let c = x.dims[1];
    let w = s.weights("weight", &[c, c, 1, 1]);
    let y = s.like("Conv", "a", &[&x, &w]);
    let y = s.relu(&y, "relu");
    s.like("Conv", "b", &[&y, &w])
}
