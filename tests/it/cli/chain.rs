//! plan, edit, apply, verify: the chain as a whole, on real networks.

use serde_json::{Value, json};

use super::{Folder, model, run, text};
use crate::support::zoo;

/// Makes a plan, puts the first unit of every group back that may lose one fewer, applies that, and judges the file; then the file, judged by the
/// plan as it was.
fn chain(input: &str, shape: &[&str], options: &[&str]) {
    let f = Folder::new();
    let (plan, out) = (f.path("p.json"), f.path("s.onnx"));
    let done = run(&[&["plan", input, "-o", &plan, "-q"], options, shape].concat());
    assert!(done.status.success(), "{}", text(&done.stderr));
    let mut value: Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    let mut edited = 0;
    for group in value["groups"].as_array_mut().unwrap() {
        if let Some(remove) = group["remove"].as_array_mut().filter(|r| !r.is_empty()) {
            remove.remove(0);
            edited += 1;
        }
    }
    assert!(edited > 2);
    value["edited_by"] = json!("hand");
    let edited = f.write("edited.json", serde_json::to_string_pretty(&value).unwrap().as_bytes());
    let done = run(&["apply", input, "--plan", &edited, "-o", &out, "--heal", "none"]);
    assert!(done.status.success() && text(&done.stdout).contains("verified: "), "{}", text(&done.stdout));
    let done = run(&["verify", input, &out, "--plan", &edited]);
    assert!(done.status.success() && text(&done.stdout).contains("verified: "), "{}", text(&done.stdout));
    assert_eq!(run(&["verify", input, &out, "--plan", &plan]).status.code(), Some(3));
}

#[test]
fn the_trained_network() {
    chain(&model(), &[], &["--rate", "0.3"]);
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn resnet56() {
    chain(&zoo("cifar-resnet/resnet56_ts_bn.onnx").to_string_lossy(), &[], &["--rate", "0.4", "--scope", "inner"]);
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn a_detector_of_which_the_sides_are_open() {
    let shape = ["--input-shape", "images:1,3,320,320"];
    chain(&zoo("yolo/nudenet_yolov8n_320.onnx").to_string_lossy(), &shape, &["--rate", "0.3"]);
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn a_text_detector_of_which_the_sides_are_open() {
    let shape = ["--input-shape", "x:1,3,160,160"];
    chain(&zoo("ppocr/ppocrv4_det.onnx").to_string_lossy(), &shape, &["--rate", "0.3"]);
}
