//! Pruned files from anywhere: cut by another hand, healed, stamped, sabotaged.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::model::proto::{FunctionProto, NodeProto, StringStringEntryProto, ValueInfoProto};
use secateur::model::removed::{Kept, Kind};
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::report::{PlanFile, Report};
use secateur::{Model, report};

use super::plans::planned;
use super::{Folder, fails, model, run, text};
use crate::support::{constant, digits, set_constant};

/// The project's network, a plan of it, and the same cut by another hand.
struct Bench {
    folder: Folder,
    plan: String,
    cut: ModelProto,
}

impl Bench {
    fn new() -> Self {
        let folder = Folder::new();
        let text = planned(&folder, "p.json", &["--rate", "0.3"]);
        let plan = PlanFile::parse(text.as_bytes(), "p.json").unwrap().plan;
        Self { plan: folder.path("p.json"), cut: by_another_hand(&plan), folder }
    }

    /// Judges an edited copy of the cut; returns the exit status and what was said.
    fn judge(&self, options: &[&str], edit: impl Fn(&mut ModelProto)) -> (i32, String) {
        let mut proto = self.cut.clone();
        edit(&mut proto);
        let path = self.folder.write("t.onnx", &Model::new(proto).unwrap().encode());
        let out = run(&[&["verify", &model(), &path, "--plan", &self.plan], options].concat());
        (out.status.code().unwrap(), text(&out.stdout) + &text(&out.stderr))
    }

    fn passes(&self, options: &[&str], edit: impl Fn(&mut ModelProto)) {
        let (code, said) = self.judge(options, edit);
        assert!(code == 0 && said.contains("verified: "), "{said}");
    }

    fn refuses(&self, options: &[&str], words: &[&str], edit: impl Fn(&mut ModelProto)) {
        let (code, said) = self.judge(options, edit);
        assert!(code == 3 && said.contains("refused"), "{code}: {said}");
        assert!(words.iter().all(|w| said.contains(w)), "{words:?}: {said}");
    }
}

/// Does what a plan's cuts say to the initializers, and calls each by another name.
fn by_another_hand(plan: &report::Plan) -> ModelProto {
    let mut proto = Model::read(&digits()).unwrap().into_proto();
    let graph = proto.graph.as_mut().unwrap();
    graph.value_info.clear();
    for cut in plan.cuts.iter().filter(|c| c.kind == "initializer") {
        let entry = Removed {
            value: cut.value.clone(),
            kind: Kind::Initializer,
            axis: cut.axis,
            length: cut.length,
            indices: cut.remove.clone(),
            blocks: Vec::new(),
            readers: Vec::new(),
        };
        let tensor = graph.initializer.iter_mut().find(|t| t.name() == cut.value).unwrap();
        let kept = Kept::select_all(&[entry.kept()], &Tensor::from_proto(tensor).unwrap()).unwrap();
        *tensor = kept.to_proto(&cut.value);
    }
    for (k, tensor) in graph.initializer.iter_mut().enumerate() {
        let name = format!("w{k}");
        for input in graph.node.iter_mut().flat_map(|n| &mut n.input).filter(|i| *i == tensor.name()) {
            input.clone_from(&name);
        }
        tensor.name = Some(name);
    }
    proto
}

/// The third node of an operator.
fn third<'p>(proto: &'p mut ModelProto, op: &str) -> &'p mut NodeProto {
    proto.graph.as_mut().unwrap().node.iter_mut().filter(|n| n.op_type() == op).nth(2).unwrap()
}

/// Changes the numbers of a constant of a node.
fn change(proto: &mut ModelProto, op: &str, slot: usize, edit: impl Fn(usize, f32) -> f32) {
    let name = third(proto, op).input[slot].clone();
    let old = constant(proto, &name).unwrap();
    let new: Vec<f32> = old.floats().unwrap().into_iter().enumerate().map(|(i, v)| edit(i, v)).collect();
    assert!(set_constant(proto, &name, &Tensor::from_floats(old.dims, &new)));
}

/// Swaps the first two slices of a constant of a node.
fn swap(proto: &mut ModelProto, op: &str, slot: usize) {
    let name = third(proto, op).input[slot].clone();
    let old = constant(proto, &name).unwrap();
    let order: Vec<usize> = [1, 0].into_iter().chain(2..old.dims[0]).collect();
    assert!(set_constant(proto, &name, &old.select(0, &order).unwrap()));
}

