//! Two models measured side by side: accuracy, agreement, latency, saved outputs, advice.

use std::fs::File;
use std::path::PathBuf;

use image::{GrayImage, Luma};
use ndarray::{Array1, Array2, Array4};
use ndarray_npy::{NpzReader, NpzWriter};
use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::data::Preparation;
use secateur::pipeline::{CompareOptions, Destination, Measures, PruneOptions, compare, prune};

use crate::cli::{Folder, fails, model, report, run, testdata, text};
use crate::support::zoo;

/// The test images as they are in the file, and their labels.
fn images() -> (Array4<u8>, Array1<i64>) {
    let mut npz = NpzReader::new(File::open(testdata("digits_test.npz")).unwrap()).unwrap();
    (npz.by_name("x").unwrap(), npz.by_name("y").unwrap())
}

/// The trained network, pruned.
fn pruned(f: &Folder, rate: &str) -> String {
    assert!(run(&["prune", &model(), "-o", &f.path("small.onnx"), "--rate", rate, "--heal", "none"]).status.success());
    f.path("small.onnx")
}

/// The figure that `testdata/README.md` gives from onnxruntime.
#[test]
fn accuracy_is_counted_with_its_interval() {
    let r = report(&["compare", &model(), &model(), "--evaluate", &testdata("digits_test.npz"), "--scale", "1/16"]);
    let a = r.accuracy.unwrap();
    assert_eq!((a.samples, a.correct_before, a.correct_after, a.lost, a.gained), (597, 592, 592, 0, 0));
    assert!((a.before - 592.0 / 597.0).abs() < 1e-12 && a.before == a.after && a.cut.is_none());
    assert!(a.interval_before[0] > 0.980 && a.interval_before[0] < a.before && a.before < a.interval_before[1]);
    let f = r.fidelity.unwrap();
    assert_eq!((f.samples, f.inputs.as_str(), f.sqnr_db, f.max_abs_error), (4, "random", None, 0.0));
}

/// What is lost and gained is what the saved outputs say, counted here.
#[test]
fn saved_outputs_have_a_row_for_each_sample() {
    let f = Folder::new();
    let small = pruned(&f, "0.5");
    let (a, b) = (f.path("a.npz"), f.path("b.npz"));
    let r = report(&[
        "compare",
        &model(),
        &small,
        "--evaluate",
        &testdata("digits_test.npz"),
        "--scale",
        "1/16",
        "--dump-outputs",
        &a,
        &b,
    ]);
    let labels = images().1;
    let right = |path: &str| -> Vec<bool> {
        let logits: Array2<f32> = NpzReader::new(File::open(path).unwrap()).unwrap().by_name("logits").unwrap();
        assert_eq!(logits.dim(), (597, 10));
        let best = |row: ndarray::ArrayView1<'_, f32>| (0..10).max_by(|&i, &j| row[i].total_cmp(&row[j])).unwrap();
        logits.rows().into_iter().zip(&labels).map(|(row, &y)| best(row) as i64 == y).collect()
    };
    let (before, after) = (right(&a), right(&b));
    let lost = before.iter().zip(&after).filter(|(b, a)| **b && !**a).count();
    let found = r.accuracy.unwrap();
    assert_eq!(found.correct_after, after.iter().filter(|r| **r).count());
    assert_eq!(found.lost, lost);
    assert!(lost > 0);
    report(&[
        "compare",
        &model(),
        &small,
        "--dump-outputs",
        &a,
        &b,
        "--calibrate",
        &testdata("digits_calib256.npz"),
        "--samples",
        "7",
    ]);
    let logits: Array2<f32> = NpzReader::new(File::open(&b).unwrap()).unwrap().by_name("logits").unwrap();
    assert_eq!(logits.dim(), (7, 10));
    report(&["compare", &model(), &small, "--dump-outputs", &a, &b]);
    let logits: Array2<f32> = NpzReader::new(File::open(&b).unwrap()).unwrap().by_name("logits").unwrap();
    assert_eq!(logits.dim(), (4, 10));
    fails(&["compare", &model(), &small, "--dump-outputs", &a, &small], 2, &["would overwrite"]);
    fails(&["compare", &model(), &small, "--dump-outputs", &a, &a], 2, &["two files"]);
    let (once, again) = (f.path("new.npz"), f.roundabout("new.npz"));
    fails(&["compare", &model(), &small, "--dump-outputs", &once, &again], 2, &["two files"]);
    fails(&["compare", &model(), &small, "--dump-outputs", &a, &f.path("no/b.npz")], 1, &["make it first"]);
    fails(&["compare", &model(), &small, "--report", &f.path("no/r.json")], 1, &["make it first"]);
}

