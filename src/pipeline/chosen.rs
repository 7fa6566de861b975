//! What was decided, and what it means for the model: the coordinates that go, and what takes their place.

use super::allocate::Splitting;
use super::evaluate::Data;
use super::inexact::{self, Aside};
use super::{Analysis, Proof, PruneOptions, What, lossless, stamp};
use crate::couple::{Coupling, Gone};
use crate::error::Result;
use crate::lossless::Fold;
use crate::model::{ModelProto, Removed};
use crate::plan::{Decision, Plan};

/// A decision in the model's own coordinates.
pub(super) struct Chosen {
    /// What goes.
    pub plan: Plan,
    /// What decided it: what was asked for, with what samples said.
    pub what: What,
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
    /// Decides. Errors where an option or a plan does not fit the model, or a sample is broken.
    pub(super) fn new(
        analysis: &Analysis<'_>,
        coupling: &Coupling,
        options: &PruneOptions,
        data: &Data<'_>,
    ) -> Result<Self> {
        let facts = analysis.facts();
        let (decision, what) = Splitting { analysis, coupling, options, data }.decide()?;
        let Decision { plan, left, mut notes } = decision;
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
            what,
            gone,
        })
    }

    /// Whether it must be proved: where nothing is removed there is nothing that must be.
    pub(super) fn proof(&self, options: &PruneOptions) -> Proof {
        match options.proof {
            Proof::Required if self.plan.is_empty() => Proof::WherePossible,
            proof => proof,
        }
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
