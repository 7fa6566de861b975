//! What healing came to, as plain data.

use serde::{Deserialize, Serialize};

use super::Fidelity;

/// What healing came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heal {
    /// What was asked for: `none`, `auto` or a method.
    pub asked: String,
    /// What the written file is healed by: `none` or a method.
    pub method: String,
    /// `calibration`, `generated` (images) or `seeded` (numbers): what was fitted and judged on.
    pub data: Option<String>,
    /// Samples that were fitted on.
    pub fitted: usize,
    /// Other samples, that the result was judged on.
    pub judged: usize,
    /// Why the file is not healed, or not by the method that was tried first.
    pub reason: Option<String>,
    /// How far the outputs are from the original's on the judging samples.
    pub score: Option<HealScore>,
    /// What the method that was tried last made of each layer.
    pub layers: Vec<HealedLayer>,
    /// Agreement with the original before healing, on the judging samples.
    pub fidelity_cut: Option<Fidelity>,
}

/// How far outputs are from the original's: the mean over the outputs of the KL divergence where they are rows of scores, and of the relative
/// squared error elsewhere. Lower is better; `null` where an output is no number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HealScore {
    /// Before healing.
    pub cut: Option<f64>,
    /// As the method that was tried last left it; where it is not below `cut`, the file is not healed.
    pub healed: Option<f64>,
}

/// How far a layer's values were from the original's, on samples that it was not fitted on: `sum |y - y'|^2 / sum |y - mean y|^2`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealedLayer {
    /// The node.
    pub node: String,
    /// With the weights that it had; `null` where it was not measured.
    pub before: Option<f64>,
    /// With the weights that it has now; `null` where it was not measured.
    pub after: Option<f64>,
    /// `refit`, `folded` or `kept`.
    pub outcome: String,
    /// Why it was left alone.
    pub skipped: Option<String>,
}

impl Heal {
    /// Whether the file is healed.
    pub fn is_done(&self) -> bool {
        !matches!(self.method.as_str(), "" | "none")
    }
}
