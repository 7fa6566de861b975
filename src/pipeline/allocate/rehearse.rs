//! Which of several splits of a budget is nearest to the original once it is healed: each is cut and healed on a few samples, and compared on
//! others. It costs a fraction of a healing, and tells what the costs of groups, each measured alone, do not.

use std::ops::Range;

use rayon::prelude::*;

use super::measure::Splitting;
use crate::error::{ErrorKind, Result};
use crate::heal::{self, Case, Method, Step, Study};
use crate::model::Model;
use crate::parallel::in_order;
use crate::pipeline::unlabelled::Unlabelled;
use crate::plan::Decision;
use crate::runtime::Feed;
use crate::verify;

/// Samples that a rehearsal fits on, none of which it is compared on: the study has others for that.
const FITTED: usize = 32;

/// Rows that a layer is fitted on, where its columns do not want more: a quarter of what healing takes led to the same split wherever it was tried.
const ROWS: usize = 8192;

/// By what share a later split must end nearer than an earlier one: closer ones cannot be told apart by so few samples.
const MARGIN: f64 = 0.03;

/// What rehearsals go by.
pub(super) struct Rehearsal<'a> {
    pub splitting: &'a Splitting<'a>,
    pub method: &'static dyn Method,
    /// The model before, computing in float32, and its inputs.
    pub original: (&'a Model, &'a [Feed]),
    pub samples: &'a Unlabelled<'a>,
    pub study: &'a Study<'a>,
}

impl Rehearsal<'_> {
    /// The split that ends nearest; of those that cannot be told apart the first, and where none can be rehearsed, too. Errors where a sample is broken.
    pub(super) fn nearest(&self, splits: Vec<Decision>) -> Result<Option<Decision>> {
        let distances: Vec<f64> =
            in_order(splits.par_iter().enumerate().map(|(number, split)| match self.distance(split, number == 0) {
                Err(e) if matches!(e.kind, ErrorKind::Runtime(_) | ErrorKind::Internal(_)) => Ok(f64::INFINITY),
                distance => distance,
            }))?;
        let all = distances.into_iter().zip(splits);
        let nearer = |a: (f64, Decision), b: (f64, Decision)| if b.0 < a.0 * (1.0 - MARGIN) { b } else { a };
        Ok(all.reduce(nearer).map(|(_, split)| split))
    }

    /// How far a split's outputs are from the original's; `aloud`: who watches is told. Errors where one of the models cannot be run.
    fn distance(&self, split: &Decision, aloud: bool) -> Result<f64> {
        let Splitting { analysis, coupling, options, .. } = self.splitting;
        let facts = analysis.facts();
        let gone = split.plan.gone(coupling)?;
        let proto = options.form.make(&facts, coupling, &gone, &[])?;
        let cut = verify::float32(&analysis.graph.model().edited(proto))?;
        let (original, feeds) = self.original;
        let healed = self.method.heal(&Case {
            original,
            cut: &cut,
            removed: &coupling.removed(&facts, &gone),
            feeds,
            fit: &self.fit(),
            get: &|i| self.samples.get(i),
            rows: ROWS,
            watch: &|step| {
                if aloud {
                    options.heal.watcher.hears(Step { stage: "rehearse", ..step });
                }
            },
        })?;
        let mut proto = cut.proto().clone();
        heal::apply(&mut proto, &healed.edits)?;
        self.study.distance(&cut.edited(proto))
    }

    /// The first samples, and no more than half: the study compares on the last.
    fn fit(&self) -> Range<usize> {
        let fit = &self.samples.fit;
        fit.start..fit.end.min(fit.start + FITTED.min(fit.len().div_ceil(2)))
    }
}

#[cfg(test)]
mod tests;
