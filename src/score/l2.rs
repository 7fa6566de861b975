//! The Euclidean norm: `|F_j|_2` (He et al., Soft Filter Pruning, IJCAI 2018).

use super::{Criterion, Units};

/// L2 norms.
pub(super) struct L2;

impl Criterion for L2 {
    fn name(&self) -> &'static str {
        "l2"
    }

    fn summary(&self) -> &'static str {
        "smallest Euclidean norm first"
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        units.norms.to_vec()
    }
}
