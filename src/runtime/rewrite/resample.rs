//! Operators that change the spatial size in a way that tract lacks.

use super::{Answer, Operands, Parts, list, refuse};
use crate::model::Tensor;
use crate::model::proto::NodeProto;

/// Upsample (<https://onnx.ai/onnx/operators/onnx__Upsample.html>): `y[.., i, ..] = x[.., floor(i / scale), ..]`, or between that one and
/// the next where it is linear. The first is a Gather along each axis, the second a product with a matrix of weights.
pub(super) fn upsample(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let attribute = node.attr("scales").map(|a| a.floats.clone());
    let Some(scales) = attribute.or_else(|| about.known(1)?.tensor().floats()) else {
        return refuse("its scales are computed");
    };
    let dims = about.dims(0)?;
    let linear = match node.attr_str("mode").unwrap_or("nearest") {
        "nearest" => false,
        "linear" | "bilinear" => true,
        _ => return refuse("its mode is neither nearest nor linear"),
    };
    let scaled: Vec<usize> = (0..scales.len()).filter(|&k| scales[k] != 1.0).collect();
    let last_two = scaled.iter().all(|k| k + 2 >= dims.len());
    if scales.len() != dims.len() || scales.iter().any(|s| !(*s > 0.0 && *s < 1e4)) || (linear && !last_two) {
        return refuse("its scales do not fit its input");
    }
    let mut parts = Parts::before(node);
    let mut x = node.input[0].clone();
    for k in scaled {
        x = if linear {
            let weights = parts.constant(weights(dims[k], scales[k], k + 1 == dims.len()));
            let pair = if k + 1 == dims.len() { [x.as_str(), &weights] } else { [weights.as_str(), &x] };
            parts.add("MatMul", &pair, |_| {})
        } else {
            let index: Vec<i64> = (0..length(dims[k], scales[k])).map(|i| nearest(i, scales[k], dims[k])).collect();
            let index = parts.constant(list(&index));
            parts.add("Gather", &[&x, &index], |n| n.set_int("axis", k as i64))
        };
    }
    Ok(parts.end("Identity", &[&x], |_| {}))
}

/// Resize in the operator sets 11 and 12 (<https://onnx.ai/onnx/operators/onnx__Resize.html>): tract counts its inputs by their places, so
/// that none may be left out.
pub(super) fn resize(node: &NodeProto, about: &Operands<'_>) -> Option<Parts> {
    let left_out: Vec<usize> = (1..node.input.len().min(3)).filter(|&slot| node.input[slot].is_empty()).collect();
    if left_out.is_empty() || !matches!(about.opset(), 11 | 12) {
        return None;
    }
    let mut parts = Parts::before(node);
    let mut node = node.clone();
    for slot in left_out {
        node.input[slot] = parts.constant(Tensor::from_floats(vec![0], &[]));
    }
    parts.nodes.push(node);
    Some(parts)
}

fn length(n: usize, scale: f32) -> usize {
    (n as f32 * scale).floor() as usize
}

fn nearest(i: usize, scale: f32, n: usize) -> i64 {
    ((i as f32 / scale).floor() as i64).clamp(0, n as i64 - 1)
}

/// The weight of each element in each element of the result; `right`: to be multiplied from the right.
fn weights(n: usize, scale: f32, right: bool) -> Tensor {
    let m = length(n, scale);
    let mut values = vec![0.0; m * n];
    for i in 0..m {
        let at = (i as f32 / scale).min(n as f32 - 1.0);
        let low = at.floor() as usize;
        let high = (low + 1).min(n - 1);
        let share = at - low as f32;
        let place = |j: usize| if right { j * m + i } else { i * n + j };
        values[place(low)] += 1.0 - share;
        values[place(high)] += share;
    }
    Tensor::from_floats(if right { vec![n, m] } else { vec![m, n] }, &values)
}

/// ConvTranspose (<https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>) with `output_shape`: which pads lead to it. tract takes the shape
/// and computes other values.
pub(super) fn conv_transpose(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let Some(target) = node.attr_ints("output_shape").filter(|t| !t.is_empty()) else { return Ok(None) };
    let (x, w) = (about.dims(0)?, about.dims(1)?);
    let rank = x.len().saturating_sub(2);
    let target = target.get(target.len().saturating_sub(rank)..).unwrap_or(target);
    if target.len() != rank || w.len() != x.len() {
        return refuse("its output_shape does not fit its input");
    }
    let of = |name: &str, k: usize, or: i64| node.attr_ints(name).and_then(|v| v.get(k)).copied().unwrap_or(or);
    let upper = node.attr_str("auto_pad") == Some("SAME_UPPER");
    let (mut begins, mut ends, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..rank {
        let kernel = (w[k + 2] as i64 - 1) * of("dilations", k, 1) + 1;
        let whole = of("strides", k, 1) * (x[k + 2] as i64 - 1) + of("output_padding", k, 0) + kernel;
        let (total, more) = ((whole - target[k]).max(0), (target[k] - whole).max(0));
        let smaller = total / 2;
        begins.push(if upper { smaller } else { total - smaller });
        ends.push(if upper { total - smaller } else { smaller });
        extra.push(of("output_padding", k, 0) + more);
    }
    let mut node = node.clone();
    node.attribute.retain(|a| !matches!(a.name(), "output_shape" | "auto_pad" | "pads" | "output_padding"));
    begins.extend(ends);
    node.set_ints("pads", begins);
    node.set_ints("output_padding", extra);
    Ok(Parts::only(node))
}
