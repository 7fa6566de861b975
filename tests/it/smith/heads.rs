//! How networks end: what turns the last value of rank 4 into an output.

use secateur::build::{Op, Val};

use super::net::Kind;
use super::site::Site;

/// Every head.
pub(super) static HEADS: &[Kind] = &[
    ("pooled", pooled),
    ("flattened", flattened),
    ("flattened_last", flattened_last),
    ("reshaped", reshaped),
    ("hidden", hidden),
    ("map", map),
    ("vector", vector),
];

/// Gemm in one of its forms: the weight transposed or not, C as (N), (1,N), a scalar or left out.
fn gemm(s: &mut Site<'_>, x: &Val, part: &str, out: usize) -> Val {
    let (flip, features) = (s.pick.yes(), x.dims[1]);
    let w = s.weights(&format!("{part}.weight"), &if flip { [features, out] } else { [out, features] });
    let with = |op: Op| op.int("transB", i64::from(!flip));
    let mut inputs = vec![x.clone(), w];
    match s.pick.below(4) {
        0 => inputs.push(s.numbers(&format!("{part}.bias"), &[out])),
        1 => inputs.push(s.numbers(&format!("{part}.bias"), &[1, out])),
        2 => inputs.push(s.scalar(&format!("{part}.bias"), 0.5)),
        _ => {}
    }
    s.node_with("Gemm", part, with, &inputs.iter().collect::<Vec<_>>(), &[x.dims[0], out])
}

fn flat(s: &mut Site<'_>, x: &Val) -> Val {
    let name = s.name("flat");
    s.ground.g.flatten(x, &name)
}

/// Global pooling, Flatten, Gemm.
fn pooled(s: &mut Site<'_>, x: Val) -> Val {
    let op = s.pick.one(&["GlobalAveragePool", "GlobalMaxPool"]);
    let y = s.node(op, "pool", &[&x], &[x.dims[0], x.dims[1], 1, 1]);
    let y = flat(s, &y);
    gemm(s, &y, "fc", s.width)
}

/// Flatten, Gemm.
fn flattened(s: &mut Site<'_>, x: Val) -> Val {
    let y = flat(s, &x);
    gemm(s, &y, "fc", s.width)
}

/// Channels last, Reshape, MatMul, Add.
fn flattened_last(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.transpose(&x, "turn", &[0, 2, 3, 1]);
    let features = y.dims[1..].iter().product();
    let y = s.reshape(&y, "flat", &[features]);
    let w = s.weights("weight", &[features, s.width]);
    let y = s.node("MatMul", "matmul", &[&y, &w], &[x.dims[0], s.width]);
    let bias = s.numbers("bias", &[s.width]);
    s.like("Add", "add", &[&y, &bias])
}

/// A flattening whose shape is computed, then Gemm.
fn reshaped(s: &mut Site<'_>, x: Val) -> Val {
    let features = x.dims[1..].iter().product();
    let y = s.reshape_by_shape(&x, "flat", &[Some((&x, 0)), None], &[x.dims[0], features]);
    gemm(s, &y, "fc", s.width)
}

/// Two layers behind a mean.
fn hidden(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.reduce("ReduceMean", "mean", &x, &[2, 3], false);
    let y = gemm(s, &y, "fc1", 6);
    let y = s.relu(&y, "relu");
    gemm(s, &y, "fc2", s.width)
}

/// A convolution's own output.
fn map(s: &mut Site<'_>, x: Val) -> Val {
    s.conv(&x, "conv", 2)
}

/// A MatMul with a weight of rank 1.
fn vector(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.node("GlobalAveragePool", "pool", &[&x], &[x.dims[0], x.dims[1], 1, 1]);
    let y = flat(s, &y);
    let w = s.weights("weight", &[x.dims[1]]);
    s.node("MatMul", "matmul", &[&y, &w], &[x.dims[0]])
}
