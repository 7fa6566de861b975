//! Pad (<https://onnx.ai/onnx/operators/onnx__Pad.html>): of all axes, in order, and by no less than 0; what a negative amount takes away is
//! a Slice. tract fills with the value wherever one is given, whatever the mode, and wants it without axes.

use super::{Answer, Operands, Parts, Refusal, list, refuse};
use crate::model::Tensor;
use crate::model::attr::from_front;
use crate::model::proto::NodeProto;

pub(super) fn pad(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let as_attribute = about.opset() < 11;
    let amounts = if as_attribute { node.attr_ints("pads").map(<[i64]>::to_vec) } else { about.ints(1) };
    let fills = node.attr_str("mode").is_none_or(|m| m == "constant");
    let Some(amounts) = amounts else {
        return if fills || !about.has(2) { Ok(None) } else { refuse("its pads are computed, in a mode with a value") };
    };
    let all = if about.has(3) { of_all_axes(&amounts, about)? } else { amounts.clone() };
    let shrinks = all.iter().any(|a| *a < 0);
    let value = about.known(2).filter(|v| !as_attribute && v.dims() == [1]);
    if !shrinks && !about.has(3) && value.is_none() && (fills || !about.has(2)) {
        return Ok(None);
    }
    if shrinks && !fills {
        return refuse("it takes away and adds in a mode other than constant");
    }
    let mut parts = Parts::before(node);
    let positive: Vec<i64> = all.iter().map(|a| (*a).max(0)).collect();
    let mut inputs = node.input.clone();
    if as_attribute {
        inputs.truncate(1);
    } else {
        inputs[1] = parts.constant(list(&positive));
        inputs.truncate(if fills { 3 } else { 2 });
        if let (Some(value), 3) = (value, inputs.len()) {
            inputs[2] = parts.constant(Tensor { dims: Vec::new(), ..value.tensor() });
        }
    }
    while inputs.last().is_some_and(String::is_empty) {
        inputs.pop();
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let set = |n: &mut NodeProto| {
        n.attribute.clone_from(&node.attribute);
        if as_attribute {
            n.set_ints("pads", positive);
        }
    };
    if !shrinks {
        return Ok(parts.end("Pad", &inputs, set));
    }
    let padded = parts.add("Pad", &inputs, set);
    Ok(slice(parts, &padded, &all, about.opset()))
}

/// The amounts at all axes; those that are not named get 0.
fn of_all_axes(amounts: &[i64], about: &Operands<'_>) -> Result<Vec<i64>, Refusal> {
    let Some(axes) = about.ints(3) else { return refuse("its axes are computed") };
    let rank = about.dims(0)?.len();
    let mut all = vec![0; 2 * rank];
    for (k, axis) in axes.iter().enumerate() {
        let (Some(at), Some(begin), Some(end)) = (from_front(*axis, rank), amounts.get(k), amounts.get(axes.len() + k))
        else {
            return refuse("its axes do not fit its pads");
        };
        (all[at], all[rank + at]) = (*begin, *end);
    }
    Ok(all)
}

/// Takes away what the negative amounts say.
fn slice(mut parts: Parts, x: &str, amounts: &[i64], opset: i64) -> Option<Parts> {
    let rank = amounts.len() / 2;
    let (begins, ends) = amounts.split_at(rank);
    let cut: Vec<usize> = (0..rank).filter(|&k| begins[k] < 0 || ends[k] < 0).collect();
    let starts: Vec<i64> = cut.iter().map(|&k| (-begins[k]).max(0)).collect();
    let ends: Vec<i64> = cut.iter().map(|&k| if ends[k] < 0 { ends[k] } else { i64::MAX }).collect();
    let axes: Vec<i64> = cut.iter().map(|&k| k as i64).collect();
    if opset < 10 {
        return parts.end("Slice", &[x], |n| {
            n.set_ints("starts", starts);
            n.set_ints("ends", ends);
            n.set_ints("axes", axes);
        });
    }
    let bounds = [starts, ends, axes].map(|v| parts.constant(list(&v)));
    parts.end("Slice", &[x, &bounds[0], &bounds[1], &bounds[2]], |_| {})
}
