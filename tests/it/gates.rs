//! Gates: a model is written only where they hold.

use std::path::Path;

use ndarray::Array4;
use ndarray_npy::write_npy;
use secateur::build::{Conv, GraphBuilder, Op};
use secateur::model::Tensor;
use secateur::pipeline::Gate;
use secateur::report::Report;

use crate::cli::{Folder, fails, model, run, testdata, text};
use crate::support::foreign;

/// A file of sixteen small images.
fn images(f: &Folder) -> String {
    let path = f.path("images.npy");
    write_npy(&path, &Array4::from_shape_fn((16, 3, 8, 8), |(n, c, y, x)| (n * c + y * x) as f32 / 64.0)).unwrap();
    path
}

/// Prunes to a file with these gates; whether it was written, and the report.
fn gated(f: &Folder, gates: &[&str], more: &[&str]) -> (bool, Report) {
    let (out, saved) = (f.path("s.onnx"), f.path("r.json"));
    let _ = std::fs::remove_file(&out);
    let model = model();
    let mut args = vec!["prune", &model, "-o", &out, "--rate", "0.3", "--heal", "none", "--json", "--report", &saved];
    gates.iter().for_each(|g| args.extend(["--gate", g]));
    args.extend(more);
    let done = run(&args);
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    let written: Report = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    assert_eq!(report, written);
    assert_eq!(done.status.code(), Some(if report.refused.is_some() { 3 } else { 0 }), "{}", text(&done.stderr));
    assert_eq!(Path::new(&out).exists(), report.refused.is_none());
    (report.refused.is_none(), report)
}

/// Every metric in both directions, a little below and above what is found: one of the two holds.
#[test]
fn every_metric_is_bounded_from_both_sides() {
    let f = Folder::new();
    let data = testdata("digits_test.npz");
    let more = ["--scale", "1/16", "--evaluate", &data, "--calibrate", &data, "--bench", "1"];
    let all: Vec<String> = Gate::metrics().iter().map(|m| format!("{m}>=-1e9")).collect();
    let (met, r) = gated(&f, &all.iter().map(String::as_str).collect::<Vec<_>>(), &more);
    assert!(met && r.gates.len() == 9 && r.gates.iter().all(|g| g.met));
    for (gate, metric) in r.gates.iter().zip(Gate::metrics()).filter(|(_, m)| *m != "latency_ratio") {
        let v = gate.found.unwrap();
        for (bound, offset, holds) in
            [(">=", -1e-6, true), (">=", 1e-6, false), ("<=", 1e-6, true), ("<=", -1e-6, false)]
        {
            let text = format!("{metric}{bound}{}", v + offset);
            let (met, r) = gated(&f, &[&text], &more[..6]);
            assert_eq!(met, holds, "{text}");
            if !holds {
                let reason = r.refused_reason.unwrap();
                assert_eq!(r.refused.as_deref(), Some("gate"));
                assert!(reason.contains(metric) && reason.contains("does not hold"), "{reason}");
            }
        }
    }
    let found = |name: &str| r.gates.iter().find(|g| g.gate.starts_with(name)).unwrap().found.unwrap();
    let a = r.accuracy.as_ref().unwrap();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    close(found("accuracy_drop"), a.before - a.after);
    close(found("flops_cut"), 1.0 - r.after.macs as f64 / r.before.macs as f64);
    let (_, r) = gated(&f, &["size_ratio<=2"], &[]);
    let bytes = |p: &str| std::fs::metadata(p).unwrap().len() as f64;
    close(r.gates[0].found.unwrap(), bytes(&f.path("s.onnx")) / bytes(&model()));
}

#[test]
fn one_gate_of_several_is_enough_to_refuse_and_each_is_reported() {
    let f = Folder::new();
    let (met, r) = gated(&f, &["flops_cut>=0.1", "params_cut>=0.99", "size_ratio<=0.01"], &[]);
    assert!(!met);
    assert_eq!(r.gates.iter().map(|g| g.met).collect::<Vec<_>>(), [true, false, false]);
    let reason = r.refused_reason.unwrap();
    assert!(
        reason.contains("params_cut") && reason.contains("size_ratio") && !reason.contains("flops_cut"),
        "{reason}"
    );
    assert_eq!(f.names(), ["r.json"]);
}

/// A cut that changes nothing is infinitely close: no bound on decibels is too high. Nothing goes at this rate.
#[test]
fn what_does_not_differ_meets_every_bound_on_decibels() {
    let f = Folder::new();
    let out = f.path("same.onnx");
    let (model, data) = (model(), testdata("digits_test.npz"));
    let args = ["prune", &model, "-o", &out, "--force", "--rate", "0.01", "--calibrate", &data, "--gate"];
    let done = run(&[&args[..], &["sqnr_db>=1e6", "--gate", "cosine>=1"]].concat());
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let done = run(&[&args[..], &["sqnr_db<=1e6"]].concat());
    assert_eq!(done.status.code(), Some(3));
}

#[test]
fn a_proof_that_fails_comes_before_gates() {
    let f = Folder::new();
    let (_, r) = gated(&f, &["flops_cut>=0.99"], &["--tolerance", "0"]);
    assert_eq!(r.refused.as_deref(), Some("verification"));
}

#[test]
fn gates_on_outputs_are_decided_without_a_proof_too() {
    let f = Folder::new();
    let data = testdata("digits_test.npz");
    let (met, r) = gated(&f, &["cosine>=0.999999"], &["--no-verify", "--calibrate", &data]);
    assert!(!met && r.fidelity.is_some());
}

