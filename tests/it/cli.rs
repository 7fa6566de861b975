//! The command from outside: results, exit statuses, one-line errors. `BLESS=1` rewrites the goldens.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op};
use secateur::couple::couple;
use secateur::model::proto::{StringStringEntryProto, tensor_proto::DataLocation};
use secateur::plan::{Plan, PlannedGroup};
use secateur::report::Report;
use tempfile::TempDir;

use crate::support::{Analysed, digits, foreign};

mod apply;
mod chain;
mod config;
mod plans;
mod streams;
mod verify;

pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secateur")).args(args).env("NO_COLOR", "1").output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command that ends well reports.
pub(crate) fn report(args: &[&str]) -> Report {
    let out = run(&[args, &["--json"]].concat());
    assert!(out.status.success(), "{args:?}: {}{}", text(&out.stderr), text(&out.stdout));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// A file that the project carries.
pub(crate) fn testdata(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name).to_string_lossy().into_owned()
}

/// Runs, and expects this exit status and one line of error that holds these words.
pub(crate) fn fails(args: &[&str], code: i32, words: &[&str]) {
    let out = run(args);
    let error = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {error}");
    assert!(error.starts_with("error: ") && error.trim_end().lines().count() == 1, "{args:?}: {error}");
    assert!(words.iter().all(|w| error.contains(w)), "{args:?}: {error}");
}

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The same file by another name.
    pub(crate) fn roundabout(&self, name: &str) -> String {
        let folder = self.0.path().file_name().unwrap().to_string_lossy().into_owned();
        self.path(&format!("../{folder}/{name}"))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn model() -> String {
    digits().to_string_lossy().into_owned()
}

fn golden(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{name} has changed; look at it, then BLESS=1\n{found}");
}

#[test]
fn help_texts() {
    for command in ["prune", "plan", "apply", "verify", "inspect", "compare"] {
        let out = run(&[command, "--help"]);
        assert!(out.status.success());
        golden(&format!("help-{command}.txt"), &text(&out.stdout));
    }
}

#[test]
fn prune_prints_a_table_and_writes_a_model_that_is_a_good_input_again() {
    let f = Folder::new();
    let out = run(&["prune", &model(), "-o", &f.path("small.onnx"), "--rate", "0.3"]);
    let table = text(&out.stdout);
    assert!(out.status.success() && table.contains("verified: ") && table.contains("16 -> 12"), "{table}");
    let again = run(&["prune", &f.path("small.onnx"), "-o", &f.path("smaller.onnx"), "--rate", "0.3"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(f.names(), ["small.onnx", "smaller.onnx"], "no temporary file stays");
}

/// What a second run removes is a plan that the model of the first run accepts, and that gives the same file.
#[test]
fn the_plan_of_a_second_run_is_accepted_and_gives_the_same_file() {
    let f = Folder::new();
    assert!(run(&["prune", &model(), "-o", &f.path("once.onnx"), "--rate", "0.3"]).status.success());
    let (once, twice) = (f.path("once.onnx"), f.path("twice.onnx"));
    let out = ["prune", &once, "-o", &twice, "--rate", "0.3", "--no-stamp", "--heal", "none", "--json"];
    let report: Report = serde_json::from_slice(&run(&out).stdout).unwrap();
    let groups = report.plan.unwrap().groups.into_iter().map(|g| PlannedGroup { id: g.id, remove: g.remove });
    let plan = Plan { groups: groups.collect() };
    let once = Model::read(f.path("once.onnx").as_ref()).unwrap();
    let known = Analysed::new(&once, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let (cut, _) = known.cut(&coupling, &plan.gone(&coupling).unwrap());
    assert!(!plan.is_empty());
    assert!(Model::new(cut).unwrap().encode() == std::fs::read(f.path("twice.onnx")).unwrap());
}

#[test]
fn the_table_of_an_inspection() {
    let out = run(&["inspect", &model()]);
    golden("inspect.txt", &text(&out.stdout).replace(&model(), "digits_resnet.onnx"));
}

#[test]
fn the_table_of_a_run() {
    let f = Folder::new();
    let args = ["prune", &model(), "-o", &f.path("small.onnx"), "--rate", "0.3", "--scope", "inner", "--no-verify"];
    let out = run(&[&args[..], &["--heal", "none"]].concat());
    golden("prune.txt", &text(&out.stdout).replace(&model(), "digits_resnet.onnx"));
}

#[test]
fn same_input_same_bytes_for_any_number_of_threads() {
    let f = Folder::new();
    for (name, threads) in [("a.onnx", "1"), ("b.onnx", "2")] {
        assert!(run(&["prune", &model(), "-o", &f.path(name), "--rate", "0.5", "--threads", threads]).status.success());
    }
    assert!(std::fs::read(f.path("a.onnx")).unwrap() == std::fs::read(f.path("b.onnx")).unwrap());
}

#[test]
fn json_follows_the_contract() {
    let f = Folder::new();
    let out = run(&[
        "prune",
        &model(),
        "-o",
        &f.path("s.onnx"),
        "--rate",
        "0.3",
        "--json",
        "--report",
        &f.path("r.json"),
        "--plan-out",
        &f.path("p.json"),
    ]);
    let report: Report = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report.format, "secateur-report/1");
    assert_eq!(report.verification.as_ref().unwrap().status, "passed");
    assert!(report.after.macs < report.before.macs && report.refused.is_none());
    let plan = report.plan.as_ref().unwrap();
    assert!(plan.cuts.iter().any(|c| c.value == "stem.weight" && c.axis == 0 && c.length == 16 && c.remove.len() == 4));
    let saved: Report = serde_json::from_str(&std::fs::read_to_string(f.path("r.json")).unwrap()).unwrap();
    assert_eq!(saved, report);
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f.path("p.json")).unwrap()).unwrap();
    assert_eq!(saved["format"], "secateur-plan/1");
}

#[test]
fn a_refused_model_is_withheld_and_the_report_is_written() {
    let f = Folder::new();
    let out = run(&[
        "prune",
        &model(),
        "-o",
        &f.path("s.onnx"),
        "--rate",
        "0.3",
        "--tolerance",
        "0",
        "--report",
        &f.path("r.json"),
    ]);
    assert_eq!(out.status.code(), Some(3));
    assert_eq!(f.names(), ["r.json"]);
    let report: Report = serde_json::from_str(&std::fs::read_to_string(f.path("r.json")).unwrap()).unwrap();
    assert_eq!(report.refused.as_deref(), Some("verification"));
    assert!(report.verification.unwrap().first_difference.is_some());
}

#[test]
fn a_model_that_the_runtime_cannot_run_is_withheld_unless_allowed() {
    let f = Folder::new();
    let input = f.write("foreign.onnx", &foreign().encode());
    let out = run(&["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5"]);
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stdout));
    let told = text(&out.stdout);
    assert!(told.contains("not verified") && told.contains("--allow-unverified writes it"), "{told}");
    assert!(!Path::new(&f.path("s.onnx")).exists());
    for flag in ["--allow-unverified", "--no-verify"] {
        assert!(run(&["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5", "--force", flag]).status.success());
    }
}

