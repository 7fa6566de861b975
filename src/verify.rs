//! The judge: proves the file that was written, by running it beside its twin.
//!
//! The twin is the original's structure with the pruned model's values at the kept coordinates, and zeros where a contraction reads
//! removed channels. Both run on seeded inputs, and the output of every contraction must agree on what was kept.
//!
//! Invariant: the judge knows nothing of the analysis. It has tables of its own, and trusts neither the coupling nor the cut.

use crate::error::{Error, Result as ModelResult};
use crate::model::{Model, Removed, Tensor};
use crate::runtime::{Feed, Session};

mod compare;
mod contractions;
mod einsum;
mod fidelity;
mod inputs;
mod noise;
mod pairing;
mod plain;
mod randomize;
mod shuffle;
mod twin;

pub use fidelity::{Fidelity, OutputFidelity, fidelity};

use compare::Seen;
use noise::Run;
use pairing::{Output, Pairing};
use plain::Plain;
use twin::Weights;

/// What is judged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The model before.
    pub original: &'a Model,
    /// The model as it was written.
    pub pruned: &'a Model,
    /// What the cut claims to have removed.
    pub removed: &'a [Removed],
    /// The inputs.
    pub feeds: &'a [Feed],
    /// The inputs with every open dim larger.
    pub grown: Option<&'a [Feed]>,
    /// Largest difference allowed, relative to each value's largest magnitude.
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
    /// The largest difference found, relative to its value's largest magnitude.
    pub max_rel_error: f64,
    /// How much the masks change what was compared, in the same measure: near 0, the weights cannot show a fault.
    pub sensitivity: f64,
    /// What else a reader should know.
    pub notes: Vec<String>,
}

impl Verification {
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

    fn fail(&mut self, difference: Difference) {
        self.status = Status::Failed;
        self.reason = Some(format!("node '{}': {}", difference.node, difference.reason));
        self.first_difference = Some(difference);
    }
}

/// What ends a proof early.
enum Halt {
    /// The pruned model is wrong.
    Wrong(Difference),
    /// The runtime cannot run the original.
    CannotRun(Error),
    /// One of the models is malformed.
    Malformed(Error),
}

impl From<Error> for Halt {
    fn from(e: Error) -> Self {
        Self::Malformed(e)
    }
}

/// Runs at the given inputs.
const SAMPLES: u64 = 2;

/// Below this, the masks change nothing that rounding would not.
const INSENSITIVE: f64 = 1e-6;

/// Proves. Errors only where one of the models is malformed.
pub fn verify(case: &Case<'_>) -> ModelResult<Verification> {
    let mut v = Verification::new();
    match prove(case, &mut v) {
        Ok(()) => Ok(v),
        Err(Halt::Wrong(difference)) => {
            v.fail(difference);
            Ok(v)
        }
        Err(Halt::CannotRun(e)) => {
            v.status = Status::Unverified;
            v.reason = Some(e.to_string());
            Ok(v)
        }
        Err(Halt::Malformed(e)) => Err(e),
    }
}

/// Proves that the two models have the same nodes, and the pruned one the original's constants at the kept coordinates; nothing is run.
pub fn constants(case: &Case<'_>) -> ModelResult<Verification> {
    let mut v = Verification::new();
    if let Err(difference) = Pairing::new(case)? {
        v.fail(difference);
    }
    Ok(v)
}

fn prove(case: &Case<'_>, v: &mut Verification) -> Result<(), Halt> {
    let Some(plain) = Plain::of(case)? else { return prove_plain(case, v) };
    Pairing::new(case)?.map_err(Halt::Wrong)?;
    v.notes.push(plain.note());
    let copies = Case {
        original: &plain.original,
        pruned: &plain.pruned,
        feeds: &plain.feeds,
        grown: plain.grown.as_deref(),
        ..*case
    };
    prove_plain(&copies, v)?;
    if plain.quantized { runs_as_it_is(case, v) } else { Ok(()) }
}

/// That the pruned model runs with its quantization where the original does.
fn runs_as_it_is(case: &Case<'_>, v: &mut Verification) -> Result<(), Halt> {
    let run = |m: &Model| {
        let (m, feeds) = (plain::float32(m)?, plain::feeds(case.feeds));
        let names: Vec<String> = m.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
        Session::load(&m, &feeds, &names)?.run(&inputs::seeded(&feeds, case.seed))
    };
    if let Err(e) = run(case.original) {
        v.notes.push(format!("with its quantization the original was not run: {e}"));
        return Ok(());
    }
    run(case.pruned).map(|_| ()).map_err(|e| does_not_run(case.pruned, &e))
}

/// The proof of models that compute in float32.
fn prove_plain(case: &Case<'_>, v: &mut Verification) -> Result<(), Halt> {
    let pairing = Pairing::new(case)?.map_err(Halt::Wrong)?;
    let judge = Judge { case, outputs: pairing.compared(), pairing };
    let silent = judge.as_written(v)?;
    judge.grown(v)?;
    if silent > 0 {
        judge.structure(v)?;
        v.notes.push(format!(
            "{silent} removed channels are silent with these weights; the structure was proved once more with random ones"
        ));
    }
    Ok(())
}

/// A case with its nodes paired.
struct Judge<'a> {
    case: &'a Case<'a>,
    outputs: Vec<Output>,
    pairing: Pairing<'a>,
}

