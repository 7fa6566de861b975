//! What `plan` writes and says, and what it leaves alone.

use secateur::report::{PlanFile, Report};

use super::{Folder, fails, model, run, text};

/// Makes a plan of the project's network and returns its text.
pub(super) fn planned(f: &Folder, name: &str, options: &[&str]) -> String {
    let path = f.path(name);
    let out = run(&[&["plan", &model(), "-o", &path, "-q"], options].concat());
    assert!(out.status.success(), "{}", text(&out.stderr));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_plan_is_what_prune_would_do_and_nothing_is_proved_or_cut() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let (out, saved) = (f.path("s.onnx"), f.path("q.json"));
    let prune = ["prune", &model(), "-o", &out, "--rate", "0.3", "--heal", "none", "--plan-out", &saved, "--json"];
    let done: Report = serde_json::from_slice(&run(&prune).stdout).unwrap();
    assert_eq!(std::fs::read_to_string(f.path("q.json")).unwrap(), plan);
    let out = run(&["plan", &model(), "--dry-run", "--rate", "0.3", "--json"]);
    let said: Report = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&said.after, &said.layers, &said.plan), (&done.after, &done.layers, &done.plan));
    assert!(said.verification.is_none() && said.fidelity.is_none());
    assert_eq!(f.names(), ["p.json", "q.json", "s.onnx"]);
}

#[test]
fn a_plan_has_a_line_for_each_group_and_each_cut() {
    let plan = planned(&Folder::new(), "p.json", &["--rate", "0.3"]);
    let line = |start: &str| plan.lines().filter(|l| l.trim_start().starts_with(start)).count();
    let parsed = PlanFile::parse(plan.as_bytes(), "p.json").unwrap().plan;
    assert_eq!((line("{\"id\":"), line("{\"value\":")), (parsed.groups.len(), parsed.cuts.len()));
    assert!(plan.contains("{\"id\":0,\"name\":\"/stem/Conv\",\"units\":16,\"remove\":[0,2,5,8]}"), "{plan}");
    assert_eq!(parsed.to_text().unwrap(), plan, "what is written is read as it was");
}

#[test]
fn an_existing_plan_is_replaced_only_with_force_and_no_input_ever() {
    let f = Folder::new();
    let (path, rate) = (f.write("p.json", b"precious"), ["--rate", "0.3"]);
    fails(&[&["plan", &model(), "-o", &path], &rate[..]].concat(), 1, &["exists already", "--force"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert!(run(&[&["plan", &model(), "-o", &path, "--dry-run"], &rate[..]].concat()).status.success());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert!(run(&[&["plan", &model(), "-o", &path, "--force"], &rate[..]].concat()).status.success());
    let copy = f.write("m.onnx", &std::fs::read(model()).unwrap());
    let runs: [&[&str]; 3] = [
        &["plan", &copy, "-o", &copy, "--force", "--rate", "0.3"],
        &["prune", &copy, "--dry-run", "--plan-out", &copy, "--rate", "0.3"],
        &["apply", &copy, "--dry-run", "--plan", &path, "--plan-out", &path],
    ];
    runs.into_iter().for_each(|args| fails(args, 2, &["overwrite", "input"]));
    fails(&["prune", &copy, "-o", &f.path("x.json"), "--rate", "0.3", "--report", &f.path("x.json")], 2, &["--report"]);
    assert!(std::fs::read(&copy).unwrap() == std::fs::read(model()).unwrap());
    fails(&["plan", &model(), "-o", &f.path("")], 2, &["--rate 0.3"]);
    fails(&["plan", &model(), "-o", &f.path(""), "--rate", "0.3"], 1, &["is a directory"]);
    fails(&["plan", &model(), "-o", &f.path("no/p.json"), "--rate", "0.3"], 1, &["is no directory"]);
}
