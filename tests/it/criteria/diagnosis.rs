//! The norm diagnosis of an inspection: figures from plain loops, and a verdict that follows what the weights are.

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::model::Tensor;
use secateur::pipeline::inspect;
use secateur::report::{Inspection, text};
use secateur::shape::InputShapes;

use super::filters;
use crate::support::{constant, network, set_constant};

fn inspected(model: &Model) -> Inspection {
    inspect(model, &InputShapes::default()).unwrap()
}

/// A network whose stem has 16 filters of these norms.
fn with_norms(norms: [f32; 16]) -> Model {
    let mut proto = network(17, |_, x| x.clone()).into_proto();
    let weight = constant(&proto, "stem.weight").unwrap();
    let each = weight.floats().unwrap().len() / 16;
    let values: Vec<f32> = norms.iter().flat_map(|n| [&[*n][..], &vec![0.0; each - 1]].concat()).collect();
    set_constant(&mut proto, "stem.weight", &Tensor::from_floats(weight.dims, &values));
    Model::new(proto).unwrap()
}

#[test]
fn figures_are_those_of_the_filters() {
    let model = cifar_resnet(20, Shortcut::Pad, 3).unwrap();
    let inspection = inspected(&model);
    let group = inspection.groups.iter().find(|g| g.name == "/layer2/layer2.1/conv1/Conv").unwrap();
    let norms: Vec<f64> =
        filters(&model, "layer2.1.conv1.weight").iter().map(|f| f.iter().map(|w| w * w).sum::<f64>().sqrt()).collect();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
    let mean = norms.iter().sum::<f64>() / 32.0;
    let std = (norms.iter().map(|n| n * n).sum::<f64>() / 32.0 - mean * mean).sqrt();
    let (mut min, mut max) = (f64::MAX, 0.0);
    for n in &norms {
        (min, max) = (f64::min(min, *n), f64::max(max, *n));
    }
    let found = &group.norms;
    close(found.mean, mean);
    close(found.std, std);
    close(found.deviation, std / mean);
    close(found.distance, min / mean);
    let in_bar = |k: usize| norms.iter().filter(|n| ((*n / max * 10.0) as usize).min(9) == k).count();
    assert_eq!(found.histogram, (0..10).map(in_bar).collect::<Vec<_>>());
}

#[test]
fn the_verdict_follows_the_weights() {
    let verdict = |norms| {
        let norms = inspected(&with_norms(norms)).groups[0].norms.clone();
        (norms.wide, norms.near_zero)
    };
    let ramp: [f32; 16] = std::array::from_fn(|i| 0.01 + i as f32);
    assert_eq!(verdict(ramp), (true, true));
    assert_eq!(verdict(ramp.map(|n| 4.0 + n)), (true, false));
    assert_eq!(verdict(ramp.map(|n| 100.0 + n)), (false, false));
    assert_eq!(verdict(std::array::from_fn(|i| if i == 5 { 0.09 } else { 1.0 })), (false, true));
}

#[test]
fn the_summary_counts_the_groups() {
    let inspection = inspected(&with_norms(std::array::from_fn(|i| i as f32)));
    let v = &inspection.norm_verdict;
    assert_eq!((v.groups, v.wide, v.near_zero, v.both), (2, 1, 1, 1));
    let shown = text::inspection(&inspection, false);
    assert!(shown.contains("(std >= 0.25 mean: 1 of 2 groups)") && shown.contains("both hold in 1"), "{shown}");
    assert!(shown.contains("both hold │") && shown.contains("neither"), "{shown}");
}

/// Weights that nobody trained meet neither condition: their norms lie close together and far from zero.
#[test]
fn random_weights_meet_neither_condition() {
    let v = inspected(&cifar_resnet(20, Shortcut::Pad, 3).unwrap()).norm_verdict;
    assert_eq!((v.groups, v.wide, v.near_zero, v.both), (12, 0, 0, 0));
}
