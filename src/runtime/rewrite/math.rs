//! Functions that tract computes otherwise than ONNX says, in simpler ones.

use super::{Operands, Parts, attr_float, float};
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
