//! Soft pruning: the chosen channels are set to zero and stay, so that a network can be trained on and pruned for real later.

use super::PruneOptions;
use super::summary::count_costs;
use crate::couple::{Coupling, Facts, Gone};
use crate::cut::{cut, cut_folding, soften};
use crate::error::{Error, ErrorKind, Result};
use crate::lossless::Fold;
use crate::model::{Model, ModelProto};
use crate::report::{Report, text};

/// What becomes of the chosen channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// They are cut out.
    #[default]
    Hard,
    /// They are set to zero: the structure stays.
    Soft,
}

impl Form {
    /// Errors where an option does not go with the form.
    pub(super) fn check(self, options: &PruneOptions) -> Result<()> {
        let reason = match self {
            Self::Soft if options.what.allow_inexact() => {
                "soft pruning equals the masked original, which channels of which the removal changes a statistic do not: \
                 choose one of soft and inexact"
            }
            Self::Soft if options.what.is_lossless() => {
                "what can go and change nothing needs no zeros in its place: choose one of soft and lossless"
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::BadOption(reason.into())))
    }

    /// The model without the channels, or with zeros in their place. Errors where a shape that the model computes would be wrong.
    pub(super) fn make(
        self,
        facts: &Facts<'_>,
        coupling: &Coupling,
        gone: &Gone,
        folds: &[Fold],
    ) -> Result<ModelProto> {
        match self {
            Self::Hard => cut_folding(facts, coupling, gone, folds),
            Self::Soft => soften(facts, coupling, gone),
        }
    }

    /// Says of a soft file what it is, and what pruning it for real would give.
    pub(super) fn describe(
        self,
        report: &mut Report,
        (facts, coupling, gone): (&Facts<'_>, &Coupling, &Gone),
        options: &PruneOptions,
    ) -> Result<()> {
        if self == Self::Hard {
            return Ok(());
        }
        report.soft = true;
        let removed = coupling.removed(facts, gone);
        for layer in &mut report.layers {
            let node = facts.graph.nodes().iter().find(|n| n.name() == layer.node);
            let made = node.and_then(|n| n.output(0)).map(|v| facts.graph.name(v));
            let zeroed = removed.iter().find(|r| Some(r.value.as_str()) == made).map_or(0, |r| r.indices.len());
            if zeroed > 0 {
                layer.reason = Some(format!("{zeroed} are zero, and stay"));
            }
        }
        if !removed.is_empty() {
            let small = Model::new(cut(facts, coupling, gone)?)?;
            let cost = count_costs(&small, &options.shapes)?;
            let less = |before: u64, after: u64| 100.0 * (1.0 - after as f64 / before.max(1) as f64);
            report.notes.push(format!(
                "soft: the chosen channels are zero, and stay; without them it has {} parameters (-{:.1} %) and {} MACs (-{:.1} %)",
                text::count(cost.params),
                less(report.before.params, cost.params),
                text::count(cost.macs),
                less(report.before.macs, cost.macs),
            ));
        }
        Ok(())
    }
}
