//! Functions that tract computes otherwise than ONNX says, in simpler ones.

use super::{Answer, Operands, Parts, attr_float, float, list, refuse};
use crate::model::Tensor;
use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::{AttributeProto, NodeProto};

/// ConstantOfShape without a value fills with the float32 0 (<https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>).
pub(super) fn constant_of_shape(node: &NodeProto) -> Option<Parts> {
    if node.attr("value").is_some() {
        return None;
    }
    let mut node = node.clone();
    node.attribute.push(AttributeProto {
        name: Some("value".into()),
        r#type: Some(AttributeType::Tensor.into()),
        t: Some(Tensor::from_floats(vec![1], &[0.0]).to_proto("")),
        ..AttributeProto::default()
    });
    Parts::only(node)
}

/// `celu(x) = alpha * elu(x / alpha)` (<https://onnx.ai/onnx/operators/onnx__Celu.html>).
pub(super) fn celu(node: &NodeProto) -> Option<Parts> {
    let alpha = attr_float(node, "alpha").filter(|a| *a != 1.0)?;
    let mut parts = Parts::before(node);
    let alpha = parts.constant(float(alpha));
    let x = parts.add("Div", &[&node.input[0], &alpha], |_| {});
    let x = parts.add("Elu", &[&x], |_| {});
    parts.end("Mul", &[&x, &alpha], |_| {})
}

/// `swish(x) = x * sigmoid(alpha * x)` (<https://onnx.ai/onnx/operators/onnx__Swish.html>).
pub(super) fn swish(node: &NodeProto) -> Option<Parts> {
    let alpha = attr_float(node, "alpha").filter(|a| *a != 1.0)?;
    let mut parts = Parts::before(node);
    let alpha = parts.constant(float(alpha));
    let x = parts.add("Mul", &[&node.input[0], &alpha], |_| {});
    let x = parts.add("Sigmoid", &[&x], |_| {});
    parts.end("Mul", &[&node.input[0], &x], |_| {})
}

/// The product of two vectors: `y = sum over k of a[k] * b[k]` (<https://onnx.ai/onnx/operators/onnx__MatMul.html>).
pub(super) fn dot(node: &NodeProto, about: &Operands<'_>) -> Option<Parts> {
    if [0, 1].iter().any(|&slot| about.dims(slot).map_or(0, <[usize]>::len) != 1) {
        return None;
    }
    let mut parts = Parts::before(node);
    let x = parts.add("Mul", &[&node.input[0], &node.input[1]], |_| {});
    parts.end("ReduceSum", &[&x], |n| n.set_int("keepdims", 0))
}

/// `y[n, c] = (sum over the rest of |x[n, c, ..]|^p)^(1 / p)` (<https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html>).
pub(super) fn global_lp_pool(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let norm = match node.attr_int("p").unwrap_or(2) {
        1 => "ReduceL1",
        2 => "ReduceL2",
        _ => return refuse("it is neither of the norms 1 and 2"),
    };
    let axes: Vec<i64> = (2..about.rank(0)?).collect();
    let mut parts = Parts::before(node);
    if about.opset() < 18 {
        return Ok(parts.end(norm, &[&node.input[0]], |n| n.set_ints("axes", axes)));
    }
    let axes = parts.constant(list(&axes));
    Ok(parts.end(norm, &[&node.input[0], &axes], |_| {}))
}
