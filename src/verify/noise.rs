//! The rounding noise of a network: how far its values move when every weight moves by a few roundings. Where a normalisation divides by
//! all but nothing, or a sum all but cancels, two right ways to compute a value differ by more than the tolerance.
//!
//! Invariant: the noise is the original's own, and only values beyond the tolerance are held against it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Case;
use super::compare::change;
use super::contractions::weight;
use super::pairing::{Output, Pairing};
use super::twin::{BySlot, Weights};
use crate::error::Result;
use crate::model::Tensor;
use crate::model::proto::DataType;
use crate::runtime::{Feed, Session};

/// Roundings that a weight moves by at most.
const ROUNDINGS: f32 = 4.0;

/// A difference of so many times the noise is no rounding.
const TIMES: f64 = 12.0;

/// No network is so noisy that more may differ.
const MOST: f64 = 1e-2;

/// One run of the twin.
pub(super) struct Run<'a> {
    /// What its constants hold.
    pub weights: &'a Weights<'a>,
    /// What it is fed with.
    pub feeds: &'a [Feed],
    /// The inputs.
    pub x: &'a [Tensor],
}

impl Run<'_> {
    /// What a message about this run should say of it.
    pub(super) fn label(&self, case: &Case<'_>) -> &'static str {
        match self.weights {
            Weights::Random(_) => " with random weights",
            Weights::AsWritten if self.feeds != case.feeds => " at larger inputs",
            Weights::AsWritten => "",
        }
    }

    /// The difference of an output that is put down to rounding; `expected`: what the twin makes of it. Errors where the runtime cannot run
    /// the shaken twin.
    pub(super) fn allowance(
        &self,
        pairing: &Pairing<'_>,
        seed: u64,
        output: &Output,
        expected: &Tensor,
    ) -> Result<f64> {
        let twin = pairing.twin(&Weights::Random(&shaken(pairing, self.weights, seed)))?.model;
        let moved = Session::load(&twin, self.feeds, std::slice::from_ref(&output.value))?.run(self.x)?;
        let noise = moved.first().map_or(0.0, |m| {
            change(std::slice::from_ref(output), std::slice::from_ref(m), std::slice::from_ref(expected))
        });
        Ok((TIMES * noise).min(MOST))
    }
}

/// Every float32 constant, moved by a few roundings.
fn shaken(pairing: &Pairing<'_>, weights: &Weights<'_>, seed: u64) -> BySlot {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = BySlot::new();
    for (p, pair) in pairing.pairs.iter().enumerate() {
        let op = pairing.before.nodes()[pair.before].op();
        for operand in pair.operands.iter().filter(|o| weight(op, o.slot).is_some()) {
            let at = (p, operand.slot);
            let still = match weights {
                Weights::Random(random) => random.get(&at).cloned(),
                Weights::AsWritten => None,
            };
            let still = still.unwrap_or_else(|| operand.whole());
            if still.dtype == DataType::Float
                && let Some(values) = still.floats()
            {
                let mut moved = |v: &f32| v * (1.0 + rng.random_range(-ROUNDINGS..ROUNDINGS) * f32::EPSILON);
                out.insert(at, Tensor::from_floats(still.dims, &values.iter().map(&mut moved).collect::<Vec<_>>()));
            }
        }
    }
    out
}
