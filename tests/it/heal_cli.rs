//! Healing as the command and the pipeline do it: defaults, what is refused, what the report says, and that it is never for the worse. Methods
//! from outside stand for those that the library has.

use std::sync::Mutex;

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op};
use secateur::error::ErrorKind;
use secateur::heal::Step;
use secateur::model::Tensor;
use secateur::model::proto::DataType;
use secateur::pipeline::{Destination, Heal, How, PruneOptions, Watcher, What, prune, verify};
use secateur::plan::Choice;
use secateur::report::Report;

use crate::cli::{Folder, fails, model, model as model_path, report, run, testdata, text};
use crate::support::{constant, digits, edited, foreign, network, set_constant};

mod outside;

use outside::{Broken, Cheat, Scaled, half, options, pruned, stamped, with};

#[test]
fn what_makes_it_better_is_written_stamped_and_proved() {
    static METHOD: Scaled = Scaled::by(0.25);
    let model = Model::read(&digits()).unwrap();
    let (unhealed, without) = pruned(&model, &options(Heal::default()));
    let (healed, r) = pruned(&model, &options(with(&METHOD)));
    let heal = r.heal.clone().unwrap();
    assert_eq!((heal.asked.as_str(), heal.method.as_str(), heal.reason.clone()), ("scaled", "scaled", None));
    assert_eq!((heal.data.as_deref(), heal.fitted, heal.judged), (Some("calibration"), 224, 32));
    let score = heal.score.unwrap();
    assert!(score.healed.unwrap() < score.cut.unwrap(), "{score:?}");
    assert_eq!(heal.layers.len(), 1);
    assert_eq!((heal.layers[0].before, heal.layers[0].after), (Some(0.5), Some(0.25)));
    // Both are measured on the samples that judge, and the unhealed one as without healing.
    assert_eq!(heal.fidelity_cut, without.fidelity);
    let (cut, after) = (heal.fidelity_cut.unwrap(), r.fidelity.unwrap());
    assert_eq!((after.samples, after.inputs.as_str()), (32, "calibration"));
    assert!(after.kl.unwrap() < cut.kl.unwrap());
    assert_eq!((Some(cut.kl.unwrap()), Some(after.kl.unwrap())), (score.cut, score.healed));
    assert_eq!((stamped(&healed).as_str(), stamped(&unhealed).as_str()), ("scaled", "none"));
    assert_eq!(r.verification.unwrap().status, "passed");
    // The file is what a judge from outside accepts: with the stamp, and not without.
    let plan = r.plan.unwrap();
    let written = Model::decode(healed.into(), "healed".as_ref()).unwrap();
    assert!(verify(&model, &written, &plan, &Default::default()).unwrap().refused.is_none());
    let mut proto = written.into_proto();
    proto.metadata_props.clear();
    let bare = Model::new(proto).unwrap();
    assert_eq!(verify(&model, &bare, &plan, &Default::default()).unwrap().refused.as_deref(), Some("verification"));
}

/// Lower is better, the same is not, and what is no number is worse than all.
#[test]
fn what_makes_it_no_better_leaves_the_unhealed_file_and_says_so() {
    static WORSE: Scaled = Scaled::by(4.0);
    static SAME: Scaled = Scaled::by(1.0);
    static NO_NUMBER: Scaled = Scaled::by(1e38);
    let model = Model::read(&digits()).unwrap();
    let (unhealed, without) = pruned(&model, &options(Heal::default()));
    for method in [&WORSE, &SAME, &NO_NUMBER] {
        let (bytes, r) = pruned(&model, &options(with(method)));
        assert!(bytes == unhealed);
        let heal = r.heal.unwrap();
        let reason = heal.reason.unwrap();
        assert!(heal.method == "none" && reason.contains("no closer"), "{reason}");
        assert!(r.notes.contains(&format!("not healed: {reason}")), "{:?}", r.notes);
        // The proof and the figures are those of the file that is written.
        assert_eq!(
            (r.verification, r.fidelity.clone(), r.after),
            (without.verification.clone(), heal.fidelity_cut, without.after.clone())
        );
        assert_eq!(r.fidelity, without.fidelity);
    }
}

