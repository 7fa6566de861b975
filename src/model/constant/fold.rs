//! The operators that exporters build constants and shapes with, computed on small tensors.

use super::movement;
use crate::error::Result;
use crate::model::proto::{DataType, NodeProto};
use crate::model::tensor::Tensor;

/// The tensor of a Constant node, in whichever attribute it stands; `None` for strings and sparse ones.
pub(super) fn constant_node(node: &NodeProto) -> Result<Option<Tensor>> {
    if let Some(t) = node.attr_tensor("value") {
        let text = t.data_type() == i32::from(DataType::String);
        return if text { Ok(None) } else { Tensor::from_proto(t).map(Some) };
    }
    let ints = |name: &str| node.attr(name).map(|a| a.ints.clone());
    let floats = |name: &str| node.attr(name).map(|a| a.floats.clone());
    Ok(if let Some(i) = node.attr_int("value_int") {
        Some(Tensor::from_ints(vec![], &[i]))
    } else if let Some(f) = node.attr("value_float").and_then(|a| a.f) {
        Some(Tensor::from_floats(vec![], &[f]))
    } else if let Some(i) = ints("value_ints") {
        Some(Tensor::from_ints(vec![i.len()], &i))
    } else {
        floats("value_floats").map(|f| Tensor::from_floats(vec![f.len()], &f))
    })
}

/// The first output of `node` on the given inputs; `None` where the operator or a type is not one that shapes are made with.
pub(super) fn compute(node: &NodeProto, inputs: &[Option<Tensor>], opset: i64) -> Option<Tensor> {
    let x = inputs.first()?.as_ref()?;
    let second = || inputs.get(1)?.as_ref();
    let ints = |slot: usize| inputs.get(slot)?.as_ref()?.ints();
    let axes = |name: &str| node.attr_ints(name).map(<[i64]>::to_vec).or_else(|| ints(1));
    match node.op_type() {
        "Identity" => Some(x.clone()),
        "Cast" => cast(x, DataType::try_from(node.attr_int("to")? as i32).ok()?),
        "CastLike" => cast(x, second()?.dtype),
        "Reshape" => movement::reshape(x, &ints(1)?, node.attr_int("allowzero") == Some(1)),
        "Unsqueeze" => movement::unsqueeze(x, &axes("axes")?),
        "Squeeze" => movement::squeeze(x, axes("axes").as_deref()),
        "Flatten" => movement::flatten(x, node.attr_int("axis").unwrap_or(1)),
        "Transpose" => movement::transpose(x, node.attr_ints("perm")),
        "Concat" => movement::concat(&inputs.iter().flatten().collect::<Vec<_>>(), node.attr_int("axis").unwrap_or(1)),
        "Slice" => movement::slice(x, &bounds(node, &ints, opset)?),
        "Gather" => movement::gather(x, second()?, node.attr_int("axis").unwrap_or(0)),
        "Expand" => movement::expand(x, &ints(1)?),
        "Range" => range(x, second()?, inputs.get(2)?.as_ref()?),
        "Where" => select(x, second()?, inputs.get(2)?.as_ref()?),
        "Add" => zip(x, second()?, |a, b| a.checked_add(b), |a, b| a + b),
        "Sub" => zip(x, second()?, |a, b| a.checked_sub(b), |a, b| a - b),
        "Mul" => zip(x, second()?, |a, b| a.checked_mul(b), |a, b| a * b),
        "Div" => zip(x, second()?, |a, b| a.checked_div(b), |a, b| a / b),
        "Mod" if node.attr_int("fmod") != Some(1) => {
            zip(x, second()?, modulo, |_, _| f32::NAN).filter(|t| t.dtype != DataType::Float)
        }
        "Max" if inputs.len() == 2 => zip(x, second()?, |a, b| Some(a.max(b)), f32::max),
        "Min" if inputs.len() == 2 => zip(x, second()?, |a, b| Some(a.min(b)), f32::min),
        "Equal" => compare(x, second()?, |a, b| a == b),
        "Less" => compare(x, second()?, |a, b| a < b),
        "Greater" => compare(x, second()?, |a, b| a > b),
        "Abs" => map(x, i64::checked_abs, f32::abs),
        "Clip" => clip(node, x, inputs),
        "Neg" => map(x, i64::checked_neg, |a| -a),
        "Sqrt" => map(x, |_| None, f32::sqrt),
        "Floor" => map(x, |_| None, f32::floor),
        "Ceil" => map(x, |_| None, f32::ceil),
        "ReduceProd" => reduce_prod(node, x, axes("axes")),
        _ => None,
    }
}

