//! A budget split by measured errors: what each group costs alone, some ways to read that, and a short healing of what each comes to, which says
//! which of them is right.

use std::ops::Range;

use rayon::prelude::*;

use crate::couple::Coupling;
use crate::cut;
use crate::error::{ErrorKind, Result};
use crate::heal::{self, Case, Cost, Step, Trial};
use crate::model::{Model, Tensor};
use crate::pipeline::evaluate::Data;
use crate::pipeline::unlabelled::Unlabelled;
use crate::pipeline::{Analysis, PruneOptions, What};
use crate::plan::{Choice, Decision, ErrorCurves, Level, decide, levels_to_measure};
use crate::runtime::{Feed, Session};
use crate::verify;

/// How costs that were measured for each group alone are read, for they do not add up: errors of one layer make those of the next worse.
struct Reading {
    /// How much the readers' own error counts beside the outputs'.
    readers: f64,
    /// The power that the sum of both is taken to.
    power: f64,
    /// How many times what a residual stream costs counts: every layer that could make up for it reads and writes it.
    residual: f64,
}

/// The readings that are tried (`docs/healing.md`).
const READINGS: [Reading; 3] = [
    Reading { readers: 0.02, power: 1.3, residual: 16.0 },
    Reading { readers: 0.5, power: 1.0, residual: 16.0 },
    Reading { readers: 0.02, power: 1.3, residual: 4.0 },
];

/// Samples that a short healing fits on, and compares on; and the rows of a layer.
const FITTED: usize = 128;
const COMPARED: usize = 64;
const ROWS: usize = 12_288;

/// What short healings are compared with.
struct Beside<'a> {
    original: &'a Model,
    samples: &'a Unlabelled<'a>,
    /// To fit on.
    fit: Range<usize>,
    /// To compare on.
    held: Range<usize>,
    /// The original's outputs of those.
    truth: Vec<Vec<Tensor>>,
}

/// A budget that may be split by error.
pub(in crate::pipeline) struct Splitting<'a> {
    pub analysis: &'a Analysis<'a>,
    pub coupling: &'a Coupling,
    pub options: &'a PruneOptions,
    pub data: &'a Data<'a>,
}

