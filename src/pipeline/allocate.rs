//! How a budget is split over the groups: at one rate for all, or by what it costs at the outputs to take units from each.

use super::What;
use super::heal::{Basis, How};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Budget, Choice};

mod measure;
mod rank;
mod rehearse;

pub(super) use measure::Splitting;
pub use rank::Rank;

/// How a budget is split over the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocate {
    /// By error where a budget is split, the result is healed, and there are calibration samples or generated images to measure on; at one
    /// rate otherwise.
    #[default]
    Auto,
    /// At one rate for all.
    Uniform,
    /// By the error that each group's cut makes at the outputs, measured on samples.
    Error,
}

impl Allocate {
    /// Errors where errors are to be measured and no budget is to be split.
    pub(super) fn check(self, what: &What) -> Result<()> {
        match what {
            What::Choose(choice) if self == Self::Error && !splits(choice) => {
                let reason = "--allocate error splits a budget: say how much is to go with --cut-flops or --cut-params";
                Err(Error::new(ErrorKind::BadOption(reason.into())))
            }
            _ => Ok(()),
        }
    }

    /// Whether errors are measured, on such data.
    pub(super) fn by_error(self, what: &What, how: How, basis: Basis) -> bool {
        let What::Choose(choice) = what else { return false };
        splits(choice)
            && match self {
                Self::Auto => how != How::None && basis != Basis::Seeded,
                Self::Uniform => false,
                Self::Error => true,
            }
    }
}

fn splits(choice: &Choice) -> bool {
    matches!(choice.budget, Budget::CutFlops(_) | Budget::CutParams(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_measures_where_a_budget_is_split_and_healed_on_data() {
        let budget = What::Choose(Choice { budget: Budget::CutFlops(0.5), ..Choice::rate(0.5) });
        let rate = What::Choose(Choice::rate(0.5));
        let auto = |what: &What, how, basis| Allocate::Auto.by_error(what, how, basis);
        assert!(auto(&budget, How::Auto, Basis::Calibration) && auto(&budget, How::Auto, Basis::Generated));
        assert!(!auto(&budget, How::Auto, Basis::Seeded) && !auto(&budget, How::None, Basis::Calibration));
        assert!(!auto(&rate, How::Auto, Basis::Calibration));
        assert!(Allocate::Error.by_error(&budget, How::None, Basis::Seeded));
        assert!(!Allocate::Uniform.by_error(&budget, How::Auto, Basis::Calibration));
        assert!(Allocate::Error.check(&rate).is_err() && Allocate::Error.check(&budget).is_ok());
        assert!(Allocate::Auto.check(&rate).is_ok());
    }
}
