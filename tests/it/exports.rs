//! The same network is cut alike and healed alike in whatever form it was exported: with BatchNormalization or with it folded into the weights,
//! under other names, and among nodes that do nothing.

use secateur::Model;
use secateur::model::proto::{GraphProto, NodeProto};
use secateur::model::{ModelProto, Tensor};
use secateur::runtime::Session;

use crate::cli::{Folder, report, testdata};
use crate::support::{Analysed, constant, digits, edited};

/// The elements of a stored constant.
fn floats(proto: &ModelProto, name: &str) -> Vec<f32> {
    constant(proto, name).unwrap().floats().unwrap()
}

/// What reads a value: the only node.
fn reader<'g>(graph: &'g GraphProto, value: &str) -> Option<&'g NodeProto> {
    graph.node.iter().find(|n| n.input.iter().any(|i| i == value))
}

/// Every BatchNormalization in the weights and a bias of the convolution before it, whose output takes its name.
fn folded(model: Model) -> Model {
    edited(model, |proto| {
        let whole = proto.clone();
        let graph = proto.graph.as_mut().unwrap();
        for conv in graph.node.iter_mut().filter(|n| n.op_type() == "Conv") {
            let norm = reader(whole.graph.as_ref().unwrap(), &conv.output[0]).unwrap();
            assert_eq!(norm.op_type(), "BatchNormalization");
            let [scale, bias, mean, var] = [1, 2, 3, 4].map(|slot| floats(&whole, &norm.input[slot]));
            let a: Vec<f32> = scale.iter().zip(&var).map(|(s, v)| s / (v + 1e-5).sqrt()).collect();
            let weight = constant(&whole, &conv.input[1]).unwrap();
            let row: usize = weight.dims[1..].iter().product();
            let scaled = weight.floats().unwrap().iter().enumerate().map(|(i, w)| w * a[i / row]).collect::<Vec<_>>();
            let moved = bias.iter().zip(&mean).zip(&a).map(|((b, m), a)| b - m * a).collect::<Vec<_>>();
            let name = format!("{}.bias", conv.input[1]);
            graph.initializer.retain(|t| t.name() != conv.input[1]);
            graph.initializer.push(Tensor::from_floats(weight.dims, &scaled).to_proto(&conv.input[1]));
            graph.initializer.push(Tensor::from_floats(vec![moved.len()], &moved).to_proto(&name));
            conv.input.push(name);
            conv.output[0].clone_from(&norm.output[0]);
        }
        graph.node.retain(|n| n.op_type() != "BatchNormalization");
    })
}

/// An Identity behind every ReLU.
fn with_idle_nodes(model: Model) -> Model {
    edited(model, |proto| {
        let graph = proto.graph.as_mut().unwrap();
        let nodes = std::mem::take(&mut graph.node);
        for mut node in nodes {
            let output = node.output[0].clone();
            let idle = node.op_type() == "Relu";
            if idle {
                node.output[0] = format!("{output}/idle");
            }
            let identity = NodeProto {
                op_type: Some("Identity".into()),
                name: Some(format!("{}/Identity", node.name())),
                input: vec![node.output[0].clone()],
                output: vec![output],
                ..NodeProto::default()
            };
            graph.node.push(node);
            graph.node.extend(idle.then_some(identity));
        }
    })
}

/// Numbers that stand for the pixels of a digit.
fn sample(i: usize) -> Tensor {
    let pixel = |k: usize| ((i * 31 + k * 17 + i * k) % 16) as f32 / 16.0;
    Tensor::from_floats(vec![1, 1, 8, 8], &(0..64).map(pixel).collect::<Vec<_>>())
}

/// What goes from each group, in an order that does not depend on theirs, and what the healed network makes of some samples.
fn pruned(folder: &Folder, model: &Model, name: &str) -> (Vec<Vec<usize>>, Vec<f32>) {
    let from = folder.write(&format!("{name}.onnx"), &model.encode());
    let (to, calib) = (folder.path(&format!("{name}.small.onnx")), testdata("digits_calib256.npz"));
    let budget = ["--cut-flops", "0.4"];
    let report = report(&[&["prune", &from, "-o", &to, "--calibrate", &calib], &budget[..]].concat());
    assert_eq!(report.heal.unwrap().method, "reconstruct");
    let mut units: Vec<Vec<usize>> = report.plan.unwrap().groups.into_iter().map(|g| g.remove).collect();
    units.sort();
    let small = Model::read(to.as_ref()).unwrap();
    let output = small.graph_proto().output[0].name().to_owned();
    let session = Session::load(&small, &Analysed::new(&small, &[]).shapes.feeds, &[output]).unwrap();
    let made = (0..8).flat_map(|i| session.run(&[sample(i)]).unwrap()[0].floats().unwrap());
    (units, made.collect())
}

#[test]
fn every_export_of_a_network_is_cut_and_healed_alike() {
    let folder = Folder::new();
    let model = || Model::read(&digits()).unwrap();
    let (units, made) = pruned(&folder, &model(), "normalized");
    assert!(units.iter().filter(|u| !u.is_empty()).count() > 2, "{units:?}");
    let largest = made.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (other, name) in [(folded(model()), "folded"), (with_idle_nodes(folded(model())), "idle")] {
        let (theirs, also) = pruned(&folder, &other, name);
        assert_eq!(theirs, units, "{name}");
        let apart = made.iter().zip(&also).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(apart < 1e-2 * largest, "{name}: {apart} of {largest}");
    }
}
