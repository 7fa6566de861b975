//! Blocks of the rarer operators: transposed convolutions, pixels from channels, resizing, lookups, repeats, normalisations, Einsum,
//! quantization, and operators that mix pixels only.

use secateur::build::{Op, Val};
use secateur::model::Tensor;
use secateur::model::proto::DataType;

use super::site::Site;

/// Halves height and width again, where an operator has doubled them.
fn halved(s: &mut Site<'_>, y: &Val) -> Val {
    let with = |op: Op| op.ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]);
    let dims = [y.dims[0], y.dims[1], y.dims[2] / 2, y.dims[3] / 2];
    s.node_with("MaxPool", "halved", with, &[y], &dims)
}

/// A transposed convolution: plain, depthwise or in groups.
pub(super) fn transposed(s: &mut Site<'_>, x: Val) -> Val {
    let group = s.pick.one(&[1, 2, 3]);
    let depthwise = group > 1 && s.pick.yes();
    let y = if depthwise { x } else { s.conv(&x, "before", group * s.width) };
    let (group, per) = if depthwise { (y.dims[1], s.pick.one(&[1, 2])) } else { (group, s.pick.one(&[2, 3])) };
    let (kernel, stride) = s.pick.one(&[(2, 2), (1, 1)]);
    let (c, out) = (y.dims[1], group * per);
    let (w, b) = (s.weights("weight", &[c, per, kernel, kernel]), s.numbers("bias", &[out]));
    let with = |op: Op| {
        op.int("group", group as i64).ints("kernel_shape", &[kernel as i64; 2]).ints("strides", &[stride as i64; 2])
    };
    let dims = [y.dims[0], out, stride * y.dims[2], stride * y.dims[3]];
    let inputs = if s.pick.yes() { vec![&y, &w] } else { vec![&y, &w, &b] };
    let y = s.node_with("ConvTranspose", "up", with, &inputs, &dims);
    let y = s.relu(&y, "relu");
    if stride == 2 { halved(s, &y) } else { y }
}

/// DepthToSpace in either mode, or SpaceToDepth.
pub(super) fn pixels(s: &mut Site<'_>, x: Val) -> Val {
    let form = s.pick.below(3);
    if form == 2 && x.dims[2].is_multiple_of(2) && x.dims[3].is_multiple_of(2) {
        let dims = [x.dims[0], 4 * x.dims[1], x.dims[2] / 2, x.dims[3] / 2];
        let y = s.node_with("SpaceToDepth", "deep", |op| op.int("blocksize", 2), &[&x], &dims);
        return s.conv(&y, "behind", s.width);
    }
    let y = s.conv(&x, "before", 4 * s.width);
    let mode = ["DCR", "CRD"][form % 2];
    let dims = [y.dims[0], s.width, 2 * y.dims[2], 2 * y.dims[3]];
    let y = s.node_with("DepthToSpace", "wide", |op| op.int("blocksize", 2).text("mode", mode), &[&y], &dims);
    halved(s, &y)
}

/// Resize by scales, or to sizes of which the batch and perhaps the channels are read from the input.
pub(super) fn resized(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "before", s.width);
    let none = Val { name: String::new(), dims: vec![] };
    let (h, w) = (2 * y.dims[2], 2 * y.dims[3]);
    let dims = [y.dims[0], y.dims[1], h, w];
    let mode = s.pick.one(&["nearest", "linear"]);
    let with = |op: Op| {
        op.text("mode", mode).text("coordinate_transformation_mode", "asymmetric").text("nearest_mode", "floor")
    };
    let new = s.ground.opset >= 13;
    let y = if new && s.pick.yes() {
        let batch = s.length(&y, "batch", 0);
        let (channels, rest) = if s.pick.yes() {
            (s.length(&y, "channels", 1), s.ints("rest", &[h as i64, w as i64]))
        } else {
            (s.ints("channels", &[y.dims[1] as i64]), s.ints("rest", &[h as i64, w as i64]))
        };
        let sizes = s.node_with("Concat", "sizes", |op| op.int("axis", 0), &[&batch, &channels, &rest], &[4]);
        s.node_with("Resize", "resize", with, &[&y, &none, &none, &sizes], &dims)
    } else {
        let name = s.name("scales");
        let scales = s.ground.g.initializer(&name, &Tensor::from_floats(vec![4], &[1.0, 1.0, 2.0, 2.0]));
        // The regions of interest may be left out since operator set 13.
        let regions = if new { none } else { s.numbers("regions", &[8]) };
        s.node_with("Resize", "resize", with, &[&y, &regions, &scales], &dims)
    };
    halved(s, &y)
}

