//! Blocks that few networks have, and that ask most of the analysis: axes that meet themselves, blocks that do not line up, products of
//! products, activations in the place of weights.

use secateur::build::{Conv, Op, Val};

use super::site::Site;

/// Pixels of each parity as channels of their own.
pub(super) fn focus(s: &mut Site<'_>, x: Val) -> Val {
    let (c, h, w) = (x.dims[1], x.dims[2], x.dims[3]);
    if !h.is_multiple_of(2) || !w.is_multiple_of(2) {
        return s.conv(&x, "conv", s.width);
    }
    let (end, axes, steps) = (s.ints("end", &[i64::MAX; 2]), s.ints("axes", &[2, 3]), s.ints("steps", &[2, 2]));
    let mut part = |name: &str, from: [i64; 2]| {
        let from = s.ints(&format!("{name}.from"), &from);
        s.node("Slice", name, &[&x, &from, &end, &axes, &steps], &[x.dims[0], c, h / 2, w / 2])
    };
    let parts = [part("a", [0, 0]), part("b", [1, 0]), part("c", [0, 1]), part("d", [1, 1])];
    s.concat(&parts.iter().collect::<Vec<_>>(), "concat")
}

/// A concatenation along height or width, and a pool that makes up for it.
pub(super) fn spatial_concat(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "conv", x.dims[1]);
    let axis = s.pick.one(&[2, 3]);
    let name = s.name("concat");
    let y = s.ground.g.concat(&[&x, &y], axis, &name);
    let window: Vec<i64> = (2..4).map(|k| if k == axis { 2 } else { 1 }).collect();
    let with = |op: Op| op.ints("kernel_shape", &window).ints("strides", &window);
    s.node_with("MaxPool", "pool", with, &[&y], &x.dims)
}

/// Every channel with every channel: an axis that meets itself, as a matrix or laid out in a line.
pub(super) fn gram(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, pixels) = (x.dims[0], s.pick.one(&[3, 4, 2]), x.dims[2] * x.dims[3]);
    let y = s.conv(&x, "conv", c);
    let y = s.reshape(&y, "line", &[c, pixels]);
    let turned = s.transpose(&y, "turn", &[0, 2, 1]);
    let y = s.node("MatMul", "gram", &[&y, &turned], &[n, c, c]);
    let share = s.scalar("share", 1.0 / pixels as f32);
    let y = s.like("Mul", "mean", &[&y, &share]);
    match s.pick.below(3) {
        0 => s.reshape(&y, "map", &[c * c, 1, 1]),
        1 => s.reshape(&y, "map", &[c, c, 1]),
        _ => s.reshape(&y, "map", &[1, c, c]),
    }
}

/// Two vectors multiplied to a matrix, as in bilinear pooling.
pub(super) fn outer(s: &mut Site<'_>, x: Val) -> Val {
    let (n, a, b) = (x.dims[0], s.width, s.pick.one(&[2, 3, 5]));
    let left = s.conv(&x, "left", a);
    let left = s.node("GlobalAveragePool", "left.pool", &[&left], &[n, a, 1, 1]);
    let left = s.reshape(&left, "left.column", &[a, 1]);
    let right = s.conv(&x, "right", b);
    let right = s.node("GlobalMaxPool", "right.pool", &[&right], &[n, b, 1, 1]);
    let right = s.reshape(&right, "right.row", &[1, b]);
    let y = s.node("MatMul", "outer", &[&left, &right], &[n, a, b]);
    if s.pick.yes() { s.reshape(&y, "map", &[a * b, 1, 1]) } else { s.reshape(&y, "map", &[a, b, 1]) }
}

/// A value read twice by one node.
pub(super) fn itself(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "conv", s.width);
    match s.pick.below(4) {
        0 => s.like("Mul", "square", &[&y, &y]),
        1 => s.like("Add", "twice", &[&y, &y]),
        2 => s.concat(&[&y, &y, &y], "concat"),
        _ => {
            let square = s.like("Mul", "square", &[&y, &y]);
            s.concat(&[&square, &y], "concat")
        }
    }
}

/// A value of one channel, spread over many; and one without batch or space.
pub(super) fn spread(s: &mut Site<'_>, x: Val) -> Val {
    let one = s.conv(&x, "one", 1);
    let many = s.conv(&x, "many", s.width);
    let op = s.pick.one(&["Mul", "Add", "Sub"]);
    match s.pick.below(3) {
        0 => s.like(op, "spread", &[&many, &one]),
        1 => {
            let dims = many.dims.clone();
            s.node(op, "spread", &[&one, &many], &dims)
        }
        _ => {
            let table = s.numbers("table", &[s.width, 1, 1]);
            let dims = many.dims.clone();
            s.node(op, "spread", &[&table, &one], &dims)
        }
    }
}

/// Concatenated parts, split again elsewhere.
pub(super) fn misaligned(s: &mut Site<'_>, x: Val) -> Val {
    let (a, b) = (s.width, s.width + 3);
    let (left, right) = (s.conv(&x, "left", a), s.conv(&x, "right", b));
    let whole = s.concat(&[&left, &right], "concat");
    let whole = s.relu(&whole, "relu");
    let at = s.pick.one(&[a + 1, a - 1, 1, a]);
    let parts = s.split(&whole, "split", &[at, a + b - at]);
    if s.pick.yes() {
        return s.concat(&[&parts[1], &parts[0], &left], "again");
    }
    let (p, q) = (s.conv(&parts[0], "p", s.width), s.conv(&parts[1], "q", s.width));
    s.like("Add", "sum", &[&p, &q])
}

