//! stdin and stdout, and what may not go there.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use secateur::Model;

use super::{Folder, fails, model, run, text};
use crate::support::digits;

/// Runs with these bytes on stdin.
pub(super) fn feed(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its options reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn stdin_to_stdout() {
    let whole = std::fs::read(digits()).unwrap();
    let out = feed(&["prune", "-", "-o", "-", "--rate", "0.3"], &whole);
    assert!(text(&out.stderr).contains("verified"), "{}", text(&out.stderr));
    Model::decode(out.stdout.into(), "stdout".as_ref()).unwrap();
}

#[test]
fn a_plan_can_be_piped_into_apply_and_verify() {
    let f = Folder::new();
    assert!(run(&["prune", &model(), "-o", &f.path("a.onnx"), "--rate", "0.3"]).status.success());
    let plan = run(&["plan", &model(), "-o", "-", "--rate", "0.3"]);
    assert!(text(&plan.stderr).contains("16 -> 12"), "the table goes to stderr: {}", text(&plan.stderr));
    let out = feed(&["apply", &model(), "--plan", "-", "-o", "-", "-q"], &plan.stdout);
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
    assert!(out.stdout == std::fs::read(f.path("a.onnx")).unwrap());
    let out = feed(&["verify", &model(), &f.path("a.onnx"), "--plan", "-"], &plan.stdout);
    assert!(out.status.success() && text(&out.stdout).contains("verified: "), "{}", text(&out.stderr));
    let plan = f.write("p.json", &plan.stdout);
    let out = feed(&["apply", "-", "--plan", &plan, "-o", "-", "-q"], &std::fs::read(digits()).unwrap());
    assert!(out.stdout == std::fs::read(f.path("a.onnx")).unwrap());
    let out = feed(&["verify", &model(), "-", "--plan", &plan], &out.stdout);
    assert!(out.status.success());
}

#[test]
fn a_stream_carries_one_thing() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    fails(&["apply", "-", "--plan", "-", "-o", &out], 2, &["MODEL and --plan both want stdin"]);
    fails(&["verify", "-", "-", "--plan", "p.json"], 2, &["ORIGINAL and PRUNED both want stdin"]);
    fails(&["compare", "-", "-"], 2, &["BEFORE and AFTER both want stdin"]);
    fails(&["verify", &model(), "-", "--plan", "-"], 2, &["PRUNED and --plan both want stdin"]);
    fails(&["plan", &model(), "-o", "-", "--rate", "0.3", "--json"], 2, &["both want stdout"]);
    fails(&["prune", &model(), "-o", &out, "--rate", "0.3", "--plan-out", "-"], 2, &["--plan-out -: name a file"]);
    assert!(f.names().is_empty());
}

#[test]
fn a_model_that_was_refused_does_not_reach_stdout() {
    let out = run(&["prune", &model(), "-o", "-", "--rate", "0.3", "--tolerance", "0"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(out.stdout.is_empty() && text(&out.stderr).contains("refused"), "{}", text(&out.stderr));
}

#[test]
fn a_refusal_is_on_stderr_also_where_the_report_is_json() {
    let args = ["prune", &model(), "--dry-run", "--rate", "0.3", "--tolerance", "0", "--json"];
    let out = run(&args);
    assert_eq!(out.status.code(), Some(3));
    assert!(text(&out.stdout).contains("\"refused\": \"verification\""), "{}", text(&out.stdout));
    let said = text(&out.stderr);
    assert!(said.starts_with("refused: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn two_results_do_not_go_to_one_file() {
    let f = Folder::new();
    let (out, plan) = (f.path("s.onnx"), f.path("p.json"));
    let prune = |more: &[&str], words: &[&str]| {
        fails(&[&["prune", &model(), "-o", &out, "--rate", "0.3"], more].concat(), 2, words);
    };
    prune(&["--plan-out", &f.roundabout("s.onnx")], &["the result goes there"]);
    prune(&["--report", &plan, "--plan-out", &f.roundabout("p.json")], &["--plan-out", "--report goes there"]);
    prune(&["--report", &plan, "--report", &plan], &["--report goes there"]);
    assert!(f.names().is_empty());
}