/// What training on does: every weight, bias and mean moves.
fn heal(proto: &mut ModelProto) {
    let nodes: Vec<(String, Vec<String>)> =
        proto.graph.iter().flat_map(|g| &g.node).map(|n| (n.op_type().to_owned(), n.input.clone())).collect();
    for (op, inputs) in nodes {
        let slots: &[usize] = match op.as_str() {
            "Conv" | "Gemm" => &[1, 2],
            "BatchNormalization" => &[3],
            _ => &[],
        };
        for name in slots.iter().filter_map(|s| inputs.get(*s)) {
            let old = constant(proto, name).unwrap();
            let moved = |(i, v): (usize, f32)| v + 0.05 * ((i % 7) as f32 - 3.0);
            let new: Vec<f32> = old.floats().unwrap().into_iter().enumerate().map(moved).collect();
            set_constant(proto, name, &Tensor::from_floats(old.dims, &new));
        }
    }
}

/// Gives every convolution a bias.
fn add_biases(proto: &mut ModelProto) {
    let convs: Vec<String> = proto
        .graph
        .iter()
        .flat_map(|g| &g.node)
        .filter(|n| n.op_type() == "Conv")
        .map(|n| n.input[1].clone())
        .collect();
    for weight in convs {
        let channels = constant(proto, &weight).unwrap().dims[0];
        let bias: Vec<f32> = (0..channels).map(|i| 0.1 * i as f32 - 0.5).collect();
        let graph = proto.graph.as_mut().unwrap();
        let name = format!("{weight}_bias");
        graph.initializer.push(Tensor::from_floats(vec![channels], &bias).to_proto(&name));
        graph.node.iter_mut().filter(|n| n.input.get(1) == Some(&weight)).for_each(|n| n.input.push(name.clone()));
    }
}

fn stamp(proto: &mut ModelProto, key: &str, value: &str) {
    proto.metadata_props.push(StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) });
}

#[test]
fn a_right_cut_by_another_hand_passes_whatever_it_calls_its_initializers() {
    let bench = Bench::new();
    bench.passes(&[], |_| {});
    bench.passes(&[], |p| stamp(p, "secateur.heal", "none"));
    bench.passes(&[], |p| p.graph.as_mut().unwrap().node.iter_mut().for_each(|n| n.name = None));
    bench.passes(&[], |p| {
        let nodes = &mut p.graph.as_mut().unwrap().node;
        nodes.iter_mut().for_each(|n| n.attribute.reverse());
    });
}

#[test]
fn the_original_itself_is_not_what_a_plan_makes_of_it() {
    let bench = Bench::new();
    let out = run(&["verify", &model(), &model(), "--plan", &bench.plan, "--json"]);
    assert_eq!(out.status.code(), Some(3));
    let report: Report = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report.refused.as_deref(), Some("verification"));
    assert_eq!(report.verification.unwrap().first_difference.unwrap().node, "/stem/Conv");
}

#[test]
fn a_healed_file_passes_where_it_says_so_or_the_user_does() {
    let bench = Bench::new();
    bench.refuses(&[], &["/stem/Conv", "does not hold the original's kept values"], heal);
    bench.passes(&["--healed"], heal);
    bench.passes(&[], |p| {
        heal(p);
        stamp(p, "secateur.heal", "reconstruct");
    });
    bench.refuses(&[], &["/stem/Conv"], |p| {
        heal(p);
        stamp(p, "secateur.heal", "none");
    });
    bench.refuses(&[], &["input 2"], add_biases);
    bench.passes(&["--healed"], add_biases);
    bench.passes(&["--healed"], |_| {});
}

#[test]
fn healing_changes_weights_biases_and_means_and_nothing_else() {
    let bench = Bench::new();
    for slot in [1, 2, 4] {
        let words = ["BatchNormalization", &format!("input {slot}")];
        bench.refuses(&["--healed"], &words, |p| change(p, "BatchNormalization", slot, |_, v| v * 1.001));
        bench.refuses(&["--healed"], &words, |p| swap(p, "BatchNormalization", slot));
    }
    bench.passes(&["--healed"], |p| change(p, "BatchNormalization", 3, |_, v| v + 0.001));
    bench.refuses(&[], &["input 3"], |p| change(p, "BatchNormalization", 3, |_, v| v + 0.001));
    bench.refuses(&["--healed"], &["holds NaN"], |p| change(p, "Conv", 1, |i, v| if i == 5 { f32::NAN } else { v }));
}

