//! Sessions and dims, on graphs of a few nodes and on the models of the zoo.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use super::*;
use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use crate::shape::{InputShape, InputShapes, Shapes};

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    let strings = |s: &[&str]| s.iter().map(|s| (*s).into()).collect();
    NodeProto { op_type: Some(op.into()), input: strings(inputs), output: vec![output.into()], ..Default::default() }
}

fn axis(mut node: NodeProto, name: &str, i: i64) -> NodeProto {
    let r#type = Some(AttributeType::Int.into());
    node.attribute.push(AttributeProto { name: Some(name.into()), r#type, i: Some(i), ..Default::default() });
    node
}

fn model(nodes: Vec<NodeProto>, constants: &[(&str, Tensor)], inputs: &[&str], outputs: &[&str]) -> Model {
    let info = |n: &&str| ValueInfoProto { name: Some((*n).into()), ..Default::default() };
    let graph = GraphProto {
        node: nodes,
        initializer: constants.iter().map(|(n, t)| t.to_proto(n)).collect(),
        input: inputs.iter().map(info).collect(),
        output: outputs.iter().map(info).collect(),
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: Some(17), ..Default::default() };
    Model::new(ModelProto { graph: Some(graph), opset_import: vec![opset], ..Default::default() }).unwrap()
}

fn feed(name: &str, dims: &[usize]) -> Feed {
    Feed { name: name.into(), dtype: DataType::Float, dims: dims.to_vec() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).into()).collect()
}

/// y = relu(x + c); s = the dims of y; u reads an operator that nobody knows.
fn small() -> Model {
    let nodes = vec![
        node("Identity", &["c"], "c2"),
        node("Add", &["x", "c2"], "a"),
        node("Relu", &["a"], "y"),
        node("Shape", &["y"], "s"),
        node("Mystery", &["other"], "u"),
    ];
    model(nodes, &[("c", Tensor::from_floats(vec![2], &[1.0, -3.0]))], &["x", "other"], &["y", "u"])
}

#[test]
fn a_session_gives_inner_values_in_the_order_wanted() {
    let x = Tensor::from_floats(vec![1, 2], &[1.0, 2.0]);
    for load in [Session::load, Session::load_for_many] {
        let session = load(&small(), &[feed("x", &[1, 2])], &names(&["y", "s", "a", "c2", "x", "y"])).unwrap();
        let out = session.run(std::slice::from_ref(&x)).unwrap();
        assert_eq!(out[0].floats().unwrap(), [2.0, 0.0]);
        assert_eq!(out[1], Tensor::from_ints(vec![2], &[1, 2]));
        assert_eq!(out[2].floats().unwrap(), [2.0, -1.0]);
        assert_eq!(out[3].floats().unwrap(), [1.0, -3.0]);
        assert_eq!((&out[4], &out[5]), (&x, &out[0]));
    }
}

#[test]
fn a_session_of_constants_alone_runs() {
    let session = Session::load(&small(), &[], &names(&["c2"])).unwrap();
    assert_eq!(session.run(&[]).unwrap()[0].floats().unwrap(), [1.0, -3.0]);
}

#[test]
fn what_cannot_run_is_said_in_one_line() {
    let load = |feeds: &[Feed], outputs: &[&str]| Session::load(&small(), feeds, &names(outputs)).unwrap_err();
    let (x, other) = (feed("x", &[1, 2]), feed("other", &[1]));
    assert!(load(&[], &["y"]).to_string().contains("the input 'x' is not fed"));
    assert!(load(&[], &["x"]).to_string().contains("the input 'x' is not fed"));
    assert!(load(std::slice::from_ref(&x), &["z"]).to_string().contains("no value 'z'"));
    assert!(load(&[feed("c", &[2])], &["y"]).to_string().contains("no input 'c'"));
    let unknown = load(&[other], &["u"]);
    assert_eq!(unknown.node.as_deref(), Some("u"));
    assert!(unknown.to_string().ends_with("it does not have the operator Mystery"), "{unknown}");
}

#[test]
fn an_operator_of_another_domain_is_not_taken_for_onnx() {
    let relu = NodeProto { domain: Some("my.own".into()), ..node("Relu", &["x"], "y") };
    let m = model(vec![relu], &[], &["x"], &["y"]);
    let error = Session::load(&m, &[feed("x", &[1])], &names(&["y"])).unwrap_err();
    assert!(error.to_string().ends_with("it does not have the operator my.own.Relu"), "{error}");
    assert_eq!(dims_of(&m, &[feed("x", &[1])], "y"), None);
}

#[test]
fn a_failure_names_its_node() {
    let x = feed("x", &[1, 3]);
    let failed = Session::load(&small(), std::slice::from_ref(&x), &names(&["y"])).and_then(|s| s.run(&[zeros(&x)]));
    assert_eq!(failed.unwrap_err().node.as_deref(), Some("a"));
}

#[test]
fn inputs_that_are_not_as_declared_are_refused() {
    let session = Session::load(&small(), &[feed("x", &[1, 2])], &names(&["y"])).unwrap();
    let wrong = session.run(&[Tensor::from_floats(vec![2, 1], &[1.0, 2.0])]).unwrap_err();
    assert!(wrong.to_string().contains("input 'x' is FLOAT [1, 2], FLOAT [2, 1] given"), "{wrong}");
    assert!(session.run(&[]).unwrap_err().to_string().contains("0 inputs given, 1 expected"));
}

#[test]
fn a_session_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Session>();
}

