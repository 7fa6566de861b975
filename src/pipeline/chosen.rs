//! What was decided, and what it means for the model: the coordinates that go, and what takes their place.

use super::inexact::{self, Aside};
use super::{Analysis, PruneOptions, lossless, stamp};
use crate::couple::{Coupling, Gone};
use crate::error::Result;
use crate::lossless::Fold;
use crate::model::{ModelProto, Removed};
use crate::plan::{Decision, Plan};

/// A decision in the model's own coordinates.
pub(super) struct Chosen {
    /// What goes.
    pub plan: Plan,
    /// Why groups are no candidates, by number.
    pub left: Vec<(usize, &'static str)>,
    /// What a reader should know of how it came about.
    pub notes: Vec<String>,
    /// By axis.
    pub gone: Gone,
    /// By value.
    pub removed: Vec<Removed>,
    /// What is set aside by the proof.
    pub aside: Option<Aside>,
    folds: Vec<Fold>,
}

impl Chosen {
    /// Decides. Errors where an option or a plan does not fit the model.
    pub(super) fn new(analysis: &Analysis<'_>, coupling: &Coupling, options: &PruneOptions) -> Result<Self> {
        let facts = analysis.facts();
        let Decision { plan, left, mut notes } = analysis.decide(coupling, &options.what)?;
        let (plan, loud) = options.form.follow(&facts, coupling, plan)?;
        notes.extend(loud);
        let gone = plan.gone(coupling)?;
        Ok(Self {
            left,
            notes,
            removed: coupling.removed(&facts, &gone),
            aside: inexact::set_aside(&facts, coupling, &plan)?,
            folds: lossless::biases(&options.what, &facts, coupling, &gone)?,
            plan,
            gone,
        })
    }

    /// The file's content after it. Errors where a shape that the model computes would be wrong.
    pub(super) fn model(
        &self,
        analysis: &Analysis<'_>,
        coupling: &Coupling,
        options: &PruneOptions,
    ) -> Result<ModelProto> {
        let model = analysis.graph.model();
        let made = || options.form.make(&analysis.facts(), coupling, &self.gone, &self.folds);
        let mut proto = if self.plan.is_empty() { model.proto().clone() } else { made()? };
        if options.stamp {
            stamp::stamp(&mut proto, model, &self.plan);
        }
        Ok(proto)
    }
}
