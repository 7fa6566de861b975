//! The paper's criterion against brute force: plain loops over pairs of filters, read by name, that know nothing of couplings.

use std::collections::BTreeMap;

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::plan::Scope;

use crate::support::{Analysed, constant, zoo};

/// The filters of a convolution, by name.
fn filters(model: &Model, name: &str) -> Vec<Vec<f64>> {
    let t = constant(model.proto(), name).unwrap_or_else(|| panic!("no weight {name}"));
    let values = t.floats().unwrap();
    values.chunks(values.len() / t.dims[0]).map(|f| f.iter().map(|v| f64::from(*v)).collect()).collect()
}

/// The `floor(rate * n)` units of the smallest distance sums.
fn nearest_the_median(units: &[Vec<f64>], rate: f64) -> Vec<usize> {
    let mut sums = Vec::new();
    for (j, a) in units.iter().enumerate() {
        let mut sum = 0.0;
        for b in units {
            let mut squared = 0.0;
            for (x, y) in a.iter().zip(b) {
                squared += (x - y) * (x - y);
            }
            sum += f64::sqrt(squared);
        }
        sums.push((sum, j));
    }
    sums.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let mut gone: Vec<usize> = sums[..(rate * units.len() as f64 + 1e-9) as usize].iter().map(|s| s.1).collect();
    gone.sort_unstable();
    gone
}

/// What ResNet-20 must lose, by convolution: inner ones alone, streams with every convolution that writes into them. Option A puts
/// the 16 channels of stage 1 at 8..24 of stage 2, and the 32 of stage 2 at 16..48 of stage 3.
fn expected(
    model: &Model,
    rate: f64,
    conv: &dyn Fn(usize, usize, usize) -> String,
    stem: &str,
) -> BTreeMap<String, Vec<usize>> {
    let mut out: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (stage, block) in (1..4).flat_map(|s| (0..3).map(move |b| (s, b))) {
        let name = conv(stage, block, 1);
        out.insert(name.clone(), nearest_the_median(&filters(model, &name), rate));
    }
    let offset = [[0, 8, 24], [0, 0, 16], [0, 0, 0]];
    let fresh: [Vec<usize>; 3] = [(0..16).collect(), (0..8).chain(24..32).collect(), (0..16).chain(48..64).collect()];
    for born in 0..3 {
        let mut writers: Vec<(String, usize)> = if born == 0 { vec![(stem.to_owned(), 0)] } else { Vec::new() };
        for (stage, &at) in offset[born].iter().enumerate().skip(born) {
            writers.extend((0..3).map(|b| (conv(stage + 1, b, 2), at)));
        }
        let units: Vec<Vec<f64>> = fresh[born]
            .iter()
            .map(|&c| writers.iter().flat_map(|(w, o)| filters(model, w)[c + o].clone()).collect())
            .collect();
        for unit in nearest_the_median(&units, rate) {
            for (name, o) in &writers {
                out.entry(name.clone()).or_default().push(fresh[born][unit] + o);
            }
        }
    }
    out.values_mut().for_each(|v| v.sort_unstable());
    out
}

fn chosen(model: &Model, rate: f64) -> BTreeMap<String, Vec<usize>> {
    let known = Analysed::new(model, &[]);
    let (coupling, gone) = known.choose(rate, Scope::All);
    let filters = coupling.removed(&known.facts(), &gone).into_iter().filter(|r| r.axis == 0);
    filters
        .filter(|r| known.graph.find(&r.value).is_some_and(|v| known.shapes.dims.get(v).is_some_and(|d| d.len() == 4)))
        .filter(|r| r.kind == secateur::model::removed::Kind::Initializer)
        .map(|r| (r.value, r.indices))
        .collect()
}

#[test]
fn the_same_filters_go_as_by_brute_force() {
    let model = cifar_resnet(20, Shortcut::Pad, 3).unwrap();
    let conv = |s: usize, b: usize, k: usize| format!("layer{s}.{b}.conv{k}.weight");
    for rate in [0.3, 0.7] {
        assert_eq!(chosen(&model, rate), expected(&model, rate, &conv, "conv1.weight"));
    }
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn the_same_filters_go_as_by_brute_force_in_a_trained_network() {
    let model = Model::read(&zoo("cifar-resnet/resnet20_ts_bn.onnx")).unwrap();
    let conv = |s: usize, b: usize, k: usize| format!("layer{s}.{b}.conv{k}.weight");
    assert_eq!(chosen(&model, 0.4), expected(&model, 0.4, &conv, "conv1.weight"));
}