/// Shuffles in a row, by different numbers of groups.
pub(super) fn shuffles(s: &mut Site<'_>, x: Val) -> Val {
    let c = 12;
    let mut y = s.conv(&x, "conv", c);
    let (h, w) = (y.dims[2], y.dims[3]);
    for k in 0..2 {
        let groups = s.pick.one(&[2, 3, 4, 6]);
        y = s.reshape(&y, &format!("to{k}"), &[groups, c / groups, h, w]);
        y = s.transpose(&y, &format!("turn{k}"), &[0, 2, 1, 3, 4]);
        y = s.reshape(&y, &format!("from{k}"), &[c, h, w]);
        if s.pick.yes() {
            y = s.conv_as(&y, &format!("grouped{k}"), Conv::square(c, 1).group(s.width.clamp(2, 4)));
        }
    }
    y
}

/// Channels and pixels taken apart and put together in ways that share few factors.
pub(super) fn refactor(s: &mut Site<'_>, x: Val) -> Val {
    let c = s.pick.one(&[12, 6, 8]);
    let y = s.conv(&x, "conv", c);
    let (h, w) = (y.dims[2], y.dims[3]);
    let tail: Vec<usize> = match s.pick.below(5) {
        0 => vec![c / 2, 2 * h, w],
        1 => vec![2, c / 2 * h, w],
        2 => vec![h * w, c],
        3 => vec![w, h, c],
        _ => vec![c * h * w],
    };
    let y = s.reshape(&y, "to", &tail);
    let y = if s.pick.yes() {
        let last = *y.dims.last().unwrap();
        let scale = s.numbers("scale", &[last]);
        s.like("Mul", "scaled", &[&y, &scale])
    } else {
        s.relu(&y, "relu")
    };
    s.reshape(&y, "from", &[c, h, w])
}

/// Detection heads: maps laid out as (box, class), concatenated, and shown to the world.
pub(super) fn boxes(s: &mut Site<'_>, x: Val) -> Val {
    let (n, pixels) = (x.dims[0], x.dims[2] * x.dims[3]);
    let deep = s.conv(&x, "deep", s.width);
    let deep = s.relu(&deep, "relu");
    let mut lines = Vec::new();
    for (name, from) in [("near", &x), ("far", &deep)] {
        let y = s.conv(from, name, 6);
        let y = s.transpose(&y, &format!("{name}.turn"), &[0, 2, 3, 1]);
        lines.push(s.reshape(&y, &format!("{name}.line"), &[pixels * 2, 3]));
    }
    let name = s.name("concat");
    let y = s.ground.g.concat(&lines.iter().collect::<Vec<_>>(), 1, &name);
    let y = s.node_with("Softmax", "softmax", |op: Op| op.int("axis", -1), &[&y], &[n, pixels * 4, 3]);
    s.ground.outputs.push(y);
    deep
}

/// Flatten at each of its axes, a layer of features, and back to a map.
pub(super) fn bottleneck(s: &mut Site<'_>, x: Val) -> Val {
    let features = x.dims[1..].iter().product();
    let (axis, hidden) = (s.pick.one(&[1, -3]), s.width);
    let y = s.node_with("Flatten", "flat", |op: Op| op.int("axis", axis), &[&x], &[x.dims[0], features]);
    let name = s.name("in");
    let y = s.ground.g.gemm(&y, &name, hidden);
    let y = if s.pick.yes() {
        let name = s.name("bn");
        s.ground.g.batch_norm(&y, &name)
    } else {
        y
    };
    let y = s.relu(&y, "relu");
    let (name, pixels) = (s.name("out"), x.dims[2] * x.dims[3]);
    let y = s.ground.g.gemm(&y, &name, 3 * pixels);
    s.reshape(&y, "map", &[3, x.dims[2], x.dims[3]])
}

/// A filter bank that another branch computes, in the place of a weight.
pub(super) fn computed_weight(s: &mut Site<'_>, x: Val) -> Val {
    let (n, c, pixels, out) = (x.dims[0], x.dims[1], x.dims[2] * x.dims[3], s.width);
    let pooled = s.node("GlobalAveragePool", "pool", &[&x], &[n, c, 1, 1]);
    let w = s.conv(&pooled, "bank", out * c);
    let w = s.reshape(&w, "matrix", &[out, c]);
    let y = s.reshape(&x, "line", &[c, pixels]);
    let y = s.node("MatMul", "apply", &[&w, &y], &[n, out, pixels]);
    s.reshape(&y, "map", &[out, x.dims[2], x.dims[3]])
}

/// Channels of zeros around those of a branch, and slices across their border.
pub(super) fn padded(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width;
    let y = s.conv(&x, "conv", n);
    let (before, after) = (s.pick.one(&[1, 2, 0]), s.pick.one(&[3, 0, 1]));
    let pads = s.ints("pads", &[0, before as i64, 0, 0, 0, after as i64, 0, 0]);
    let whole = before + n + after;
    let dims = |c: usize| [y.dims[0], c, y.dims[2], y.dims[3]];
    let value = s.scalar("value", s.width as f32);
    let wide = s.node("Pad", "pad", &[&y, &pads, &value], &dims(whole));
    let at = s.pick.one(&[whole / 2, 1, whole - 1]);
    let (zero, middle, end) = (s.ints("zero", &[0]), s.ints("middle", &[at as i64]), s.ints("end", &[whole as i64]));
    let axis = s.ints("axis", &[1]);
    let a = s.node("Slice", "a", &[&wide, &zero, &middle, &axis], &dims(at));
    let b = s.node("Slice", "b", &[&wide, &middle, &end, &axis], &dims(whole - at));
    if s.pick.yes() { s.concat(&[&b, &a], "concat") } else { s.conv(&b, "last", n) }
}