#[test]
fn a_method_that_cannot_do_its_work_leaves_the_unhealed_file() {
    static RUNTIME: Broken = Broken(|| ErrorKind::Runtime("the bridge is out".into()));
    static INTERNAL: Broken = Broken(|| ErrorKind::Internal("two and two is five".into()));
    let model = Model::read(&digits()).unwrap();
    let (unhealed, _) = pruned(&model, &options(Heal::default()));
    for (method, words) in [(&RUNTIME, "the bridge is out"), (&INTERNAL, "two and two is five")] {
        let (bytes, r) = pruned(&model, &options(with(method)));
        assert!(bytes == unhealed && r.refused.is_none());
        let heal = r.heal.unwrap();
        assert!(heal.method == "none" && heal.reason.unwrap().contains(words));
        assert!(r.notes.iter().any(|n| n.starts_with("not healed: ") && n.contains(words)), "{:?}", r.notes);
        assert_eq!(r.fidelity.unwrap().samples, 32, "outputs are compared all the same");
    }
    static BAD_DATA: Broken =
        Broken(|| ErrorKind::BadData { path: "x.npz".into(), reason: "sample 3 holds NaN".into() });
    let error = prune(&model, &options(with(&BAD_DATA)), Destination::Nowhere).unwrap_err().to_string();
    assert!(error.contains("sample 3 holds NaN"), "{error}");
}

/// Half of the filters make nothing, and go.
#[test]
fn where_the_cut_changes_nothing_no_method_is_asked() {
    static METHOD: Broken = Broken(|| ErrorKind::Runtime("it was asked".into()));
    let whole = network(17, |g, stem| {
        let pooled = g.global_average_pool(stem, "/pool");
        g.flatten(&pooled, "/flat")
    });
    let stem = &whole.graph_proto().node[0].input[1..];
    let prune_half = |zeros: usize| {
        let model = edited(Model::new(whole.proto().clone()).unwrap(), |proto| {
            for name in stem {
                let all = constant(proto, name).unwrap();
                let mut values = all.floats().unwrap();
                let row = values.len() / 16;
                values[..zeros * row].fill(0.0);
                assert!(set_constant(proto, name, &Tensor::from_floats(all.dims, &values)));
            }
        });
        pruned(&model, &PruneOptions { heal: with(&METHOD), ..PruneOptions::new(Choice::rate(0.5)) }).1
    };
    let (exact, inexact) = (prune_half(8), prune_half(7));
    let reason = |r: &Report| r.heal.as_ref().unwrap().reason.clone().unwrap();
    assert_eq!(reason(&exact), "the cut does not change the outputs: there is nothing to make up for");
    assert!(reason(&inexact).contains("it was asked"), "{}", reason(&inexact));
    // All that judge are compared.
    assert_eq!(exact.fidelity.unwrap().samples, exact.heal.unwrap().judged);
}

#[test]
fn no_method_gets_a_sample_that_judges() {
    static METHOD: Scaled = Scaled::by(0.25);
    static CHEAT: Cheat = Cheat;
    let model = Model::read(&digits()).unwrap();
    let mut o = options(with(&METHOD));
    o.measures.samples = Some(100);
    let (_, r) = pruned(&model, &o);
    assert_eq!(*METHOD.seen.lock().unwrap(), (0..100).collect::<Vec<_>>());
    let heal = r.heal.unwrap();
    assert_eq!((heal.fitted, heal.judged, r.fidelity.unwrap().samples), (100, 156, 156));
    o.heal = with(&CHEAT);
    let (_, r) = pruned(&model, &o);
    assert!(r.heal.unwrap().reason.unwrap().contains("asks for sample 100"));
}

