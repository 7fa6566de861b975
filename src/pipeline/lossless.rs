//! Cuts that change nothing: what their biases take up, and what went for which reason.

use super::What;
use crate::couple::{Coupling, Facts, Gone};
use crate::error::Result;
use crate::lossless::{Fold, Reason, find, folds};
use crate::plan::{Budget, Plan};
use crate::report::{self as data, LosslessGroup};

impl What {
    /// Whether only that goes which changes nothing.
    pub(super) fn is_lossless(&self) -> bool {
        match self {
            Self::Choose(choice) => choice.budget == Budget::Lossless,
            Self::Obey(plan) => plan.budget == data::Budget::Lossless(true),
        }
    }
}

/// The biases that a cut needs. Errors where a constant is malformed.
pub(super) fn biases(what: &What, facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> Result<Vec<Fold>> {
    if what.is_lossless() { folds(facts, coupling, gone) } else { Ok(Vec::new()) }
}

/// Which units went for which reason. Errors where a constant is malformed.
pub(super) fn reasons(facts: &Facts<'_>, coupling: &Coupling, plan: &Plan) -> Result<Vec<LosslessGroup>> {
    let found = find(facts, coupling)?;
    let group = |p: &crate::plan::PlannedGroup| {
        let because = |reason: Reason| p.remove.iter().copied().filter(|&u| found[p.id][u] == Some(reason)).collect();
        LosslessGroup {
            id: p.id,
            name: coupling.groups[p.id].name.clone(),
            zero: because(Reason::Zero),
            constant: because(Reason::Constant),
            unread: because(Reason::Unread),
        }
    };
    Ok(plan.groups.iter().filter(|p| !p.remove.is_empty()).map(group).collect())
}