fn dims_of(model: &Model, feeds: &[Feed], name: &str) -> Option<Vec<usize>> {
    let graph = model.graph().unwrap();
    dims(model, feeds).unwrap().get(graph.find(name).unwrap()).map(<[usize]>::to_vec)
}

#[test]
fn dims_are_told_around_what_is_unknown() {
    let feeds = [feed("x", &[4, 2]), feed("other", &[7])];
    let of = |name| dims_of(&small(), &feeds, name);
    assert_eq!(of("y"), Some(vec![4, 2]));
    assert_eq!(of("s"), Some(vec![2]));
    assert_eq!(of("c2"), Some(vec![2]));
    assert_eq!(of("other"), Some(vec![7]));
    assert_eq!(of("u"), None);
}

#[test]
fn an_operator_that_tract_stumbles_over_hides_itself_only() {
    let refused = node("Cast", &["a"], "bad");
    let wrong = node("MatMul", &["a", "c"], "bad");
    let panics = axis(node("DepthToSpace", &["y"], "bad"), "blocksize", 0);
    for stumble in [refused, wrong, panics] {
        let (mut nodes, constants) =
            (vec![node("Relu", &["x"], "a")], [("c", Tensor::from_floats(vec![3, 3], &[0.0; 9]))]);
        nodes.push(node("Relu", &["a"], "b"));
        nodes.push(axis(node("Flatten", &["b"], "y"), "axis", 1));
        nodes.insert(if stumble.input[0] == "y" { 3 } else { 1 }, stumble.clone());
        let m = model(nodes, &constants, &["x"], &["y"]);
        let feeds = [feed("x", &[1, 4, 2, 2])];
        assert_eq!(dims_of(&m, &feeds, "y"), Some(vec![1, 16]), "{stumble:?}");
        assert_eq!(dims_of(&m, &feeds, "bad"), None, "{stumble:?}");
    }
}

#[test]
fn types_that_tract_lacks_have_dims_nevertheless() {
    let half = |n: usize| Tensor { dtype: DataType::Bfloat16, dims: vec![n], data: vec![0; 2 * n].into() };
    let cast = axis(node("Cast", &["a"], "y"), "to", 16);
    let m = model(vec![node("Add", &["x", "c"], "a"), cast], &[("c", half(3))], &["x"], &["y"]);
    let x = Feed { dtype: DataType::Bfloat16, ..feed("x", &[2, 3]) };
    assert_eq!(dims_of(&m, &[x], "y"), Some(vec![2, 3]));
}

