//! Blocks that move axes: shuffles, pixel shuffles, channels-last, Reshape chains, MatMul over sequences, slices of channels.

use secateur::build::{Conv, Op, Val};

use super::site::Site;

/// Channel shuffle: the channels of each group, interleaved.
pub(super) fn shuffle(s: &mut Site<'_>, x: Val) -> Val {
    let groups = s.pick.one(&[2, 3]);
    let c = groups * s.pick.one(&[2, 3, 4]);
    let y = s.conv(&x, "conv", c);
    let (h, w) = (y.dims[2], y.dims[3]);
    let y = s.reshape(&y, "to", &[groups, c / groups, h, w]);
    let y = s.transpose(&y, "turn", &[0, 2, 1, 3, 4]);
    let y = s.reshape(&y, "from", &[c, h, w]);
    if s.pick.yes() { s.conv_as(&y, "grouped", Conv::square(c, 1).group(groups)) } else { s.relu(&y, "relu") }
}

/// Channels become pixels, or pixels channels, by Reshape, Transpose, Reshape.
pub(super) fn space_depth(s: &mut Site<'_>, x: Val) -> Val {
    let n = x.dims[0];
    if s.pick.yes() && x.dims[2].is_multiple_of(2) && x.dims[3].is_multiple_of(2) {
        let (c, h, w) = (x.dims[1], x.dims[2] / 2, x.dims[3] / 2);
        let y = s.reshape(&x, "to", &[c, h, 2, w, 2]);
        let perm = s.pick.one(&[[0, 3, 5, 1, 2, 4], [0, 1, 3, 5, 2, 4]]);
        let y = s.transpose(&y, "turn", &perm);
        return s.reshape(&y, "from", &[4 * c, h, w]);
    }
    let c = s.width;
    let y = s.conv(&x, "conv", 4 * c);
    let (h, w) = (y.dims[2], y.dims[3]);
    let crd = s.pick.yes();
    let split = if crd { [c, 2, 2, h, w] } else { [2, 2, c, h, w] };
    let y = s.reshape(&y, "to", &split);
    let perm = if crd { [0, 1, 4, 2, 5, 3] } else { [0, 3, 4, 1, 5, 2] };
    let y = s.transpose(&y, "turn", &perm);
    debug_assert_eq!(y.dims, [n, c, h, 2, w, 2]);
    let y = s.reshape(&y, "from", &[c, 2 * h, 2 * w]);
    s.node_with(
        "MaxPool",
        "pool",
        |op: Op| op.ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]),
        &[&y],
        &[n, c, h, w],
    )
}

/// A stretch in channels-last layout, with element-wise operators, constants and a MatMul.
pub(super) fn channels_last(s: &mut Site<'_>, x: Val) -> Val {
    let mut y = s.transpose(&x, "to", &[0, 2, 3, 1]);
    let c = y.dims[3];
    let scale = s.numbers("scale", &[c]);
    y = s.like("Mul", "mul", &[&y, &scale]);
    if s.pick.yes() {
        let bias = s.numbers("bias", &[1, 1, 1, c]);
        y = s.like("Add", "add", &[&y, &bias]);
    }
    y = s.relu(&y, "relu");
    if s.pick.yes() {
        let w = s.weights("weight", &[c, s.width]);
        let dims = [y.dims[0], y.dims[1], y.dims[2], s.width];
        y = s.node("MatMul", "matmul", &[&y, &w], &dims);
    }
    s.transpose(&y, "from", &[0, 3, 1, 2])
}

/// Height and width flattened and unfolded again, the shapes written or computed.
pub(super) fn reshape_chain(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    if s.pick.yes() {
        let y = s.reshape_by_shape(&x, "to", &[Some((&x, 0)), Some((&x, 1)), None], &[n, c, h * w]);
        let y = s.relu(&y, "relu");
        let from = [Some((&x, 0)), Some((&x, 1)), Some((&x, 2)), Some((&x, 3))];
        return s.reshape_by_shape(&y, "from", &from, &x.dims);
    }
    let tail = s.pick.one(&[[c, h * w, 1], [c * h, w, 1], [c, 1, h * w], [1, c, h * w]]);
    let y = s.reshape(&x, "to", &tail);
    let y = s.relu(&y, "relu");
    s.reshape(&y, "from", &[c, h, w])
}

