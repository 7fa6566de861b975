//! Plans that people have edited: what is obeyed, and what each mistake is told, with its line.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op};
use secateur::model::ModelProto;
use secateur::model::proto::{DimValue, TypeValue};
use secateur::report::Report;
use serde_json::{Value, json};

use super::plans::planned;
use super::{Folder, fails, model, run, text};
use crate::support::network;

/// Applies a plan, and expects the model.
fn applied(f: &Folder, input: &str, plan: &str, name: &str) -> Vec<u8> {
    let out = run(&["apply", input, "--plan", &f.path(plan), "-o", &f.path(name), "--heal", "none", "-q"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    std::fs::read(f.path(name)).unwrap()
}

/// The plan with one text replaced, and the number of its line.
fn edited(plan: &str, from: &str, to: &str) -> (String, usize) {
    assert!(plan.contains(from), "{from} is not in the plan");
    let line = plan[..plan.find(from).unwrap()].lines().count().max(1);
    let line = line + usize::from(plan[..plan.find(from).unwrap()].ends_with('\n'));
    (plan.replacen(from, to, 1), line)
}

/// Applies an edited plan, and expects one line of error that names the file, the line and these words.
fn refused(f: &Folder, input: &str, plan: &(String, usize), words: &[&str]) {
    let path = f.write("edited.json", plan.0.as_bytes());
    let at = format!("edited.json:{}:", plan.1);
    fails(&["apply", input, "--plan", &path, "-o", &f.path("none.onnx")], 1, &[&[at.as_str()], words].concat());
    fails(&["verify", input, input, "--plan", &path], 1, &[&[at.as_str()], words].concat());
    assert!(!f.names().contains(&"none.onnx".to_owned()));
}

#[test]
fn a_plan_gives_the_bytes_of_the_run_that_wrote_it() {
    let f = Folder::new();
    for (k, options) in [&["--rate", "0.3"][..], &["--rate", "0.5", "--scope", "inner"]].into_iter().enumerate() {
        let (out, plan) = (f.path(&format!("{k}.onnx")), f.path(&format!("{k}.json")));
        let done =
            run(&[&["prune", &model(), "-o", &out, "--plan-out", &plan, "--heal", "none", "-q"], options].concat());
        assert!(done.status.success(), "{}", text(&done.stderr));
        let again = applied(&f, &model(), &format!("{k}.json"), &format!("again{k}.onnx"));
        assert!(again == std::fs::read(&out).unwrap(), "{options:?}");
    }
}

/// Layout, order, what a plan need not say and what it says beside: the same file, stamped the same.
#[test]
fn however_a_plan_is_written_it_is_the_same() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.1"]);
    let whole = applied(&f, &model(), "p.json", "whole.onnx");
    let edit = |name: &str, edit: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&plan).unwrap();
        edit(&mut value);
        f.write(&format!("{name}.json"), serde_json::to_string_pretty(&value).unwrap().as_bytes());
        assert!(applied(&f, &model(), &format!("{name}.json"), &format!("{name}.onnx")) == whole, "{name}");
    };
    edit("indented", &|_| {});
    edit("reversed", &|v| {
        let groups = v["groups"].as_array_mut().unwrap();
        groups.reverse();
        groups.iter_mut().for_each(|g| g["remove"].as_array_mut().unwrap().reverse());
    });
    edit("without_cuts", &|v| drop(v.as_object_mut().unwrap().remove("cuts")));
    edit("with_more", &|v| {
        v["reviewed_by"] = json!({"name": "a", "groups": [{"id": 99}]});
        v["groups"][0]["why"] = json!("the lamp");
    });
    edit("upper_case", &|v| v["model_sha256"] = json!(v["model_sha256"].as_str().unwrap().to_uppercase()));
    f.write("bom.json", format!("\u{feff}{}", plan.replace('\n', "\r\n")).as_bytes());
    assert!(applied(&f, &model(), "bom.json", "bom.onnx") == whole);
}

