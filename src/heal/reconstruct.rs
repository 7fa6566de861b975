//! Least squares: every layer behind the cut is fitted again to what the original's makes, one after the other.

use super::{Case, Healed, Method, sequence};
use crate::error::Result;

/// Sequential asymmetric least squares.
pub(super) struct Reconstruct;

impl Method for Reconstruct {
    fn name(&self) -> &'static str {
        "reconstruct"
    }

    fn summary(&self) -> &'static str {
        "every layer behind the cut is fitted again to the original's outputs, by least squares"
    }

    fn heal(&self, case: &Case<'_>) -> Result<Healed> {
        sequence::heal(case, true)
    }
}
