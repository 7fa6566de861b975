//! The criteria against brute force: plain loops over filters, read by name, that know nothing of couplings.

use std::collections::{BTreeMap, BTreeSet};

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::couple::couple;
use secateur::model::Tensor;
use secateur::plan::{Budget, Choice, decide};
use secateur::score::{CRITERIA, Criterion, Ranking, Scores, Setting, Units, criterion, score};

use crate::support::{Analysed, constant, network, set_constant, zoo};

mod command;
mod diagnosis;
mod heard;

/// The filters of a convolution, by name.
fn filters(model: &Model, name: &str) -> Vec<Vec<f64>> {
    let t = constant(model.proto(), name).unwrap_or_else(|| panic!("no weight {name}"));
    let values = t.floats().unwrap();
    values.chunks(values.len() / t.dims[0]).map(|f| f.iter().map(|v| f64::from(*v)).collect()).collect()
}

/// Says which of a group's filters go at a rate.
type Pick = fn(&[Vec<f64>], f64) -> Vec<usize>;

fn distance_sum(a: &[f64], among: &[&Vec<f64>]) -> f64 {
    let mut sum = 0.0;
    for b in among {
        let mut squared = 0.0;
        for (x, y) in a.iter().zip(b.iter()) {
            squared += (x - y) * (x - y);
        }
        sum += f64::sqrt(squared);
    }
    sum
}

/// `floor(rate * n)`.
fn floor(rate: f64, n: usize) -> usize {
    (rate * n as f64 + 1e-9) as usize
}

/// The `count` units of the smallest values, sorted.
fn smallest(mut values: Vec<(f64, usize)>, count: usize) -> Vec<usize> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let mut gone: Vec<usize> = values[..count].iter().map(|s| s.1).collect();
    gone.sort_unstable();
    gone
}

fn nearest_the_median(units: &[Vec<f64>], rate: f64) -> Vec<usize> {
    let all: Vec<&Vec<f64>> = units.iter().collect();
    let sums = units.iter().enumerate().map(|(j, a)| (distance_sum(a, &all), j));
    smallest(sums.collect(), floor(rate, units.len()))
}

fn smallest_magnitudes(units: &[Vec<f64>], rate: f64) -> Vec<usize> {
    let sums = units.iter().enumerate().map(|(j, a)| (a.iter().map(|w| f64::abs(*w)).sum::<f64>(), j));
    smallest(sums.collect(), floor(rate, units.len()))
}

fn smallest_norms(units: &[Vec<f64>], rate: f64) -> Vec<usize> {
    let sums = units.iter().enumerate().map(|(j, a)| (f64::sqrt(a.iter().map(|w| w * w).sum::<f64>()), j));
    smallest(sums.collect(), floor(rate, units.len()))
}

/// The share of units that the tests below let go by norm.
const NORM_RATE: f64 = 0.1;

fn norms_then_median(units: &[Vec<f64>], rate: f64) -> Vec<usize> {
    let small = smallest_norms(units, NORM_RATE);
    let left: Vec<usize> = (0..units.len()).filter(|j| !small.contains(j)).collect();
    let among: Vec<&Vec<f64>> = left.iter().map(|&j| &units[j]).collect();
    let sums = left.iter().map(|&j| (distance_sum(&units[j], &among), j)).collect();
    let mut gone = smallest(sums, floor(rate, units.len()) - small.len());
    gone.extend(small);
    gone.sort_unstable();
    gone
}

/// What each criterion must choose; `random` has nothing to be compared with, and what is measured on samples is tested with healing.
const EXPECTED: [(&str, Pick); 4] = [
    ("geometric-median", nearest_the_median),
    ("norm-then-median", norms_then_median),
    ("l1", smallest_magnitudes),
    ("l2", smallest_norms),
];

fn ranking(name: &str) -> Ranking {
    let ranking = Ranking::by(criterion(name).unwrap());
    Ranking { norm_rate: if ranking.looks_at(Setting::NormRate) { NORM_RATE } else { 0.0 }, ..ranking }
}

/// What ResNet-20 must lose, by convolution: inner ones alone, streams with every convolution that writes into them. Option A puts
/// the 16 channels of stage 1 at 8..24 of stage 2, and the 32 of stage 2 at 16..48 of stage 3.
fn expected(
    model: &Model,
    rate: f64,
    conv: &dyn Fn(usize, usize, usize) -> String,
    stem: &str,
    pick: Pick,
) -> BTreeMap<String, Vec<usize>> {
    let mut out: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (stage, block) in (1..4).flat_map(|s| (0..3).map(move |b| (s, b))) {
        let name = conv(stage, block, 1);
        out.insert(name.clone(), pick(&filters(model, &name), rate));
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
        for unit in pick(&units, rate) {
            for (name, o) in &writers {
                out.entry(name.clone()).or_default().push(fresh[born][unit] + o);
            }
        }
    }
    out.values_mut().for_each(|v| v.sort_unstable());
    out
}

