//! Blocks that join and part: sums, concatenations, splits, gates, and values with several readers.

use secateur::build::{Conv, Val};

use super::site::Site;

/// A branch of one or two convolutions that ends with as many channels as asked for.
fn branch(s: &mut Site<'_>, x: &Val, part: &str, out: usize) -> Val {
    let y = if s.pick.yes() {
        let inner = s.conv(x, &format!("{part}.inner"), s.width);
        s.relu(&inner, &format!("{part}.relu"))
    } else {
        x.clone()
    };
    let c = Conv::square(out, 3).pad(1);
    s.conv_as(&y, part, c)
}

/// A sum with what the block reads.
pub(super) fn residual(s: &mut Site<'_>, x: Val) -> Val {
    let y = branch(s, &x, "branch", x.dims[1]);
    let inputs = if s.pick.yes() { [&y, &x] } else { [&x, &y] };
    let op = s.pick.one(&["Add", "Sum", "Sub"]);
    let sum = s.like(op, "sum", &inputs);
    s.relu(&sum, "relu")
}

/// A sum of two branches of which one is a convolution 1x1, both in strides perhaps.
pub(super) fn projected(s: &mut Site<'_>, x: Val) -> Val {
    let stride = s.pick.one(&[1, 2]);
    let out = s.width;
    let main = s.conv_as(&x, "main", Conv::square(out, 3).pad(1).stride(stride));
    let main = s.relu(&main, "relu");
    let main = branch(s, &main, "branch", out);
    let short = s.conv_as(&x, "short", Conv::square(out, 1).stride(stride));
    s.like("Add", "sum", &[&main, &short])
}

/// A skip from far back, where there is one of the same height and width: added, added behind a projection, or concatenated.
pub(super) fn long_skip(s: &mut Site<'_>, x: Val) -> Val {
    let fits = |v: &&Val| v.dims[2..] == x.dims[2..];
    let Some(far) = s.ground.saved.iter().find(fits).cloned() else {
        return branch(s, &x, "near", s.width);
    };
    match s.pick.below(3) {
        0 if far.dims == x.dims => s.like("Add", "sum", &[&x, &far]),
        1 => s.concat(&[&far, &x], "concat"),
        _ => {
            let short = s.conv(&far, "short", x.dims[1]);
            s.like("Add", "sum", &[&x, &short])
        }
    }
}

/// ResNet's shortcut without weights: every second pixel, and channels of zeros on both sides.
pub(super) fn option_a(s: &mut Site<'_>, x: Val) -> Val {
    let (before, after) = (s.pick.one(&[2, 0, 3]), s.pick.one(&[2, 0, 1]));
    let strided = x.dims[2].min(x.dims[3]) > 1;
    let out = before + x.dims[1] + after;
    let main = s.conv_as(&x, "main", Conv::square(out, 3).pad(1).stride(1 + usize::from(strided)));
    let main = s.relu(&main, "relu");
    let mut short = x;
    if strided {
        let (zero, end) = (s.ints("starts", &[0, 0]), s.ints("ends", &[i64::MAX, i64::MAX]));
        let (axes, steps) = (s.ints("axes", &[2, 3]), s.ints("steps", &[2, 2]));
        let dims = [short.dims[0], short.dims[1], main.dims[2], main.dims[3]];
        short = s.node("Slice", "pixels", &[&short, &zero, &end, &axes, &steps], &dims);
    }
    let pads = s.ints("pads", &[0, before as i64, 0, 0, 0, after as i64, 0, 0]);
    let short = s.node("Pad", "pad", &[&short, &pads], &main.dims);
    s.like("Add", "sum", &[&main, &short])
}

/// A concatenation of branches and of what the block reads, once or twice.
pub(super) fn concat(s: &mut Site<'_>, x: Val) -> Val {
    let (a, b) = (branch(s, &x, "a", s.width), branch(s, &x, "b", s.width + 1));
    match s.pick.below(4) {
        0 => s.concat(&[&a, &b], "concat"),
        1 => s.concat(&[&x, &a], "concat"),
        2 => s.concat(&[&a, &x, &b], "concat"),
        _ => s.concat(&[&x, &a, &x], "concat"),
    }
}

/// Branches of grouped convolutions, concatenated and mixed.
pub(super) fn grouped_branches(s: &mut Site<'_>, x: Val) -> Val {
    let group = s.pick.one(&[2, 3]);
    let stem = s.conv(&x, "stem", 2 * group);
    let wide = s.conv_as(&stem, "wide", Conv::square(2 * group, 3).pad(1).group(group));
    let deep = s.conv_as(&stem, "deep", Conv::square(2 * group, 1).group(2 * group));
    let joined = s.concat(&[&wide, &deep], "concat");
    if s.pick.yes() { s.conv_as(&joined, "mixed", Conv::square(2 * group, 1).group(group)) } else { joined }
}

/// A split into two or three parts, equal or not, each with readers of its own.
pub(super) fn split(s: &mut Site<'_>, x: Val) -> Val {
    let form = s.pick.below(3);
    let n = s.width;
    let sizes = [vec![n, n], vec![n, n + 2, 2], vec![1, n]][form].clone();
    let whole = s.conv(&x, "whole", sizes.iter().sum());
    let parts = s.split(&whole, "split", &sizes);
    match s.pick.below(3) {
        0 => {
            let turned: Vec<&Val> = parts.iter().rev().collect();
            s.concat(&turned, "concat")
        }
        1 => {
            let (a, b) = (s.conv(&parts[0], "a", n), s.conv(&parts[1], "b", n));
            s.like("Add", "sum", &[&a, &b])
        }
        _ if form == 0 => s.like("Mul", "product", &[&parts[0], &parts[1]]),
        _ => s.conv(&parts[1], "one", n),
    }
}

