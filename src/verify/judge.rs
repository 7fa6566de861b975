//! The proof itself: which models are run on what, and what is compared.

use std::borrow::Cow;

use super::compare::{self, Seen};
use super::form::Form;
use super::noise::Run;
use super::pairing::{Output, Pairing};
use super::plain::{self, Plain};
use super::twin::Weights;
use super::{Case, Difference, Values, Verification, inputs, randomize};
use crate::error::Error;
use crate::model::graph::node_name;
use crate::model::{Model, Tensor};
use crate::runtime::Session;

/// What ends a proof early.
pub(super) enum Halt {
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
pub(super) const SAMPLES: u64 = 2;

/// Below this, the masks change nothing that rounding would not.
const INSENSITIVE: f64 = 1e-6;

/// Proves a case, and says in `v` what was found.
pub(super) fn prove(case: &Case<'_>, form: Form, v: &mut Verification) -> Result<(), Halt> {
    let Some(plain) = Plain::of(case)? else { return prove_plain(case, form, v) };
    Pairing::new(case, form)?.map_err(Halt::Wrong)?;
    v.notes.push(plain.note());
    let copies = Case {
        original: &plain.original,
        pruned: &plain.pruned,
        feeds: &plain.feeds,
        grown: plain.grown.as_deref(),
        ..*case
    };
    prove_plain(&copies, form, v)?;
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
fn prove_plain(case: &Case<'_>, form: Form, v: &mut Verification) -> Result<(), Halt> {
    let pairing = Pairing::new(case, form)?.map_err(Halt::Wrong)?;
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
        let masked = twin.masked.iter().map(|r| r.value.clone());
        let wanted: Vec<String> = names.iter().cloned().chain(masked).collect();
        let theirs = Session::load(&twin.model, self.case.feeds, &wanted).map_err(Halt::CannotRun)?;
        let ours = Session::load(self.case.pruned, self.case.feeds, &names).map_err(|e| self.does_not_run(&e))?;
        let unmasked = self.unmasked()?;
        let plain = Session::load(&unmasked, self.case.feeds, &names).map_err(Halt::CannotRun)?;
        let mut seen = Seen::new(&twin.masked);
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

    /// What the masks are measured against.
    fn unmasked(&self) -> Result<Cow<'_, Model>, Halt> {
        match self.case.values {
            Values::Original => Ok(Cow::Borrowed(self.case.original)),
            Values::Healed => Ok(Cow::Owned(self.pairing.unmasked()?)),
        }
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
            let error = compare::error_at(output, expected, found, self.pairing.form);
            if error <= self.case.tolerance {
                v.max_rel_error = v.max_rel_error.max(error);
            } else if error.is_finite() && error <= self.allowance(run, output, expected)? {
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
    fn allowance(&self, run: &Run<'_>, output: &Output, expected: &Tensor) -> Result<f64, Halt> {
        if self.case.tolerance <= 0.0 {
            return Ok(0.0);
        }
        run.allowance(&self.pairing, self.case.seed, output, expected).map_err(Halt::CannotRun)
    }

    fn names(&self) -> Vec<String> {
        self.outputs.iter().map(|o| o.value.clone()).collect()
    }

    fn does_not_run(&self, error: &Error) -> Halt {
        does_not_run(self.case.pruned, error)
    }
}

pub(super) fn does_not_run(pruned: &Model, error: &Error) -> Halt {
    let first = pruned.graph_proto().node.first().map_or("", node_name);
    let node = error.node.clone().unwrap_or_else(|| first.to_owned());
    let reason = format!("the original runs, the pruned model does not: {error}");
    Halt::Wrong(Difference { node, value: None, reason })
}
