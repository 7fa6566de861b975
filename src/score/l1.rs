//! The sum of magnitudes: `|F_j|_1` (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017).

use super::{Criterion, Units};

/// L1 norms.
pub(super) struct L1;

impl Criterion for L1 {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn summary(&self) -> &'static str {
        "smallest sum of magnitudes first"
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        units.filters.rows().into_iter().map(|f| f.iter().map(|w| w.abs()).sum()).collect()
    }
}
