//! A draw: what any other criterion has to beat.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Criterion, Setting, Units};

/// Uniform numbers from the ranking's seed; each group draws from a stream of its own.
pub(super) struct Random;

impl Criterion for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn summary(&self) -> &'static str {
        "drawn by --seed"
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting::Seed]
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(units.ranking.seed);
        rng.set_stream(units.group.id as u64);
        units.norms.iter().map(|_| rng.random()).collect()
    }
}