#[test]
fn another_structure_is_refused_healed_or_not() {
    let bench = Bench::new();
    let node = |p: &mut ModelProto, op: &str, edit: &dyn Fn(&mut NodeProto)| edit(third(p, op));
    for healed in [&[][..], &["--healed"]] {
        bench.refuses(healed, &["another operator"], |p| node(p, "Relu", &|n| n.op_type = Some("Sigmoid".into())));
        bench.refuses(healed, &["reads another value"], |p| node(p, "Add", &|n| n.input[1] = n.input[0].clone()));
        bench.refuses(healed, &["'strides'"], |p| node(p, "Conv", &|n| n.set_ints("strides", vec![2, 2])));
        bench.refuses(healed, &["nothing before it makes"], |p| {
            let graph = p.graph.as_mut().unwrap();
            let relu = graph.node.iter().position(|n| n.op_type() == "Relu").unwrap();
            graph.node.remove(relu);
        });
        bench.refuses(healed, &["input 1"], |p| {
            let name = third(p, "Conv").input[1].clone();
            let old = constant(p, &name).unwrap();
            let fewer: Vec<usize> = (1..old.dims[0]).collect();
            set_constant(p, &name, &old.select(0, &fewer).unwrap());
        });
        bench.refuses(healed, &["version of ai.onnx"], |p| p.opset_import[0].version = Some(11));
        bench.refuses(healed, &["local functions"], |p| p.functions.push(FunctionProto::default()));
        bench.refuses(healed, &["inputs or outputs"], |p| {
            let graph = p.graph.as_mut().unwrap();
            let inner = graph.node[0].output[0].clone();
            graph.output.push(ValueInfoProto { name: Some(inner), ..graph.output[0].clone() });
        });
    }
}

/// A Linear layer as exporters write it: the bias is an Add by itself. One that is no layer's bias stays what it was.
#[test]
fn a_bias_that_stands_by_itself_is_healed_and_no_other_constant() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 4, 8]);
    let linear = |g: &mut GraphBuilder, x: &Val, name: &str, to: usize| {
        let (w, b) = (g.weights(&format!("{name}.w"), &[8, to]), g.weights(&format!("{name}.b"), &[to]));
        let y = g.node(Op::new("MatMul", name), &[x, &w], &[1, 4, to]);
        g.node(Op::new("Add", &format!("{name}/add")), &[&y, &b], &[1, 4, to])
    };
    let y = linear(&mut g, &x, "/a", 8);
    let y = g.relu(&y, "/relu");
    let shift = g.weights("shift", &[8]);
    let y = g.node(Op::new("Add", "/shift"), &[&y, &shift], &[1, 4, 8]);
    let y = linear(&mut g, &y, "/b", 8);
    g.output(&y);
    let input = f.write("m.onnx", &g.model().unwrap().encode());
    let (plan, out) = (f.path("p.json"), f.path("s.onnx"));
    let args = ["prune", &input, "-o", &out, "--rate", "0.3", "--plan-out", &plan, "-q", "--heal", "none"];
    let done = run(&args);
    assert!(done.status.success(), "{}", text(&done.stderr));
    for (name, code) in [("/a.w", 0), ("/a.b", 0), ("/b.w", 0), ("/b.b", 0), ("shift", 3)] {
        let mut proto = Model::read(out.as_ref()).unwrap().into_proto();
        let old = constant(&proto, name).unwrap();
        let new: Vec<f32> = old.floats().unwrap().into_iter().map(|v| v + 0.5).collect();
        assert!(set_constant(&mut proto, name, &Tensor::from_floats(old.dims, &new)));
        let path = f.write("t.onnx", &Model::new(proto).unwrap().encode());
        let done = run(&["verify", &input, &path, "--plan", &plan, "--healed"]);
        assert_eq!(done.status.code(), Some(code), "{name}: {}", text(&done.stdout));
        assert_eq!(run(&["verify", &input, &path, "--plan", &plan]).status.code(), Some(3), "{name}");
    }
}

