//! Fields that the schema does not know stay in the file, or the file is not written: they are never lost in silence.

use std::path::Path;

use prost::Message;
use secateur::Model;
use secateur::build::{Conv, GraphBuilder};
use secateur::model::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use secateur::model::write::{Layout, write_beside, write_to};
use secateur::model::{ModelProto, Tensor};
use secateur::pipeline::{Destination, PruneOptions, prune};

/// A field of which no schema knows the number.
fn mark(at: &str) -> Vec<u8> {
    field(200, format!("mark:{at}").as_bytes())
}

fn field(number: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut out);
    prost::encoding::encode_varint(body.len() as u64, &mut out);
    [out, body.to_vec()].concat()
}

fn network() -> ModelProto {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 4, 6, 6]);
    let y = g.conv(&x, "a", Conv::square(8, 3));
    let y = g.conv(&y, "b", Conv::square(6, 1));
    g.output(&y);
    g.model().unwrap().into_proto()
}

/// Another way to encode a message.
type Encode<'a, M> = &'a dyn Fn(&M) -> Vec<u8>;

/// Other ways to encode messages than with a mark at the end.
#[derive(Default)]
struct Marks<'a> {
    node: Option<Encode<'a, NodeProto>>,
    tensor: Option<Encode<'a, TensorProto>>,
}

/// The network's bytes with marks at the model, the graph, its input, an operator set, every node and every initializer.
fn marked(marks: &Marks<'_>) -> Vec<u8> {
    let proto = network();
    let graph = proto.graph.clone().unwrap();
    let mut bare =
        GraphProto { node: Vec::new(), initializer: Vec::new(), input: Vec::new(), ..graph.clone() }.encode_to_vec();
    for node in &graph.node {
        let own = [node.encode_to_vec(), mark(&format!("node {}", node.name()))].concat();
        bare.extend(field(1, &marks.node.map_or(own, |f| f(node))));
    }
    for t in &graph.initializer {
        let own = [t.encode_to_vec(), mark(&format!("tensor {}", t.name()))].concat();
        bare.extend(field(5, &marks.tensor.map_or(own, |f| f(t))));
    }
    let input: &ValueInfoProto = &graph.input[0];
    bare.extend(field(11, &[input.encode_to_vec(), mark("input")].concat()));
    bare.extend(mark("graph"));
    let opset = [proto.opset_import[0].encode_to_vec(), mark("opset")].concat();
    let shell = ModelProto { graph: None, opset_import: Vec::new(), ..proto }.encode_to_vec();
    [shell, field(8, &opset), field(7, &bare), mark("model")].concat()
}

fn read(bytes: &[u8]) -> Model {
    Model::decode(bytes.to_vec().into(), Path::new("marked")).unwrap()
}

/// The marks that stand in some bytes, sorted.
fn found(bytes: &[u8]) -> Vec<String> {
    let starts = bytes.windows(5).enumerate().filter(|(_, w)| *w == b"mark:").map(|(i, _)| i);
    let mut out: Vec<String> = starts
        .map(|i| String::from_utf8_lossy(&bytes[i + 5..i - 1 + 1 + usize::from(bytes[i - 1])]).into_owned())
        .collect();
    out.sort();
    out
}

const ALL: [&str; 10] = [
    "graph",
    "input",
    "model",
    "node a/Conv",
    "node b/Conv",
    "opset",
    "tensor a.bias",
    "tensor a.weight",
    "tensor b.bias",
    "tensor b.weight",
];

fn pruned(model: &Model) -> secateur::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let report = prune(model, &PruneOptions::rate(0.3), Destination::Bytes(&mut bytes))?;
    assert_eq!(report.verification.unwrap().status, "passed");
    assert!(report.after.macs < report.before.macs);
    Ok(bytes)
}

