//! The fold: removed channels are expressed by the kept ones, and their weights land there.

use super::{Case, Healed, Method, sequence};
use crate::error::Result;

/// Removed channels folded into the kept ones.
pub(super) struct Fold;

impl Method for Fold {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn summary(&self) -> &'static str {
        "removed channels are predicted from the kept ones, and their weights land there"
    }

    fn heal(&self, case: &Case<'_>) -> Result<Healed> {
        sequence::heal(case, false)
    }
}