/// Of one sample, none is left to fit on.
#[test]
fn with_nothing_to_fit_on_nothing_is_healed() {
    let f = Folder::new();
    let path = f.path("one.npy");
    ndarray_npy::write_npy(&path, &ndarray::Array4::<f32>::zeros((1, 1, 8, 8))).unwrap();
    let r = report(&["prune", &model(), "--dry-run", "--rate", "0.3", "--calibrate", &path]);
    let heal = r.heal.unwrap();
    assert_eq!((heal.method.as_str(), heal.fitted, heal.judged), ("none", 0, 1));
    assert!(r.notes.iter().any(|n| n.starts_with("not healed: ") && n.contains("fit on")), "{:?}", r.notes);
    assert_eq!(r.fidelity.unwrap().samples, 1);
}

/// The first fully connected layer of a small classifier reads thousands of numbers: its system would take gigabytes and minutes.
#[test]
fn a_layer_that_reads_too_much_to_be_solved_is_folded() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 1, 28, 28]);
    let w = g.weights("conv.weight", &[12, 1, 3, 3]);
    let y = g.node(Op::new("Conv", "/conv").ints("pads", &[1, 1, 1, 1]), &[&x, &w], &[1, 12, 28, 28]);
    let y = g.relu(&y, "/relu");
    let y = g.node(Op::new("Flatten", "/flat"), &[&y], &[1, 12 * 28 * 28]);
    let y = g.gemm(&y, "/fc1", 16);
    let y = g.relu(&y, "/relu1");
    let y = g.gemm(&y, "/fc2", 10);
    g.output(&y);
    let path = f.write("wide.onnx", &g.model().unwrap().encode());
    let r = report(&["prune", &path, "--dry-run", "--rate", "0.3", "--only", "/conv", "--samples", "64"]);
    let heal = r.heal.unwrap();
    assert_eq!(r.verification.unwrap().status, "passed");
    let wide = heal.layers.iter().find(|l| l.node == "/fc1/Gemm").unwrap();
    assert!(wide.skipped.is_none() && matches!(wide.outcome.as_str(), "folded" | "kept"), "{wide:?}");
}

/// The newer exporter, where it does not optimize: each convolution has a bias of zeros, as long as its weights and of the type of what it reads.
#[test]
fn biases_made_of_the_shape_of_weights_and_the_type_of_values_are_constants() {
    let f = Folder::new();
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 16, 16]);
    let zero = g.initializer("zero", &Tensor::from_floats(vec![], &[0.0]));
    let mut y = x.clone();
    for (name, from, to) in [("/a", 3, 8), ("/b", 8, 8), ("/c", 8, 8)] {
        let w = g.weights(&format!("{name}.weight"), &[to, from, 3, 3]);
        let count = g.node(Op::new("Shape", &format!("{name}/count")).int("start", 0).int("end", 1), &[&w], &[1]);
        let like = g.node(Op::new("CastLike", &format!("{name}/like")), &[&zero, &x], &[]);
        let bias = g.node(Op::new("Expand", &format!("{name}/bias")), &[&like, &count], &[to]);
        let conv = Op::new("Conv", name).ints("pads", &[1, 1, 1, 1]);
        y = g.node(conv, &[&y, &w, &bias], &[1, to, 16, 16]);
        y = g.relu(&y, &format!("{name}/relu"));
    }
    g.output(&y);
    let path = f.write("exported.onnx", &g.model().unwrap().encode());
    let r = report(&["prune", &path, "--dry-run", "--cut-flops", "0.3", "--samples", "32"]);
    let heal = r.heal.unwrap();
    assert_eq!((heal.method.as_str(), r.verification.unwrap().status.as_str()), ("reconstruct", "passed"), "{heal:?}");
    assert!(!heal.layers.is_empty() && heal.layers.iter().all(|l| l.skipped.is_none()), "{heal:?}");
    assert!(!r.notes.iter().any(|n| n.contains("one rate for all")), "{:?}", r.notes);
}

