//! A reader of removed channels, fitted again in closed form from what it reads in the original: `W_K + W_R S_RK (S_KK + l I)^-1`, zeros at what is
//! removed, and a bias that keeps the mean.

use ndarray::{Array1, Array2, Axis, s};

use super::moments::Moments;
use crate::heal::fit::solve;
use crate::heal::layer::{Both, Kind, Layer};
use crate::heal::network::{Given, Instead, Network};
use crate::heal::sequence::{bias_of, slots};
use crate::model::{Node, Tensor};

/// How strongly the fit is held back, as a share of the mean variance.
const LAMBDA: f64 = 1e-2;

/// Other constants for some readers, and how far they are from the original's by themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub given: Given,
    /// Relative errors of the readers.
    errors: Vec<f64>,
}

impl Change {
    pub(super) fn add(&mut self, other: Self) {
        self.given.extend(other.given);
        self.errors.extend(other.errors);
    }

    /// The mean of the readers' errors: `E |y - y'|^2 / E |y - mean y|^2`.
    pub(super) fn error(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len().max(1) as f64
    }
}

/// Of a layer that keeps some of its input channels. `None` where its weights are none that can be fitted.
pub(super) fn of_layer(net: &Network<'_>, layer: &Layer, kept: &[usize], moments: &Moments) -> Option<Change> {
    let node = net.graph.node(layer.nodes[0]);
    let weight = node.input(1).and_then(|v| net.known.get(v))?.tensor();
    let mut matrix = layer.matrix(&weight)?;
    let mut bias = bias_of(net, layer);
    let (mut error, mut variance) = (0.0, 0.0);
    for (block, (mean, covariance)) in layer.groups.iter().zip(&moments.groups) {
        let is_kept = |c: &usize| kept.binary_search(&(block.whole.start + c)).is_ok();
        let (k, r): (Vec<usize>, Vec<usize>) = (0..block.whole.len()).partition(is_kept);
        // Where all of a group's inputs go, its filters go too.
        if r.is_empty() || k.is_empty() {
            continue;
        }
        // Channels are looked at tap by tap, patches as they are.
        let (width, turns) = if moments.of_patches { (layer.taps(), 1) } else { (1, layer.taps()) };
        let wide = |c: &[usize]| -> Vec<usize> { c.iter().flat_map(|c| c * width..(c + 1) * width).collect() };
        let predictor = Predictor::new(covariance, wide(&k), wide(&r))?;
        // Each filter counts as loud as it is behind its scale.
        let squares = |f: usize| layer.behind.scale.get(block.filters.start + f).map_or(1.0, |a| f64::from(a * a));
        let mut moved = |weights: &mut Array2<f64>, turns: usize| {
            let before = weights.dot(mean);
            let spread = (weights.dot(covariance) * &*weights).sum_axis(Axis(1));
            let missed = predictor.moved(weights);
            for (row, (spread, missed)) in spread.iter().zip(&missed).enumerate() {
                variance += squares(row / turns) * spread;
                error += squares(row / turns) * missed;
            }
            before - weights.dot(mean)
        };
        if let Kind::Transposed(strides) = layer.kind {
            // Its channels are rows, and each place of the output has one in so many taps of a filter.
            let mut rows = matrix.slice_mut(s![block.whole.clone(), ..]);
            let mut weights = rows.t().mapv(f64::from);
            let taps = (weights.nrows() / block.filters.len().max(1)).max(1);
            let lost = moved(&mut weights, taps);
            lost.iter()
                .enumerate()
                .for_each(|(i, b)| bias[block.filters.start + i / taps] += (b / strides as f64) as f32);
            rows.assign(&weights.t().mapv(|w| w as f32));
            continue;
        }
        for turn in 0..turns {
            let of_turn = s![block.filters.clone(), turn..;turns];
            let mut weights = matrix.slice(of_turn).mapv(f64::from);
            let lost = moved(&mut weights, 1);
            block.filters.clone().zip(lost).for_each(|(f, b)| bias[f] += b as f32);
            matrix.slice_mut(of_turn).assign(&weights.mapv(|w| w as f32));
        }
    }
    let error = if variance > 0.0 { (error / variance).max(0.0) } else { 0.0 };
    let slots = slots(net, layer, &matrix, &bias).ok()?;
    let given = slots.into_iter().map(|(node, slot, tensor)| ((node, slot), Instead::Constant(tensor))).collect();
    Some(Change { given, errors: vec![error] })
}

