//! A reader of removed channels, fitted again in closed form from what it reads in the original: `W_K + W_R S_RK (S_KK + l I)^-1`, zeros at what is
//! removed, and a bias that keeps the mean.

use ndarray::{Array1, Axis};

use super::layer::{Kind, Layer};
use super::moments::Moments;
use super::network::{Given, Network};
use super::ridge::solve;
use super::sequence::{bias_of, slots};

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
    let mut change = Change::default();
    let (mut error, mut variance) = (0.0, 0.0);
    for (block, (mean, covariance)) in layer.groups.iter().zip(&moments.groups) {
        let is_kept = |c: &usize| kept.binary_search(&(block.whole.start + c)).is_ok();
        let (k, r): (Vec<usize>, Vec<usize>) = (0..block.whole.len()).partition(is_kept);
        // Where all of a group's inputs go, its filters go too.
        if r.is_empty() || k.is_empty() {
            continue;
        }
        if matches!(layer.kind, Kind::Transposed(_)) {
            r.iter().for_each(|c| matrix.row_mut(block.whole.start + c).fill(0.0));
            continue;
        }
        let taps = layer.taps();
        let wide = |channels: &[usize]| -> Vec<usize> {
            channels.iter().flat_map(|c| (0..taps).map(move |tap| c * taps + tap)).collect()
        };
        let of_patches = moments.of_patches;
        let (kc, rc) = if of_patches { (wide(&k), wide(&r)) } else { (k.clone(), r.clone()) };
        let part = |a: &[usize], b: &[usize]| covariance.select(Axis(0), a).select(Axis(1), b);
        let (kk, kr, rr) = (part(&kc, &kc), part(&kc, &rc), part(&rc, &rc));
        let scale = covariance.diag().mean().unwrap_or(0.0);
        let m = solve(&kk, LAMBDA * scale.max(1e-12), &kr)?;
        // What of the removed columns the kept ones do not tell.
        let rest = &rr - &kr.t().dot(&m) * 2.0 + m.t().dot(&kk).dot(&m);
        for f in block.filters.clone() {
            let row = matrix.row(f).mapv(f64::from);
            for tap in 0..if of_patches { 1 } else { taps } {
                let at = |c: usize| if of_patches { c } else { c * taps + tap };
                let w_r = Array1::from_iter(rc.iter().map(|&c| row[at(c)]));
                let w_k = Array1::from_iter(kc.iter().map(|&c| row[at(c)]));
                let added = m.dot(&w_r);
                let lost: f64 = rc.iter().zip(&w_r).map(|(&c, w)| w * mean[c]).sum();
                let gained: f64 = kc.iter().zip(&added).map(|(&c, w)| w * mean[c]).sum();
                bias[f] += (lost - gained) as f32;
                error += w_r.dot(&rest.dot(&w_r));
                variance += w_r.dot(&rr.dot(&w_r)) + w_k.dot(&kk.dot(&w_k)) + 2.0 * w_k.dot(&kr.dot(&w_r));
                kc.iter().zip(&added).for_each(|(&c, w)| matrix[[f, at(c)]] += *w as f32);
                rc.iter().for_each(|&c| matrix[[f, at(c)]] = 0.0);
            }
        }
    }
    change.errors.push(if variance > 0.0 { (error / variance).max(0.0) } else { 0.0 });
    let slots = slots(net, layer, &matrix, &bias).ok()?;
    change.given = slots.into_iter().map(|(node, slot, tensor)| ((node, slot), tensor)).collect();
    Some(change)
}
