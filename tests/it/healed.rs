//! The judge on healed models: numbers may differ where healing writes them, in every layout of a weight, and nowhere else; the structure is
//! proved with them.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::proto::{DataType, NodeProto};
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::plan::Scope;
use secateur::verify::{Case, Status, Values, Verification, verify};

use crate::support::{Analysed, constant, network, set_constant, zoo};

fn judge(known: &Analysed<'_>, pruned: &ModelProto, removed: &[Removed], values: Values) -> Verification {
    let pruned = Model::decode(Model::new(pruned.clone()).unwrap().encode().into(), "pruned".as_ref()).unwrap();
    verify(&Case {
        original: known.model,
        pruned: &pruned,
        removed,
        values,
        feeds: &known.shapes.feeds,
        grown: known.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
        tolerance: 1e-4,
        seed: 0,
    })
    .unwrap()
}

fn nodes(proto: &ModelProto, op: &str) -> Vec<NodeProto> {
    proto.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type() == op).cloned().collect()
}

/// Moves every number of a constant, whatever its type; whether there was one.
fn moved(proto: &mut ModelProto, name: &str) -> bool {
    let Some(old) = constant(proto, name) else { return false };
    let new: Vec<f32> = old.floats().unwrap().iter().enumerate().map(|(i, v)| v + 0.01 * (i % 5) as f32).collect();
    let new = match old.dtype {
        DataType::Float16 => half(&old),
        _ => Tensor::from_floats(old.dims, &new),
    };
    set_constant(proto, name, &new)
}

/// The float16 numbers with the sign turned.
fn half(old: &Tensor) -> Tensor {
    let turned = old.data.chunks(2).flat_map(|b| [b[0], b[1] ^ 0x80]).collect::<Vec<u8>>();
    Tensor { data: turned.into(), ..old.clone() }
}

/// Moves what healing may, gives a bias to every convolution without one, and returns how much was done.
fn heal(proto: &mut ModelProto) -> usize {
    let mut done = 0;
    for (op, slots) in [
        ("Conv", &[1, 2][..]),
        ("ConvTranspose", &[1, 2]),
        ("Gemm", &[1, 2]),
        ("MatMul", &[1]),
        ("BatchNormalization", &[3]),
    ] {
        for node in nodes(proto, op) {
            done += slots.iter().filter_map(|s| node.input.get(*s)).filter(|name| moved(proto, name)).count();
        }
    }
    for node in nodes(proto, "Conv").into_iter().filter(|n| n.input.len() == 2) {
        let weight = constant(proto, &node.input[1]).unwrap();
        let bias =
            Tensor::from_floats(vec![weight.dims[0]], &(0..weight.dims[0]).map(|i| i as f32 * 0.1).collect::<Vec<_>>());
        let name = format!("{}_healed", node.output[0]);
        let graph = proto.graph.as_mut().unwrap();
        graph.initializer.push(bias.to_proto(&name));
        graph.node.iter_mut().filter(|n| n.output == node.output).for_each(|n| n.input.push(name.clone()));
        done += 1;
    }
    done
}

/// Heals a cut of a model, which must pass where that may be and only there; returns the healed model.
fn healed(model: &Model, shapes: &[&str], least: usize) -> (ModelProto, Vec<Removed>) {
    let known = Analysed::new(model, shapes);
    let (coupling, gone) = known.choose(0.3, Scope::All);
    let (mut pruned, removed) = known.cut(&coupling, &gone);
    assert!(!removed.is_empty());
    assert!(heal(&mut pruned) >= least);
    let v = judge(&known, &pruned, &removed, Values::Healed);
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
    assert!(v.compared > 0 && v.samples > 1);
    assert_eq!(judge(&known, &pruned, &removed, Values::Original).status, Status::Failed);
    (pruned, removed)
}

fn shuffled(g: &mut GraphBuilder, x: &Val) -> Val {
    let y = g.conv(x, "/a", Conv::square(24, 1).group(4).no_bias());
    let y = g.batch_norm(&y, "/bn");
    let y = g.relu(&y, "/relu");
    let y = g.reshape(&y, &[0, 4, 6, 8, 8], &[1, 4, 6, 8, 8], "/to");
    let y = g.transpose(&y, &[0, 2, 1, 3, 4], "/turn");
    let y = g.reshape(&y, &[0, 24, 8, 8], &[1, 24, 8, 8], "/from");
    let y = g.conv(&y, "/dw", Conv::square(24, 3).pad(1).group(24).no_bias());
    g.conv(&y, "/b", Conv::square(16, 1).group(4))
}

