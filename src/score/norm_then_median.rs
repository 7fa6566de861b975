//! The mixed variant of the authors of FPGM: of `N` filters, `floor(P N)` go by smallest L2 norm; the others follow by their distance sums,
//! `score(j) = sum over i of ||F_j - F_i||`, `i` and `j` among the filters that the norm step leaves.
//!
//! The order does not depend on how many go in the end, so that a budget may take any prefix of it.

use ndarray::Axis;

use super::geometric_median::distance_sums;
use super::{Criterion, Setting, Units, share};

/// Norms for the first, distance sums for the rest.
pub(super) struct NormThenMedian;

impl Criterion for NormThenMedian {
    fn name(&self) -> &'static str {
        "norm-then-median"
    }

    fn summary(&self) -> &'static str {
        "--norm-rate by norm, rest by distance"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::NormRate]
    }

    /// Units of the norm step score `-floor(P N), .., -1`, in the order of their norms; distance sums are never negative.
    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        let norms = units.norms;
        let mut by_norm: Vec<usize> = (0..norms.len()).collect();
        by_norm.sort_by(|&a, &b| norms[a].total_cmp(&norms[b]).then(a.cmp(&b)));
        let first = share(units.ranking.norm_rate, norms.len());
        let (small, left) = by_norm.split_at_mut(first);
        left.sort_unstable();
        let mut scores = vec![0.0; norms.len()];
        for (k, &unit) in small.iter().enumerate() {
            scores[unit] = k as f64 - first as f64;
        }
        for (&unit, sum) in left.iter().zip(distance_sums(&units.filters.select(Axis(0), left))) {
            scores[unit] = sum;
        }
        scores
    }
}