#[test]
fn a_model_that_cannot_be_run_and_loses_nothing_is_written_as_it_is() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.node(Op::new("Fancy", "/fancy").domain("com.example"), &[&y], &y.dims.clone());
    g.output(&y);
    let input = f.write("foreign.onnx", &g.model().unwrap().encode());
    let out = run(&["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5", "--no-stamp"]);
    assert!(out.status.success() && text(&out.stdout).contains("nothing was removed"), "{}", text(&out.stdout));
    assert!(std::fs::read(&input).unwrap() == std::fs::read(f.path("s.onnx")).unwrap());
}

#[test]
fn compare_shows_both_sides() {
    let f = Folder::new();
    run(&["prune", &model(), "-o", &f.path("s.onnx"), "--rate", "0.3"]);
    let out = run(&["compare", &model(), &f.path("s.onnx")]);
    assert!(out.status.success() && text(&out.stdout).contains("-46.3 %"), "{}", text(&out.stdout));
}

#[test]
fn inspect_writes_the_dependency_graph() {
    let f = Folder::new();
    assert!(run(&["inspect", &model(), "--graph", &f.path("g.dot")]).status.success());
    let dot = std::fs::read_to_string(f.path("g.dot")).unwrap();
    assert!(dot.starts_with("digraph") && dot.contains("subgraph cluster_0") && dot.contains("color=red"));
}