#[test]
fn results_are_the_same_for_any_number_of_threads() {
    let f = Folder::new();
    let small = pruned(&f, "0.3");
    let with = |threads: &str| {
        report(&[
            "compare",
            &model(),
            &small,
            "--evaluate",
            &testdata("digits_test.npz"),
            "--calibrate",
            &testdata("digits_calib256.npz"),
            "--scale",
            "1/16",
            "--threads",
            threads,
        ])
    };
    assert_eq!(with("1"), with("3"));
}

/// The first 512 unless said are for fitting; where the file has no more, an eighth of it judges.
#[test]
fn a_cut_is_judged_on_samples_that_are_not_fitted_on() {
    let f = Folder::new();
    let judged = |samples: &[&str]| {
        let (out, data) = (f.path("s.onnx"), testdata("digits_calib256.npz"));
        let args = ["prune", &model(), "-o", &out, "--rate", "0.3", "--force", "--calibrate", &data, "--scale", "1/16"];
        let found = report(&[&args, samples].concat()).fidelity.unwrap();
        (found.samples, found.inputs)
    };
    assert_eq!(judged(&[]), (32, "calibration".to_owned()));
    assert_eq!(judged(&["--samples", "200"]).0, 56);
}

#[test]
fn a_run_of_prune_measures_before_cut_and_after() {
    let f = Folder::new();
    let r = report(&[
        "prune",
        &model(),
        "-o",
        &f.path("s.onnx"),
        "--rate",
        "0.3",
        "--heal",
        "none",
        "--evaluate",
        &testdata("digits_test.npz"),
        "--scale",
        "1/16",
        "--bench",
        "3",
    ]);
    let a = r.accuracy.unwrap();
    assert_eq!((a.correct_before, a.cut), (592, Some(a.after)));
    assert!(a.after < a.before);
    let l = r.latency.unwrap();
    assert_eq!((l.runtime.as_str(), l.runs), ("tract", 3));
    assert!(l.before_ms > 0.0 && l.after_ms > 0.0 && (l.ratio - l.after_ms / l.before_ms).abs() < 1e-9);
    assert!(l.before_quartiles_ms[0] <= l.before_ms && l.before_ms <= l.before_quartiles_ms[1]);
}

/// The same images as files: the same accuracy.
#[test]
fn class_folders_of_images_give_the_accuracy_of_the_arrays() {
    let f = Folder::new();
    let (x, y) = images();
    for (i, (image, label)) in x.outer_iter().zip(&y).enumerate() {
        let folder = f.path(&format!("digits/{label}"));
        std::fs::create_dir_all(&folder).unwrap();
        let pixels = GrayImage::from_fn(8, 8, |c, r| Luma([15 * image[[0, r as usize, c as usize]]]));
        pixels.save(format!("{folder}/{i:04}.png")).unwrap();
    }
    let r = report(&["compare", &model(), &model(), "--evaluate", &f.path("digits"), "--scale", "1/240"]);
    assert_eq!(r.accuracy.unwrap().correct_before, 592);
    std::fs::remove_dir_all(f.path("digits/9")).unwrap();
    let r = report(&["compare", &model(), &model(), "--evaluate", &f.path("digits"), "--scale", "1/240"]);
    assert!(r.notes.iter().any(|n| n.contains("9 class folders") && n.contains("10 classes")), "{:?}", r.notes);
}

#[test]
fn the_text_has_both_sides_and_what_was_measured() {
    let f = Folder::new();
    let small = pruned(&f, "0.3");
    let out = run(&[
        "compare",
        &model(),
        &small,
        "--evaluate",
        &testdata("digits_test.npz"),
        "--scale",
        "1/16",
        "--bench",
        "2",
    ]);
    let shown = text(&out.stdout);
    for words in
        ["1x16x8x8", "1x12x8x8", "accuracy: 99.16 % (592/597, 95 % interval 98.1 to 99.6) -> ", "latency in tract: "]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.contains("advice: ") && shown.contains("--round-to 8"), "{shown}");
}