impl Judge<'_> {
    /// The proof at the given inputs; returns how many removed channels would not show where a mask is wrong.
    fn as_written(&self, v: &mut Verification) -> Result<usize, Halt> {
        let twin = self.pairing.twin(&Weights::AsWritten)?;
        let names = self.names();
        let wanted = [names.clone(), twin.masked.clone()].concat();
        let theirs = Session::load(&twin.model, self.case.feeds, &wanted).map_err(Halt::CannotRun)?;
        let ours = Session::load(self.case.pruned, self.case.feeds, &names).map_err(|e| self.does_not_run(&e))?;
        let plain = Session::load(self.case.original, self.case.feeds, &names).map_err(Halt::CannotRun)?;
        let mut seen = Seen::new(&twin.masked, self.case.removed);
        for sample in 0..SAMPLES {
            let x = inputs::seeded(self.case.feeds, self.case.seed + sample);
            let expected = theirs.run(&x).map_err(Halt::CannotRun)?;
            let found = ours.run(&x).map_err(|e| self.does_not_run(&e))?;
            let (compared, masked) = expected.split_at(names.len());
            seen.look(masked);
            let unmasked = plain.run(&x).map_err(Halt::CannotRun)?;
            v.sensitivity = v.sensitivity.max(compare::change(&self.outputs, compared, &unmasked));
            let run = Run { weights: &Weights::AsWritten, feeds: self.case.feeds, x: &x };
            self.compare(&run, compared, &found, v)?;
        }
        let insensitive = !twin.masked.is_empty() && v.sensitivity < INSENSITIVE;
        Ok(seen.silent().max(usize::from(insensitive)))
    }

    /// The proof where every open dim is larger, if the original runs there.
    fn grown(&self, v: &mut Verification) -> Result<(), Halt> {
        let Some(grown) = self.case.grown else { return Ok(()) };
        let names = self.names();
        let x = inputs::seeded(grown, self.case.seed + SAMPLES);
        let twin = self.pairing.twin(&Weights::AsWritten)?.model;
        let Ok(expected) = Session::load(&twin, grown, &names).and_then(|s| s.run(&x)) else {
            v.notes.push(
                "proved at one size of the open dimensions only: the original does not run at a larger one".into(),
            );
            return Ok(());
        };
        let found = Session::load(self.case.pruned, grown, &names).and_then(|s| s.run(&x));
        let run = Run { weights: &Weights::AsWritten, feeds: grown, x: &x };
        self.compare(&run, &expected, &found.map_err(|e| self.does_not_run(&e))?, v)
    }

    /// The proof of the structure alone: the same random weights in both models.
    fn structure(&self, v: &mut Verification) -> Result<(), Halt> {
        let random = randomize::weights(&self.pairing, self.case.seed)?;
        let names = self.names();
        let twin = self.pairing.twin(&Weights::Random(&random.whole))?.model;
        let theirs = Session::load(&twin, self.case.feeds, &names).map_err(Halt::CannotRun)?;
        let pruned = self.pairing.pruned_with(&random.kept)?;
        let ours = Session::load(&pruned, self.case.feeds, &names).map_err(|e| self.does_not_run(&e))?;
        for sample in 0..SAMPLES {
            let x = inputs::seeded(self.case.feeds, self.case.seed + 100 + sample);
            let expected = theirs.run(&x).map_err(Halt::CannotRun)?;
            let found = ours.run(&x).map_err(|e| self.does_not_run(&e))?;
            let run = Run { weights: &Weights::Random(&random.whole), feeds: self.case.feeds, x: &x };
            self.compare(&run, &expected, &found, v)?;
        }
        Ok(())
    }

    fn compare(&self, run: &Run<'_>, expected: &[Tensor], found: &[Tensor], v: &mut Verification) -> Result<(), Halt> {
        v.samples += 1;
        v.compared = self.outputs.len();
        for ((output, expected), found) in self.outputs.iter().zip(expected).zip(found) {
            let error = compare::error_at(output, expected, found);
            if error <= self.case.tolerance {
                v.max_rel_error = v.max_rel_error.max(error);
            } else if error.is_finite() && error <= self.allowance(run, output)? {
                v.within_noise(&output.value, error);
            } else {
                v.max_rel_error = v.max_rel_error.max(error);
                let label = run.label(self.case);
                let reason = format!("'{}' differs{label} by {error:.2e} of its largest magnitude", output.value);
                return Err(Halt::Wrong(Difference {
                    node: output.node.clone(),
                    value: Some(output.value.clone()),
                    reason,
                }));
            }
        }
        Ok(())
    }

    /// The difference that is put down to rounding where a value is beyond the tolerance; none where that is 0.
    fn allowance(&self, run: &Run<'_>, output: &Output) -> Result<f64, Halt> {
        if self.case.tolerance <= 0.0 {
            return Ok(0.0);
        }
        run.allowance(&self.pairing, self.case.seed, &output.value, &output.kept).map_err(Halt::CannotRun)
    }

    fn names(&self) -> Vec<String> {
        self.outputs.iter().map(|o| o.value.clone()).collect()
    }

    fn does_not_run(&self, error: &Error) -> Halt {
        does_not_run(self.case.pruned, error)
    }
}

fn does_not_run(pruned: &Model, error: &Error) -> Halt {
    let first = pruned.graph_proto().node.first().map_or("", crate::model::graph::node_name);
    let node = error.node.clone().unwrap_or_else(|| first.to_owned());
    let reason = format!("the original runs, the pruned model does not: {error}");
    Halt::Wrong(Difference { node, value: None, reason })
}