#[test]
fn a_group_that_loses_nothing_may_be_left_out() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let (emptied, _) = edited(&plan, "\"units\":16,\"remove\":[3,4,11,12]", "\"units\":16,\"remove\":[]");
    f.write("emptied.json", emptied.as_bytes());
    let start = plan.find("    {\"id\":1,").unwrap();
    let end = start + plan[start..].find('\n').unwrap() + 1;
    f.write("without.json", format!("{}{}", &plan[..start], &plan[end..]).as_bytes());
    let bytes = applied(&f, &model(), "emptied.json", "a.onnx");
    assert!(bytes == applied(&f, &model(), "without.json", "b.onnx"));
    let out = run(&["apply", &model(), "--plan", &f.path("without.json"), "--dry-run", "--json"]);
    let report: Report = serde_json::from_slice(&out.stdout).unwrap();
    let layer = report.layers.iter().find(|l| l.node == "/layer1/layer1.0/conv1/Conv").unwrap();
    assert_eq!((layer.channels, layer.reason.as_deref()), (Some([16, 16]), Some("the plan leaves it alone")));
    let stale = |n: &&String| n.contains("the plan's cuts say otherwise than its groups[].remove");
    assert_eq!(report.notes.iter().filter(stale).count(), 1);
    let cuts = report.plan.unwrap().cuts;
    assert!(cuts.iter().all(|c| c.value != "layer1.0.conv1.weight" || c.axis != 0), "the cuts are made again");
    assert_eq!(run(&["verify", &model(), &f.path("a.onnx"), "--plan", &f.path("without.json")]).status.code(), Some(0));
    assert_eq!(run(&["verify", &model(), &f.path("a.onnx"), "--plan", &f.path("p.json")]).status.code(), Some(3));
}

#[test]
fn what_does_not_fit_the_model_is_named_with_its_line() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let no = |from: &str, to: &str, words: &[&str]| refused(&f, &model(), &edited(&plan, from, to), words);
    let all: Vec<String> = (0..16).map(|i| i.to_string()).collect();
    no("\"id\":2,", "\"id\":99,", &["groups[2].id", "no group 99", "0 to 7"]);
    no("\"id\":2,", "\"id\":1,", &["groups[2].id", "stands already in groups[1]"]);
    no("\"remove\":[3,5,7,11]", "\"remove\":[3,5,7,16]", &["groups[2].remove[3]", "no unit 16", "0 to 15"]);
    no("\"remove\":[3,5,7,11]", "\"remove\":[3,5,3,11]", &["groups[2].remove[2]", "unit 3", "named twice"]);
    no("[3,5,7,11]", &format!("[{}]", all.join(",")), &["groups[2].remove", "lose all its 16 units"]);
    no("\"units\":32,", "\"units\":31,", &["groups[3].units", "has 32 units in the model, not 31"]);
    no("\"/stem/Conv\"", "\"/fc/Gemm\"", &["groups[0].name", "'/stem/Conv' in the model"]);
    no("\"id\":2,", "\"id\":3,", &["groups[2].name", "'/layer1/layer1.1/conv1/Conv' is group 2"]);
    no("secateur-plan/1", "secateur-plan/2", &["format", "expected 'secateur-plan/1'"]);
}

#[test]
fn a_plan_of_another_model_is_refused() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let other = f.write("other.onnx", &network(17, |_, x| x.clone()).encode());
    let (_, line) = edited(&plan, "\"model_sha256\"", "");
    refused(&f, &other, &(plan, line), &["model_sha256", "for another model"]);
}

#[test]
fn what_is_no_plan_is_named_with_line_and_column() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let no = |from: &str, to: &str, words: &[&str]| refused(&f, &model(), &edited(&plan, from, to), words);
    no("[3,5,7,11]", "[3,5,,11]", &[":75: expected value"]);
    no("[3,5,7,11]", "[3,5,\"7\",11]", &["invalid type: string \"7\""]);
    no("[3,5,7,11]", "[3,-5,7,11]", &["integer `-5`"]);
    let cut_off = (plan[..400].to_owned(), plan[..400].lines().count());
    refused(&f, &model(), &cut_off, &["EOF"]);
    let path = f.write("bad.json", &std::fs::read(model()).unwrap());
    fails(&["apply", &model(), "--plan", &path, "-o", &f.path("s.onnx")], 1, &["bad.json", "not a plan"]);
    fails(&["apply", &model(), "--plan", &f.path("no.json"), "-o", &f.path("s.onnx")], 1, &["no.json", "No such file"]);
    let without = plan.replacen("\"format\": \"secateur-plan/1\",", "", 1);
    let path = f.write("bad.json", without.as_bytes());
    fails(&["apply", &model(), "--plan", &path, "-o", &f.path("s.onnx")], 1, &["bad.json:", "missing field `format`"]);
}

