//! Shapes of inputs: what is given, declared, left open, and grown.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{
    DimValue, GraphProto, ModelProto, NodeProto, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto, type_proto,
};

/// A dim as the file writes it: a number, or a name.
fn dim(text: &str) -> Dimension {
    let value = match text.parse() {
        Ok(n) => Some(DimValue::DimValue(n)),
        Err(_) if text.is_empty() => None,
        Err(_) => Some(DimValue::DimParam(text.into())),
    };
    Dimension { value, ..Default::default() }
}

fn input(name: &str, dims: Option<&[&str]>) -> ValueInfoProto {
    let shape = dims.map(|d| TensorShapeProto { dim: d.iter().map(|d| dim(d)).collect() });
    let tensor = type_proto::Tensor { elem_type: Some(1), shape };
    let r#type = TypeProto { value: Some(TypeValue::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: Some(name.into()), r#type: Some(r#type), ..Default::default() }
}

fn model(inputs: Vec<ValueInfoProto>) -> Model {
    let relu = |i: &ValueInfoProto| NodeProto {
        op_type: Some("Relu".into()),
        input: vec![i.name().into()],
        output: vec![format!("{}_out", i.name())],
        ..Default::default()
    };
    let node: Vec<NodeProto> = inputs.iter().map(relu).collect();
    let output =
        node.iter().map(|n| ValueInfoProto { name: n.output.first().cloned(), ..Default::default() }).collect();
    let graph = GraphProto { node, output, input: inputs, ..Default::default() };
    Model::new(ModelProto { graph: Some(graph), ..Default::default() }).unwrap()
}

fn given(texts: &[&str]) -> InputShapes {
    InputShapes(texts.iter().map(|t| t.parse().unwrap()).collect())
}

fn dims(shapes: &Shapes) -> Vec<Vec<usize>> {
    shapes.feeds.iter().map(|f| f.dims.clone()).collect()
}

#[test]
fn a_shape_is_split_at_its_last_colon() {
    let s: InputShape = "input:0:1,224, 224,3".parse().unwrap();
    assert_eq!((s.name.as_str(), s.dims.as_slice()), ("input:0", &[1, 224, 224, 3][..]));
    for wrong in ["", "x", ":1,2", "x:", "x:1,,2", "x:0", "x:-1", "x:a", "x:1,99999999999999999999"] {
        let error = wrong.parse::<InputShape>().unwrap_err();
        assert!(error.to_string().contains("expected NAME:1,3,224,224"), "{wrong}: {error}");
    }
}

#[test]
fn an_open_first_axis_is_one_and_grows_by_one() {
    for open in ["N", "", "?", "-1", "0"] {
        let s = Shapes::of(&model(vec![input("x", Some(&[open, "3"]))]), &given(&[])).unwrap();
        assert_eq!(dims(&s), [[1, 3]]);
        assert_eq!((s.open.len(), s.open[0].axis), (1, 0));
        let grown = s.grown.unwrap();
        assert_eq!(grown.feeds[0].dims, [2, 3]);
        assert!(grown.dims.0.iter().all(|d| d.as_deref() == Some(&[2, 3])));
        assert!(s.dims.0.iter().all(|d| d.as_deref() == Some(&[1, 3])));
    }
}

#[test]
fn fixed_dims_leave_nothing_to_grow() {
    let s = Shapes::of(&model(vec![input("x", Some(&["2", "3"]))]), &given(&["x:2,3"])).unwrap();
    assert_eq!((s.open, s.grown), (vec![], None));
}

#[test]
fn open_dims_are_asked_for_with_what_is_known() {
    let m = model(vec![input("img:0", Some(&["N", "3", "H", ""]))]);
    let error = Shapes::of(&m, &given(&[])).unwrap_err();
    let expected = "input 'img:0' leaves dimension H, 3 open: fix it with --input-shape img:0:1,3,H,?";
    assert_eq!(error.to_string(), expected);
    let s = Shapes::of(&m, &given(&["img:0:2,3,64,96"])).unwrap();
    assert_eq!(dims(&s), [[2, 3, 64, 96]]);
    assert_eq!(s.grown.unwrap().feeds[0].dims, [3, 3, 96, 128]);
    let names: Vec<_> = s.open.iter().map(|o| (o.axis, o.name.as_deref())).collect();
    assert_eq!(names, [(0, Some("N")), (2, Some("H")), (3, None)]);
}

#[test]
fn a_name_is_the_same_length_everywhere() {
    let m = model(vec![input("a", Some(&["N", "T"])), input("b", Some(&["N", "T"])), input("c", Some(&["T", "2"]))]);
    let s = Shapes::of(&m, &given(&["b:4,7"])).unwrap();
    assert_eq!(dims(&s), [[4, 7], [4, 7], [7, 2]]);
    let grown: Vec<_> = s.grown.unwrap().feeds.into_iter().map(|f| f.dims).collect();
    assert_eq!(grown, [[5, 39], [5, 39], [39, 2]]);
}

#[test]
fn given_shapes_must_fit() {
    let m = model(vec![input("x", Some(&["N", "3"])), input("y", Some(&["1"]))]);
    let error = |texts: &[&str]| Shapes::of(&m, &given(texts)).unwrap_err().to_string();
    assert!(error(&["z:1"]).contains("no input 'z'") && error(&["z:1"]).contains("'x', 'y'"));
    assert!(error(&["x:1,4"]).contains("which declares N,3"), "{}", error(&["x:1,4"]));
    assert!(error(&["x:1,3,1"]).contains("contradicts"));
    assert!(error(&["x:1,3", "x:2,3"]).contains("given twice"));
}

#[test]
fn a_rank_that_is_not_declared_is_asked_for() {
    let m = model(vec![input("x", None)]);
    assert!(Shapes::of(&m, &given(&[])).unwrap_err().to_string().contains("--input-shape x:1,.."));
    let s = Shapes::of(&m, &given(&["x:1,3,8,8"])).unwrap();
    assert_eq!(s.grown.unwrap().feeds[0].dims, [2, 35, 40, 40]);
}

#[test]
fn inputs_that_are_no_tensors_are_refused() {
    let mut x = input("boxes", None);
    x.r#type = Some(TypeProto { value: Some(TypeValue::SequenceType(Default::default())), ..Default::default() });
    let error = Shapes::of(&model(vec![x]), &given(&[])).unwrap_err().to_string();
    assert!(error.contains("'boxes' is a sequence"), "{error}");
}

#[test]
fn an_input_that_nothing_reads_may_stay_open() {
    let mut proto = model(vec![input("x", Some(&["N", "3"]))]).into_proto();
    let graph = proto.graph.as_mut().unwrap();
    graph.input.extend([input("unread", Some(&["1", "n", "m"])), input("fixed", Some(&["2"])), input("any", None)]);
    let m = Model::new(proto).unwrap();
    assert_eq!(dims(&Shapes::of(&m, &given(&[])).unwrap()), [vec![1, 3], vec![2]]);
    assert_eq!(dims(&Shapes::of(&m, &given(&["unread:1,5,6"])).unwrap()), [vec![1, 3], vec![1, 5, 6], vec![2]]);
}