/// Outputs that are the same whatever comes in tell nothing of what a group costs.
#[test]
fn where_outputs_do_not_hear_the_inputs_nothing_is_measured() {
    let f = Folder::new();
    let deaf = |weight: f32| {
        let mut g = GraphBuilder::new(17);
        let x = g.input("x", &[1, 3, 16, 16]);
        let y = g.conv(&x, "/a", Conv::square(16, 3));
        let y = g.relu(&y, "/relu");
        let y = g.conv(&y, "/b", Conv::square(16, 3));
        let y = g.global_average_pool(&y, "/pool");
        let y = g.flatten(&y, "/flat");
        let w = g.initializer("w", &Tensor::from_floats(vec![16, 4], &[weight; 64]));
        let y = g.node(Op::new("MatMul", "/out"), &[&y, &w], &[1, 4]);
        g.output(&y);
        let path = f.write("deaf.onnx", &g.model().unwrap().encode());
        report(&["prune", &path, "--dry-run", "--force", "--cut-flops", "0.3", "--samples", "32", "--no-verify"]).notes
    };
    let said = |notes: &[String]| notes.iter().any(|n| n.contains("the outputs are the same for all samples"));
    let (hears, deaf) = (deaf(0.1), deaf(0.0));
    assert!(said(&deaf) && !said(&hears), "{deaf:?} {hears:?}");
}

#[test]
fn who_watches_hears_of_every_layer() {
    static METHOD: Scaled = Scaled::by(0.25);
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let watcher =
        Watcher::new(|step: &Step<'_>| HEARD.lock().unwrap().push(format!("{} {:?}", step.name, step.errors)));
    let o = options(Heal { how: How::With(&METHOD), watcher });
    pruned(&Model::read(&digits()).unwrap(), &o);
    assert_eq!(*HEARD.lock().unwrap(), ["/fc/Gemm Some([0.5, 0.25])"]);
}

/// Weights stay in the type that they are stored in.
#[test]
fn a_float16_model_is_healed_in_float32_and_written_in_float16() {
    static METHOD: Scaled = Scaled::by(0.25);
    let model = half(&Model::read(&digits()).unwrap());
    let (bytes, r) = pruned(&model, &options(with(&METHOD)));
    let heal = r.heal.unwrap();
    assert_eq!(
        (heal.method.as_str(), r.verification.unwrap().status.as_str()),
        ("scaled", "passed"),
        "{:?}",
        heal.reason
    );
    let written = Model::decode(bytes.into(), "healed".as_ref()).unwrap();
    let weights = constant(written.proto(), "fc.weight").unwrap();
    assert_eq!((weights.dtype, weights.dims), (DataType::Float16, vec![10, 45]));
}

#[test]
fn the_default_is_what_the_data_allows() {
    let f = Folder::new();
    let calib = testdata("digits_calib256.npz");
    let base = ["prune", &model(), "--dry-run", "--rate", "0.3", "--scale", "1/16"];
    let heal = |more: &[&str]| report(&[&base[..], more].concat()).heal.unwrap();
    let with_data = heal(&["--calibrate", &calib]);
    assert_eq!((with_data.asked.as_str(), with_data.data.as_deref()), ("auto", Some("calibration")));
    let without = heal(&[]);
    assert_eq!((without.asked.as_str(), without.data.as_deref()), ("auto", Some("generated")));
    assert_eq!((without.fitted, without.judged), (512, 256));
    assert_eq!(heal(&["--samples", "64"]).fitted, 64);
    assert_eq!(heal(&["--heal", "none"]).asked, "none");
    assert_eq!(heal(&["--heal", "fold"]).asked, "fold");
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 12]);
    let y = g.gemm(&x, "/a", 16);
    let y = g.relu(&y, "/relu");
    let y = g.gemm(&y, "/b", 8);
    g.output(&y);
    let table = f.write("table.onnx", &g.model().unwrap().encode());
    let r = report(&["prune", &table, "--dry-run", "--rate", "0.3"]);
    let heal = r.heal.unwrap();
    assert_eq!((heal.asked.as_str(), heal.data.as_deref(), heal.fitted), ("auto", Some("seeded"), 128));
}