#[test]
fn several_models_get_a_line_each_and_a_bad_one_stops_none() {
    let f = Folder::new();
    let (foreign, bad) = (f.write("foreign.onnx", &foreign().encode()), f.write("bad.onnx", b"hello"));
    let out = run(&["inspect", &model(), &bad, &foreign]);
    let lines = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("1 of 3 models"), "{}", text(&out.stderr));
    let line = |name: &str| lines.lines().find(|l| l.contains(name)).unwrap().to_owned();
    let words = [(&*model(), "1.35 M"), (&bad, "not an ONNX model"), (&foreign, "Fancy has no rule here")];
    assert!(words.iter().all(|(name, word)| line(name).contains(word)), "{lines}");
    let out = run(&["inspect", &model(), &bad, "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&all[0]["format"], &all[1]["model"]), (&"secateur-inspect/1".into(), &bad.as_str().into()));
    assert!(all[1]["error"].as_str().unwrap().contains("not an ONNX model"));
    fails(&["inspect", &model(), &model(), "--graph", &f.path("g.dot")], 2, &["one model"]);
    assert!(run(&["inspect", &model(), &model()]).status.success());
}

#[test]
fn a_small_cut_names_what_stands_in_its_way() {
    let f = Folder::new();
    let input = f.write("foreign.onnx", &foreign().encode());
    let out = run(&["prune", &input, "-o", &f.path("s.onnx"), "--rate", "0.5", "--no-verify"]);
    let line =
        "largest obstacle: Fancy /fancy: Fancy has no rule here, so all that it touches stays: 8 channels of 1 layer";
    assert!(text(&out.stdout).contains(line), "{}", text(&out.stdout));
    let out = run(&["prune", &model(), "-o", &f.path("t.onnx"), "--rate", "0.3", "--no-verify"]);
    assert!(!text(&out.stdout).contains("obstacle"));
}

#[test]
fn stage_times_are_talk_and_stand_in_no_result() {
    let f = Folder::new();
    let args = ["prune", &model(), "-o", &f.path("s.onnx"), "--rate", "0.3", "--force", "-v"];
    let (a, b) = (run(&args), run(&args));
    assert!(text(&a.stderr).contains("stages: ") && text(&a.stderr).contains("verify"), "{}", text(&a.stderr));
    assert_eq!(a.stdout, b.stdout);
    assert!(run(&args[..args.len() - 1]).stderr.is_empty());
    assert!(!text(&run(&["inspect", &model(), "--json", "-v"]).stdout).contains("times"));
}

#[test]
fn names_in_a_model_cannot_drive_the_terminal() {
    let f = Folder::new();
    let mut proto = foreign().into_proto();
    for node in &mut proto.graph.as_mut().unwrap().node {
        node.name = Some(format!("{}\u{1b}[2J\r\n\u{202e}", node.name()));
    }
    let input = f.write("hostile.onnx", &Model::new(proto.clone()).unwrap().encode());
    let node = proto.graph.as_mut().unwrap().node.last_mut().unwrap();
    node.input[0] = "\u{1b}[2Jnothing".into();
    let broken = f.write("broken.onnx", &Model::new(proto).unwrap().encode());
    let out = f.path("s.onnx");
    let runs: [&[&str]; 5] = [
        &["inspect", &input, "-v"],
        &["inspect", &input, &broken],
        &["prune", &input, "-o", &out, "--rate", "0.5", "--allow-unverified"],
        &["prune", &broken, "-o", &out, "--rate", "0.5", "--force"],
        &["compare", &input, &input],
    ];
    for args in runs {
        let done = run(args);
        let all = text(&done.stdout) + &text(&done.stderr);
        let hostile = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!all.contains(hostile) && all.contains("/fancy"), "{args:?}: {all:?}");
    }
}