/// `cuts` follows from the groups. Who edits one half of a coupled pair there is told so, at the line.
#[test]
fn one_half_of_a_coupled_pair_is_refused() {
    let f = Folder::new();
    let plan = planned(&f, "p.json", &["--rate", "0.3"]);
    let pair =
        "{\"value\":\"layer1.0.conv2.weight\",\"kind\":\"initializer\",\"axis\":0,\"length\":16,\"remove\":[0,2,5,8]}";
    let with = |remove: &str| pair.replace("[0,2,5,8]", remove);
    let told = ["only go together", "group 0 ('/stem/Conv')", "edit groups[].remove"];
    refused(&f, &model(), &edited(&plan, pair, &with("[0,2,5]")), &[&["unit 8"][..], &told].concat());
    refused(&f, &model(), &edited(&plan, pair, &with("[0,2,5,8,9]")), &[&["unit 9"][..], &told].concat());
    let (gone, _) = edited(&plan, &format!("{pair},"), "");
    let (_, first) = edited(&plan, "{\"value\":\"stem.weight\"", "");
    refused(&f, &model(), &(gone, first), &[&["layer1.0.conv2.weight"][..], &told].concat());
    refused(&f, &model(), &edited(&plan, pair, &with("[0,2,5,16]")), &["has no 16"]);
    refused(
        &f,
        &model(),
        &edited(&plan, pair, &pair.replace("conv2.weight", "conv9.weight")),
        &["'layer1.0.conv9.weight'"],
    );
    refused(&f, &model(), &edited(&plan, pair, &pair.replace("\"axis\":0", "\"axis\":2")), &["axis 2"]);
    let output = "{\"value\":\"logits\",\"kind\":\"activation\",\"axis\":1,\"length\":10,\"remove\":[3]}";
    let held = edited(&plan, pair, &format!("{output},{pair}"));
    refused(&f, &model(), &held, &["3 of axis 1 of 'logits'", "cannot go"]);
}

#[test]
fn blocks_of_a_grouped_convolution_lose_equally_many() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(12, 1));
    let y = g.conv(&y, "/b", Conv::square(12, 3).pad(1).group(3));
    let y = g.conv(&y, "/c", Conv::square(5, 1));
    g.output(&y);
    let input = f.write("grouped.onnx", &g.model().unwrap().encode());
    assert!(run(&["plan", &input, "-o", &f.path("p.json"), "--rate", "0.3", "-q"]).status.success());
    applied(&f, &input, "p.json", "s.onnx");
    let plan = std::fs::read_to_string(f.path("p.json")).unwrap();
    let start = plan.find("\"remove\":[").unwrap();
    let list = &plan[start..=start + plan[start..].find(']').unwrap()];
    assert_eq!(list.matches(',').count(), 2, "{list}");
    let fewer = format!("{}]", &list[..list.rfind(',').unwrap()]);
    refused(
        &f,
        &input,
        &edited(&plan, list, &fewer),
        &["groups[0].remove", "group 0 ('/a/Conv')", "each of its 3 blocks"],
    );
}

/// Groups follow from the dims of inputs too, so that a plan carries those that it was made with.
#[test]
fn dims_of_inputs_and_leave_to_be_inexact_travel_with_a_plan() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.node(Op::new("LRN", "/norm").int("size", 3), &[&y], &y.dims.clone());
    let y = g.conv(&y, "/b", Conv::square(8, 1));
    let y = g.conv(&y, "/c", Conv::square(4, 1));
    g.output(&y);
    let mut proto = g.model().unwrap().into_proto();
    open_height(&mut proto);
    let input = f.write("open.onnx", &Model::new(proto).unwrap().encode());
    let shape = ["--input-shape", "x:1,3,6,8"];
    let options = [&["--rate", "0.5", "--allow-inexact", "--heal", "none", "-q"], &shape[..]].concat();
    let done =
        run(&[&["prune", &input, "-o", &f.path("a.onnx"), "--plan-out", &f.path("p.json")], &options[..]].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(applied(&f, &input, "p.json", "b.onnx") == std::fs::read(f.path("a.onnx")).unwrap());
    assert!(run(&["verify", &input, &f.path("b.onnx"), "--plan", &f.path("p.json")]).status.success());
    let plan = std::fs::read_to_string(f.path("p.json")).unwrap();
    assert!(plan.contains("\"input_shapes\"") && plan.contains("\"allow_inexact\": true"), "{plan}");
    let other =
        run(&["apply", &input, "--plan", &f.path("p.json"), "--dry-run", "--json", "--input-shape", "x:1,3,5,8"]);
    let report: Report = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!(report.layers[0].after.as_ref().unwrap().output_shape, [1, 4, 5, 8], "the command line wins");
}

/// Leaves the height of the only input and output open.
fn open_height(proto: &mut ModelProto) {
    let graph = proto.graph.as_mut().unwrap();
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(TypeValue::TensorType(t)) = info.r#type.as_mut().unwrap().value.as_mut() {
            t.shape.as_mut().unwrap().dim[2].value = Some(DimValue::DimParam("height".into()));
        }
    }
}