#[test]
fn what_is_soft_lossless_or_whole_is_not_healed_and_a_method_for_it_is_a_usage_error() {
    let f = Folder::new();
    let out = f.path("s.onnx");
    for kind in [&["--rate", "0.3", "--soft"][..], &["--lossless"], &["--rate", "0.01"]] {
        let heal = report(&[&["prune", &model(), "--dry-run"], kind].concat()).heal.unwrap();
        assert_eq!((heal.method.as_str(), heal.data), ("none", None), "{kind:?}");
        assert!(heal.reason.is_some());
    }
    for method in ["fold", "reconstruct"] {
        let args = ["prune", &model(), "-o", &out, "--heal", method];
        fails(&[&args[..], &["--rate", "0.3", "--soft"]].concat(), 2, &["soft", method]);
        fails(&[&args[..], &["--lossless"]].concat(), 2, &["lossless", method]);
    }
    let plan = f.path("p.json");
    assert!(run(&["plan", &model(), "-o", &plan, "--lossless", "-q"]).status.success());
    fails(&["apply", &model(), "-o", &out, "--plan", &plan, "--heal", "fold"], 2, &["lossless", "fold"]);
    let out = run(&["prune", &model(), "--dry-run", "--rate", "0.3", "--heal", "pray"]);
    assert!(out.status.code() == Some(2) && text(&out.stderr).contains("reconstruct"), "{}", text(&out.stderr));
}

#[test]
fn errors_split_budgets_and_nothing_else() {
    let prune = |more: &[&str]| {
        [&["prune", &model(), "--dry-run", "--heal", "none"], more]
            .concat()
            .iter()
            .map(|s| (*s).to_owned())
            .collect::<Vec<_>>()
    };
    let args = prune(&["--rate", "0.3", "--allocate", "error"]);
    fails(&args.iter().map(String::as_str).collect::<Vec<_>>(), 2, &["--allocate error", "--cut-flops"]);
    for more in [&["--rate", "0.3", "--allocate", "uniform"][..], &["--cut-flops", "0.3", "--allocate", "uniform"]] {
        let args = prune(more);
        assert!(run(&args.iter().map(String::as_str).collect::<Vec<_>>()).status.success());
    }
}

/// A plan that was made with the same data and options gives the file that `prune` gives, healed as it.
#[test]
fn apply_heals_as_prune_does() {
    static METHOD: Scaled = Scaled::by(0.25);
    let model = Model::read(&digits()).unwrap();
    let (direct, r) = pruned(&model, &options(with(&METHOD)));
    let obeyed = PruneOptions { what: What::Obey(r.plan.unwrap()), ..options(with(&METHOD)) };
    assert!(pruned(&model, &obeyed).0 == direct);
    let f = Folder::new();
    let calib = testdata("digits_calib256.npz");
    let data = ["--calibrate", &calib, "--scale", "1/16", "-q"];
    let path = model_path();
    let (a, b, plan) = (f.path("a.onnx"), f.path("b.onnx"), f.path("p.json"));
    for args in [
        &["prune", &path, "-o", &a, "--cut-flops", "0.3"][..],
        &["plan", &path, "-o", &plan, "--cut-flops", "0.3"],
        &["apply", &path, "-o", &b, "--plan", &plan],
    ] {
        let out = run(&[args, &data].concat());
        assert!(out.status.success(), "{}", text(&out.stderr));
    }
    assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap());
}

#[test]
fn accuracy_is_that_of_the_cut_and_of_the_healed_model() {
    static METHOD: Scaled = Scaled::by(0.25);
    static FLIPPED: Scaled = Scaled::by(-1.0);
    let model = Model::read(&digits()).unwrap();
    let evaluated = |heal: Heal| {
        let mut o = options(heal);
        o.measures.evaluate = Some(testdata("digits_test.npz").into());
        pruned(&model, &o).1.accuracy.unwrap()
    };
    let cut = evaluated(Heal::default());
    assert_eq!((cut.cut, cut.correct_cut), (Some(cut.after), Some(cut.correct_after)));
    let healed = evaluated(with(&METHOD));
    assert_eq!((healed.correct_cut, healed.interval_cut), (Some(cut.correct_after), Some(cut.interval_after)));
    assert_eq!(healed.correct_before, cut.correct_before);
    assert!(healed.correct_after != cut.correct_after, "the bias counts for more");
    let kept = evaluated(with(&FLIPPED));
    assert_eq!(kept, cut, "what is worse is not written");
}