/// Of a contraction that cannot be fitted, as one of two activations: what goes is 0 where it reads it, which is what it is without. Its error is
/// not known; the share that goes is taken for it. `None` where something goes from more than one axis of what it reads.
pub(super) fn of_other(both: &Both<'_>, node: &Node<'_>) -> Option<Change> {
    let net = both.after;
    let mut change = Change::default();
    for (slot, value) in node.inputs.iter().enumerate() {
        let Some(value) = value.filter(|v| net.known.get(*v).is_none()) else { continue };
        let name = net.graph.name(value);
        let mut cuts = both.removed.iter().filter(|r| r.concerns(name, node.name()) && !r.is_empty());
        let Some(cut) = cuts.next() else { continue };
        let mut dims = vec![1; net.dims.get(value)?.len()];
        if cuts.next().is_some() || !cut.blocks.is_empty() {
            return None;
        }
        *dims.get_mut(cut.axis)? = cut.length;
        let mut stays = vec![1.0; cut.length];
        cut.indices.iter().for_each(|&i| stays[i] = 0.0);
        change.given.insert((node.id, slot), Instead::Times(Tensor::from_floats(dims, &stays)));
        change.errors.push(cut.indices.len() as f64 / cut.length.max(1) as f64);
    }
    Some(change)
}

/// What removed columns are made up for with: `M = (S_KK + l I)^-1 S_KR`.
struct Predictor {
    kept: Vec<usize>,
    removed: Vec<usize>,
    m: Array2<f64>,
    /// `S_RR`, `S_KR`.
    parts: [Array2<f64>; 2],
    lambda: f64,
}

impl Predictor {
    /// From the covariance of all columns. `None` where that has no solution.
    fn new(covariance: &Array2<f64>, kept: Vec<usize>, removed: Vec<usize>) -> Option<Self> {
        let part = |a: &[usize], b: &[usize]| covariance.select(Axis(0), a).select(Axis(1), b);
        let (kk, kr, rr) = (part(&kept, &kept), part(&kept, &removed), part(&removed, &removed));
        let lambda = LAMBDA * covariance.diag().mean().unwrap_or(0.0).max(1e-12);
        let m = solve(&kk, lambda, &kr)?;
        Some(Self { kept, removed, m, parts: [rr, kr], lambda })
    }

    /// Moves the weights of removed columns onto kept ones; `filters x columns`. Gives the squared error of what they make:
    /// `w_R^T (S_RR - S_RK M - l M^T M) w_R`, by filter.
    fn moved(&self, weights: &mut Array2<f64>) -> Array1<f64> {
        let gone = weights.select(Axis(1), &self.removed);
        let added = gone.dot(&self.m.t());
        let [rr, kr] = &self.parts;
        let told = (gone.dot(&kr.t()) * &added).sum_axis(Axis(1)) + (&added * &added).sum_axis(Axis(1)) * self.lambda;
        for (c, added) in self.kept.iter().zip(added.columns()) {
            weights.column_mut(*c).scaled_add(1.0, &added);
        }
        self.removed.iter().for_each(|&c| weights.column_mut(c).fill(0.0));
        (gone.dot(rr) * &gone).sum_axis(Axis(1)) - told
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_error_is_that_of_the_moved_weights() {
        let a = Array2::from_shape_fn((4, 4), |(i, j)| ((i * 7 + j * 3) % 5) as f64 - 2.0);
        let covariance = a.t().dot(&a) + Array2::<f64>::eye(4);
        let before = Array2::from_shape_fn((2, 4), |(f, c)| (f as f64 - 0.5) * (c as f64 + 1.0));
        let predictor = Predictor::new(&covariance, vec![0, 2], vec![1, 3]).unwrap();
        let mut after = before.clone();
        let error = predictor.moved(&mut after).sum();
        let difference = &before - &after;
        assert!((error - (difference.dot(&covariance) * &difference).sum()).abs() < 1e-9);
        assert!(after.column(1).iter().chain(after.column(3)).all(|w| *w == 0.0));
    }

    #[test]
    fn a_column_that_another_tells_costs_nothing() {
        let covariance = Array2::from_shape_vec((2, 2), vec![1.0, 2.0, 2.0, 4.0]).unwrap();
        let predictor = Predictor::new(&covariance, vec![0], vec![1]).unwrap();
        let mut weights = Array2::from_elem((1, 2), 1.0);
        let error = predictor.moved(&mut weights).sum();
        assert!(error < 0.01 && (weights[[0, 0]] - 3.0).abs() < 0.1);
    }
}
