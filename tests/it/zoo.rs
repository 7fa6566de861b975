//! Real models: read, written back to the same content, pruned and proved.

use std::path::PathBuf;

use prost::Message as _;
use protobuf::Message as _;
use secateur::Model;
use secateur::model::write::{Layout, write_beside};
use secateur::pipeline::{Destination, Form, Proof, PruneOptions, prune};
use secateur::plan::{Budget, Choice, Scope};
use secateur::shape::InputShapes;

use crate::soft::soft_stands_for;
use crate::support::{Analysed, digits, with_random_weights, zoo};

/// Every model of the zoo, with the shapes to run it at.
fn models() -> Vec<(PathBuf, Vec<String>)> {
    let index = zoo("index.json");
    let folder = index.parent().unwrap().to_owned();
    let list: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(index).unwrap()).unwrap();
    let shapes = |m: &serde_json::Value| {
        let one = |i: &serde_json::Value| {
            let dims: Vec<String> = i["run_shape"].as_array()?.iter().map(ToString::to_string).collect();
            Some(format!("{}:{}", i["name"].as_str()?, dims.join(",")))
        };
        m["inputs"].as_array().unwrap().iter().filter_map(one).collect()
    };
    list.as_array().unwrap().iter().map(|m| (folder.join(m["path"].as_str().unwrap()), shapes(m))).collect()
}

/// Both files in the eyes of a decoder that is not ours, external data set aside.
fn assert_same_content(a: &[u8], b: &[u8], path: &std::path::Path) {
    let read = |bytes: &[u8]| {
        let mut model = onnx_protobuf::ModelProto::parse_from_bytes(bytes).unwrap();
        for t in &mut model.graph.as_mut().unwrap().initializer {
            if !t.external_data.is_empty() {
                (t.external_data, t.data_location) = Default::default();
                t.raw_data.clear();
            }
        }
        model
    };
    let (a, mut b) = (read(a), read(b));
    if path.to_string_lossy().contains("external") {
        b.graph
            .as_mut()
            .unwrap()
            .initializer
            .iter_mut()
            .filter(|t| t.raw_data.len() > 8)
            .for_each(|t| t.raw_data.clear());
        let stripped = |m: &onnx_protobuf::ModelProto| {
            let mut m = m.clone();
            m.graph.as_mut().unwrap().initializer.iter_mut().for_each(|t| t.raw_data.clear());
            m
        };
        assert!(stripped(&a) == stripped(&b), "{}", path.display());
    } else {
        assert!(a == b, "{} is not the same when it is written back", path.display());
    }
}

fn write_back(path: &std::path::Path) {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::read(path).unwrap();
    let target = dir.path().join("again.onnx");
    write_beside(&model, &target, Layout::default()).unwrap().commit(true).unwrap();
    let (before, after) = (std::fs::read(path).unwrap(), std::fs::read(&target).unwrap());
    assert_same_content(&before, &after, path);
    if !path.to_string_lossy().contains("external") {
        assert!(before == after, "{} has other bytes when it is written back", path.display());
    }
    assert_eq!(model.proto().encoded_len(), after.len());
}

#[test]
fn written_back_the_trained_network_is_the_same_to_an_independent_decoder() {
    write_back(&digits());
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn written_back_every_real_model_is_the_same_to_an_independent_decoder() {
    let models = models();
    assert_eq!(models.len(), 40);
    models.iter().for_each(|m| write_back(&m.0));
}

fn prune_and_prove(path: &std::path::Path, shapes: &[&str], random: bool) {
    let model = Model::read(path).unwrap();
    let model = if random { with_random_weights(&model) } else { model };
    let known = Analysed::new(&model, shapes);
    for (rate, scope) in [(0.3, Scope::All), (0.5, Scope::Inner), (0.7, Scope::All)] {
        let (coupling, gone) = known.choose(rate, scope);
        let (pruned, removed) = known.cut(&coupling, &gone);
        assert!(!removed.is_empty(), "{} lost nothing at {rate}", path.display());
        let v = known.judge(pruned, &removed);
        assert_eq!(v.status, secateur::verify::Status::Passed, "{} at {rate}: {:?}", path.display(), v.reason);
        soft_stands_for(&known, &coupling, &gone, None).unwrap();
    }
}

#[test]
fn the_trained_network_is_pruned_and_proved() {
    prune_and_prove(&digits(), &[], false);
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn small_real_networks_are_pruned_and_proved() {
    let names = [
        "cifar-resnet/resnet20_ts_bn",
        "cifar-resnet/resnet20_ts_fold",
        "cifar-resnet/resnet20_dynamo",
        "cifar-resnet/resnet56_ts_bn",
        "cifar-resnet/resnet56_dynamo",
        "mlperf-tiny/resnet8_cifar10",
        "mlperf-tiny/kws_dscnn",
        "mlperf-tiny/vww_mobilenetv1_025_96",
        "mnist/burn_mnist",
        "mnist/digit_recognizer_py_fold",
        "derived/resnet20_fp16",
    ];
    names.iter().for_each(|n| prune_and_prove(&zoo(&format!("{n}.onnx")), &[], false));
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn large_real_networks_are_pruned_and_proved() {
    prune_and_prove(&zoo("resnet-imagenet-like/opennsfw_resnet50thin.onnx"), &["input:0:1,224,224,3"], false);
    prune_and_prove(&zoo("onnx-light/light_resnet50.onnx"), &[], true);
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn inspect_and_shapes_work_on_every_real_model() {
    for (path, shapes) in models() {
        let model = Model::read(&path).unwrap();
        let given = InputShapes(shapes.iter().map(|s| s.parse().unwrap()).collect());
        let inspection = secateur::pipeline::inspect(&model, &given).unwrap();
        assert!(inspection.cost.macs > 0, "{}", path.display());
    }
}

/// Parameters beyond which a model takes too long here.
const LARGE: u64 = 100_000_000;

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn every_real_model_is_set_to_zero_and_loses_its_zeros() {
    let mut done = 0;
    for (path, shapes) in models() {
        let model = Model::read(&path).unwrap();
        let shapes = InputShapes(shapes.iter().map(|s| s.parse().unwrap()).collect());
        let run = |model: &Model, options: PruneOptions| {
            let mut bytes = Vec::new();
            let report =
                prune(model, &PruneOptions { shapes: shapes.clone(), ..options }, Destination::Bytes(&mut bytes));
            let report = report.unwrap();
            assert_eq!(report.refused, None, "{}: {:?}", path.display(), report.refused_reason);
            (Model::decode(bytes.into(), "pruned".as_ref()), report)
        };
        let hard = run(&model, PruneOptions { proof: Proof::Skipped, ..PruneOptions::rate(0.3) }).1;
        if hard.before.params > LARGE {
            continue;
        }
        let (soft, report) = run(&model, PruneOptions { form: Form::Soft, ..PruneOptions::rate(0.3) });
        assert_eq!(report.after.macs, report.before.macs, "{}", path.display());
        let free = PruneOptions::new(Choice { budget: Budget::Lossless, ..Choice::rate(0.3) });
        let (_, report) = run(&soft.unwrap(), free);
        assert!(report.after.macs <= hard.after.macs, "{}: {}", path.display(), report.after.macs);
        done += 1;
    }
    assert_eq!(done, 39);
}
