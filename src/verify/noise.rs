//! The rounding noise of a network: how far its values move when every weight moves by a few roundings. Where a normalisation divides by
//! all but nothing, or a sum all but cancels, two right ways to compute a value differ by more than the tolerance.
//!
//! Invariant: the noise is the original's own, and only values beyond the tolerance are held against it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Case;
use super::compare::relative_error;
use super::contractions::weight;
use super::pairing::Pairing;
use super::twin::{BySlot, Weights};
use crate::error::Result;
use crate::model::proto::DataType;
use crate::model::removed::Kept;
use crate::model::{Model, Tensor};
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

    /// The difference that is put down to rounding, for the value of that name, of which `kept` is compared. Errors where the runtime
    /// cannot run the twin.
    pub(super) fn allowance(&self, pairing: &Pairing<'_>, seed: u64, value: &str, kept: &[Kept]) -> Result<f64> {
        let still = self.value(&pairing.twin(self.weights)?.model, value)?;
        let shaken = self.value(&pairing.twin(&Weights::Random(&shaken(pairing, self.weights, seed)))?.model, value)?;
        let noise = relative_error(&Kept::select_all(kept, &still)?, &Kept::select_all(kept, &shaken)?);
        Ok(if noise.is_finite() { (TIMES * noise).min(MOST) } else { 0.0 })
    }

    fn value(&self, twin: &Model, value: &str) -> Result<Tensor> {
        let mut values = Session::load(twin, self.feeds, &[value.to_owned()])?.run(self.x)?;
        Ok(values.remove(0))
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
            let still = still.unwrap_or_else(|| operand.before.tensor());
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