#[test]
fn data_that_does_not_fit_is_refused_by_name() {
    let f = Folder::new();
    let (x, y) = images();
    let write = |name: &str, y: &Array1<i64>| {
        let mut npz = NpzWriter::new(File::create(f.path(name)).unwrap());
        npz.add_array("x", &x).unwrap();
        npz.add_array("y", y).unwrap();
        npz.finish().unwrap();
        f.path(name)
    };
    let evaluate = |path: &str, words: &[&str]| {
        fails(&["compare", &model(), &model(), "--evaluate", path], 1, words);
        fails(&["prune", &model(), "-o", &f.path("s.onnx"), "--rate", "0.3", "--evaluate", path], 1, words);
    };
    let mut beyond = y.clone();
    beyond[5] = 10;
    evaluate(&write("beyond.npz", &beyond), &["beyond.npz", "label 10 of sample 5", "10 classes, 0 to 9"]);
    evaluate(&testdata("digits_calib256.npz"), &["digits_calib256.npz", "no labels", "'y'"]);
    evaluate(&f.path("absent.npz"), &["absent.npz", "No such file"]);
    fails(&["compare", &model(), &model(), "--bench", "0"], 2, &["--bench 0"]);
    fails(&["compare", &model(), &model(), "--samples", "0"], 2, &["--samples 0"]);
    fails(&["compare", &model(), &model(), "--mean", "1,2", "--std", "1,2,3"], 2, &["--mean has 2"]);
    assert!(!PathBuf::from(f.path("s.onnx")).exists());
}

/// A network of one input and what `build` makes of it.
fn built(build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 8, 16, 16]);
    let y = build(&mut g, &x);
    g.output(&y);
    Model::decode(g.model().unwrap().encode().into(), "built".as_ref()).unwrap()
}

#[test]
fn an_output_that_is_no_number_agrees_with_none() {
    let unary = |op: &'static str| {
        built(move |g, x| {
            let y = g.node(Op::new(op, "/last"), &[x], &x.dims.clone());
            Val { name: y.name.clone(), ..y }
        })
    };
    let (before, after) = (unary("Abs"), unary("Log"));
    let f = compare(&before, &after, &CompareOptions::default()).unwrap().fidelity.unwrap();
    assert_eq!((f.cosine, f.sqnr_db), (0.0, None));
    assert_eq!((f.max_abs_error, f.outputs[0].decibels()), (f64::MAX, f64::NEG_INFINITY));
}

#[test]
fn layers_that_wait_for_memory_are_pointed_at() {
    let net = built(|g, x| {
        let y = g.conv(x, "/wide", Conv::square(16, 1));
        let y = g.conv(&y, "/depthwise", Conv::square(16, 3).pad(1).group(16));
        let y = g.relu(&y, "/relu");
        g.conv(&y, "/last", Conv::square(8, 1))
    });
    let r = prune(&net, &PruneOptions::rate(0.5), Destination::Nowhere).unwrap();
    assert!(r.advice.iter().any(|a| a.contains("bound by memory") && a.contains("of 3 layers")), "{:?}", r.advice);
}

#[test]
fn a_model_without_scores_of_classes_has_no_accuracy() {
    let f = Folder::new();
    let net = built(|g, x| g.conv(x, "/last", Conv::square(8, 1)));
    let input = f.write("map.onnx", &net.encode());
    let mut npz = NpzWriter::new(File::create(f.path("d.npz")).unwrap());
    npz.add_array("x", &Array4::<f32>::zeros((2, 8, 16, 16))).unwrap();
    npz.add_array("y", &Array1::<i64>::zeros(2)).unwrap();
    npz.finish().unwrap();
    fails(&["compare", &input, &input, "--evaluate", &f.path("d.npz")], 2, &["one row of scores"]);
}

/// The shares that the zoo's README gives, as onnxruntime finds them.
#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn real_networks_have_the_accuracy_that_is_known_of_them() {
    let accuracy = |name: &str, mean: &[f64], std: &[f64], scale: f64| {
        let model = Model::read(&zoo(name)).unwrap();
        let preparation = Preparation { scale, mean: mean.to_vec(), std: std.to_vec(), ..Preparation::default() };
        let evaluate = Some(zoo("data/cifar10_test1000.npz"));
        let measures = Measures { evaluate, preparation, ..Measures::default() };
        let options = CompareOptions { measures, ..CompareOptions::default() };
        compare(&model, &model, &options).unwrap().accuracy.unwrap().correct_before
    };
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    assert_eq!(accuracy("cifar-resnet/resnet20_ts_bn.onnx", &mean, &std, 1.0 / 255.0), 915);
    assert_eq!(accuracy("mlperf-tiny/resnet8_cifar10.onnx", &[], &[], 1.0), 881);
}
