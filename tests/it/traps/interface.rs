//! Traps 18, 19, 22, 23, 26: what the graph shows to the world, and what the file says that secateur does not know, stays as it is.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::proto::{
    DataType, DimValue, OperatorSetIdProto, StringStringEntryProto, TypeValue, ValueInfoProto,
};

use super::{cut, cut_at};
use crate::support::network;

/// Two inputs of different types, two outputs; names that are no identifiers.
#[test]
fn trap_18_inputs_and_outputs_keep_names_order_types_and_open_dims() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("serving_default/x:0", &[1, 3, 8, 8]);
    let mask = g.input_of("mask:0", DataType::Int64, &[1, 8, 8, 8]);
    let y = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    let y = g.conv(&y, "/b", Conv::square(8, 1));
    let seen = g.node(Op::new("Cast", "/float").int("to", 1), &[&mask], &[1, 8, 8, 8]);
    let z = g.node(Op::new("Mul", "/mul"), &[&y, &seen], &[1, 8, 8, 8]);
    let pooled = g.global_average_pool(&z, "/pool");
    let last = g.conv(&pooled, "/c", Conv::square(3, 1));
    let most = g.node(Op::new("ArgMax", "/arg").int("axis", 1), &[&last], &[1, 1, 1, 1]);
    g.output_of(&most, DataType::Int64);
    g.output(&last);
    let cut = cut(&g.model().unwrap()).proved();
    assert_eq!(cut.lost("stem.weight", 0), 8);
    let (before, after) = (cut.original.graph_proto(), cut.pruned.graph_proto());
    assert!(before.input == after.input && before.output == after.output);
    assert_eq!(before.input[0].name(), "serving_default/x:0");
}

fn declared(name: &str, dims: &[i64]) -> ValueInfoProto {
    let mut g = GraphBuilder::new(17);
    g.input(name, &dims.iter().map(|&d| d as usize).collect::<Vec<_>>());
    let value = Val { name: name.into(), dims: vec![] };
    g.output(&value);
    g.model().unwrap().graph_proto().input[0].clone()
}

fn dims_of(info: &ValueInfoProto) -> Vec<usize> {
    info.dims().unwrap().iter().map(|d| d.fixed().unwrap()).collect()
}

#[test]
fn trap_19_stored_shapes_are_made_fresh_or_dropped() {
    let mut proto = network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1))).into_proto();
    proto.graph.as_mut().unwrap().value_info = vec![
        declared("/stem/Relu_output_0", &[1, 16, 8, 8]),
        declared("/b/Conv_output_0", &[1, 99, 8, 8]),
        declared("/last/Conv_output_0", &[1, 8, 8]),
        declared("stem.weight", &[16, 3, 3, 3]),
    ];
    let cut = cut(&Model::new(proto).unwrap()).proved();
    let known: Vec<(&str, Vec<usize>)> =
        cut.pruned.graph_proto().value_info.iter().map(|i| (i.name(), dims_of(i))).collect();
    assert_eq!(known, [("/stem/Relu_output_0", vec![1, 8, 8, 8])]);
}

#[test]
fn trap_22_unknown_operators_and_domains_are_written_back_as_they_were() {
    let model = network(17, |g, x| {
        let a = g.conv(x, "/a", Conv::square(8, 1));
        let fancy = Op::new("Relu", "/fancy").domain("com.example").int("level", 3).text("mode", "odd");
        let y = g.node(fancy, &[&a], &a.dims.clone());
        g.conv(&y, "/b", Conv::square(8, 1))
    });
    let mut proto = model.into_proto();
    proto.opset_import.push(OperatorSetIdProto { domain: Some("com.example".into()), version: Some(7) });
    proto.doc_string = Some("kept".into());
    proto.graph.as_mut().unwrap().value_info = vec![declared("/fancy_output_0", &[1, 8, 8, 8])];
    proto.metadata_props = vec![StringStringEntryProto { key: Some("author".into()), value: Some("somebody".into()) }];
    let cut = cut(&Model::new(proto).unwrap()).not_refuted();
    cut.holds("a.weight", &["Relu has no rule"]);
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("b.weight", 0)), (8, 4), "{:?}", cut.pinned);
    let fancy = |m: &Model| m.graph_proto().node.iter().find(|n| n.name() == "/fancy").unwrap().clone();
    assert_eq!(fancy(&cut.original), fancy(&cut.pruned));
    let without_graph = |m: &Model| secateur::model::ModelProto { graph: None, ..m.proto().clone() };
    assert_eq!(without_graph(&cut.original), without_graph(&cut.pruned));
}