#[test]
fn what_is_not_edited_keeps_its_bytes_and_what_is_keeps_its_unknown_fields() {
    let bytes = marked(&Marks::default());
    assert_eq!(found(&bytes), ALL);
    let model = read(&bytes);
    assert_eq!(model.proto(), &network(), "the known part is as if there were no other");
    assert_eq!(found(&model.encode()), [""; 0], "the schema alone would lose them");
    let again = write_to(&model, Vec::new(), Path::new("again")).unwrap();
    assert_eq!((found(&again), again.len()), (ALL.map(String::from).to_vec(), bytes.len()));
    assert_eq!(read(&again).proto(), &network());
    assert_eq!(found(&pruned(&model).unwrap()), ALL);
}

#[test]
fn they_stay_with_weights_that_go_to_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("m.onnx");
    let beside = Layout { external: true, ..Layout::default() };
    write_beside(&read(&marked(&Marks::default())), &target, beside).unwrap().commit(false).unwrap();
    assert_eq!(found(&std::fs::read(&target).unwrap()), ALL);
    assert_eq!(Model::read(&target).unwrap().proto(), &network());
}

#[test]
fn deeper_ones_stay_in_what_does_not_change() {
    let deep = |n: &NodeProto| {
        let attributes: Vec<u8> =
            n.attribute.iter().flat_map(|a| field(5, &[a.encode_to_vec(), mark("attribute")].concat())).collect();
        [NodeProto { attribute: Vec::new(), ..n.clone() }.encode_to_vec(), attributes].concat()
    };
    let bytes = marked(&Marks { node: Some(&deep), ..Marks::default() });
    let marks = found(&bytes);
    assert!(marks.iter().filter(|m| *m == "attribute").count() > 1, "{marks:?}");
    assert_eq!(found(&pruned(&read(&bytes)).unwrap()), marks);
}

#[test]
fn deeper_ones_in_what_changes_end_the_run() {
    let deep = |t: &TensorProto| [t.encode_to_vec(), field(16, &mark("metadata"))].concat();
    let model = read(&marked(&Marks { tensor: Some(&deep), ..Marks::default() }));
    assert!(write_to(&model, Vec::new(), Path::new("again")).is_ok(), "nothing changed");
    let error = pruned(&model).unwrap_err().to_string();
    assert!(error.contains("'a.weight'") && error.contains("does not know"), "{error}");
}

#[test]
fn another_way_to_write_the_same_is_nothing_unknown() {
    let packed = |t: &TensorProto| {
        let dims: Vec<u8> = t.dims.iter().map(|&d| u8::try_from(d).unwrap()).collect();
        [field(1, &dims), TensorProto { dims: Vec::new(), ..t.clone() }.encode_to_vec()].concat()
    };
    let model = read(&marked(&Marks { tensor: Some(&packed), ..Marks::default() }));
    assert_eq!(model.proto(), &network());
    assert!(!found(&pruned(&model).unwrap()).iter().any(|m| m.starts_with("tensor")));
    let whole = Tensor::from_proto(&model.graph_proto().initializer[0]).unwrap();
    assert!(!whole.is_empty());
}

#[test]
fn typed_data_is_known() {
    let typed = |t: &TensorProto| {
        let floats = Tensor::from_proto(t).unwrap().floats().unwrap();
        TensorProto { raw_data: None, float_data: floats, ..t.clone() }.encode_to_vec()
    };
    let model = read(&marked(&Marks { tensor: Some(&typed), ..Marks::default() }));
    let again = read(&write_to(&model, Vec::new(), Path::new("again")).unwrap());
    assert_eq!(again.proto(), model.proto());
    pruned(&model).unwrap();
}

#[test]
fn damaged_bytes_are_refused_or_written_again_and_never_a_panic() {
    let bytes = marked(&Marks::default());
    let mut read_again = 0;
    for at in 0..bytes.len() {
        for flip in [0x01, 0x08, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let Ok(model) = Model::decode(damaged.into(), Path::new("damaged")) else { continue };
            let Ok(again) = write_to(&model, Vec::new(), Path::new("again")) else { continue };
            let again = Model::decode(again.into(), Path::new("again")).unwrap();
            assert_eq!(again.proto().encode_to_vec(), model.proto().encode_to_vec(), "byte {at}, flip {flip:#x}");
            read_again += 1;
        }
    }
    assert!(read_again > bytes.len(), "{read_again} of {} damaged files could be read", 4 * bytes.len());
}
