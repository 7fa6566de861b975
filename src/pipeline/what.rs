//! Who says what goes: a choice that is made here, or a plan that was made before.

use crate::couple::{Coupling, Facts};
use crate::error::Result;
use crate::plan::{Budget, Choice, Decision, decide};
use crate::report as data;

/// Who says what goes.
#[derive(Debug, Clone)]
pub enum What {
    /// It is chosen.
    Choose(Choice),
}

impl What {
    /// Whether groups may lose units of which the removal changes a statistic.
    pub(super) fn allow_inexact(&self) -> bool {
        match self {
            Self::Choose(choice) => choice.allow_inexact,
        }
    }

    /// Decides. Errors where it does not fit the model.
    pub(super) fn decide(&self, facts: &Facts<'_>, coupling: &Coupling) -> Result<Decision> {
        match self {
            Self::Choose(choice) => decide(facts, coupling, choice),
        }
    }

    /// The head of the plan file: all but what goes.
    pub(super) fn head(&self, model_sha256: &str) -> data::Plan {
        match self {
            Self::Choose(choice) => data::Plan {
                format: "secateur-plan/1".into(),
                model_sha256: model_sha256.into(),
                criterion: choice.ranking.criterion.clone(),
                scope: choice.scope.name().into(),
                budget: budget(choice.budget),
                allow_inexact: choice.allow_inexact,
                groups: Vec::new(),
                cuts: Vec::new(),
            },
        }
    }
}

fn budget(budget: Budget) -> data::Budget {
    match budget {
        Budget::Rate(rate) => data::Budget::Rate(rate),
        Budget::CutFlops(share) => data::Budget::CutFlops(share),
        Budget::CutParams(share) => data::Budget::CutParams(share),
    }
}