/// A value's dims in the file count only where tract knows nothing, the inputs are as declared, and none of them is known to be wrong.
#[test]
fn declared_dims_fill_gaps() {
    let info = |name: &str, dims: &[usize]| super::light::info(name, DataType::Float, dims);
    let declaring = |infos: &[ValueInfoProto]| {
        let mut proto = small().into_proto();
        let graph = proto.graph.as_mut().unwrap();
        graph.input = vec![info("x", &[1, 2]), info("other", &[7])];
        graph.node.push(node("Add", &["u", "c"], "v"));
        graph.value_info = infos.to_vec();
        Model::new(proto).unwrap()
    };
    let m = declaring(&[info("u", &[5, 2]), info("a", &[1, 2])]);
    let feeds = [feed("x", &[1, 2]), feed("other", &[7])];
    assert_eq!(dims_of(&m, &feeds, "v"), Some(vec![5, 2]));
    assert_eq!(dims_of(&m, &[feed("x", &[1, 2]), feed("other", &[8])], "v"), None);
    let stale = declaring(&[info("u", &[5, 2]), info("a", &[9, 9])]);
    assert_eq!((dims_of(&stale, &feeds, "u"), dims_of(&stale, &feeds, "a")), (None, Some(vec![1, 2])));
    let impossible = declaring(&[info("u", &[5, 3])]);
    assert_eq!((dims_of(&impossible, &feeds, "u"), dims_of(&impossible, &feeds, "v")), (None, None));
}

/// The models of the zoo with their inputs' shapes.
fn zoo() -> Vec<(PathBuf, InputShapes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/zoo");
    let text = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |d: &serde_json::Value| d.as_u64().unwrap() as usize;
    let shape = |i: &serde_json::Value| InputShape {
        name: i["name"].as_str().unwrap().into(),
        dims: i["run_shape"].as_array().unwrap().iter().map(number).collect(),
    };
    let entry = |m: &serde_json::Value| {
        let shapes = m["inputs"].as_array().unwrap().iter().map(shape).collect();
        (folder.join(m["path"].as_str().unwrap()), InputShapes(shapes))
    };
    index.as_array().unwrap().iter().map(entry).collect()
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn zoo_dims_are_known() {
    for (path, given) in zoo() {
        let model = Model::read(&path).unwrap();
        let shapes = Shapes::of(&model, &given).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let graph = model.graph().unwrap();
        for dims in [Some(&shapes.dims), shapes.grown.as_ref().map(|g| &g.dims)].into_iter().flatten() {
            let unknown: Vec<_> = graph.value_ids().filter(|&v| dims.get(v).is_none()).map(|v| graph.name(v)).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        }
    }
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn zoo_sessions_run_as_the_dims_say() {
    for (path, given) in zoo() {
        let model = Model::read(&path).unwrap();
        let (graph, shapes) = (model.graph().unwrap(), Shapes::of(&model, &given).unwrap());
        let made: Vec<_> = graph.value_ids().filter(|&v| graph.producer(v).is_some()).collect();
        let outputs: Vec<String> = made.iter().map(|&v| graph.name(v).into()).collect();
        let inputs: Vec<Tensor> = shapes.feeds.iter().map(zeros).collect();
        match Session::load(&model, &shapes.feeds, &outputs).and_then(|s| s.run(&inputs)) {
            Ok(values) => made.iter().zip(&values).for_each(|(&v, t)| {
                assert_eq!(shapes.dims.get(v), Some(&t.dims[..]), "{} {}", path.display(), graph.name(v));
            }),
            // tract multiplies a float16 Gemm by a float32.
            Err(e) => assert!(path.ends_with("resnet20_fp16.onnx") && e.node.as_deref() == Some("/linear/Gemm"), "{e}"),
        }
    }
}

fn zeros(feed: &Feed) -> Tensor {
    let bits = crate::model::tensor::element_bits(feed.dtype).unwrap();
    let bytes = feed.dims.iter().product::<usize>() * bits / 8;
    Tensor { dtype: feed.dtype, dims: feed.dims.clone(), data: vec![0; bytes].into() }
}
