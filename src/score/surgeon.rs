//! Optimal Brain Surgeon (Hassibi and Stork 1993), by units: the one that its readers can best do without goes first, as samples tell.

use super::geometric_median::distance_sums;
use super::{Criterion, Units};

/// What readers lose.
pub(crate) struct OptimalBrainSurgeon;

impl Criterion for OptimalBrainSurgeon {
    fn name(&self) -> &'static str {
        "optimal-brain-surgeon"
    }

    fn summary(&self) -> &'static str {
        "what the layers that read it can best make up for first, measured on samples"
    }

    fn is_measured(&self) -> bool {
        true
    }

    /// Those of the geometric median: where a reader cannot be fitted, nothing is measured.
    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        units.measured.map_or_else(|| distance_sums(units.filters), |m| m.losses.clone())
    }
}
