//! A copy of a model in which every floating-point number is a float32: constants, inputs, outputs, and the types that attributes name.

use crate::error::Result;
use crate::model::proto::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, TypeValue, ValueInfoProto,
};
use crate::model::{Model, Tensor};

/// Attributes that hold the number of an element type.
const TYPE_ATTRIBUTES: [&str; 6] =
    ["to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision"];

/// Whether some constant, input, output or attribute is of another type of floating-point numbers.
pub(super) fn is_of_other_type(model: &Model) -> bool {
    let functions = model.proto().functions.iter().flat_map(|f| &f.node);
    graph_is_other(model.graph_proto()) || functions.into_iter().any(node_is_other)
}

/// The copy. Errors where a constant is malformed.
pub(super) fn copy(model: &Model) -> Result<Model> {
    let mut proto: ModelProto = model.proto().clone();
    if let Some(graph) = &mut proto.graph {
        convert_graph(graph)?;
    }
    proto.functions.iter_mut().flat_map(|f| &mut f.node).try_for_each(convert_node)?;
    Model::new(proto)
}

/// What stands for an element type in a copy.
pub(super) fn dtype(dtype: DataType) -> DataType {
    if is_other_float(dtype) { DataType::Float } else { dtype }
}

/// The types of floating-point numbers that a float32 stands for.
fn is_other_float(dtype: DataType) -> bool {
    matches!(dtype, DataType::Float16 | DataType::Bfloat16 | DataType::Double)
}

fn is_other(number: i32) -> bool {
    DataType::try_from(number).is_ok_and(is_other_float)
}

fn graph_is_other(graph: &GraphProto) -> bool {
    let tensors = graph.initializer.iter().chain(graph.sparse_initializer.iter().flat_map(|s| &s.values));
    let infos = graph.input.iter().chain(&graph.output);
    tensors.into_iter().any(|t| is_other(t.data_type()))
        || infos.filter_map(ValueInfoProto::tensor_type).any(|t| is_other(t.elem_type()))
        || graph.node.iter().any(node_is_other)
}

fn node_is_other(node: &NodeProto) -> bool {
    let names_it = |a: &AttributeProto| {
        let number =
            TYPE_ATTRIBUTES.contains(&a.name()) && a.i.and_then(|i| i32::try_from(i).ok()).is_some_and(is_other);
        number || a.t.iter().chain(&a.tensors).any(|t| is_other(t.data_type()))
    };
    node.attribute.iter().any(names_it) || node.subgraphs().any(graph_is_other)
}

fn convert_graph(graph: &mut GraphProto) -> Result<()> {
    let sparse = graph.sparse_initializer.iter_mut().flat_map(|s| &mut s.values);
    graph.initializer.iter_mut().chain(sparse).try_for_each(convert_tensor)?;
    graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info).for_each(convert_info);
    graph.node.iter_mut().try_for_each(convert_node)
}

fn convert_node(node: &mut NodeProto) -> Result<()> {
    for a in &mut node.attribute {
        let named = TYPE_ATTRIBUTES.contains(&a.name());
        if let Some(i) = a.i.as_mut().filter(|i| named && i32::try_from(**i).is_ok_and(is_other)) {
            *i = i32::from(DataType::Float).into();
        }
        a.t.iter_mut().chain(&mut a.tensors).try_for_each(convert_tensor)?;
        a.g.iter_mut().chain(&mut a.graphs).try_for_each(convert_graph)?;
    }
    Ok(())
}

fn convert_info(info: &mut ValueInfoProto) {
    if let Some(TypeProto { value: Some(TypeValue::TensorType(t)), .. }) = &mut info.r#type
        && is_other(t.elem_type())
    {
        t.elem_type = Some(DataType::Float.into());
    }
}

/// The nearest float32; what is finite stays so.
fn convert_tensor(t: &mut TensorProto) -> Result<()> {
    if !is_other(t.data_type()) {
        return Ok(());
    }
    let whole = Tensor::from_proto(t)?;
    let finite = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes).is_finite();
    let mut values = whole.floats().unwrap_or_default();
    if whole.dtype == DataType::Double {
        let beyond = values.iter_mut().zip(whole.data.as_chunks::<8>().0).filter(|(v, b)| v.is_infinite() && finite(b));
        beyond.for_each(|(v, _)| *v = f32::MAX.copysign(*v));
    }
    *t = TensorProto { doc_string: t.doc_string.take(), ..Tensor::from_floats(whole.dims, &values).to_proto(t.name()) };
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_beyond_float32_stay_finite_and_infinities_infinite() {
        let doubles = [1e300, -1e300, f64::INFINITY, 0.1];
        let data: Vec<u8> = doubles.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut t = Tensor { dtype: DataType::Double, dims: vec![4], data: data.into() }.to_proto("t");
        convert_tensor(&mut t).unwrap();
        let expected = [f32::MAX, -f32::MAX, f32::INFINITY, 0.1];
        assert_eq!(Tensor::from_proto(&t).unwrap().floats().unwrap(), expected);
        assert_eq!(t.name(), "t");
    }
}
