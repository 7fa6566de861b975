//! Einsum, and a transformer's block as exporters write it.

use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::Tensor;

use super::{reason_at, same};
use crate::oracle::{check, lost};

/// The stem's image as 16 numbers, contracted by the equation with a weight of those dims.
fn einsum(g: &mut GraphBuilder, x: &Val, equation: &str, (w, out): (&[usize], &[usize])) -> Val {
    let w = g.weights("w.weight", w);
    g.node(Op::new("Einsum", "/einsum").text("equation", equation), &[x, &w], out)
}

#[test]
fn labels_that_are_summed_over_and_labels_that_stay_both_shrink() {
    for equation in ["nchw,co->nohw", "n c h w , c o -> n o h w"] {
        let cuts = check(|g, x| einsum(g, x, equation, (&[16, 12], &[1, 12, 8, 8])));
        // Both axes of the weight go: the first with the stem, the second with what reads it.
        assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "w.weight")), (8, 8));
    }
    let cuts = check(|g, x| {
        let y = einsum(g, x, "nchw,oc->nohw", (&[12, 16], &[1, 12, 8, 8]));
        g.batch_norm(&y, "/bn")
    });
    assert_eq!((lost(&cuts, "w.weight"), lost(&cuts, "bn.weight")), (6, 6));
}

#[test]
fn a_label_on_both_sides_is_a_batch() {
    let cuts = check(|g, x| {
        let y = einsum(g, x, "nchw,cw->nch", (&[16, 8], &[1, 16, 8]));
        g.flatten(&y, "/flat0")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "w.weight")), (8, 8));
}

#[test]
fn an_equation_without_an_output_names_what_occurs_once() {
    let cuts = check(|g, x| {
        let pooled = g.global_average_pool(x, "/pool0");
        let x = g.flatten(&pooled, "/flat0");
        // "nc,cz": the output is "nz".
        einsum(g, &x, "nc,cz", (&[16, 12], &[1, 12]))
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "w.weight")), (8, 8));
}

#[test]
fn equations_of_unclear_roles_keep_their_axes() {
    let ellipsis = reason_at(17, |g, x| einsum(g, x, "nc...,co->no...", (&[16, 12], &[1, 12, 8, 8])));
    assert!(ellipsis.contains("ellipsis"), "{ellipsis}");
    let diagonal = reason_at(17, |g, x| {
        let y = einsum(g, x, "nchh,co->noh", (&[16, 12], &[1, 12, 8]));
        g.flatten(&y, "/flat0")
    });
    assert!(diagonal.contains("diagonal"), "{diagonal}");
}

/// The weight's own sum is a number in the result, and no channel can be taken out of it.
#[test]
fn a_sum_over_a_weight_alone_keeps_the_weight() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 1));
        let tied = g.weights("tied.weight", &[12, 12, 1, 1]);
        let y = g.node(Op::new("Conv", "/tied"), &[&y, &tied], &[1, 12, 8, 8]);
        let op = Op::new("Einsum", "/einsum").text("equation", "nchw,oiab->nchw");
        g.node(op, &[&y, &tied], &[1, 12, 8, 8])
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight"), lost(&cuts, "tied.weight")), (8, 0, 0));
}

/// `y = x w + b` on the last axis.
fn dense(g: &mut GraphBuilder, x: &Val, name: &str, out: usize) -> Val {
    let mut dims = x.dims.clone();
    let n = dims.pop().unwrap();
    dims.push(out);
    let w = g.weights(&format!("{name}.weight"), &[n, out]);
    let b = g.uniform(&format!("{name}.bias"), &[out], -0.1, 0.1);
    let y = g.node(Op::new("MatMul", &format!("/{name}/MatMul")), &[x, &w], &dims);
    g.node(Op::new("Add", &format!("/{name}/Add")), &[&b, &y], &dims)
}

fn layer_norm(g: &mut GraphBuilder, x: &Val, name: &str) -> Val {
    let n = [*x.dims.last().unwrap()];
    let w = g.uniform(&format!("{name}.scale"), &n, 0.5, 1.5);
    let b = g.uniform(&format!("{name}.bias"), &n, -0.1, 0.1);
    same(g, Op::new("LayerNormalization", &format!("/{name}")).int("axis", -1), &[x, &w, &b])
}

/// `0.5 x (1 + erf(x / sqrt 2))`, operator by operator.
fn gelu(g: &mut GraphBuilder, x: &Val) -> Val {
    let [root, one, half] = [("root", std::f32::consts::SQRT_2), ("one", 1.0), ("half", 0.5)]
        .map(|(name, v)| g.initializer(name, &Tensor::from_floats(vec![], &[v])));
    let y = same(g, Op::new("Div", "/gelu/Div"), &[x, &root]);
    let y = g.unary("Erf", &y, "/gelu/Erf");
    let y = same(g, Op::new("Add", "/gelu/Add"), &[&y, &one]);
    let y = same(g, Op::new("Mul", "/gelu/Mul"), &[x, &y]);
    same(g, Op::new("Mul", "/gelu/Mul_1"), &[&y, &half])
}

/// Two heads of 8 over 64 tokens.
fn attention(g: &mut GraphBuilder, x: &Val) -> Val {
    let qkv = dense(g, x, "qkv", 48);
    let parts = g.split(&qkv, 2, &[16, 16, 16], "/split");
    let mut heads = Vec::new();
    for (k, part) in parts.iter().enumerate() {
        let y = g.reshape(part, &[0, 64, 2, 8], &[1, 64, 2, 8], &format!("/heads{k}"));
        let perm: &[usize] = if k == 1 { &[0, 2, 3, 1] } else { &[0, 2, 1, 3] };
        heads.push(g.transpose(&y, perm, &format!("/turn{k}")));
    }
    let scores = g.node(Op::new("MatMul", "/scores"), &[&heads[0], &heads[1]], &[1, 2, 64, 64]);
    let scores = same(g, Op::new("Softmax", "/softmax").int("axis", -1), &[&scores]);
    let y = g.node(Op::new("MatMul", "/mix"), &[&scores, &heads[2]], &[1, 2, 64, 8]);
    let y = g.transpose(&y, &[0, 2, 1, 3], "/join");
    let y = g.reshape(&y, &[0, 64, 16], &[1, 64, 16], "/joined");
    dense(g, &y, "proj", 16)
}

#[test]
fn a_transformer_block_loses_hidden_units_and_keeps_its_stream() {
    let cuts = check(|g, x| {
        let tokens = g.reshape(x, &[0, 16, 64], &[1, 16, 64], "/tokens");
        let x = g.transpose(&tokens, &[0, 2, 1], "/turn");
        let y = layer_norm(g, &x, "norm1");
        let y = attention(g, &y);
        let x = g.add(&x, &y, "/add1");
        let y = layer_norm(g, &x, "norm2");
        let y = dense(g, &y, "up", 32);
        let y = gelu(g, &y);
        let y = dense(g, &y, "down", 16);
        let y = g.add(&x, &y, "/add2");
        g.node(Op::new("ReduceMean", "/mean").ints("axes", &[1]).int("keepdims", 0), &[&y], &[1, 16])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 0, "LayerNormalization holds the stream");
    assert_eq!(lost(&cuts, "down.weight"), 16, "half of the hidden units");
    assert_eq!(lost(&cuts, "proj.weight"), 8, "half of what the heads carry");
}