/// What a Slice is told: by attributes before operator set 10, by inputs since.
fn bounds(node: &NodeProto, ints: &dyn Fn(usize) -> Option<Vec<i64>>, opset: i64) -> Option<movement::Bounds> {
    if opset >= 10 {
        return Some(movement::Bounds { starts: ints(1)?, ends: ints(2)?, axes: ints(3), steps: ints(4) });
    }
    let list = |name: &str| node.attr_ints(name).map(<[i64]>::to_vec);
    Some(movement::Bounds { starts: list("starts")?, ends: list("ends")?, axes: list("axes"), steps: None })
}

/// The remainder that has the sign of the divisor, as ONNX's Mod has it.
fn modulo(a: i64, b: i64) -> Option<i64> {
    let rest = a.checked_rem(b)?;
    Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

/// In another element type; `None` where that is none that shapes and constants are made of.
pub(super) fn cast(x: &Tensor, to: DataType) -> Option<Tensor> {
    if x.dtype == to {
        return Some(x.clone());
    }
    let ints = x.ints().or_else(|| x.floats().map(|f| f.iter().map(|v| *v as i64).collect()));
    match to {
        DataType::Int64 => Some(Tensor::from_ints(x.dims.clone(), &ints?)),
        DataType::Int32 => {
            let data: Vec<u8> = ints?.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect();
            Some(Tensor { dtype: to, dims: x.dims.clone(), data: data.into() })
        }
        DataType::Float => {
            let floats = x.floats().or_else(|| x.ints().map(|i| i.iter().map(|v| *v as f32).collect()))?;
            Some(Tensor::from_floats(x.dims.clone(), &floats))
        }
        DataType::Bool => {
            let truth = x.floats().map_or_else(
                || x.ints().map(|i| i.iter().map(|v| *v != 0).collect()),
                |f| Some(f.iter().map(|v| *v != 0.0).collect()),
            );
            Some(boolean(x.dims.clone(), truth?))
        }
        _ => None,
    }
}

fn boolean(dims: Vec<usize>, values: Vec<bool>) -> Tensor {
    Tensor { dtype: DataType::Bool, dims, data: values.into_iter().map(u8::from).collect::<Vec<_>>().into() }
}

fn typed(dtype: DataType, dims: Vec<usize>, values: &[i64]) -> Option<Tensor> {
    cast(&Tensor::from_ints(dims, values), dtype)
}

fn map(x: &Tensor, int: impl Fn(i64) -> Option<i64>, float: impl Fn(f32) -> f32) -> Option<Tensor> {
    if x.dtype == DataType::Float {
        return Some(Tensor::from_floats(x.dims.clone(), &x.floats()?.iter().map(|v| float(*v)).collect::<Vec<_>>()));
    }
    let values = x.ints()?.into_iter().map(int).collect::<Option<Vec<_>>>()?;
    typed(x.dtype, x.dims.clone(), &values)
}

/// Between two bounds, each an input, an attribute, or none; what is no number stays so.
fn clip(node: &NodeProto, x: &Tensor, inputs: &[Option<Tensor>]) -> Option<Tensor> {
    let bound = |slot: usize, name: &str| {
        let attribute = || node.attr(name).and_then(|a| a.f).map(|f| Tensor::from_floats(vec![], &[f]));
        inputs.get(slot).cloned().flatten().or_else(attribute)
    };
    let mut out = x.clone();
    if let Some(low) = bound(1, "min") {
        out = zip(&out, &low, |a, b| Some(a.max(b)), |a, b| if a < b { b } else { a })?;
    }
    if let Some(high) = bound(2, "max") {
        out = zip(&out, &high, |a, b| Some(a.min(b)), |a, b| if a > b { b } else { a })?;
    }
    Some(out)
}

fn zip(
    a: &Tensor,
    b: &Tensor,
    int: impl Fn(i64, i64) -> Option<i64>,
    float: impl Fn(f32, f32) -> f32,
) -> Option<Tensor> {
    if a.dtype != b.dtype {
        return None;
    }
    let (a, b) = movement::broadcast(a, b)?;
    if a.dtype == DataType::Float {
        let values: Vec<f32> = a.floats()?.into_iter().zip(b.floats()?).map(|(x, y)| float(x, y)).collect();
        return Some(Tensor::from_floats(a.dims.clone(), &values));
    }
    let values = a.ints()?.into_iter().zip(b.ints()?).map(|(x, y)| int(x, y)).collect::<Option<Vec<_>>>()?;
    typed(a.dtype, a.dims.clone(), &values)
}

fn compare(a: &Tensor, b: &Tensor, holds: impl Fn(i64, i64) -> bool) -> Option<Tensor> {
    let (a, b) = movement::broadcast(a, b)?;
    let values = a.ints()?.into_iter().zip(b.ints()?).map(|(x, y)| holds(x, y)).collect();
    Some(boolean(a.dims.clone(), values))
}

fn select(condition: &Tensor, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    if a.dtype != b.dtype {
        return None;
    }
    let (a, b) = movement::broadcast(a, b)?;
    let (c, a) = movement::broadcast(condition, &a)?;
    let (_, b) = movement::broadcast(condition, &b)?;
    let values: Vec<i64> = c
        .ints()?
        .iter()
        .zip(a.ints()?.into_iter().zip(b.ints()?))
        .map(|(c, (x, y))| if *c != 0 { x } else { y })
        .collect();
    typed(a.dtype, a.dims.clone(), &values)
}

fn range(start: &Tensor, limit: &Tensor, delta: &Tensor) -> Option<Tensor> {
    let (s, l, d) = (*start.ints()?.first()?, *limit.ints()?.first()?, *delta.ints()?.first()?);
    if d == 0 || (l.checked_sub(s)?.checked_div(d)?) > 1 << 20 {
        return None;
    }
    let mut values = Vec::new();
    let mut v = s;
    while (d > 0 && v < l) || (d < 0 && v > l) {
        values.push(v);
        v = v.checked_add(d)?;
    }
    typed(start.dtype, vec![values.len()], &values)
}

/// ReduceProd over everything or over all axes, as shape arithmetic uses it.
fn reduce_prod(node: &NodeProto, x: &Tensor, axes: Option<Vec<i64>>) -> Option<Tensor> {
    if axes.is_some_and(|a| a.len() != x.dims.len()) {
        return None;
    }
    let product = x.ints()?.into_iter().try_fold(1i64, i64::checked_mul)?;
    let dims = if node.attr_int("keepdims") == Some(0) { vec![] } else { vec![1; x.dims.len()] };
    typed(x.dtype, dims, &[product])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::proto::AttributeProto;

    #[test]
    fn a_remainder_has_the_sign_of_its_divisor() {
        let node = NodeProto { op_type: Some("Mod".into()), ..NodeProto::default() };
        let rest = |a: i64, b: i64| {
            let [a, b] = [a, b].map(|v| Some(Tensor::from_ints(vec![], &[v])));
            compute(&node, &[a, b], 13).and_then(|t| t.ints())
        };
        for (a, b, expected) in [(7, 3, 1), (-7, 3, 2), (7, -3, -2), (-7, -3, -1), (6, -3, 0)] {
            assert_eq!(rest(a, b), Some(vec![expected]), "{a} mod {b}");
        }
        assert_eq!((rest(1, 0), rest(i64::MIN, -1)), (None, None));
    }

    #[test]
    fn bounds_are_inputs_attributes_or_none() {
        let ints = |v: &[i64]| Some(Tensor::from_ints(vec![v.len()], v));
        let scalar = |v: i64| Some(Tensor::from_ints(vec![], &[v]));
        let clip = NodeProto { op_type: Some("Clip".into()), ..NodeProto::default() };
        let x = ints(&[-5, 2, 9]);
        let of = |low, high| compute(&clip, &[x.clone(), low, high], 13).and_then(|t| t.ints());
        assert_eq!(of(scalar(0), scalar(6)), Some(vec![0, 2, 6]));
        assert_eq!(of(scalar(0), None), Some(vec![0, 2, 9]));
        assert_eq!(of(None, scalar(6)), Some(vec![-5, 2, 6]));
        let mut relu6 = clip.clone();
        for (name, bound) in [("min", 0.0), ("max", 6.0)] {
            relu6.attribute.push(AttributeProto { name: Some(name.into()), f: Some(bound), ..Default::default() });
        }
        let y = compute(&relu6, &[Some(Tensor::from_floats(vec![3], &[-5.0, f32::NAN, 9.0]))], 6).unwrap();
        let y = y.floats().unwrap();
        assert!(y[0] == 0.0 && y[1].is_nan() && y[2] == 6.0);
    }

    #[test]
    fn what_no_machine_holds_stays_unknown() {
        let one = Some(Tensor::from_floats(vec![], &[1.0]));
        for shape in [vec![1i64 << 40], vec![1 << 32, 1 << 32], vec![1 << 20, 1 << 20]] {
            let shape = Some(Tensor::from_ints(vec![shape.len()], &shape));
            let expand = NodeProto { op_type: Some("Expand".into()), ..NodeProto::default() };
            assert_eq!(compute(&expand, &[one.clone(), shape], 13), None);
        }
    }
}