#[test]
fn usage_errors() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    fails(&["prune", &model(), "-o", &out], 2, &["--rate 0.3"]);
    fails(&["prune", &model(), "-o", &out, "--rate", "1.5"], 2, &["between 0 and 1"]);
    fails(&["prune", &model(), "-o", &model(), "--rate", "0.3", "--force"], 2, &["overwrite the input"]);
    fails(&["prune", &model(), "-o", "-", "--rate", "0.3", "--json"], 2, &["--report"]);
    fails(&["prune", &model(), "-o", &out, "--rate", "0.3", "--input-shape", "nose:1,1,8,8"], 2, &["'nose'", "input"]);
    fails(
        &["prune", &model(), "-o", &out, "--rate", "0.3", "--input-shape", "input:1,3,8,8"],
        2,
        &["declares N,1,8,8"],
    );
    assert_eq!(run(&["prune", &model(), "-o", &out, "--rate", "0.3", "--fancy"]).status.code(), Some(2));
    assert!(f.names().is_empty());
}

#[test]
fn bad_files() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    let prune = |input: &str, words: &[&str]| fails(&["prune", input, "-o", &out, "--rate", "0.3"], 1, words);
    let whole = std::fs::read(digits()).unwrap();
    prune(&f.path("absent.onnx"), &["absent.onnx", "No such file"]);
    prune(&f.write("text.onnx", b"hello, I am no model"), &["text.onnx", "not an ONNX model"]);
    prune(&f.write("empty.onnx", b""), &["empty.onnx", "empty"]);
    prune(&f.write("half.onnx", &whole[..whole.len() / 2]), &["half.onnx", "truncated"]);
    prune(&f.0.path().to_string_lossy(), &["is a directory"]);
    fails(&["prune", &model(), "-o", &f.0.path().to_string_lossy(), "--rate", "0.3"], 1, &["is a directory"]);
    fails(&["prune", &model(), "-o", &f.path("no/such/folder.onnx"), "--rate", "0.3"], 1, &["is no directory"]);
    fails(&["prune", &model(), "-o", "/dev/null", "--rate", "0.3", "--force"], 1, &["no regular file"]);
    fails(&["prune", &model(), "-o", &out, "--rate", "0.3", "--report", &f.path("no/r.json")], 1, &["is no directory"]);
    std::fs::write(&out, b"precious").unwrap();
    prune(&model(), &["exists already", "--force"]);
    assert_eq!(std::fs::read(&out).unwrap(), b"precious");
}

#[test]
fn bad_models() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    let prune = |edit: &dyn Fn(&mut secateur::model::ModelProto), words: &[&str]| {
        let mut proto = Model::read(&digits()).unwrap().into_proto();
        edit(&mut proto);
        let input = f.write("bad.onnx", &Model::new(proto).unwrap().encode());
        fails(&["prune", &input, "-o", &out, "--rate", "0.3"], 1, words);
    };
    prune(&|m| m.graph.as_mut().unwrap().initializer[0].data_type = Some(77), &["element type 77"]);
    let huge = |m: &mut secateur::model::ModelProto| {
        let conv = m.graph.as_mut().unwrap().node.iter_mut().find(|n| n.op_type() == "Conv").unwrap();
        conv.set_ints("pads", vec![1, 1 << 40, 1, 1]);
    };
    prune(&huge, &["pads", "too large to be real"]);
    prune(&|m| m.graph.as_mut().unwrap().node[3].input[0] = "nothing".into(), &["reads 'nothing'"]);
    prune(
        &|m| {
            let t = &mut m.graph.as_mut().unwrap().initializer[0];
            t.raw_data = None;
            t.data_location = Some(DataLocation::External.into());
            t.external_data =
                vec![StringStringEntryProto { key: Some("location".into()), value: Some("gone.bin".into()) }];
        },
        &["external data", "gone.bin", "beside the model"],
    );
    prune(
        &|m| {
            let t = m.graph.as_mut().unwrap().initializer.iter_mut().find(|t| t.name() == "stem.weight").unwrap();
            let mut raw = t.raw_data.take().unwrap().to_vec();
            raw[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            t.raw_data = Some(raw.into());
        },
        &["stem.weight", "NaN"],
    );
    prune(
        &|m| {
            use secateur::model::proto::{DimValue, TypeValue};
            let input = &mut m.graph.as_mut().unwrap().input[0];
            if let Some(TypeValue::TensorType(t)) = input.r#type.as_mut().unwrap().value.as_mut() {
                t.shape.as_mut().unwrap().dim[2].value = Some(DimValue::DimParam("height".into()));
            }
        },
        &["dimension height open", "--input-shape input:1,1,height,8"],
    );
    assert_eq!(f.names(), ["bad.onnx"]);
}
