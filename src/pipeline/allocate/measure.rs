//! What samples have a say in: a budget is split by what each group costs alone, and how that adds up; and units go in a measured order.

use std::sync::Arc;

use rayon::prelude::*;

use super::rank::{self, Rank};
use super::rehearse::Rehearsal;
use crate::couple::{Coupling, Gone, Unit};
use crate::error::{Error, ErrorKind, Result};
use crate::heal::{Cost, Heard, Method, Step, Study, Trial};
use crate::model::Removed;
use crate::pipeline::evaluate::Data;
use crate::pipeline::{Analysis, Form, PruneOptions, What};
use crate::plan::{Choice, Decision, ErrorCurves, Level, decide, levels_to_measure};
use crate::score::{Criterion, Measured, Ranking};
use crate::verify;

/// How much the readers' own error counts beside the outputs'.
const READERS: f64 = 0.02;

/// The power that the sum of both is taken to: errors of one layer make those of the next worse, so that much in one costs more than a little in
/// many.
const POWER: f64 = 1.3;

/// How many times what a residual stream costs counts: every layer that could make up for it reads and writes it.
const RESIDUAL: f64 = 4.0;

/// The share of an error that each contraction behind it, fitted again, may make up for: of an error with `n` of them behind it `1 / (1 + n REPAIR)`
/// is left then. Which of these it is, a rehearsal tells.
const REPAIRS: [f64; 2] = [0.15, 0.0];

/// A choice that samples may have a say in.
pub(in crate::pipeline) struct Splitting<'a> {
    pub analysis: &'a Analysis<'a>,
    pub coupling: &'a Coupling,
    pub options: &'a PruneOptions,
    pub data: &'a Data<'a>,
}

/// What samples are asked.
#[derive(Clone, Copy)]
struct Asked {
    /// What it costs to take units from each group.
    costs: bool,
    /// In which order units go.
    order: bool,
}

/// Levels of a group, or of groups that are tied, and what each costs.
type Measurement = (Vec<Level>, Vec<Cost>);