#[test]
fn a_healed_model_with_external_data_is_written_whole() {
    static METHOD: Scaled = Scaled::by(0.25);
    let f = Folder::new();
    let out = f.path("s.onnx");
    let o = PruneOptions { external_data: true, ..options(with(&METHOD)) };
    let to = Destination::File { path: out.as_ref(), replace: false };
    let r = prune(&Model::read(&digits()).unwrap(), &o, to).unwrap();
    assert_eq!(r.heal.unwrap().method, "scaled");
    assert_eq!(f.names(), ["s.onnx", "s.onnx.data"]);
    let (bytes, _) = pruned(&Model::read(&digits()).unwrap(), &options(with(&METHOD)));
    let inline = Model::decode(bytes.into(), "inline".as_ref()).unwrap();
    let outside = Model::read(out.as_ref()).unwrap();
    assert_eq!(constant(outside.proto(), "fc.weight"), constant(inline.proto(), "fc.weight"));
}

#[test]
fn a_refused_cut_and_one_that_cannot_be_run_are_not_healed() {
    static METHOD: Scaled = Scaled::by(0.25);
    let model = Model::read(&digits()).unwrap();
    let r = prune(&model, &PruneOptions { tolerance: 0.0, ..options(with(&METHOD)) }, Destination::Nowhere).unwrap();
    assert_eq!((r.refused.as_deref(), r.heal.unwrap().method.as_str()), (Some("verification"), "none"));
    assert!(METHOD.seen.lock().unwrap().is_empty());
    let f = Folder::new();
    let foreign = f.write("foreign.onnx", &foreign().encode());
    for flag in ["--allow-unverified", "--no-verify"] {
        let r = report(&["prune", &foreign, "--dry-run", "--rate", "0.5", flag]);
        assert_eq!(r.heal.unwrap().method, "none");
        assert!(r.notes.iter().any(|n| n.starts_with("not healed: ")), "{flag}: {:?}", r.notes);
    }
}

/// What text and page show of a healed model.
#[test]
fn the_three_stand_side_by_side() {
    static METHOD: Scaled = Scaled::by(0.25);
    let mut o = options(with(&METHOD));
    o.measures.evaluate = Some(testdata("digits_test.npz").into());
    let (_, r) = pruned(&Model::read(&digits()).unwrap(), &o);
    let (brief, all) = (secateur::report::text::report(&r, false), secateur::report::text::report(&r, true));
    let page = secateur::report::html::page(&r);
    let line = "healed by scaled, on 224 calibration samples; judged on 32 others";
    for words in [line, "before", "cut", "healed", "accuracy (95 % interval)", "KL divergence"] {
        assert!([&brief, &all, &page].iter().all(|t| t.contains(words)), "{words}: {brief}");
    }
    assert!(!brief.contains("0.2500") && all.contains("0.2500") && page.contains("0.2500"), "{all}");
}

#[test]
fn the_worst_sample_of_each_output_is_told() {
    let r =
        report(&["compare", &model(), &model(), "--calibrate", &testdata("digits_calib256.npz"), "--scale", "1/16"]);
    let o = &r.fidelity.unwrap().outputs[0];
    assert_eq!((o.kl_worst, o.cosine_worst > 0.999_999, o.sqnr_db_worst), (Some(0.0), true, None));
    let (_, r) = pruned(&Model::read(&digits()).unwrap(), &options(Heal::default()));
    let o = &r.fidelity.unwrap().outputs[0];
    assert!(o.kl_worst.unwrap() > o.kl.unwrap());
    assert!(o.cosine_worst < o.cosine && o.sqnr_db_worst.unwrap() < o.sqnr_db.unwrap());
}
