//! Channels over which a mean is taken: held unless asked for, and then cut, named, and set aside by the proof.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::Tensor;
use secateur::pipeline::{Destination, PruneOptions, prune};
use secateur::plan::Choice;
use secateur::report::Report;

/// A gate by the mean over the channels of the first convolution; `second` makes what the last one reads.
fn gated(second: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let bias = g.initializer("shared", &Tensor::from_floats(vec![16], &[0.1; 16]));
    let w = g.weights("a.weight", &[16, 3, 3, 3]);
    let pads = Op::new("Conv", "/a").ints("pads", &[1, 1, 1, 1]);
    let y = g.node(pads, &[&x, &w, &bias], &[1, 16, 8, 8]);
    let y = g.relu(&y, "/r");
    let mean = g.node(Op::new("ReduceMean", "/mean").ints("axes", &[1]), &[&y], &[1, 1, 8, 8]);
    let y = g.node(Op::new("Mul", "/gate"), &[&y, &mean], &y.dims);
    let w = g.weights("b.weight", &[16, 16, 1, 1]);
    let y = g.node(Op::new("Conv", "/b"), &[&y, &w, &bias], &[1, 16, 8, 8]);
    let y = second(&mut g, &y);
    let y = g.conv(&y, "/c", Conv::square(8, 1));
    let y = g.global_average_pool(&y, "/pool");
    let y = g.flatten(&y, "/flat");
    let y = g.gemm(&y, "/fc", 5);
    g.output(&y);
    g.model().unwrap()
}

fn pruned(model: &Model, allow_inexact: bool) -> (Report, Model) {
    let mut bytes = Vec::new();
    let options = PruneOptions::new(Choice { allow_inexact, ..Choice::rate(0.5) });
    let report = prune(model, &options, Destination::Bytes(&mut bytes)).unwrap();
    (report, Model::decode(bytes.into(), "pruned".as_ref()).unwrap())
}

fn lost(report: &Report, weight: &str) -> usize {
    let plan = report.plan.as_ref().unwrap();
    plan.cuts.iter().find(|c| c.value == weight && c.axis == 0).map_or(0, |c| c.remove.len())
}

#[test]
fn a_mean_over_channels_holds_them() {
    let (report, _) = pruned(&gated(|g, x| g.relu(x, "/s")), false);
    assert!(report.exact);
    assert_eq!((lost(&report, "a.weight"), lost(&report, "b.weight"), lost(&report, "c.weight")), (0, 8, 4));
    let layer = report.layers.iter().find(|l| l.node == "/a").unwrap();
    assert!(layer.reason.as_ref().unwrap().contains("takes a mean over this axis"), "{layer:?}");
}

#[test]
fn asked_for_they_go_and_the_report_says_so() {
    let (report, model) = pruned(&gated(|g, x| g.relu(x, "/s")), true);
    let v = report.verification.as_ref().unwrap();
    assert_eq!((v.status.as_str(), report.exact), ("passed", false), "{v:?}");
    assert_eq!((lost(&report, "a.weight"), lost(&report, "b.weight"), lost(&report, "c.weight")), (8, 8, 4));
    assert!(v.notes.iter().any(|n| n.contains("set aside by the proof") && n.contains("'/a'")), "{:?}", v.notes);
    assert!(!v.notes.iter().any(|n| n.contains("'/b'")), "{:?}", v.notes);
    assert!(v.sensitivity > 1e-3, "the other channels are masked: {}", v.sensitivity);
    assert!(report.fidelity.is_some_and(|f| f.max_abs_error > 0.0));
    let dims = |name: &str| model.graph_proto().initializer.iter().find(|t| t.name() == name).map(|t| t.dims.clone());
    assert_eq!(dims("a.weight"), Some(vec![8, 3, 3, 3]));
    assert_eq!(dims("b.weight"), Some(vec![8, 8, 1, 1]));
}

#[test]
fn what_is_exact_stays_so_where_it_is_allowed() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 3));
    let y = g.conv(&y, "/b", Conv::square(8, 3));
    g.output(&y);
    let (report, _) = pruned(&g.model().unwrap(), true);
    assert!(report.exact && lost(&report, "a.weight") == 4);
}

/// The same channels read by a convolution and by a second one behind a Concat: what goes of the first is counted in the second's blocks.
#[test]
fn other_cuts_are_counted_without_what_is_set_aside() {
    let model = gated(|g, x| {
        let d = g.conv(x, "/d", Conv::square(6, 1));
        g.concat(&[x, &d], 1, "/concat")
    });
    let (report, _) = pruned(&model, true);
    let v = report.verification.unwrap();
    assert_eq!((v.status.as_str(), report.exact), ("passed", false), "{v:?}");
}

/// LayerNormalization over channels, which stand last; its scale and offset go with them.
#[test]
fn layer_normalization_is_set_aside() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 6]);
    let y = g.gemm(&x, "/a", 12);
    let (scale, offset) = (g.uniform("scale", &[12], 0.5, 1.5), g.uniform("offset", &[12], -1.0, 1.0));
    let y = g.node(Op::new("LayerNormalization", "/norm"), &[&y, &scale, &offset], &y.dims);
    let y = g.gemm(&y, "/b", 10);
    let y = g.relu(&y, "/r");
    let y = g.gemm(&y, "/c", 4);
    g.output(&y);
    let model = g.model().unwrap();
    let (held, _) = pruned(&model, false);
    assert_eq!((lost(&held, "scale"), held.exact), (0, true));
    let (report, _) = pruned(&model, true);
    let v = report.verification.as_ref().unwrap();
    assert_eq!((v.status.as_str(), report.exact, lost(&report, "scale")), ("passed", false, 6), "{v:?}");
    assert!(v.notes.iter().any(|n| n.contains("'/a")), "{:?}", v.notes);
}
