//! What operators that move, repeat, pool or reduce elements are known to make.

use super::contract::is_padded;
use super::numbers;
use super::values::{At, along};
use crate::model::Tensor;
use crate::model::attr::from_front;
use crate::model::constant::computed;
use crate::model::constant::movement::{concat, reshape, transpose};

/// What is known of the first output.
pub(super) fn made(at: &At<'_>) -> Option<Tensor> {
    match at.node.op() {
        "Reshape" | "Unsqueeze" | "Squeeze" | "Flatten" | "Transpose" | "Slice" | "Gather" | "Expand" => moved(at),
        "Concat" => joined(at),
        "Pad" => padded(at),
        "DepthToSpace" | "SpaceToDepth" => blocks(at),
        "MaxPool" | "GlobalMaxPool" | "GlobalAveragePool" => pooled(at, |_| true),
        "AveragePool" => {
            let plain = !is_padded(at) && at.int("ceil_mode", 0) == 0;
            pooled(at, |c| c == 0.0 || plain)
        }
        "LpPool" | "GlobalLpPool" => pooled(at, |c| c == 0.0),
        "Resize" | "Upsample" => {
            let beyond = at.node.proto.attr_str("coordinate_transformation_mode") == Some("tf_crop_and_resize");
            let outside = at.float("extrapolation_value", 0.0);
            pooled(at, |c| !beyond || c == outside)
        }
        "GroupNormalization" => group_norm(at),
        "ReduceMean" | "ReduceMax" | "ReduceMin" => reduced(at, |_| true),
        "ReduceSum" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare" => reduced(at, |c| c == 0.0),
        _ => None,
    }
}

/// Each element of the output is one of the input; further inputs say which.
fn moved(at: &At<'_>) -> Option<Tensor> {
    let x = at.some(0)?;
    let further = (1..at.node.inputs.len()).map(|s| {
        let known = at.node.input(s).map(|v| at.known.get(v).map(crate::model::Known::tensor));
        known.map_or(Some(None), |k| k.map(Some))
    });
    let inputs: Vec<Option<Tensor>> = std::iter::once(Some(Some(x))).chain(further).collect::<Option<_>>()?;
    computed(at.node.proto, &inputs, at.facts.graph.model().opset())
}

fn joined(at: &At<'_>) -> Option<Tensor> {
    let slots = 0..at.node.inputs.len();
    if slots.clone().all(|s| at.some(s).is_none()) {
        return None;
    }
    let parts: Vec<Tensor> = slots.map(|s| at.all(s)).collect::<Option<_>>()?;
    concat(&parts.iter().collect::<Vec<_>>(), at.int("axis", 1))
}

/// What is known of each output of a Split.
pub(super) fn split(at: &At<'_>) -> Vec<Option<Tensor>> {
    let Some((x, axis)) =
        at.some(0).and_then(|x| Some((from_front(at.int("axis", 0), x.dims.len())?, x)).map(|(k, x)| (x, k)))
    else {
        return Vec::new();
    };
    let mut from = 0;
    let mut part = |slot: usize| {
        let n = *at.made_dims(slot)?.get(axis)?;
        let index: Vec<usize> = (from..from + n).collect();
        from += n;
        x.select(axis, &index).ok()
    };
    // Where the length of one part is not known, nor is where the next begins.
    let parts: Option<Vec<Tensor>> = (0..at.node.outputs.len()).map(&mut part).collect();
    parts.map_or(Vec::new(), |p| p.into_iter().map(Some).collect())
}

/// Pad by amounts for all axes: with a constant anywhere, with elements of the channel itself at spatial axes.
fn padded(at: &At<'_>) -> Option<Tensor> {
    let mode = at.node.proto.attr_str("mode").unwrap_or("constant");
    let (x, dims) = (at.some(0)?, at.made_dims(0)?.to_vec());
    let amounts = at.node.proto.attr_ints("pads").map(<[i64]>::to_vec).or_else(|| at.ints(1))?;
    let value = match (at.node.input(2), at.node.proto.attr("value")) {
        (Some(_), _) => *at.vector(2)?.first()?,
        (None, attribute) => attribute.and_then(|a| a.f).unwrap_or(0.0),
    };
    let rank = x.dims.len();
    if mode != "constant" && at.node.input(3).is_none() && amounts.len() == 2 * rank {
        let spatial = amounts.iter().enumerate().all(|(k, a)| *a == 0 || k % rank >= 2);
        return if spatial { pooled(at, |_| true) } else { None };
    }
    if mode != "constant" || at.node.input(3).is_some() || amounts.len() != 2 * rank || amounts.iter().any(|a| *a < 0) {
        return None;
    }
    let length = |k: usize| (x.dims[k] as i64).saturating_add(amounts[k]).saturating_add(amounts[k + rank]);
    if dims.len() != rank || (0..rank).any(|k| length(k) != dims[k] as i64) {
        return None;
    }
    let whole = numbers(&x)?;
    let from = |f: usize| {
        let (mut rest, mut source, mut scale) = (f, 0, 1);
        for k in (0..rank).rev() {
            let i = (rest % dims[k]) as i64 - amounts[k];
            rest /= dims[k];
            let i = usize::try_from(i).ok().filter(|i| *i < x.dims[k])?;
            source += i * scale;
            scale *= x.dims[k];
        }
        whole.get(source).copied()
    };
    let count: usize = dims.iter().product();
    let data: Vec<f32> = (0..count).map(|f| from(f).unwrap_or(value)).collect();
    Some(Tensor::from_floats(dims, &data))
}

