//! LSTM, GRU and RNN that run backwards (<https://onnx.ai/onnx/operators/onnx__LSTM.html>): forwards over the reversed sequence, for tract
//! takes the sequence in its own order.

use super::{Answer, Operands, Parts, list, refuse};
use crate::model::proto::NodeProto;

pub(super) fn reverse(node: &NodeProto, about: &Operands<'_>) -> Answer {
    if node.attr_str("direction") != Some("reverse") {
        return Ok(None);
    }
    if about.has(4) || about.opset() < 10 || node.attr_int("layout").unwrap_or(0) != 0 {
        return refuse("it runs backwards over sequences of several lengths, or in another layout");
    }
    let mut parts = Parts::before(node);
    let bounds = [vec![-1], vec![i64::MIN], vec![0], vec![-1]].map(|v| parts.constant(list(&v)));
    let whole = |x: &str| [x.to_owned(), bounds[0].clone(), bounds[1].clone(), bounds[2].clone(), bounds[3].clone()];
    let x = whole(&node.input[0]);
    let x = parts.add("Slice", &x.each_ref().map(String::as_str), |_| {});
    let mut forwards = node.clone();
    forwards.input[0] = x;
    if let Some(a) = forwards.attribute.iter_mut().find(|a| a.name() == "direction") {
        a.s = Some(b"forward".to_vec().into());
    }
    let made = node.output.first().filter(|y| !y.is_empty()).cloned();
    let turned = parts.name();
    if made.is_some() {
        forwards.output[0].clone_from(&turned);
    }
    forwards.name = Some(turned.clone());
    parts.nodes.push(forwards);
    let Some(y) = made else { return Ok(Some(parts)) };
    parts.put("Slice", &whole(&turned).each_ref().map(String::as_str), y, |_| {});
    Ok(Some(parts))
}