#[test]
fn what_cannot_be_decided_is_a_usage_error_before_any_work() {
    let f = Folder::new();
    let gate = |g: &str, more: &[&str], words: &[&str]| {
        let out = f.path("s.onnx");
        let absent = f.path("absent.onnx");
        fails(&[&["prune", &absent, "-o", &out, "--rate", "0.3", "--gate", g], more].concat(), 2, words);
    };
    gate("accuracy>=0.9", &[], &["accuracy>=0.9", "--evaluate"]);
    gate("accuracy_drop<=0.01", &["--bench", "3"], &["--evaluate"]);
    gate("latency_ratio<=1", &[], &["--bench"]);
    for metric in ["top1_agreement", "cosine", "sqnr_db"] {
        gate(&format!("{metric}>=0.5"), &[], &[metric, "--calibrate"]);
    }
    assert!(f.names().is_empty());
}

/// A network whose only output is an image has no top-1.
#[test]
fn a_metric_that_a_model_does_not_have_is_a_usage_error() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.conv(&y, "/b", Conv::square(8, 1));
    g.output(&y);
    let input = f.write("image.onnx", &g.model().unwrap().encode());
    let data = images(&f);
    let args = ["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.3", "--calibrate", &data, "--gate"];
    fails(&[&args[..], &["top1_agreement>=0.5"]].concat(), 2, &["one row of scores"]);
    assert!(run(&[&args[..], &["cosine>=-1"]].concat()).status.success());
}

/// What the runtime cannot run has no figures: a gate on them refuses it, whatever is allowed.
#[test]
fn what_could_not_be_measured_meets_no_gate() {
    let f = Folder::new();
    let input = f.write("foreign.onnx", &foreign().encode());
    let data = images(&f);
    let args = ["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5", "--allow-unverified", "--calibrate", &data];
    let out = run(&[&args[..], &["--bench", "2", "--gate", "cosine>=-1", "--gate", "latency_ratio<=100"]].concat());
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
    let shown = text(&out.stdout);
    assert!(shown.contains("cosine was not measured") && shown.contains("latency_ratio was not measured"), "{shown}");
    assert_eq!(f.names(), ["foreign.onnx", "images.npy"]);
    assert!(run(&[&args[..], &["--gate", "params_cut>=0.1"]].concat()).status.success());
}

#[test]
fn what_is_no_gate_is_told_the_metrics() {
    for gate in ["speed>=2", "accuracy>0.5", "cosine>=NaN", "cosine"] {
        let out = run(&["prune", "absent.onnx", "-o", "s.onnx", "--rate", "0.3", "--gate", gate]);
        let error = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{error}");
        assert!(Gate::metrics().iter().all(|m| error.contains(m)), "{error}");
    }
}

#[test]
fn a_refused_model_does_not_reach_stdout() {
    let f = Folder::new();
    let args =
        ["prune", &model(), "-o", "-", "--rate", "0.3", "--gate", "flops_cut>=0.99", "--report", &f.path("r.json")];
    let out = run(&args);
    assert_eq!((out.status.code(), out.stdout.len()), (Some(3), 0));
    assert!(text(&out.stderr).contains("flops_cut>=0.99 does not hold"), "{}", text(&out.stderr));
}

/// A map of classes: a choice at every place, beside an output that has none.
#[test]
fn a_map_of_probabilities_has_a_top_1_at_every_place() {
    has_a_top_1_at_every_place("Softmax", 40.0);
}

#[test]
fn a_map_of_their_logarithms_has_one_too() {
    has_a_top_1_at_every_place("LogSoftmax", 1.0);
}

fn has_a_top_1_at_every_place(op: &str, sure: f32) {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(16, 3).pad(1));
    let y = g.relu(&y, "/relu");
    let other = g.conv(&y, "/other", Conv::square(2, 1));
    let y = g.conv(&y, "/classes", Conv::square(4, 1));
    let sure = g.initializer("sure", &Tensor::from_floats(vec![1], &[sure]));
    let y = g.node(Op::new("Mul", "/sure"), &[&y, &sure], &y.dims.clone());
    let map = g.node(Op::new(op, "/map").int("axis", 1), &[&y], &[1, 4, 8, 8]);
    g.output(&map);
    g.output(&other);
    let path = f.write("segments.onnx", &g.model().unwrap().encode());
    let args = [
        "prune",
        &path,
        "-o",
        &f.path("s.onnx"),
        "--rate",
        "0.7",
        "--calibrate",
        &images(&f),
        "--heal",
        "none",
        "--json",
    ];
    let done = run(&[&args[..], &["--gate", "top1_agreement>=0.1"]].concat());
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    let all = report.fidelity.unwrap();
    let (map, other) = (&all.outputs[0], &all.outputs[1]);
    let agreement = map.top1_agreement.unwrap();
    let same = agreement * (64 * all.samples) as f64;
    assert!(agreement > 0.0 && agreement < 1.0, "{agreement}");
    assert!(
        (same - same.round()).abs() < 1e-6 && !(same.round() as usize).is_multiple_of(64),
        "it counts places: {same}"
    );
    assert!(map.kl.unwrap() > 0.0 && (other.top1_agreement, other.kl) == (None, None));
    assert_eq!((all.top1_agreement, all.kl), (map.top1_agreement, map.kl));
    assert_eq!(all.cosine, map.cosine.min(other.cosine));
}
