//! One test a rewritten form: values that follow from ONNX's definition.
#![allow(clippy::unwrap_used)]

use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto,
};
use crate::model::{Model, Tensor};
use crate::runtime::{Feed, Session, dims};

fn node(op: &str, inputs: &[&str]) -> NodeProto {
    let input = inputs.iter().map(|s| (*s).into()).collect();
    NodeProto { op_type: Some(op.into()), input, output: vec!["y".into()], ..NodeProto::default() }
}

fn with(mut node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
    node.set_ints(name, ints.to_vec());
    node
}

fn attribute(mut node: NodeProto, a: AttributeProto, name: &str) -> NodeProto {
    node.attribute.push(AttributeProto { name: Some(name.into()), ..a });
    node
}

fn text(node: NodeProto, name: &str, s: &str) -> NodeProto {
    let s = Some(s.as_bytes().to_vec().into());
    attribute(node, AttributeProto { r#type: Some(AttributeType::String.into()), s, ..Default::default() }, name)
}

fn number(node: NodeProto, name: &str, f: f32) -> NodeProto {
    let kind = Some(AttributeType::Float.into());
    attribute(node, AttributeProto { r#type: kind, f: Some(f), ..Default::default() }, name)
}

/// Runs the node on `x`; its output, of which the dims must be those told beforehand.
fn run(opset: i64, node: NodeProto, x: &Tensor, constants: &[(&str, Tensor)]) -> Result<Tensor, String> {
    let info = |n: &str| ValueInfoProto { name: Some(n.into()), ..Default::default() };
    let graph = GraphProto {
        node: vec![node],
        initializer: constants.iter().map(|(n, t)| t.to_proto(n)).collect(),
        input: vec![info("x")],
        output: vec![info("y")],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: Some(opset), ..Default::default() };
    let model = Model::new(ModelProto { graph: Some(graph), opset_import: vec![opset], ..Default::default() }).unwrap();
    let feeds = [Feed { name: "x".into(), dtype: x.dtype, dims: x.dims.clone() }];
    let session = Session::load(&model, &feeds, &["y".into()]).map_err(|e| e.to_string())?;
    let y = session.run(std::slice::from_ref(x)).map_err(|e| e.to_string())?.remove(0);
    let graph = model.graph().unwrap();
    assert_eq!(dims(&model, &feeds).unwrap().get(graph.find("y").unwrap()), Some(&y.dims[..]));
    Ok(y)
}

fn floats(dims: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_floats(dims.to_vec(), values)
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::from_ints(vec![values.len()], values)
}

/// 0, 1, 2, ...
fn count(dims: &[usize]) -> Tensor {
    floats(dims, &(0..dims.iter().product::<usize>()).map(|v| v as f32).collect::<Vec<_>>())
}

#[test]
fn squeeze_takes_axes_in_any_order() {
    let x = count(&[1, 3, 1, 1]);
    for axes in [[2, 3], [3, 2], [-1, -2], [-2, -1], [-1, 2], [2, -1]] {
        let attribute = with(node("Squeeze", &["x"]), "axes", &axes);
        assert_eq!(run(11, attribute, &x, &[]).unwrap(), count(&[1, 3]), "{axes:?}");
        let input = node("Squeeze", &["x", "a"]);
        assert_eq!(run(13, input, &x, &[("a", ints(&axes))]).unwrap(), count(&[1, 3]), "{axes:?}");
    }
    assert_eq!(run(11, node("Squeeze", &["x"]), &x, &[]).unwrap(), count(&[3]));
}

#[test]
fn slice_counts_axes_from_either_end() {
    let bounds = |n: NodeProto| with(with(n, "starts", &[0, 1]), "ends", &[1, 2]);
    let x = count(&[2, 3]);
    assert_eq!(run(9, bounds(node("Slice", &["x"])), &x, &[]).unwrap(), floats(&[1, 1], &[1.0]));
    let last = with(bounds(node("Slice", &["x"])), "axes", &[-2, -1]);
    assert_eq!(run(9, last, &x, &[]).unwrap(), floats(&[1, 1], &[1.0]));
}

#[test]
fn an_ellipsis_stands_for_the_axes_left() {
    let n = text(node("Einsum", &["x", "w"]), "equation", "...j, jk -> ...k");
    let y = run(13, n, &count(&[2, 1, 2]), &[("w", floats(&[2, 1], &[1.0, 10.0]))]).unwrap();
    assert_eq!(y, floats(&[2, 1, 1], &[10.0, 32.0]));
}

#[test]
fn pad_takes_axes_in_any_order_and_negative_amounts() {
    let x = count(&[1, 2, 2]);
    let constants = [("p", ints(&[1, 0, 0, 1])), ("a", ints(&[-1, 1])), ("v", floats(&[1], &[9.0]))];
    let y = run(18, node("Pad", &["x", "p", "v", "a"]), &x, &constants).unwrap();
    assert_eq!(y, floats(&[1, 3, 3], &[9.0, 0.0, 1.0, 9.0, 2.0, 3.0, 9.0, 9.0, 9.0]));
    let less = [("p", ints(&[0, -1, 1, 0, 0, -1]))];
    assert_eq!(run(13, node("Pad", &["x", "p"]), &x, &less).unwrap(), floats(&[1, 1, 2], &[0.0, 2.0]));
    let attribute = with(node("Pad", &["x"]), "pads", &[0, -1, 1, 0, 0, -1]);
    assert_eq!(run(9, attribute, &x, &[]).unwrap(), floats(&[1, 1, 2], &[0.0, 2.0]));
}

#[test]
fn pad_fills_with_a_value_only_where_its_mode_says_so() {
    let constants = [("p", ints(&[0, 1, 0, 0])), ("v", floats(&[], &[9.0]))];
    for (mode, first) in [("constant", 9.0), ("edge", 0.0), ("reflect", 1.0)] {
        let y = run(13, text(node("Pad", &["x", "p", "v"]), "mode", mode), &count(&[1, 2]), &constants).unwrap();
        assert_eq!(y, floats(&[1, 3], &[first, 0.0, 1.0]), "{mode}");
    }
}

#[test]
fn upsample_repeats_or_interpolates() {
    let x = count(&[1, 1, 1, 2]);
    let scales = [("s", floats(&[4], &[1.0, 1.0, 2.0, 2.0]))];
    let nearest = run(9, node("Upsample", &["x", "s"]), &x, &scales).unwrap();
    assert_eq!(nearest, floats(&[1, 1, 2, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]));
    let linear = run(9, text(node("Upsample", &["x", "s"]), "mode", "linear"), &x, &scales).unwrap();
    assert_eq!(linear, floats(&[1, 1, 2, 4], &[0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]));
}

#[test]
fn resize_may_leave_inputs_out() {
    let x = count(&[1, 1, 1, 2]);
    let (scales, sizes) = (floats(&[4], &[1.0, 1.0, 1.0, 2.0]), ints(&[1, 1, 1, 4]));
    for opset in [11, 13] {
        for (inputs, given) in [(&["x", "", "s"][..], scales.clone()), (&["x", "", "", "s"][..], sizes.clone())] {
            let n = text(node("Resize", inputs), "coordinate_transformation_mode", "asymmetric");
            let y = run(opset, text(n, "nearest_mode", "floor"), &x, &[("s", given)]).unwrap();
            assert_eq!(y, floats(&[1, 1, 1, 4], &[0.0, 0.0, 1.0, 1.0]), "{opset}");
        }
    }
}

/// Of the values that a stride of 2 spreads (x[0], 0, x[1], 0, x[2]), the output shape says how many go at the front.
#[test]
fn an_output_shape_of_conv_transpose_becomes_pads() {
    let base = with(with(node("ConvTranspose", &["x", "w"]), "strides", &[2]), "output_shape", &[4]);
    let (x, w) = (floats(&[1, 1, 3], &[1.0, 2.0, 3.0]), [("w", floats(&[1, 1, 1], &[1.0]))]);
    assert_eq!(run(11, base.clone(), &x, &w).unwrap(), floats(&[1, 1, 4], &[0.0, 2.0, 0.0, 3.0]));
    let upper = text(base, "auto_pad", "SAME_UPPER");
    assert_eq!(run(11, upper, &x, &w).unwrap(), floats(&[1, 1, 4], &[1.0, 0.0, 2.0, 0.0]));
    let larger = with(with(node("ConvTranspose", &["x", "w"]), "strides", &[2]), "output_shape", &[6]);
    assert_eq!(run(11, larger, &x, &w).unwrap(), floats(&[1, 1, 6], &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0]));
}

#[test]
fn activations_obey_their_alpha() {
    let x = floats(&[2], &[-1.0, 2.0]);
    let close = |op: &str, expected: [f32; 2]| {
        let y = run(24, number(node(op, &["x"]), "alpha", 0.5), &x, &[]).unwrap().floats().unwrap();
        assert!(y.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{op}: {y:?}");
    };
    close("Celu", [0.5 * ((-2f32).exp() - 1.0), 2.0]);
    close("Swish", [-1.0 / (1.0 + 0.5f32.exp()), 2.0 / (1.0 + (-1f32).exp())]);
}

#[test]
fn a_global_norm_is_of_all_that_is_not_a_channel() {
    let x = floats(&[1, 2, 2, 1], &[3.0, 4.0, -1.0, 0.0]);
    for (opset, p, expected) in [(13, 2, [5.0, 1.0]), (18, 2, [5.0, 1.0]), (13, 1, [7.0, 1.0])] {
        let mut n = node("GlobalLpPool", &["x"]);
        n.set_int("p", p);
        assert_eq!(run(opset, n, &x, &[]).unwrap(), floats(&[1, 2, 1, 1], &expected));
    }
}

#[test]
fn two_vectors_have_a_product() {
    let y = run(13, node("MatMul", &["x", "w"]), &count(&[3]), &[("w", floats(&[3], &[1.0, 2.0, 3.0]))]).unwrap();
    assert_eq!(y, floats(&[], &[8.0]));
}

/// h[t] = tanh(x[t] + h[t + 1]).
#[test]
fn a_recurrent_network_runs_backwards() {
    let n = text(with(node("RNN", &["x", "w", "r"]), "unused", &[]), "direction", "reverse");
    let mut n = NodeProto { attribute: n.attribute.into_iter().filter(|a| a.name() != "unused").collect(), ..n };
    n.set_int("hidden_size", 1);
    let one = floats(&[1, 1, 1], &[1.0]);
    let y = run(14, n, &floats(&[2, 1, 1], &[0.5, 0.25]), &[("w", one.clone()), ("r", one)]).unwrap();
    let last = 0.25f32.tanh();
    assert_eq!(y.dims, [2, 1, 1, 1]);
    assert!(y.floats().unwrap().iter().zip([(0.5 + last).tanh(), last]).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn sizes_beyond_reason_are_refused_at_once() {
    let huge = 1i64 << 40;
    let x = count(&[1, 1, 4, 4]);
    let pool = with(node("MaxPool", &["x"]), "kernel_shape", &[huge, huge]);
    assert!(run(13, pool, &x, &[]).unwrap_err().starts_with("node 'y': "));
    let pads = [("p", ints(&[0, 0, 0, 0, 0, 0, 1 << 30, 1 << 30]))];
    let error = run(13, node("Pad", &["x", "p"]), &x, &pads).unwrap_err();
    assert!(error.contains("no machine holds"), "{error}");
}

#[test]
fn what_stays_of_other_forms_is_refused_with_a_reason() {
    let x = count(&[1, 4, 2, 2]);
    let crd = text(node("SpaceToDepth", &["x"]), "mode", "CRD");
    let mut training = node("BatchNormalization", &["x", "s", "s", "s", "s"]);
    training.set_int("training_mode", 1);
    let shrinks = text(with(node("Pad", &["x"]), "pads", &[0, 0, -1, 0, 0, 0, 0, 1]), "mode", "edge");
    for (opset, n, reason) in [(13, crd, "mode DCR"), (15, training, "training"), (9, shrinks, "takes away")] {
        let error = run(opset, n, &x, &[("s", floats(&[4], &[1.0; 4]))]).unwrap_err();
        assert!(error.starts_with("node 'y': ") && error.contains(reason), "{error}");
    }
    assert_eq!(x.dtype, DataType::Float);
}

/// The dims told of a value that is normalized after `op`.
fn normalized(op: NodeProto, x: &[usize]) -> Option<Vec<usize>> {
    let info = |n: &str| ValueInfoProto { name: Some(n.into()), ..Default::default() };
    let norm = NodeProto { output: vec!["z".into()], ..node("BatchNormalization", &["y", "c", "c", "c", "c"]) };
    let graph = GraphProto {
        node: vec![op, norm],
        initializer: vec![Tensor::from_floats(vec![2], &[1.0, 2.0]).to_proto("c")],
        input: vec![info("x")],
        output: vec![info("z")],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: Some(11), ..Default::default() };
    let model = Model::new(ModelProto { graph: Some(graph), opset_import: vec![opset], ..Default::default() }).unwrap();
    let told = dims(&model, &[Feed { name: "x".into(), dtype: DataType::Float, dims: x.to_vec() }]).unwrap();
    let z = model.graph().unwrap().find("z").unwrap();
    told.get(z).map(<[usize]>::to_vec)
}

#[test]
fn what_has_no_channels_is_not_normalized() {
    let squeezed = || with(node("Squeeze", &["x"]), "axes", &[0]);
    assert_eq!(normalized(node("Relu", &["x"]), &[2]), None);
    assert_eq!(normalized(squeezed(), &[1, 2]), None);
    assert_eq!(normalized(squeezed(), &[1, 3, 2]), Some(vec![3, 2]));
    assert_eq!(normalized(node("Relu", &["x"]), &[3, 2]), Some(vec![3, 2]));
    // The operand with the most axes counts, wherever it stands.
    assert_eq!(normalized(node("Mul", &["c", "x"]), &[1, 2, 3, 2]), Some(vec![1, 2, 3, 2]));
    assert_eq!(normalized(node("Mul", &["c", "x"]), &[2]), None);
}

#[test]
fn axes_that_are_no_permutation_are_refused() {
    let x = Tensor::from_floats(vec![1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let turned = |perm: &[i64]| run(13, with(node("Transpose", &["x"]), "perm", perm), &x, &[]);
    assert_eq!(turned(&[0, 2, 1]).unwrap().floats().unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert!(turned(&[1, 2, 1]).unwrap_err().contains("is no permutation"));
}
