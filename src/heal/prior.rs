//! The fold: each removed channel is predicted from the kept ones, `x_r = sum over k of m[r, k] x_k + a constant`, with
//! `M = C[R,K] (C[K,K] + l mean(diag C[K,K]) I)^-1`, `C` the covariance of the channels in the original; the weights of removed channels land on
//! kept ones.

use ndarray::{Array2, ArrayView2, Axis};

use super::fit::covariance;
use super::fit::solve;
use super::layer::Block;
use super::rows::columns;

/// Weights of the identity that are tried; a held-out part of the samples chooses.
const LAMBDAS: [f64; 4] = [1e-4, 1e-3, 1e-2, 1e-1];

/// Of a block of more channels, removed ones are replaced by their means alone.
pub(super) const MOST_CHANNELS: usize = 3072;

/// How the removed channels of a block follow from its kept ones: `m` is `removed x kept`, both by their place in the block's channels; `None`:
/// they do not.
pub(super) struct Prior {
    kept: Vec<usize>,
    removed: Vec<usize>,
    m: Option<Array2<f64>>,
}

impl Prior {
    /// Of a block; `kept`: the layer's channels that stay. `x`: the original's channels, the rows that are fitted on and those held out, of each
    /// contraction that reads with the block's weights.
    pub(super) fn new(block: &Block, kept: &[usize], x: &[[ArrayView2<'_, f32>; 2]]) -> Self {
        let kept: Vec<usize> = kept[block.inputs.clone()].iter().map(|i| i - block.whole.start).collect();
        let removed: Vec<usize> = (0..block.whole.len()).filter(|i| kept.binary_search(i).is_err()).collect();
        if removed.is_empty() || block.whole.len() > MOST_CHANNELS {
            return Self { kept, removed, m: None };
        }
        let [fit, held] = [0, 1].map(|k| covariance(x.iter().map(|x| columns(x[k], block.whole.clone(), 1))));
        let m = |c: &Array2<f64>, lambda: f64| predictor(c, &kept, &removed, lambda);
        let tried = LAMBDAS.iter().filter_map(|&l| Some((l, residual(&held, &kept, &removed, &m(&fit, l)?))));
        let best = tried.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(l, _)| l);
        let m = best.and_then(|l| m(&fit, l));
        Self { kept, removed, m }
    }

    /// The weights of the kept channels with those of the removed ones on them; `whole`: `filters x (channels * taps)` of all channels.
    pub(super) fn fold(&self, whole: &Array2<f32>, taps: usize) -> Array2<f64> {
        let mut out = Array2::zeros((whole.nrows(), self.kept.len() * taps));
        for (mut to, from) in out.rows_mut().into_iter().zip(whole.rows()) {
            for tap in 0..taps {
                for (k, &c) in self.kept.iter().enumerate() {
                    to[k * taps + tap] = f64::from(from[c * taps + tap]);
                }
                let Some(m) = &self.m else { continue };
                for (r, &c) in self.removed.iter().enumerate() {
                    let w = f64::from(from[c * taps + tap]);
                    m.row(r).iter().enumerate().for_each(|(k, m)| to[k * taps + tap] += w * m);
                }
            }
        }
        out
    }

    /// The same for ConvTranspose, whose input channels are the rows: `channels x (filters of the group * taps)`. `(block, kept, filters)`: the
    /// layer's channels and filters that stay.
    pub(super) fn fold_rows(
        &self,
        whole: &Array2<f32>,
        (block, kept, filters): (&Block, &[usize], &[usize]),
        out: &mut Array2<f32>,
    ) {
        let Some(m) = &self.m else { return };
        let of_group = filters.len().max(1) / (kept.len() / block.inputs.len().max(1)).max(1);
        let taps = out.ncols() / of_group.max(1);
        let own = whole.ncols() / taps.max(1);
        for (k, row) in block.inputs.clone().enumerate() {
            for (f, filter) in filters[block.filters.clone()].iter().enumerate() {
                for tap in 0..taps {
                    let column = filter % own.max(1) * taps + tap;
                    let removed = self.removed.iter().enumerate();
                    let added: f64 =
                        removed.map(|(r, c)| m[[r, k]] * f64::from(whole[[block.whole.start + c, column]])).sum();
                    out[[row, f * taps + tap]] += added as f32;
                }
            }
        }
    }
}

fn predictor(c: &Array2<f64>, kept: &[usize], removed: &[usize], lambda: f64) -> Option<Array2<f64>> {
    let kk = c.select(Axis(0), kept).select(Axis(1), kept);
    let kr = c.select(Axis(0), kept).select(Axis(1), removed);
    let scale = kk.diag().sum() / kept.len().max(1) as f64;
    if scale <= 0.0 {
        return None;
    }
    solve(&kk, lambda * scale, &kr).map(Array2::reversed_axes)
}

/// `sum over r of E |x_r - m x_K|^2`, up to what does not depend on `m`.
fn residual(c: &Array2<f64>, kept: &[usize], removed: &[usize], m: &Array2<f64>) -> f64 {
    let kk = c.select(Axis(0), kept).select(Axis(1), kept);
    let kr = c.select(Axis(0), kept).select(Axis(1), removed);
    (m.dot(&kk) * m).sum() - 2.0 * (m * &kr.t()).sum()
}
