//! What samples have a say in beside healing: the order of units, and whether they are what a network was trained on.

use std::path::Path;

use ndarray::Array4;
use ndarray_npy::write_npy;
use secateur::build::{Conv, GraphBuilder};
use secateur::report::Report;

use crate::cli::{self, Folder, fails, model, testdata};
use crate::support::network;

/// What `prune` reports, and writes nothing.
fn report(args: &[&str]) -> Report {
    cli::report(&[&["prune", "--dry-run"], args].concat())
}

fn calibration() -> String {
    testdata("digits_calib256.npz")
}

/// A network without BatchNormalization, as exporters that fold it write it.
fn folded(f: &Folder) -> String {
    let model = network(17, |g: &mut GraphBuilder, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1));
        g.relu(&y, "/b/relu")
    });
    f.write("folded.onnx", &model.encode())
}

fn criterion(args: &[&str]) -> String {
    report(args).plan.unwrap().criterion
}

#[test]
fn a_budget_that_samples_split_ranks_by_what_readers_lose() {
    let f = Folder::new();
    let split = ["--cut-flops", "0.3", "--calibrate", &calibration(), "--scale", "1/16"];
    let of = |path: &str, more: &[&str]| criterion(&[&[path], &split[..], more].concat());
    let images = f.path("images.npy");
    let pixel = |(n, c, y, x): (usize, usize, usize, usize)| ((n * 31 + c * 7 + y * 17 + x * (n + 3)) % 16) as f32;
    write_npy(&images, &Array4::from_shape_fn((40, 3, 8, 8), pixel)).unwrap();
    let [surgeon, median] = ["optimal-brain-surgeon", "geometric-median"];
    assert_eq!(of(&model(), &[]), surgeon);
    assert_eq!(criterion(&[&folded(&f), "--cut-flops", "0.3", "--calibrate", &images, "--scale", "1/16"]), surgeon);
    assert_eq!(of(&model(), &["--heal", "none", "--allocate", "error"]), surgeon);
    assert_eq!(of(&model(), &["--criterion", median]), median);
    assert_eq!(of(&model(), &["--allocate", "uniform"]), median);
    let rate = ["--rate", "0.3", "--calibrate", &calibration(), "--scale", "1/16"];
    assert_eq!(criterion(&[&[model().as_str()], &rate[..]].concat()), median);
}

#[test]
fn without_samples_what_readers_lose_ranks_where_nothing_is_normalized() {
    let f = Folder::new();
    let folded = folded(&f);
    let [both, surgeon, median] = ["surgeon-and-median", "optimal-brain-surgeon", "geometric-median"];
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3"]), both);
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3", "--criterion", surgeon]), surgeon);
    assert_eq!(criterion(&[&model(), "--cut-flops", "0.3"]), median);
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3", "--criterion", median]), median);
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3", "--criterion", "l2"]), "l2");
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3", "--heal", "none"]), median);
    assert_eq!(criterion(&[&folded, "--cut-flops", "0.3", "--allocate", "uniform"]), median);
    assert_eq!(criterion(&[&folded, "--rate", "0.3"]), median);
}

#[test]
fn what_is_measured_ranks_at_a_rate_too_and_without_healing() {
    let data = ["--calibrate", &calibration(), "--scale", "1/16", "--rate", "0.3", "--heal", "none"];
    let of = |more: &[&str]| report(&[&[model().as_str()], &data[..], more].concat());
    let (measured, median) = (of(&["--criterion", "optimal-brain-surgeon"]), of(&[]));
    let [a, b] = [&measured, &median].map(|r| r.plan.clone().unwrap().groups);
    assert_ne!(a, b);
    assert!(a.iter().zip(&b).all(|(a, b)| a.remove.len() == b.remove.len()));
    // Nothing is healed, and yet the outputs are closer.
    let [a, b] = [measured, median].map(|r| r.fidelity.unwrap().cosine);
    assert!(a > b, "{a} {b}");
}

#[test]
fn images_made_up_are_brought_to_what_the_network_expects_unless_it_is_said() {
    let notes = |more: &[&str]| report(&[&[model().as_str(), "--rate", "0.3"], more].concat()).notes.join("\n");
    let assumed = notes(&[]);
    assert!(assumed.contains("as with --scale 1/255, which comes nearest"), "{assumed}");
    let said = notes(&["--scale", "1/255"]);
    assert!(!said.contains("made up") && !said.contains("unlike"), "{said}");
    let wrong = notes(&["--scale", "1"]);
    assert!(!wrong.contains("made up") && wrong.contains("unlike what the network was trained on"), "{wrong}");
}

#[test]
fn samples_of_another_range_are_noticed() {
    let notes = |scale: &str| {
        report(&[&model(), "--rate", "0.3", "--calibrate", &calibration(), "--scale", scale]).notes.join("\n")
    };
    assert!(!notes("1/16").contains("unlike"));
    let raw = notes("1");
    assert!(raw.contains("vary 16") && raw.contains("see --scale, --mean, --std"), "{raw}");
}

#[test]
fn samples_that_are_all_the_same_teach_nothing_and_few_are_said_to_be_few() {
    let f = Folder::new();
    let path = f.path("same.npy");
    write_npy(&path, &Array4::<f32>::from_elem((40, 1, 8, 8), 0.25)).unwrap();
    let out = f.path("out.onnx");
    let args = ["prune", &model(), "-o", &out, "--calibrate", &path];
    for budget in [["--rate", "0.3"], ["--cut-flops", "0.3"]] {
        fails(&[&args[..], &budget].concat(), 1, &["same.npy", "all the same"]);
    }
    assert!(!Path::new(&out).exists());
    let few = report(&[&model(), "--rate", "0.3", "--calibrate", &calibration(), "--scale", "1/16", "--samples", "20"]);
    assert!(few.notes.iter().any(|n| n.contains("20 samples to fit on are few")), "{:?}", few.notes);
}
