//! `prune --soft` and `prune --lossless` from outside.

use secateur::report::Report;

use crate::cli::{Folder, model, run, text};

#[test]
fn lossless_is_a_choice_of_its_own() {
    let f = Folder::new();
    let out = f.path("out.onnx");
    for other in [&["--rate", "0.3"][..], &["--soft"]] {
        let status = run(&[&["prune", &model(), "-o", &out, "--lossless"], other].concat()).status;
        assert_eq!(status.code(), Some(2), "{other:?}");
    }
    let done = run(&["prune", &model(), "-o", &out, "--lossless", "--json"]);
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    assert!(done.status.success() && report.plan.unwrap().cuts.is_empty());
    assert_eq!(report.lossless, Some(Vec::new()));
    assert!(report.notes.iter().any(|n| n.contains("nothing was removed")), "{:?}", report.notes);
}

#[test]
fn a_soft_file_says_so_and_loses_its_zeros() {
    let f = Folder::new();
    let (soft, small) = (f.path("soft.onnx"), f.path("small.onnx"));
    let done = run(&["prune", &model(), "-o", &soft, "--rate", "0.3", "--soft", "--json"]);
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    assert!(done.status.success() && report.soft && report.before.macs == report.after.macs);
    let note = report.notes.iter().find(|n| n.starts_with("soft:")).unwrap();
    let done = run(&["prune", &soft, "-o", &small, "--lossless"]);
    assert!(done.status.success() && text(&done.stdout).contains("changed nothing: 4 zero of /stem/Conv"));
    let done = run(&["compare", &model(), &small, "--json"]);
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    let less = 100.0 * (1.0 - report.after.macs as f64 / report.before.macs as f64);
    assert!(note.contains(&format!("(-{less:.1} %)")), "{note}");
}
