//! Where the outputs that a session is asked for come from: only what is computed is the plan's.

use super::{Feed, runtime};
use crate::error::Result;
use crate::model::{Constants, Graph, Tensor, ValueId};

/// Where an output comes from.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// The plan, at that place.
    Plan(usize),
    /// The input at that place.
    Feed(usize),
    /// The file.
    Constant(Tensor),
}

impl Output {
    /// Where the value of that name comes from; `wanted` takes what the plan has to compute.
    pub(super) fn of(
        name: &str,
        graph: &Graph<'_>,
        constants: &Constants,
        feeds: &[Feed],
        wanted: &mut Vec<ValueId>,
    ) -> Result<Self> {
        let id = graph.find(name).ok_or_else(|| runtime(format!("no value '{name}' to compute")))?;
        if let Some(known) = constants.get(id) {
            return Ok(Self::Constant(known.tensor()));
        }
        if let Some(at) = feeds.iter().position(|f| f.name == name) {
            return Ok(Self::Feed(at));
        }
        graph.producer(id).ok_or_else(|| runtime(format!("the input '{name}' is not fed")))?;
        Ok(Self::Plan(wanted.iter().position(|w| *w == id).unwrap_or_else(|| {
            wanted.push(id);
            wanted.len() - 1
        })))
    }

    /// The output, from what the plan computed and what it was given.
    pub(super) fn pick<'t>(&'t self, computed: &'t [Tensor], inputs: &'t [Tensor]) -> Option<&'t Tensor> {
        match self {
            Self::Plan(at) => computed.get(*at),
            Self::Feed(at) => inputs.get(*at),
            Self::Constant(t) => Some(t),
        }
    }
}
