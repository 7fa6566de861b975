//! What `prune`, `apply` and `verify` take for the proof.

use clap::Args;

use super::Failure;

/// How the proof is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Proof")]
pub(super) struct Proving {
    /// Largest difference allowed in the proof, relative to each value's largest magnitude.
    #[arg(long, value_name = "T", default_value_t = 1e-4)]
    pub(super) tolerance: f64,
    /// Seed of the proof's inputs, of images that are made up, and of what the criterion `random` draws.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

impl Proving {
    /// Errors where the tolerance is no number to be below of.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return Err(Failure::Usage(format!("--tolerance {} is below 0 or no number, as 1e-4 is", self.tolerance)));
        }
        Ok(())
    }
}