/// Channels looked up by a list with repeats and gaps, or one of them alone, which then gates all.
pub(super) fn gathered(s: &mut Site<'_>, x: Val) -> Val {
    let n = s.width + 2;
    let y = s.conv(&x, "before", n);
    let axis = s.pick.one(&[1, -3]);
    let at = |s: &mut Site<'_>| s.pick.below(2 * n) as i64 - n as i64;
    if s.pick.below(4) == 3 {
        let i = at(s);
        let index = s.scalar_int("index", i);
        let one =
            s.node_with("Gather", "one", |op| op.int("axis", axis), &[&y, &index], &[y.dims[0], y.dims[2], y.dims[3]]);
        let one = s.reshape(&one, "gate", &[1, y.dims[2], y.dims[3]]);
        return s.like("Mul", "product", &[&y, &one]);
    }
    let count = 2 + s.pick.below(n);
    let list: Vec<i64> = (0..count).map(|_| at(s)).collect();
    let index = s.ints("index", &list);
    let y = s.node_with(
        "Gather",
        "gather",
        |op| op.int("axis", axis),
        &[&y, &index],
        &[y.dims[0], count, y.dims[2], y.dims[3]],
    );
    let scale = s.numbers("scale", &[count, 1, 1]);
    s.like("Mul", "mul", &[&y, &scale])
}

/// Channels in the reverse order, beside themselves.
pub(super) fn reversed(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "before", s.width);
    let ends = [i64::MIN, -1 - s.width as i64];
    let (from, to) = (s.pick.one(&[-1, s.width as i64 - 1]), s.pick.one(&ends));
    let [from, to, axis, step] =
        [("from", from), ("to", to), ("axis", 1), ("step", -1)].map(|(name, v)| s.ints(name, &[v]));
    let turned = s.like("Slice", "turned", &[&y, &from, &to, &axis, &step]);
    if s.pick.yes() { s.concat(&[&y, &turned], "concat") } else { turned }
}

/// Channels repeated, pixels spread, or numbers laid out in an activation's shape.
pub(super) fn repeated(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "before", s.width);
    let (n, c, h, w) = (y.dims[0], y.dims[1], y.dims[2], y.dims[3]);
    match s.pick.below(3) {
        0 => {
            let repeats = s.ints("repeats", &[1, 2, 1, 1]);
            s.node("Tile", "tile", &[&y, &repeats], &[n, 2 * c, h, w])
        }
        1 => {
            let pooled = s.node("GlobalMaxPool", "pooled", &[&y], &[n, c, 1, 1]);
            let shape = s.ints("shape", &[1, c as i64, h as i64, w as i64]);
            let spread = s.node("Expand", "spread", &[&pooled, &shape], &y.dims);
            s.like("Sub", "sub", &[&y, &spread])
        }
        _ => {
            let shape = s.node("Shape", "shape", &[&y], &[4]);
            let half = Tensor::from_floats(vec![1], &[0.5]);
            let map = s.node_with("ConstantOfShape", "map", |op| op.tensor("value", &half), &[&shape], &y.dims);
            s.like("Add", "add", &[&y, &map])
        }
    }
}

/// Statistics of each channel, of groups of channels as exporters write them, or of all of a pixel's channels.
pub(super) fn normalised(s: &mut Site<'_>, x: Val) -> Val {
    let groups = s.pick.one(&[2, 3]);
    let c = groups * s.pick.one(&[2, 1, 3]);
    let y = s.conv(&x, "before", c);
    let (n, h, w) = (y.dims[0], y.dims[2], y.dims[3]);
    match s.pick.below(3) {
        0 if h * w > 1 => {
            let (scale, bias) = (s.numbers("scale", &[c]), s.numbers("bias", &[c]));
            s.like("InstanceNormalization", "norm", &[&y, &scale, &bias])
        }
        1 if h * w > 1 => {
            let (scale, bias) = (s.numbers("scale", &[groups]), s.numbers("bias", &[groups]));
            let y = s.reshape(&y, "to", &[groups, c / groups * h * w]);
            let y = s.like("InstanceNormalization", "norm", &[&y, &scale, &bias]);
            debug_assert_eq!(y.dims[0], n);
            let y = s.reshape(&y, "from", &[c, h, w]);
            let gamma = s.numbers("gamma", &[c, 1, 1]);
            s.like("Mul", "mul", &[&y, &gamma])
        }
        _ if s.ground.opset < 17 => s.conv(&y, "behind", s.width),
        _ => {
            let y = s.transpose(&y, "to", &[0, 2, 3, 1]);
            let (scale, bias) = (s.numbers("scale", &[c]), s.numbers("bias", &[c]));
            let y = s.like("LayerNormalization", "norm", &[&y, &scale, &bias]);
            let y = s.transpose(&y, "from", &[0, 3, 1, 2]);
            s.conv(&y, "behind", s.width)
        }
    }
}