#[test]
fn grouped_and_depthwise_convolutions_and_a_shuffle() {
    let model = network(17, shuffled);
    let (pruned, removed) = healed(&model, &[], 10);
    let known = Analysed::new(&model, &[]);
    let order = nodes(&pruned, "Gather")[0].input[1].clone();
    let old = constant(&pruned, &order).unwrap();
    let mut ints = old.ints().unwrap();
    ints.swap(0, 1);
    let mut broken = pruned;
    assert!(set_constant(&mut broken, &order, &Tensor::from_ints(old.dims, &ints)));
    assert_eq!(judge(&known, &broken, &removed, Values::Healed).status, Status::Failed, "another order of channels");
}

#[test]
fn a_transposed_convolution() {
    let model = network(17, |g, x| {
        let w = g.weights("up.w", &[16, 12, 2, 2]);
        let y = g.node(Op::new("ConvTranspose", "/up").ints("strides", &[2, 2]), &[x, &w], &[1, 12, 16, 16]);
        g.relu(&y, "/up/relu")
    });
    let (mut pruned, removed) = healed(&model, &[], 6);
    let known = Analysed::new(&model, &[]);
    let graph = pruned.graph.as_mut().unwrap();
    let up = graph.node.iter_mut().find(|n| n.op_type() == "ConvTranspose").unwrap();
    up.input.push("up.b".into());
    let bias = |n: usize| Tensor::from_floats(vec![n], &vec![0.5; n]).to_proto("up.b");
    graph.initializer.push(bias(9));
    assert_eq!(
        judge(&known, &pruned, &removed, Values::Healed).status,
        Status::Passed,
        "12 - floor(0.3 * 12) channels"
    );
    *pruned.graph.as_mut().unwrap().initializer.last_mut().unwrap() = bias(12);
    assert_eq!(
        judge(&known, &pruned, &removed, Values::Healed).status,
        Status::Failed,
        "a bias for the channels before"
    );
}

/// What healing never touches stays the original's: a slope, a scale, and what is added elsewhere.
#[test]
fn other_numbers_are_the_originals() {
    let model = network(17, |g, x| {
        let slope = g.uniform("slope", &[16, 1, 1], 0.1, 0.3);
        let y = g.node(Op::new("PRelu", "/prelu"), &[x, &slope], &x.dims.clone());
        let (scale, offset) = (g.uniform("scale", &[16], 0.5, 1.5), g.uniform("offset", &[16], 0.1, 0.3));
        let y = g.node(Op::new("InstanceNormalization", "/norm"), &[&y, &scale, &offset], &y.dims.clone());
        let factor = g.uniform("factor", &[1, 16, 1, 1], 0.5, 1.5);
        let y = g.node(Op::new("Mul", "/mul"), &[&y, &factor], &y.dims.clone());
        let shift = g.uniform("shift", &[1, 16, 1, 1], 0.5, 1.5);
        g.node(Op::new("Add", "/add"), &[&y, &shift], &y.dims.clone())
    });
    let (pruned, removed) = healed(&model, &[], 4);
    let known = Analysed::new(&model, &[]);
    for name in ["slope", "scale", "offset", "factor", "shift"] {
        let mut broken = pruned.clone();
        assert!(moved(&mut broken, name), "{name}");
        let v = judge(&known, &broken, &removed, Values::Healed);
        assert_eq!(v.status, Status::Failed, "{name}");
        assert!(v.reason.unwrap().contains(name));
    }
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn real_networks() {
    for (name, least) in [
        ("cifar-resnet/resnet20_ts_bn", 38),
        ("mlperf-tiny/kws_dscnn", 18),
        ("derived/resnet20_fp16", 38),
        ("face/yunet_n_320_320", 40),
    ] {
        let model = Model::read(&zoo(&format!("{name}.onnx"))).unwrap();
        healed(&model, &[], least);
    }
}