/// A convolution over a line of pixels.
pub(super) fn conv1d(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    let y = s.reshape(&x, "to", &[c, h * w]);
    let (kernel, out) = (s.pick.one(&[1, 3]), s.width);
    let weight = s.weights("weight", &[out, c, kernel]);
    let bias = s.numbers("bias", &[out]);
    let pad = (kernel / 2) as i64;
    let y = s.node_with("Conv", "conv", |op: Op| op.ints("pads", &[pad, pad]), &[&y, &weight, &bias], &[n, out, h * w]);
    let y = s.relu(&y, "relu");
    s.reshape(&y, "from", &[out, h, w])
}

/// Pixels as a sequence of tokens, and a MatMul over their features, from either side.
pub(super) fn matmul(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    let (out, tokens) = (s.width, h * w);
    let y = s.reshape(&x, "to", &[c, tokens]);
    let y = if s.pick.yes() {
        let weight = s.weights("weight", &[out, c]);
        s.node("MatMul", "matmul", &[&weight, &y], &[n, out, tokens])
    } else {
        let y = s.transpose(&y, "turn", &[0, 2, 1]);
        let (weight, bias) = (s.weights("weight", &[c, out]), s.numbers("bias", &[out]));
        let y = s.node("MatMul", "matmul", &[&y, &weight], &[n, tokens, out]);
        let y = s.like("Add", "add", &[&y, &bias]);
        s.transpose(&y, "back", &[0, 2, 1])
    };
    let y = s.relu(&y, "relu");
    s.reshape(&y, "from", &[out, h, w])
}

/// Self-attention of pixels, with one head or two.
pub(super) fn attention(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, h, w) = (x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    let (tokens, heads) = (h * w, s.pick.one(&[1, 2]));
    let (d, e) = (heads * s.pick.one(&[2, 3, 4]), heads * s.pick.one(&[2, 3]));
    let y = s.reshape(&x, "to", &[c, tokens]);
    let y = s.transpose(&y, "turn", &[0, 2, 1]);
    let mut part = |name: &str, width: usize, perm: &[usize]| {
        let weight = s.weights(&format!("{name}.weight"), &[c, width]);
        let p = s.node("MatMul", name, &[&y, &weight], &[n, tokens, width]);
        let p = s.reshape(&p, &format!("{name}.heads"), &[tokens, heads, width / heads]);
        s.transpose(&p, &format!("{name}.turn"), perm)
    };
    let (q, k) = (part("q", d, &[0, 2, 1, 3]), part("k", d, &[0, 2, 3, 1]));
    let v = part("v", e, &[0, 2, 1, 3]);
    let scores = s.node("MatMul", "scores", &[&q, &k], &[n, heads, tokens, tokens]);
    let scores = s.node_with("Softmax", "softmax", |op: Op| op.int("axis", -1), &[&scores], &scores.dims.clone());
    let y = s.node("MatMul", "mix", &[&scores, &v], &[n, heads, tokens, e / heads]);
    let y = s.transpose(&y, "merge", &[0, 1, 3, 2]);
    s.reshape(&y, "from", &[e, h, w])
}

/// Runs of channels, cut out by Slice with bounds from either end, and read apart.
pub(super) fn slices(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width + 2;
    let y = s.conv(&x, "conv", n);
    let at = 1 + s.pick.below(n - 1);
    let (zero, middle) = (s.ints("zero", &[0]), s.ints("middle", &[at as i64]));
    let end = s.pick.one(&[i64::MAX, n as i64]);
    let axis = s.pick.one(&[1, -3]);
    let (end, axis) = (s.ints("end", &[end]), s.ints("axis", &[axis]));
    let back = s.ints("back", &[at as i64 - n as i64]);
    let part = |c: usize| [y.dims[0], c, y.dims[2], y.dims[3]];
    let first = s.node("Slice", "first", &[&y, &zero, &middle, &axis], &part(at));
    let from = if s.pick.yes() { &back } else { &middle };
    let second = s.node("Slice", "second", &[&y, from, &end, &axis], &part(n - at));
    if s.pick.yes() {
        return s.concat(&[&second, &first], "concat");
    }
    let (a, b) = (s.conv(&first, "a", s.width), s.conv(&second, "b", s.width));
    s.like("Add", "sum", &[&a, &b])
}

/// An operator without a rule, which needs all its channels, or one with a considered reason.
pub(super) fn no_rule(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "conv", s.width);
    let y = match s.pick.below(2) {
        0 => s.node_with("QuickGelu", "gelu", |op: Op| op.domain("com.microsoft"), &[&y], &y.dims.clone()),
        _ => s.node_with("Softmax", "softmax", |op: Op| op.int("axis", 1), &[&y], &y.dims.clone()),
    };
    s.conv(&y, "behind", s.width)
}
