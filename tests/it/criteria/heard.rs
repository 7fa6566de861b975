//! `surgeon-and-median` asks how loud readers hear a filter, and not how long it is.

use std::sync::Arc;

use secateur::Model;
use secateur::build::Conv;
use secateur::couple::couple;
use secateur::model::Tensor;
use secateur::score::{Measured, Ranking, criterion, score};

use super::filters;
use crate::support::{Analysed, constant, network, set_constant};

/// Every filter of the stem longer or shorter, and what reads it the other way round: the same network.
fn rescaled(model: &Model) -> Model {
    let mut proto = model.proto().clone();
    let factor = |unit: usize| 2f32.powi(unit as i32 % 5 - 2);
    let mut change = |name: &str, of: &dyn Fn(usize) -> f32| {
        let old = constant(&proto, name).unwrap();
        let new: Vec<f32> = old.floats().unwrap().iter().enumerate().map(|(i, v)| v * of(i)).collect();
        assert!(set_constant(&mut proto, name, &Tensor::from_floats(old.dims, &new)));
    };
    change("stem.weight", &|i| factor(i / 27));
    change("stem.bias", &factor);
    change("b.weight", &|i| 1.0 / factor(i / 9 % 16));
    Model::new(proto).unwrap()
}

/// The length of what reads each of the stem's filters.
fn loudness(model: &Model) -> Vec<f64> {
    let readers = filters(model, "b.weight");
    let of = |unit: usize| readers.iter().flat_map(|f| &f[9 * unit..9 * unit + 9]).map(|w| w * w).sum::<f64>().sqrt();
    (0..16).map(of).collect()
}

/// The scores of the stem's filters; samples say that they would all be missed alike.
fn scores(model: &Model, name: &str) -> Vec<f64> {
    let known = Analysed::new(model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let stem = coupling.groups.iter().position(|g| g.name == "/stem/Conv").unwrap();
    let mut measured = vec![None; coupling.groups.len()];
    measured[stem] = Some(Measured { losses: vec![0.0; 16], loudness: loudness(model) });
    let ranking = Ranking { measured: Arc::new(measured), ..Ranking::by(criterion(name).unwrap()) };
    score(&known.facts(), &coupling, &ranking).unwrap().swap_remove(stem).scores
}

#[test]
fn where_a_scale_stands_does_not_change_the_order() {
    let model = network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)));
    let moved = rescaled(&model);
    let [both, median] = ["surgeon-and-median", "geometric-median"];
    assert_eq!(scores(&model, both), scores(&moved, both));
    assert_ne!(scores(&model, median), scores(&moved, median));
    // Of equal losses ties go by index: what is left is the rank by distances.
    let mut ranks: Vec<f64> = scores(&model, both).iter().enumerate().map(|(i, s)| s - i as f64).collect();
    ranks.sort_by(f64::total_cmp);
    assert_eq!(ranks, (0..16).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn where_nothing_is_measured_the_median_orders() {
    let model = network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)));
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let of = |name: &str| score(&known.facts(), &coupling, &Ranking::by(criterion(name).unwrap())).unwrap();
    for name in ["surgeon-and-median", "optimal-brain-surgeon"] {
        assert_eq!(of(name), of("geometric-median"), "{name}");
    }
}
