//! The judge: proves the file that was written, by running it beside its twin.
//!
//! The twin is the original's structure with the pruned model's values at the kept coordinates, and zeros where a contraction reads
//! removed channels. Both run on seeded inputs, and the output of every contraction must agree on what was kept.
//!
//! A soft file is judged by the same twin: nothing of it may be gone, and what it has at removed coordinates is not looked at. A cut that claims to
//! change nothing must also agree with the original without masks.
//!
//! Invariant: the judge knows nothing of the analysis. It has tables of its own, and trusts neither the coupling nor the cut.

use crate::error::Result;
use crate::model::{Model, Removed};
use crate::runtime::Feed;

mod compare;
mod contractions;
mod einsum;
mod fidelity;
mod form;
mod healed;
mod inputs;
mod judge;
mod lossless;
mod noise;
mod pair;
mod pairing;
mod plain;
mod randomize;
mod shuffle;
mod twin;

pub use fidelity::{Fidelity, OutputFidelity, Worst, argmax, fidelities, fidelity};
pub use inputs::seeded;
pub use pair::Pair;
pub use plain::{feeds as float32_feeds, float32};

use form::Form;
use judge::{Halt, prove};
use pairing::Pairing;

/// What the constants of a pruned model may hold at the kept coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// The original's, bit for bit.
    #[default]
    Original,
    /// Other finite numbers where healing writes some: the weights and biases of contractions, and BatchNormalization's means. The twin
    /// takes them over; everything else is the original's, bit for bit.
    Healed,
}

/// What is judged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The model before.
    pub original: &'a Model,
    /// The model as it was written.
    pub pruned: &'a Model,
    /// What the cut claims to have removed.
    pub removed: &'a [Removed],
    /// What the pruned model may hold at the kept coordinates.
    pub values: Values,
    /// The inputs.
    pub feeds: &'a [Feed],
    /// The inputs with every open dim larger.
    pub grown: Option<&'a [Feed]>,
    /// Largest difference allowed, as [`Verification::max_rel_error`] measures it.
    pub tolerance: f64,
    /// Seed of the inputs.
    pub seed: u64,
}

/// How the proof ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Every value agreed.
    Passed,
    /// Something differs.
    Failed,
    /// The runtime cannot run the original.
    Unverified,
}

/// Where the two models first differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The node.
    pub node: String,
    /// The value, where one was compared.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// The outcome of a proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// How it ended.
    pub status: Status,
    /// Why it failed or could not be done.
    pub reason: Option<String>,
    /// The first difference, in the graph's order.
    pub first_difference: Option<Difference>,
    /// Values compared in each run.
    pub compared: usize,
    /// Runs compared.
    pub samples: usize,
    /// The largest difference found: of the values compared, the largest `max |a - b| / (max |a| + 1e-6)`, `a` from the twin, `b` from the
    /// pruned model. What is beyond the tolerance and yet within the network's own rounding noise is not in it: the notes name it.
    pub max_rel_error: f64,
    /// How much the masks change what was compared, in the same measure: near 0, the weights cannot show a fault.
    pub sensitivity: f64,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

impl Verification {
    /// A proof that failed before anything was run; an empty node: of the whole file.
    pub fn failed(difference: Difference) -> Self {
        let mut v = Self::new();
        v.fail(difference);
        v
    }

    fn new() -> Self {
        Self {
            status: Status::Passed,
            reason: None,
            first_difference: None,
            compared: 0,
            samples: 0,
            max_rel_error: 0.0,
            sensitivity: 0.0,
            notes: Vec::new(),
        }
    }

    /// Says once for each value that rounding explains its difference.
    fn within_noise(&mut self, value: &str, error: f64) {
        let said = format!("'{value}' is compared within the network's own rounding noise");
        if self.notes.iter().all(|n| !n.starts_with(&said)) {
            self.notes.push(format!("{said}: it differs by {error:.1e}"));
        }
    }

    /// Takes down how a proof ended. Errors where one of the models is malformed.
    fn ended(&mut self, proof: std::result::Result<(), Halt>) -> Result<()> {
        match proof {
            Ok(()) => {}
            Err(Halt::Wrong(difference)) => self.fail(difference),
            Err(Halt::CannotRun(e)) => {
                self.status = Status::Unverified;
                self.reason = Some(e.to_string());
            }
            Err(Halt::Malformed(e)) => return Err(e),
        }
        Ok(())
    }

    fn fail(&mut self, difference: Difference) {
        self.status = Status::Failed;
        let at = if difference.node.is_empty() { String::new() } else { format!("node '{}': ", difference.node) };
        self.reason = Some(format!("{at}{}", difference.reason));
        self.first_difference = Some(difference);
    }
}

/// Proves a cut. Errors only where one of the models is malformed.
pub fn verify(case: &Case<'_>) -> Result<Verification> {
    verified(case, Form::Cut)
}

/// Proves a model of which nothing is cut: it has the original's nodes, and the original's constants but for zeros at removed coordinates, and
/// computes what the masked original does wherever that is kept. Errors only where one of the models is malformed.
pub fn soft(case: &Case<'_>) -> Result<Verification> {
    verified(case, Form::Zeroed)
}

/// Proves a cut that changes nothing: the pruned model computes what the original does, without masks, wherever that is kept; and without the
/// constants that its biases have taken up it equals the masked original as every cut does. Errors only where one of the models is malformed.
pub fn lossless(case: &Case<'_>) -> Result<Verification> {
    let unfolded = lossless::unfolded(case)?;
    let mut v = verified(&Case { pruned: &unfolded, ..*case }, Form::Cut)?;
    if v.status == Status::Passed {
        let proof = lossless::prove(case, &unfolded, &mut v);
        v.ended(proof)?;
    }
    Ok(v)
}

fn verified(case: &Case<'_>, form: Form) -> Result<Verification> {
    let mut v = Verification::new();
    let proof = prove(case, form, &mut v);
    v.ended(proof)?;
    Ok(v)
}

/// Proves that the two models have the same nodes, and the pruned one the original's constants at the kept coordinates; nothing is run.
/// Errors only where one of the models is malformed.
pub fn constants(case: &Case<'_>) -> Result<Verification> {
    let mut v = Verification::new();
    if let Err(difference) = Pairing::new(case, Form::Cut)? {
        v.fail(difference);
    }
    Ok(v)
}
