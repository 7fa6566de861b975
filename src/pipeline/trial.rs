//! A pruned file from anywhere, judged: by secateur or another program, healed or not, against the plan that it is said to follow.
//!
//! Invariant: what goes is computed again from the plan's `groups[].remove`; neither the plan's cuts nor the file's stamps are believed.

use super::chosen::Chosen;
use super::evaluate::{Beside, Data};
use super::judge::Cut;
use super::{Analysis, PruneOptions, What, stamp, summary};
use crate::couple::couple;
use crate::error::Result;
use crate::model::{Constants, Model};
use crate::report::{self as data, Clock, Report};
use crate::shape::InputShapes;
use crate::verify::{Difference, Status, Values, Verification};

/// How to judge a pruned file.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Dims of inputs that the original leaves open; where none are given, those that the plan was made with.
    pub shapes: InputShapes,
    /// Largest difference allowed in the proof.
    pub tolerance: f64,
    /// Seed of the proof's inputs.
    pub seed: u64,
    /// Whether weights and biases of contractions, and BatchNormalization's means, may be others than the original's, though the file does not
    /// say in `secateur.heal` that it was healed.
    pub healed: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { shapes: InputShapes::default(), tolerance: 1e-4, seed: 0, healed: false }
    }
}

/// Judges `pruned`: it must be `original` without what the plan removes. The report says whether it is refused, and why.
///
/// Errors where the original is malformed, or the plan is not for it.
pub fn verify(original: &Model, pruned: &Model, plan: &data::Plan, options: &VerifyOptions) -> Result<Report> {
    let mut clock = Clock::start();
    let healed = options.healed || stamp::is_healed(pruned);
    let what = What::Obey(plan.clone());
    let defaults = PruneOptions::rate(0.0);
    let options = &PruneOptions {
        shapes: what.shapes(&options.shapes),
        tolerance: options.tolerance,
        seed: options.seed,
        what,
        ..defaults
    };
    let analysis = Analysis { inexact: options.what.allow_inexact(), ..Analysis::new(original, &options.shapes)? };
    let coupling = couple(&analysis.facts())?;
    clock.lap("couple");
    let data = Data::open(&options.measures, original, &analysis.shapes, options.seed)?;
    let chosen = Chosen::new(&analysis, &coupling, options, &data)?;
    let values = if healed { Values::Healed } else { Values::Original };
    let cut = Cut { options, analysis: &analysis, chosen: &chosen, values, proof: options.proof };
    let v = match stamp::contradiction(pruned, original, &chosen.plan) {
        Some(reason) => refused(reason),
        // The original is well-formed here: what is wrong now is wrong in the file that is judged.
        None => well_formed(pruned).and_then(|()| cut.proof(pruned)).unwrap_or_else(|e| refused(e.to_string())),
    };
    clock.lap("verify");
    let costs = summary::costs(original, pruned, &options.shapes);
    let mut report = costs.or_else(|_| summary::costs(original, original, &options.shapes))?;
    report.model = pruned.label();
    report.exact = chosen.aside.is_none();
    cut.weigh(&v, &mut report);
    let proved = v.status == Status::Passed;
    let beside = Beside { before: original, after: pruned, shapes: &analysis.shapes, seed: options.seed };
    data.judge(beside, None, proved, &mut report)?;
    if healed {
        report.notes.push(HEALED.into());
    }
    report.times = clock.times();
    Ok(report)
}

const HEALED: &str = "judged as healed: weights and biases of contractions, and BatchNormalization's means, may be others than the original's";

fn well_formed(model: &Model) -> Result<()> {
    Constants::new(&model.graph()?).map(|_| ())
}

/// A refusal before anything is run.
fn refused(reason: String) -> Verification {
    Verification::failed(Difference { node: String::new(), value: None, reason })
}