/// Without healing, the values tell what the outputs would not.
#[test]
fn other_values_are_refused() {
    let bench = Bench::new();
    bench.refuses(&[], &["layer1.0.conv2.weight"], |p| swap(p, "Conv", 1));
    bench.refuses(&[], &["layer1.0.conv2.weight"], |p| {
        change(p, "Conv", 1, |i, v| if i == 5 { f32::from_bits(v.to_bits() ^ 1) } else { v });
    });
    bench.refuses(&[], &["layer1.0.conv2.weight"], |p| {
        let name = third(p, "Conv").input[1].clone();
        let whole = constant(Model::read(&digits()).unwrap().proto(), "layer1.0.conv2.weight").unwrap();
        let rows: Vec<usize> = (0..16).filter(|i| ![0, 2, 5, 9].contains(i)).collect();
        let columns: Vec<usize> = (0..16).filter(|i| ![3, 4, 11, 12].contains(i)).collect();
        let shifted = whole.select(0, &rows).unwrap().select(1, &columns).unwrap();
        assert_eq!(constant(p, &name).unwrap().dims, shifted.dims);
        set_constant(p, &name, &shifted);
    });
}

#[test]
fn stamps_of_another_plan_or_model_are_refused_healed_or_not() {
    let bench = Bench::new();
    let small = bench.folder.path("s.onnx");
    for (rate, code) in [("0.3", 0), ("0.5", 3)] {
        assert!(run(&["prune", &model(), "-o", &small, "--rate", rate, "--force", "-q"]).status.success());
        let out = run(&["verify", &model(), &small, "--plan", &bench.plan]);
        assert_eq!(out.status.code(), Some(code), "{}", text(&out.stdout));
    }
    for healed in [&[][..], &["--healed"]] {
        let zeros = "0".repeat(64);
        bench.refuses(healed, &["secateur.plan_sha256", "another plan"], |p| stamp(p, "secateur.plan_sha256", &zeros));
        bench.refuses(healed, &["secateur.source_sha256", "another model"], |p| {
            stamp(p, "secateur.source_sha256", &zeros);
        });
    }
}

#[test]
fn what_prune_stamps_and_what_it_leaves_out() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    let stamps = |options: &[&str]| {
        assert!(
            run(&[&["prune", &model(), "-o", &out, "--rate", "0.3", "--force"], options].concat()).status.success()
        );
        let model = Model::read(out.as_ref()).unwrap();
        let keys = model.proto().metadata_props.iter().map(|p| p.key().to_owned());
        keys.filter(|k| k.starts_with("secateur.")).collect::<Vec<_>>()
    };
    let all = ["secateur.version", "secateur.source_sha256", "secateur.plan_sha256", "secateur.heal"];
    assert_eq!(stamps(&[]), all);
    assert_eq!(stamps(&["--no-stamp"]), [""; 0]);
}

#[test]
fn files_that_cannot_be_judged() {
    let bench = Bench::new();
    let f = &bench.folder;
    let bad = f.write("bad.onnx", b"hello");
    fails(&["verify", &model(), &bad, "--plan", &bench.plan], 1, &["bad.onnx", "not an ONNX model"]);
    fails(&["verify", &model(), &f.path("no.onnx"), "--plan", &bench.plan], 1, &["no.onnx", "No such file"]);
    fails(&["verify", &bad, &model(), "--plan", &bench.plan], 1, &["bad.onnx"]);
    let other = f.write("other.onnx", &Model::new(bench.cut.clone()).unwrap().encode());
    fails(&["verify", &other, &other, "--plan", &bench.plan], 1, &["p.json:3:", "for another model"]);
    fails(&["verify", &model(), &other, "--plan", &bench.plan, "--tolerance=-1"], 2, &["--tolerance"]);
}

/// What the runtime cannot run is not proved, also where a plan takes nothing.
#[test]
fn a_file_that_cannot_be_run_is_not_proved() {
    let f = Folder::new();
    let input = f.write("foreign.onnx", &crate::support::foreign().encode());
    assert!(run(&["plan", &input, "-o", &f.path("p.json"), "--rate", "0.5", "-q"]).status.success());
    assert!(
        run(&["apply", &input, "--plan", &f.path("p.json"), "-o", &f.path("s.onnx"), "--no-verify"]).status.success()
    );
    let mut plan: serde_json::Value = serde_json::from_slice(&std::fs::read(f.path("p.json")).unwrap()).unwrap();
    plan["groups"][0]["remove"].as_array_mut().unwrap().clear();
    f.write("none.json", plan.to_string().as_bytes());
    for (pruned, plan) in [("s.onnx", "p.json"), ("foreign.onnx", "none.json")] {
        let out = run(&["verify", &input, &f.path(pruned), "--plan", &f.path(plan), "--json"]);
        assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
        let report: Report = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(report.refused.as_deref(), Some("unverified"));
    }
}