/// NaN is no other NaN, but the same bits are the same attribute.
#[test]
fn trap_22_an_attribute_that_is_not_a_number_has_not_changed() {
    let cut = cut(&network(17, |g, x| {
        let y = g.conv(x, "/a", Conv::square(8, 1));
        g.node(Op::new("LeakyRelu", "/odd").domain("com.example").floats("alpha", &[f32::NAN]), &[&y], &y.dims.clone())
    }));
    cut.not_refuted().holds("a.weight", &["LeakyRelu"]);
}

#[test]
fn trap_23_a_convolution_between_input_and_output_is_whole() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/only", Conv::square(8, 3));
    g.output(&y);
    let cut = cut(&g.model().unwrap()).proved();
    cut.holds("only.weight", &["it is the graph output"]);
    assert!(cut.removed.is_empty() && cut.original.proto() == cut.pruned.proto());
}

#[test]
fn trap_23_an_output_that_is_read_on_is_whole() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let shown = g.conv(&x, "/shown", Conv::square(8, 3));
    let y = g.conv(&shown, "/b", Conv::square(8, 1));
    let y = g.conv(&y, "/c", Conv::square(2, 1));
    g.output(&shown);
    g.output(&y);
    let cut = cut(&g.model().unwrap()).proved();
    cut.holds("shown.weight", &["it is the graph output"]);
    assert_eq!((cut.lost("b.weight", 0), cut.lost("b.weight", 1)), (4, 0));
}

/// Batch, height and width are open; the network pools what is left of them.
#[test]
fn trap_18_an_output_that_is_filled_with_one_number() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let stem = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    let y = g.conv(&stem, "/last", Conv::square(4, 1));
    let dims = g.ints("dims", &[5]);
    let zeros = g.node(Op::new("ConstantOfShape", "/zeros"), &[&dims], &[5]);
    g.output(&y);
    g.output(&zeros);
    assert_eq!(cut(&g.model().unwrap()).proved().lost("stem.weight", 0), 8);
}

#[test]
fn trap_18_a_shape_that_is_an_output_keeps_its_numbers() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let stem = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    let seen = g.conv(&stem, "/seen", Conv::square(8, 1));
    let shape = g.node(Op::new("Shape", "/shape"), &[&seen], &[4]);
    let y = g.conv(&seen, "/last", Conv::square(4, 1));
    g.output(&y);
    g.output_of(&shape, DataType::Int64);
    let cut = cut(&g.model().unwrap()).proved();
    cut.holds("seen.weight", &["Shape makes a graph output of the number of channels"]);
    assert_eq!(cut.lost("stem.weight", 0), 8);
}

/// Channels folded into an open batch: at another size a coordinate of it is another channel.
#[test]
fn trap_26_channels_in_an_open_batch_are_held() {
    let cut = cut(&network(17, |g, x| {
        let seen = g.conv(x, "/seen", Conv::square(8, 1));
        let y = g.reshape(&seen, &[-1, 1, 8, 8], &[8, 1, 8, 8], "/fold");
        let y = g.conv(&y, "/each", Conv::square(3, 1));
        g.reshape(&y, &[-1, 24, 8, 8], &[1, 24, 8, 8], "/unfold")
    }));
    let cut = cut.proved();
    cut.holds("seen.weight", &["follows an open dimension"]);
    assert_eq!(cut.lost("stem.weight", 0), 8);
}

/// The same model, with height and width of its first input open too.
fn with_open_sizes(model: Model) -> Model {
    let mut proto = model.into_proto();
    let input = &mut proto.graph.as_mut().unwrap().input[0];
    if let Some(TypeValue::TensorType(t)) = input.r#type.as_mut().unwrap().value.as_mut() {
        for (axis, name) in [(2, "height"), (3, "width")] {
            t.shape.as_mut().unwrap().dim[axis].value = Some(DimValue::DimParam(name.into()));
        }
    }
    Model::new(proto).unwrap()
}

#[test]
fn trap_26_a_gemm_fixes_the_size_that_an_input_leaves_open() {
    let model = with_open_sizes(network(17, |g, x| g.flatten(x, "/flat")));
    assert_eq!(cut_at(&model, 0.5, &["x:1,3,8,8"]).proved().lost("stem.weight", 0), 8);
}

#[test]
fn trap_26_open_dims_stay_open_and_are_proved_at_two_values() {
    let model = with_open_sizes(network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1).stride(2))));
    let cut = cut_at(&model, 0.5, &["x:1,3,8,8"]).proved();
    assert_eq!(cut.lost("stem.weight", 0), 8);
    assert!(cut.verdict.samples >= 3 && cut.verdict.notes.is_empty(), "{:?}", cut.verdict.notes);
    let open = cut.pruned.graph_proto().input[0].dims().unwrap().iter().filter(|d| d.fixed().is_none()).count();
    assert_eq!(open, 3);
}