fn chosen(model: &Model, rate: f64, ranking: &Ranking) -> BTreeMap<String, Vec<usize>> {
    let known = Analysed::new(model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let choice = Choice { ranking: ranking.clone(), ..Choice::rate(rate) };
    let gone = decide(&known.facts(), &coupling, &choice, None).unwrap().plan.gone(&coupling).unwrap();
    let filters = coupling.removed(&known.facts(), &gone).into_iter().filter(|r| r.axis == 0);
    filters
        .filter(|r| known.graph.find(&r.value).is_some_and(|v| known.shapes.dims.get(v).is_some_and(|d| d.len() == 4)))
        .filter(|r| r.kind == secateur::model::removed::Kind::Initializer)
        .map(|r| (r.value, r.indices))
        .collect()
}

/// A group of shared filters is ranked over all filters that make its units: `expected` joins those of every writer of a stream.
#[test]
fn the_same_filters_go_as_by_brute_force() {
    let model = cifar_resnet(20, Shortcut::Pad, 3).unwrap();
    let conv = |s: usize, b: usize, k: usize| format!("layer{s}.{b}.conv{k}.weight");
    for ((name, pick), rate) in EXPECTED.into_iter().flat_map(|e| [0.3, 0.7].map(|r| (e, r))) {
        let expected = expected(&model, rate, &conv, "conv1.weight", pick);
        assert_eq!(chosen(&model, rate, &ranking(name)), expected, "{name} at {rate}");
    }
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn the_same_filters_go_as_by_brute_force_in_a_trained_network() {
    let model = Model::read(&zoo("cifar-resnet/resnet20_ts_bn.onnx")).unwrap();
    let conv = |s: usize, b: usize, k: usize| format!("layer{s}.{b}.conv{k}.weight");
    for (name, pick) in EXPECTED {
        let expected = expected(&model, 0.4, &conv, "conv1.weight", pick);
        assert_eq!(chosen(&model, 0.4, &ranking(name)), expected, "{name}");
    }
}

#[test]
fn every_criterion_is_compared_here() {
    let compared = EXPECTED.iter().map(|e| e.0).chain(["random"]);
    assert!(CRITERIA.iter().filter(|c| !c.is_measured()).map(|c| c.name()).eq(compared));
}

/// The order of each group's units.
fn orders(model: &Model, ranking: &Ranking) -> Vec<Vec<usize>> {
    let known = Analysed::new(model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    score(&known.facts(), &coupling, ranking).unwrap().iter().map(Scores::order).collect()
}

#[test]
fn a_draw_follows_its_seed_alone_and_differs_by_group() {
    let model = cifar_resnet(20, Shortcut::Pad, 3).unwrap();
    let other_weights = cifar_resnet(20, Shortcut::Pad, 4).unwrap();
    let draw = |seed| orders(&model, &Ranking { seed, ..ranking("random") });
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(draw(5), alone.install(|| draw(5)));
    assert_eq!(draw(5), orders(&other_weights, &Ranking { seed: 5, ..ranking("random") }));
    assert_ne!(draw(5), draw(6));
    let all = draw(5);
    let different: BTreeSet<&Vec<usize>> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}

/// Of 16 units, each is among the first 4 about as often as any other.
#[test]
fn a_draw_prefers_no_unit() {
    let model = network(17, |_, x| x.clone());
    let mut often = [0; 16];
    for seed in 0..400 {
        let orders = orders(&model, &Ranking { seed, ..ranking("random") });
        orders[0][..4].iter().for_each(|&u| often[u] += 1);
    }
    assert!(often.iter().all(|n| (60..140).contains(n)), "{often:?}");
}

/// Under every criterion, also where the norm step takes fewer than are zero.
#[test]
fn units_that_are_zero_go_first() {
    let mut proto = network(17, |_, x| x.clone()).into_proto();
    let mut weight = constant(&proto, "stem.weight").unwrap();
    let mut values = weight.floats().unwrap();
    let each = values.len() / 16;
    for unit in [3, 7, 15] {
        values[unit * each..(unit + 1) * each].fill(0.0);
    }
    weight = Tensor::from_floats(weight.dims, &values);
    set_constant(&mut proto, "stem.weight", &weight);
    set_constant(&mut proto, "stem.bias", &Tensor::from_floats(vec![16], &[0.0; 16]));
    let model = Model::new(proto).unwrap();
    for c in CRITERIA {
        let mut first = orders(&model, &ranking(c.name()))[0][..3].to_vec();
        first.sort_unstable();
        assert_eq!(first, [3, 7, 15], "{}", c.name());
    }
}

/// What goes for a budget is the beginning of each group's order, under every criterion.
#[test]
fn budgets_take_the_beginning_of_an_order() {
    let model = cifar_resnet(20, Shortcut::Projection, 3).unwrap();
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    for (c, budget) in CRITERIA.iter().flat_map(|c| [0.2, 0.6].map(|share| (c, Budget::CutFlops(share)))) {
        let choice = Choice { ranking: ranking(c.name()), ..Choice::new(budget) };
        let plan = decide(&known.facts(), &coupling, &choice, None).unwrap().plan;
        assert!(!plan.is_empty());
        for (planned, order) in plan.groups.iter().zip(orders(&model, &choice.ranking)) {
            let mut first = order[..planned.remove.len()].to_vec();
            first.sort_unstable();
            assert_eq!(planned.remove, first, "{} at {budget:?}", c.name());
        }
    }
}

/// Scores its units by their position, or gives one score too few.
struct Own(usize);

impl Criterion for Own {
    fn name(&self) -> &'static str {
        "own"
    }

    fn summary(&self) -> &'static str {
        "last first"
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        (self.0..units.norms.len()).map(|i| -(i as f64)).collect()
    }
}

#[test]
fn a_program_may_bring_a_criterion_and_a_wrong_one_is_refused() {
    let model = network(17, |_, x| x.clone());
    assert_eq!(orders(&model, &Ranking::by(&Own(0)))[0], (0..16).rev().collect::<Vec<_>>());
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let wrong = score(&known.facts(), &coupling, &Ranking::by(&Own(1))).unwrap_err();
    assert!(wrong.to_string().contains("'own' gave 15 scores for 16 units"), "{wrong}");
}