/// YOLO's block: both halves of a split, what follows from one of them, and the whole are all read again.
pub(super) fn c2f(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width;
    let whole = s.conv(&x, "whole", 2 * n);
    let whole = s.relu(&whole, "relu");
    let halves = s.split(&whole, "split", &[n, n]);
    let deep = branch(s, &halves[1], "deep", n);
    let deep = if s.pick.yes() { s.like("Add", "sum", &[&halves[1], &deep]) } else { deep };
    let joined = match s.pick.below(3) {
        0 => s.concat(&[&halves[0], &halves[1], &deep], "concat"),
        1 => s.concat(&[&whole, &deep], "concat"),
        _ => s.concat(&[&halves[0], &deep], "concat"),
    };
    if s.pick.yes() { s.conv(&joined, "last", s.width) } else { joined }
}

/// One branch opens and closes the other.
pub(super) fn gate(s: &mut Site<'_>, x: Val) -> Val {
    let (a, b) = (branch(s, &x, "a", s.width), branch(s, &x, "b", s.width));
    let op = s.pick.one(&["Sigmoid", "Tanh", "HardSigmoid"]);
    let gate = s.like(op, "gate", &[&b]);
    s.like("Mul", "product", &[&a, &gate])
}

/// Squeeze-excite: by convolutions, or by Gemms and a Reshape.
pub(super) fn squeeze_excite(s: &mut Site<'_>, x: Val) -> Val {
    let c = x.dims[1];
    let square = [x.dims[0], c, 1, 1];
    let gate = if s.pick.yes() {
        let pooled = s.reduce("ReduceMean", "mean", &x, &[-1, -2], false);
        let (down, up) = (s.name("down"), s.name("up"));
        let y = s.ground.g.gemm(&pooled, &down, s.width);
        let y = s.relu(&y, "relu");
        let y = s.ground.g.gemm(&y, &up, c);
        let y = s.like("Sigmoid", "sigmoid", &[&y]);
        match s.pick.below(2) {
            0 => s.reshape(&y, "back", &[c, 1, 1]),
            _ => s.unsqueeze(&y, "back", &[2, 3]),
        }
    } else {
        let pooled = if s.pick.yes() {
            s.reduce("ReduceMean", "mean", &x, &[2, 3], true)
        } else {
            s.node("GlobalAveragePool", "mean", &[&x], &square)
        };
        let y = s.conv(&pooled, "down", s.width);
        let y = s.relu(&y, "relu");
        let y = s.conv(&y, "up", c);
        s.like("HardSigmoid", "gate", &[&y])
    };
    s.like("Mul", "scale", &[&x, &gate])
}

/// Operators of two or three activations.
pub(super) fn elementwise(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width;
    let (a, b) = (branch(s, &x, "a", n), branch(s, &x, "b", n));
    match s.pick.below(4) {
        0 => s.like("Max", "max", &[&a, &b]),
        1 => s.like("Min", "min", &[&a, &b]),
        2 => {
            let c = s.conv(&x, "c", n);
            s.like("Sum", "sum", &[&a, &b, &c])
        }
        _ => {
            let positive = s.like("Greater", "greater", &[&a, &b]);
            s.like("Where", "where", &[&positive, &a, &b])
        }
    }
}

/// A value that two nodes read, of which one needs every channel.
pub(super) fn pinned_reader(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "read", s.width);
    let whole = match s.pick.below(3) {
        0 => s.node_with("Softmax", "softmax", |op| op.int("axis", 1), &[&y], &y.dims.clone()),
        1 => s.node_with("LRN", "lrn", |op| op.int("size", 3), &[&y], &y.dims.clone()),
        _ => {
            let axis = s.scalar_int("axis", 1);
            s.like("CumSum", "cumsum", &[&y, &axis])
        }
    };
    let (a, b) = (s.conv(&whole, "a", s.width), s.conv(&y, "b", s.width));
    s.like("Add", "sum", &[&a, &b])
}

/// A further graph output: a convolution's own, or a branch's.
pub(super) fn tap(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "conv", s.width);
    let out = match s.pick.below(3) {
        0 => s.conv(&y, "out", 2),
        1 => y.clone(),
        _ => s.node("GlobalMaxPool", "pooled", &[&y], &[y.dims[0], y.dims[1], 1, 1]),
    };
    s.ground.outputs.push(out);
    s.relu(&y, "relu")
}

/// A statistic over the channels gates them: a sum may lose channels, a mean or a maximum may not.
pub(super) fn over_channels(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "conv", s.width);
    let op = s.pick.one(&["ReduceSum", "ReduceL1", "ReduceSumSquare", "ReduceMean", "ReduceMax"]);
    let statistic = s.reduce(op, "statistic", &y, &[1], true);
    let gate = s.like("Sigmoid", "gate", &[&statistic]);
    s.like("Mul", "product", &[&x, &gate])
}
