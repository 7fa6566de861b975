//! Who says what goes: a choice that is made here, or a plan that was made before.

use crate::couple::{Coupling, Facts};
use crate::error::{Error, Result};
use crate::plan::{Budget, Choice, Decision, Limits, decide};
use crate::report as data;
use crate::shape::{InputShape, InputShapes};

use super::obey::obey;

/// Who says what goes.
#[derive(Debug, Clone)]
pub enum What {
    /// It is chosen.
    Choose(Choice),
    /// A plan that was made before is obeyed: its `groups[].remove`, nothing else.
    Obey(data::Plan),
}

impl What {
    /// Whether groups may lose units of which the removal changes a statistic.
    pub(super) fn allow_inexact(&self) -> bool {
        match self {
            Self::Choose(choice) => choice.allow_inexact,
            Self::Obey(plan) => plan.allow_inexact,
        }
    }

    /// Decides. Errors where it does not fit the model.
    pub(super) fn decide(&self, facts: &Facts<'_>, coupling: &Coupling) -> Result<Decision> {
        match self {
            Self::Choose(choice) => decide(facts, coupling, choice, None),
            Self::Obey(plan) => obey(plan, facts, coupling),
        }
    }

    /// Whether the written model is as small as was promised. Errors where it is not: a fault of this program.
    pub(super) fn check(&self, before: &data::Cost, after: &data::Cost) -> Result<()> {
        let (share, whole, left) = match self {
            Self::Choose(Choice { budget: Budget::CutFlops(share), .. }) => (*share, before.macs, after.macs),
            Self::Choose(Choice { budget: Budget::CutParams(share), .. }) => (*share, before.params, after.params),
            _ => return Ok(()),
        };
        if left as f64 <= (1.0 - share) * whole as f64 + 1.0 {
            return Ok(());
        }
        Err(Error::internal(format!("{left} of {whole} are left, and the budget wants a share of {share} to go")))
    }

    /// Why a candidate that could lose units loses none; `in_blocks`: a grouped convolution wants equally many from each of its groups.
    pub(super) fn why_none(&self, in_blocks: bool) -> &'static str {
        match self {
            Self::Choose(Choice { budget: Budget::Rate(_), .. }) if in_blocks => {
                "grouped convolutions want equally many from each of their groups, which this rate does not give"
            }
            Self::Choose(Choice { budget: Budget::Rate(_), limits: Limits { round_to: Some(_), .. }, .. }) => {
                "its width cannot be cut to a multiple at this rate"
            }
            Self::Choose(Choice { budget: Budget::Rate(_), .. }) => "it has too few channels for this rate",
            Self::Choose(Choice { budget: Budget::Lossless, .. }) => "none of its channels is zero, constant or unread",
            Self::Choose(_) => "the budget is met without it",
            Self::Obey(_) => "the plan leaves it alone",
        }
    }

    /// The dims of inputs: those given, and, of inputs without, those that the plan was made with.
    pub(super) fn shapes(&self, given: &InputShapes) -> InputShapes {
        let mut shapes = given.clone();
        if let Self::Obey(plan) = self {
            let others = plan.input_shapes.iter().filter(|(name, _)| given.get(name).is_none());
            shapes.0.extend(others.map(|(name, dims)| InputShape { name: name.clone(), dims: dims.clone() }));
        }
        shapes
    }

    /// The head of the plan file: all but what goes.
    pub(super) fn head(&self, model_sha256: &str, shapes: &InputShapes) -> data::Plan {
        let input_shapes = shapes.0.iter().map(|s| (s.name.clone(), s.dims.clone())).collect();
        match self {
            Self::Choose(choice) => data::Plan {
                format: "secateur-plan/1".into(),
                model_sha256: model_sha256.into(),
                criterion: choice.ranking.criterion.name().into(),
                norm_rate: choice.ranking.norm_rate(),
                seed: choice.ranking.seed(),
                scope: choice.scope.name().into(),
                budget: budget(choice.budget),
                limits: limits(&choice.limits),
                allow_inexact: choice.allow_inexact,
                input_shapes,
                groups: Vec::new(),
                cuts: Vec::new(),
            },
            Self::Obey(plan) => data::Plan { groups: Vec::new(), cuts: Vec::new(), input_shapes, ..plan.clone() },
        }
    }
}

fn limits(limits: &Limits) -> data::Limits {
    let Limits { keep, only, rate_for, round_to, max_rate } = limits.clone();
    data::Limits { keep, only, rate_for, round_to, max_rate }
}

fn budget(budget: Budget) -> data::Budget {
    match budget {
        Budget::Rate(rate) => data::Budget::Rate(rate),
        Budget::CutFlops(share) => data::Budget::CutFlops(share),
        Budget::CutParams(share) => data::Budget::CutParams(share),
        Budget::Lossless => data::Budget::Lossless(true),
    }
}
