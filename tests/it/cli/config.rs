//! Options from a file, and what a shell can complete.

use secateur::report::Report;

use super::{Folder, fails, model, run, text};

/// What `prune` with these options says in JSON.
fn report(options: &[&str]) -> Report {
    super::report(&[&["prune", &model(), "--dry-run", "--heal", "none"], options].concat())
}

#[test]
fn a_file_says_what_the_command_line_would() {
    let f = Folder::new();
    let file = f.write(
        "c.toml",
        b"rate = 0.5\n\n[prune]\nscope = \"inner\"\ntolerance = 1e-3\nseed = 7\nno-stamp = true\nforce = false\n\
          input-shape = [\"input:2,1,8,8\"]\n\n[plan]\nscope = \"all\"\nforce = true\n",
    );
    let options = ["--rate", "0.5", "--scope", "inner", "--tolerance", "1e-3", "--seed", "7", "--no-stamp"];
    let by_hand = report(&[&options[..], &["--input-shape", "input:2,1,8,8"]].concat());
    assert_eq!(report(&["--config", &file]), by_hand);
    assert_eq!(by_hand.plan.unwrap().input_shapes["input"], [2, 1, 8, 8]);
    let plan = f.write("p.json", b"old");
    let out = run(&["plan", &model(), "-o", &plan, "--config", &file, "-q"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let plan = std::fs::read_to_string(plan).unwrap();
    assert!(plan.contains("\"scope\": \"all\"") && plan.contains("\"rate\": 0.5"), "{plan}");
}

#[test]
fn a_table_wins_over_the_top_and_the_command_line_over_both() {
    let f = Folder::new();
    let file = f.write("c.toml", b"rate = 0.5\nscope = \"inner\"\nno-verify = true\n[prune]\nrate = 0.3\n");
    let read = |options: &[&str]| {
        let report = report(&[&["--config", &file], options].concat());
        let status = report.verification.unwrap().status;
        let plan = report.plan.unwrap();
        (serde_json::to_value(plan.budget).unwrap()["rate"].as_f64().unwrap(), plan.scope, status)
    };
    assert_eq!(read(&[]), (0.3, "inner".into(), "skipped".into()));
    assert_eq!(read(&["--rate", "0.1"]), (0.1, "inner".into(), "skipped".into()));
    assert_eq!(read(&["--scope=all"]), (0.3, "all".into(), "skipped".into()));
    // What the command line excludes goes with what it says.
    assert_eq!(read(&["--allow-unverified"]), (0.3, "inner".into(), "passed".into()));
}

#[test]
fn repeatable_options_are_lists_and_paths_are_as_typed() {
    let f = Folder::new();
    let reports = format!(
        "rate = 0.3\noutput = {:?}\nreport = [{:?}, {:?}]",
        f.path("s.onnx"),
        f.path("a.json"),
        f.path("b.json")
    );
    let file = f.write("c.toml", reports.as_bytes());
    assert!(run(&["prune", &model(), "--config", &file, "-q"]).status.success());
    assert_eq!(f.names(), ["a.json", "b.json", "c.toml", "s.onnx"]);
    let args = ["prune", &model(), "--config", &file, "-q", "--force", "--report", &f.path("c.json")];
    std::fs::remove_file(f.path("a.json")).unwrap();
    assert!(run(&args).status.success());
    assert_eq!(f.names(), ["b.json", "c.json", "c.toml", "s.onnx"], "the command line takes the place of the list");
}

#[test]
fn an_option_of_another_command_stands_at_the_top_unheeded() {
    let f = Folder::new();
    let file = f.write("c.toml", b"rate = 0.3\nhealed = true\nquiet = true\n[verify]\ntolerance = 0.5\n");
    let out = run(&["inspect", &model(), "--config", &file]);
    assert!(out.status.success() && out.stdout.is_empty(), "{}", text(&out.stderr));
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    let f = Folder::new();
    let no = |toml: &str, line: usize, words: &[&str]| {
        let file = f.write("c.toml", toml.as_bytes());
        let at = format!("c.toml:{line}:");
        fails(&["prune", &model(), "--dry-run", "--config", &file], 2, &[&[at.as_str()], words].concat());
    };
    no("rate = 0.3\n\noutptu = \"x\"\n", 3, &["no option 'outptu'", "did you mean 'output'?"]);
    no("rate = 0.3\n[prune]\nallow_inexact = true\n", 3, &["'prune' has no option", "'allow-inexact'?"]);
    no("rate = 0.3\n[verify]\nrate = 0.5\n", 3, &["'verify' has no option 'rate'"]);
    no("rate = 0.3\n[prun]\nscope = \"all\"\n", 2, &["no command 'prun'", "did you mean 'prune'?"]);
    no("\nrate = \"much\"\n", 2, &["invalid value 'much' for '--rate <R>'"]);
    no("rate = 0.3\nscope = \"outer\"\n", 2, &["'outer'", "possible values: all, inner"]);
    no("rate = [0.3, 0.5]\n", 1, &["'rate' takes one value"]);
    no("rate = {high = 0.5}\n", 1, &["'rate' wants"]);
    no("rate = 0.3\nquiet = 1\n", 2, &["'quiet' is true or false"]);
    no("rate = 0.3\nrate = 0.5\n", 2, &["duplicate key"]);
    no("rate = \n", 1, &["expected"]);
    no("config = \"d.toml\"\n", 1, &["no option 'config'"]);
    fails(&["prune", &model(), "--dry-run", "--config", &f.path("no.toml")], 1, &["no.toml", "No such file"]);
}

#[test]
fn completions_know_commands_and_options() {
    for (shell, words) in [
        ("bash", &["complete -F", "--allow-inexact", "completions"][..]),
        ("zsh", &["#compdef secateur", "--plan-out", "verify"]),
        ("fish", &["complete -c secateur", "healed"]),
        ("powershell", &["--dry-run"]),
        ("elvish", &["--config"]),
    ] {
        let out = run(&["completions", shell]);
        let script = text(&out.stdout);
        assert!(out.status.success() && words.iter().all(|w| script.contains(w)), "{shell}: {script}");
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
}