/// Einsum: a convolution 1x1 by either layout of its weight, or a product over pixels.
pub(super) fn einsum(s: &mut Site<'_>, x: Val) -> Val {
    if s.ground.opset < 12 {
        return s.conv(&x, "before", s.width);
    }
    let (c, out) = (x.dims[1], s.width);
    let (equation, dims) = s.pick.one(&[("nchw,co->nohw", [c, out]), ("nchw,oc->nohw", [out, c])]);
    let w = s.weights("weight", &dims);
    let with = |op: Op| op.text("equation", equation);
    let y = s.node_with("Einsum", "einsum", with, &[&x, &w], &[x.dims[0], out, x.dims[2], x.dims[3]]);
    if !s.pick.yes() {
        return y;
    }
    let z = s.conv(&x, "other", out);
    let with = |op: Op| op.text("equation", "nchw,nohw->nco");
    let y = s.node_with("Einsum", "product", with, &[&y, &z], &[x.dims[0], out, out]);
    s.reshape(&y, "from", &[out, out, 1])
}

/// A convolution with an int8 weight, a scale for each filter; its input quantized too, perhaps.
pub(super) fn quantized(s: &mut Site<'_>, x: Val) -> Val {
    if s.ground.opset < 13 {
        return s.conv(&x, "before", s.width);
    }
    let (out, c) = (s.width, x.dims[1]);
    let int8 = |s: &mut Site<'_>, part: &str, dims: &[usize], at: &dyn Fn(usize) -> i8| {
        let data: Vec<u8> = (0..dims.iter().product()).map(|i| at(i) as u8).collect();
        let name = s.name(part);
        s.ground.g.initializer(&name, &Tensor { dtype: DataType::Int8, dims: dims.to_vec(), data: data.into() })
    };
    let mut x = x;
    if s.pick.yes() {
        let (scale, zero) = (s.scalar("x.scale", 0.05), int8(s, "x.zero", &[], &|_| 3));
        let q = s.like("QuantizeLinear", "q", &[&x, &scale, &zero]);
        x = s.like("DequantizeLinear", "dq", &[&q, &scale, &zero]);
    }
    let dims = [out, c, 1, 1];
    let w = int8(s, "weight", &dims, &|i| ((i * 37 + i * i % 101) % 255) as i8);
    let zero = int8(s, "zero", &[out], &|i| (i % 3) as i8);
    let name = s.name("scale");
    let scale = s.ground.g.uniform(&name, &[out], 0.002, 0.01);
    let w = s.node_with("DequantizeLinear", "dq_w", |op| op.int("axis", 0), &[&w, &scale, &zero], &dims);
    let y = s.node("Conv", "conv", &[&x, &w], &[x.dims[0], out, x.dims[2], x.dims[3]]);
    s.relu(&y, "relu")
}

/// Operators that mix pixels and leave channels apart.
pub(super) fn along(s: &mut Site<'_>, x: Val) -> Val {
    let y = s.conv(&x, "before", s.width);
    match s.pick.below(3) {
        0 => {
            let axis = s.scalar_int("axis", 3);
            s.like("CumSum", "cumsum", &[&y, &axis])
        }
        1 => {
            let k = s.ints("k", &[1]);
            let dims = vec![y.dims[0], y.dims[1], y.dims[2], 1];
            let name = s.name("topk");
            s.ground.g.node_multi(Op::new("TopK", &name).int("axis", 3), &[&y, &k], &[dims.clone(), dims]).remove(0)
        }
        _ if s.ground.opset < 14 => s.relu(&y, "relu"),
        _ => s.like("Trilu", "trilu", &[&y]),
    }
}
