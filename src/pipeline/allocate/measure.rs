//! A budget split by measured errors: what each group costs alone, and how that adds up.

use crate::couple::Coupling;
use crate::error::{ErrorKind, Result};
use crate::heal::{self, Cost, Step, Trial};
use crate::pipeline::evaluate::Data;
use crate::pipeline::unlabelled::Unlabelled;
use crate::pipeline::{Analysis, PruneOptions, What};
use crate::plan::{Choice, Decision, ErrorCurves, Level, decide, levels_to_measure};
use crate::runtime::Feed;
use crate::verify;

/// How much the readers' own error counts beside the outputs'.
const READERS: f64 = 0.02;

/// The power that the sum of both is taken to: errors of one layer make those of the next worse, so that much in one costs more than a little in
/// many.
const POWER: f64 = 1.3;

/// How many times what a residual stream costs counts: every layer that could make up for it reads and writes it.
const RESIDUAL: f64 = 16.0;

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
        let measured = self.measured(choice, &samples)?;
        decide(&facts, self.coupling, choice, Some(&self.curves(&measured)))
    }

    /// What each level costs, by the groups that it takes units from.
    fn measured(&self, choice: &Choice, samples: &Unlabelled<'_>) -> Result<Vec<(Vec<Level>, Vec<Cost>)>> {
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
        let original = verify::float32(self.analysis.graph.model())?;
        let costs = heal::curves(&original, &self.feeds(), &trials, (&samples.fit, &|i| samples.get(i)), &hears)?;
        Ok(of.into_iter().zip(costs).filter_map(|(levels, costs)| Some((levels, costs?))).collect())
    }

    /// Costs as they are to be added up.
    fn curves(&self, measured: &[(Vec<Level>, Vec<Cost>)]) -> ErrorCurves {
        let mut out = ErrorCurves::default();
        for (levels, costs) in measured {
            let groups = &levels[0].groups;
            let factor = if groups.iter().any(|&g| self.coupling.groups[g].residual) { RESIDUAL } else { 1.0 };
            let cost = |c: &Cost| factor * (c.outputs + READERS * c.readers).powf(POWER);
            let points = levels.iter().zip(costs);
            out.insert(groups, points.filter_map(|(l, c)| Some((l.share(self.coupling)?, cost(c)))).collect());
        }
        out
    }

    fn feeds(&self) -> Vec<Feed> {
        verify::float32_feeds(&self.analysis.shapes.feeds)
    }

    fn hears(&self, step: Step<'_>) {
        self.options.heal.watcher.hears(step);
    }
}