impl Splitting<'_> {
    /// Decides what goes, with errors measured where the budget is to be split by them. Errors where an option does not fit the model, a budget
    /// is out of reach, or a sample is broken.
    pub(in crate::pipeline) fn decide(&self) -> Result<Decision> {
        let at_one_rate = || self.analysis.decide(self.coupling, &self.options.what);
        let What::Choose(choice) = &self.options.what else { return at_one_rate() };
        let by_error = self.options.allocate.by_error(&self.options.what, self.options.heal.how, self.data.basis());
        if !by_error {
            return at_one_rate();
        }
        match self.by_error(choice) {
            Err(e) if matches!(e.kind, ErrorKind::Runtime(_) | ErrorKind::Internal(_)) => {
                let mut decision = at_one_rate()?;
                let note = format!("the budget is split at one rate for all, for errors could not be measured: {e}");
                decision.notes.push(note);
                Ok(decision)
            }
            Err(e) if matches!(e.kind, ErrorKind::Unreachable { .. }) => at_one_rate(),
            done => done,
        }
    }

    fn by_error(&self, choice: &Choice) -> Result<Decision> {
        let samples = self.data.unlabelled()?;
        let facts = self.analysis.facts();
        let original = verify::float32(self.analysis.graph.model())?;
        let measured = self.measured(choice, (&original, &samples))?;
        let mut decisions: Vec<Decision> = Vec::new();
        for reading in &READINGS {
            let decision = decide(&facts, self.coupling, choice, Some(&self.curves(&measured, reading)))?;
            if decisions.iter().all(|d| d.plan != decision.plan) {
                decisions.push(decision);
            }
        }
        let of = decisions.len();
        let beside = (of > 1).then(|| self.beside(&original, &samples)).transpose()?;
        let mut best: Option<(f64, Decision)> = None;
        for (i, decision) in decisions.into_iter().enumerate() {
            let distance = beside.as_ref().map_or(Ok(0.0), |b| self.healed(&decision, b))?;
            let name = format!("split {} of {of}", i + 1);
            self.hears(Step { stage: "compare", name: &name, done: i + 1, of, errors: None });
            if best.as_ref().is_none_or(|b| distance < b.0) {
                best = Some((distance, decision));
            }
        }
        best.map_or_else(|| self.analysis.decide(self.coupling, &self.options.what), |b| Ok(b.1))
    }

    /// What each level costs, by the groups that it takes units from.
    fn measured(
        &self,
        choice: &Choice,
        (original, samples): (&Model, &Unlabelled<'_>),
    ) -> Result<Vec<(Vec<Level>, Vec<Cost>)>> {
        let facts = self.analysis.facts();
        let mut of: Vec<Vec<Level>> = Vec::new();
        for level in levels_to_measure(&facts, self.coupling, choice)? {
            match of.last_mut().filter(|l| l[0].groups == level.groups) {
                Some(there) => there.push(level),
                None => of.push(vec![level]),
            }
        }
        let trial = |levels: &Vec<Level>| -> Result<Trial> {
            let removed = |l: &Level| Ok(self.coupling.removed(&facts, &l.plan.gone(self.coupling)?));
            let name = self.coupling.groups[levels[0].groups[0]].name.clone();
            Ok(Trial { name, levels: levels.iter().map(removed).collect::<Result<_>>()? })
        };
        let trials: Vec<Trial> = of.iter().map(trial).collect::<Result<_>>()?;
        let hears = |step: Step<'_>| self.hears(step);
        let costs = heal::curves(original, &self.feeds(), &trials, (&samples.fit, &|i| samples.get(i)), &hears)?;
        Ok(of.into_iter().zip(costs).filter_map(|(levels, costs)| Some((levels, costs?))).collect())
    }

    fn curves(&self, measured: &[(Vec<Level>, Vec<Cost>)], reading: &Reading) -> ErrorCurves {
        let mut out = ErrorCurves::default();
        for (levels, costs) in measured {
            let groups = &levels[0].groups;
            let factor = if groups.iter().any(|&g| self.coupling.groups[g].residual) { reading.residual } else { 1.0 };
            let cost = |c: &Cost| factor * (c.outputs + reading.readers * c.readers).powf(reading.power);
            let points = levels.iter().zip(costs);
            out.insert(groups, points.filter_map(|(l, c)| Some((l.share(self.coupling)?, cost(c)))).collect());
        }
        out
    }

    /// What short healings are compared with.
    fn beside<'s>(&self, original: &'s Model, samples: &'s Unlabelled<'s>) -> Result<Beside<'s>> {
        let (fit, held) = parts(&samples.fit);
        let mut beside = Beside { original, samples, fit, held, truth: Vec::new() };
        beside.truth = self.outputs(original, &beside)?;
        Ok(beside)
    }

    /// How far the outputs of what a decision comes to are from the original's, after a short healing.
    fn healed(&self, decision: &Decision, beside: &Beside<'_>) -> Result<f64> {
        let facts = self.analysis.facts();
        let gone = decision.plan.gone(self.coupling)?;
        let model = self.analysis.graph.model();
        let cut = verify::float32(&model.edited(cut::cut(&facts, self.coupling, &gone)?))?;
        let case = Case {
            original: beside.original,
            cut: &cut,
            removed: &self.coupling.removed(&facts, &gone),
            feeds: &self.feeds(),
            fit: &beside.fit,
            get: &|i| beside.samples.get(i),
            rows: ROWS,
            watch: &|_| (),
        };
        let healed = heal::method("reconstruct")?.heal(&case)?;
        let mut proto = cut.proto().clone();
        heal::apply(&mut proto, &healed.edits)?;
        let outputs = self.outputs(&cut.edited(proto), beside)?;
        let sum: f64 = beside.truth.iter().zip(&outputs).map(|(a, b)| heal::distance(a, b)).sum();
        Ok(sum / outputs.len().max(1) as f64)
    }

    /// What a model makes of the samples that are compared on.
    fn outputs(&self, model: &Model, beside: &Beside<'_>) -> Result<Vec<Vec<Tensor>>> {
        let names: Vec<String> = model.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
        let session = Session::load(model, &self.feeds(), &names)?;
        beside.held.clone().into_par_iter().map(|i| session.run(&beside.samples.get(i)?)).collect()
    }

    fn feeds(&self) -> Vec<Feed> {
        verify::float32_feeds(&self.analysis.shapes.feeds)
    }

    fn hears(&self, step: Step<'_>) {
        self.options.heal.watcher.hears(step);
    }
}

/// The samples that a short healing fits on, and those that it is compared on: all of them are for fitting.
fn parts(fit: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let held = (fit.len() / 2).min(COMPARED);
    let middle = fit.end - held;
    (fit.start..middle.min(fit.start + FITTED), middle..fit.end)
}