/// `y[n, c, h b + i, w b + j] = x[n, (i b + j) C + c, h, w]` (DCR), `x[n, (c b + i) b + j, h, w]` (CRD), and the way back.
fn blocks(at: &At<'_>) -> Option<Tensor> {
    let x = at.some(0)?;
    let [n, c, h, w] = x.dims[..] else { return None };
    let b = usize::try_from(at.int("blocksize", 0)).ok().filter(|b| *b > 0)?;
    let to = |dims: &[usize]| dims.iter().map(|&d| d as i64).collect::<Vec<_>>();
    let (split, perm): (Vec<usize>, &[i64]) = match (at.node.op(), at.node.proto.attr_str("mode")) {
        ("SpaceToDepth", _) => (vec![n, c, h / b, b, w / b, b], &[0, 3, 5, 1, 2, 4]),
        (_, Some("CRD")) => (vec![n, c / (b * b), b, b, h, w], &[0, 1, 4, 2, 5, 3]),
        _ => (vec![n, b, b, c / (b * b), h, w], &[0, 3, 4, 1, 5, 2]),
    };
    let turned = transpose(&reshape(&x, &to(&split), false)?, Some(perm))?;
    reshape(&turned, &to(at.made_dims(0)?), false)
}

/// Channels that are one number stay that number, where it may pass.
fn pooled(at: &At<'_>, passes: impl Fn(f32) -> bool) -> Option<Tensor> {
    let (x, y) = (at.facts.dims.get(at.node.input(0)?)?, at.made_dims(0)?);
    if x.len() != y.len() || x.len() < 2 || x[..2] != y[..2] {
        return None;
    }
    let channels = at.along(0, 1)?;
    let known: Vec<f32> = channels.iter().map(|c| c.filter(|c| passes(*c)).unwrap_or(f32::NAN)).collect();
    at.by_channel(&known)
}

/// A channel that is scaled by zero is its bias.
fn group_norm(at: &At<'_>) -> Option<Tensor> {
    let channels = *at.made_dims(0)?.get(1)?;
    let (scale, bias) = (at.vector(1)?, at.vector(2)?);
    if scale.len() != bias.len() || scale.is_empty() || channels % scale.len() != 0 {
        return None;
    }
    let each = channels / scale.len();
    let channel = |c: usize| if scale[c / each] == 0.0 { bias[c / each] } else { f32::NAN };
    at.by_channel(&(0..channels).map(channel).collect::<Vec<_>>())
}

/// Where all elements that make one are the same number, it is that, if it may be.
fn reduced(at: &At<'_>, passes: impl Fn(f32) -> bool) -> Option<Tensor> {
    let (x, dims) = (at.some(0)?, at.made_dims(0)?.to_vec());
    let rank = x.dims.len();
    let given = at.node.proto.attr_ints("axes").map(<[i64]>::to_vec);
    let axes = match (given, at.node.input(1)) {
        (Some(axes), _) => axes,
        (None, Some(_)) => at.ints(1)?,
        (None, None) => Vec::new(),
    };
    if axes.is_empty() && at.int("noop_with_empty_axes", 0) != 0 {
        return None;
    }
    let axes = axes.iter().map(|a| from_front(*a, rank)).collect::<Option<Vec<_>>>()?;
    let is_reduced = |k: usize| axes.is_empty() || axes.contains(&k);
    // The kept axes first, so that each element of the output has a row.
    let (kept, gone): (Vec<usize>, Vec<usize>) = (0..rank).partition(|k| !is_reduced(*k));
    let perm: Vec<i64> = kept.iter().chain(&gone).map(|&k| k as i64).collect();
    let rows: usize = kept.iter().map(|&k| x.dims[k]).product();
    let turned = transpose(&x, Some(&perm))?;
    let whole = reshape(&turned, &[rows as i64, (x.len() / rows.max(1)) as i64], false)?;
    let made: Vec<f32> = along(&whole, 0).into_iter().map(|c| c.filter(|c| passes(*c)).unwrap_or(f32::NAN)).collect();
    (made.len() == dims.iter().product::<usize>()).then(|| Tensor::from_floats(dims, &made))
}