impl Splitting<'_> {
    /// Decides what goes, with the order of units and the errors of groups measured where that is asked for. Gives what decided it, too. Errors
    /// where an option does not fit the model, a budget is out of reach, or a sample is broken.
    pub(in crate::pipeline) fn decide(&self) -> Result<(Decision, What)> {
        let What::Choose(choice) = &self.options.what else { return self.without_samples(&self.options.what) };
        let costs = self.options.allocate.by_error(&self.options.what, self.options.heal.how, self.data.basis());
        let criterion = if costs { self.criterion(choice) } else { choice.ranking.criterion };
        let choice = Choice { ranking: Ranking { criterion, ..choice.ranking.clone() }, ..choice.clone() };
        let asked = Asked { costs, order: criterion.is_measured() };
        if !asked.costs && !asked.order {
            return self.without_samples(&self.options.what);
        }
        match self.measured(&choice, asked) {
            Err(e) if matches!(e.kind, ErrorKind::Runtime(_) | ErrorKind::Internal(_)) => {
                self.instead(&choice, asked, &e.to_string())
            }
            // At one rate, so that the error says what stands in the way.
            Err(e) if matches!(e.kind, ErrorKind::Unreachable { .. }) => self.without_samples(&unmeasured(&choice)),
            done => done,
        }
    }

    /// Decides without samples, and says why.
    fn instead(&self, choice: &Choice, asked: Asked, why: &str) -> Result<(Decision, What)> {
        let (mut decision, what) = self.without_samples(&unmeasured(choice))?;
        decision.notes.push(format!("{}, for errors could not be measured: {why}", instead(asked)));
        Ok((decision, what))
    }

    fn without_samples(&self, what: &What) -> Result<(Decision, What)> {
        Ok((self.analysis.decide(self.coupling, what)?, what.clone()))
    }

    /// The criterion where a budget is split by measured errors: that of the choice, or by default what suits the samples.
    fn criterion(&self, choice: &Choice) -> &'static dyn Criterion {
        let asked = choice.ranking.criterion;
        let is_left = self.options.rank == Rank::Auto && asked == Ranking::default().criterion;
        let suits = || rank::measured_on(self.data.basis(), &self.analysis.facts(), self.coupling);
        is_left.then(suits).flatten().unwrap_or(asked)
    }

    fn measured(&self, choice: &Choice, asked: Asked) -> Result<(Decision, What)> {
        let samples = self.data.unlabelled()?;
        let facts = self.analysis.facts();
        let original = verify::float32(self.analysis.graph.model())?;
        let all = self.coupling.groups.iter().map(|g| self.coupling.removed(&facts, &Gone::new(g.units.iter())));
        let all: Vec<Vec<Removed>> = all.collect();
        let feeds = verify::float32_feeds(&self.analysis.shapes.feeds);
        let study = Study::new(&original, &feeds, &all, (&samples.fit, &|i| samples.get(i)))?;
        if study.is_silent() {
            return self.instead(choice, asked, "the outputs are the same for all samples");
        }
        let ranking = if asked.order { self.ranked(choice, &study)? } else { choice.ranking.clone() };
        let choice = Choice { ranking, ..choice.clone() };
        let decision = match asked.costs {
            true => {
                let costs = self.costs(&choice, &study)?;
                let original = (&original, feeds.as_slice());
                let rehearsal =
                    |method| Rehearsal { splitting: self, method, original, samples: &samples, study: &study };
                self.split(&choice, &costs, self.method()?.map(rehearsal))?
            }
            false => decide(&facts, self.coupling, &choice, None)?,
        };
        Ok((decision, What::Choose(choice)))
    }

    /// What will heal, if anything will.
    fn method(&self) -> Result<Option<&'static dyn Method>> {
        let methods = self.options.heal.how.methods(self.data.basis())?;
        Ok(methods.first().copied().filter(|_| self.options.form == Form::Hard))
    }

    /// Splits the budget by measured costs: without healing as they are, else by what is nearest once it is healed.
    fn split(&self, choice: &Choice, costs: &[Measurement], rehearsal: Option<Rehearsal<'_>>) -> Result<Decision> {
        let facts = self.analysis.facts();
        let by = |repair: f64| decide(&facts, self.coupling, choice, Some(&self.curves(costs, repair)));
        let Some(rehearsal) = rehearsal else { return by(0.0) };
        let mut splits: Vec<Decision> = REPAIRS.into_iter().map(by).collect::<Result<_>>()?;
        splits.dedup();
        let only = if splits.len() == 1 { splits.pop() } else { rehearsal.nearest(splits)? };
        only.ok_or_else(|| Error::internal("a budget that is not split"))
    }

    /// By a criterion that is measured, with what samples tell of every group.
    fn ranked(&self, choice: &Choice, study: &Study<'_>) -> Result<Ranking> {
        let facts = self.analysis.facts();
        let of_unit = |unit: &Unit| self.coupling.removed(&facts, &Gone::new(std::iter::once(unit)));
        let groups: Vec<Vec<Vec<Removed>>> =
            self.coupling.groups.iter().map(|g| g.units.par_iter().map(of_unit).collect()).collect();
        let heard = study.order(&groups, &|step| self.hears(step));
        let measured = |h: Heard| Measured { losses: h.losses, loudness: h.loudness };
        let measured = Arc::new(heard.into_iter().map(|h| h.map(measured)).collect());
        Ok(Ranking { measured, ..choice.ranking.clone() })
    }

    /// What each level costs, by the groups that it takes units from.
    fn costs(&self, choice: &Choice, study: &Study<'_>) -> Result<Vec<Measurement>> {
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
        let costs = study.costs(&trials, &|step| self.hears(step))?;
        Ok(of.into_iter().zip(costs).filter_map(|(levels, costs)| Some((levels, costs?))).collect())
    }

    /// Costs as they are to be added up, where each contraction behind makes up for that share of them.
    fn curves(&self, measured: &[Measurement], repair: f64) -> ErrorCurves {
        let mut out = ErrorCurves::default();
        for (levels, costs) in measured {
            let groups = &levels[0].groups;
            let factor = if groups.iter().any(|&g| self.coupling.groups[g].residual) { RESIDUAL } else { 1.0 };
            let left = |c: &Cost| factor / (1.0 + repair * c.behind as f64);
            let cost = |c: &Cost| left(c) * (c.outputs + READERS * c.readers).powf(POWER);
            let points = levels.iter().zip(costs);
            out.insert(groups, points.filter_map(|(l, c)| Some((l.share(self.coupling)?, cost(c)))).collect());
        }
        out
    }

    fn hears(&self, step: Step<'_>) {
        self.options.heal.watcher.hears(step);
    }
}

/// The same choice, where nothing can be measured.
fn unmeasured(choice: &Choice) -> What {
    let is_measured = choice.ranking.criterion.is_measured();
    let ranking = if is_measured { Ranking::default() } else { choice.ranking.clone() };
    What::Choose(Choice { ranking, ..choice.clone() })
}

/// What is done instead of measuring.
fn instead(asked: Asked) -> &'static str {
    match asked {
        Asked { costs: true, order: false } => "the budget is split at one rate for all",
        Asked { costs: true, order: true } => {
            "the budget is split at one rate for all, and units go by geometric-median"
        }
        Asked { costs: false, .. } => "units go by geometric-median",
    }
}
