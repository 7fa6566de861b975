//! Soft pruning: the chosen channels are set to zero and stay, so that a network can be trained on and pruned for real later.

use std::collections::HashMap;

use super::PruneOptions;
use super::summary::count_costs;
use crate::couple::{CoupledGroup, Coupling, Facts, Gone, Partition};
use crate::cut::{cut, cut_folding, soften};
use crate::error::{Error, ErrorKind, Result};
use crate::lossless::{Fold, Heard, heard};
use crate::model::{Constants, Dims, Model, ModelProto, Removed};
use crate::plan::{Plan, PlannedGroup};
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

    /// The plan as far as the form can follow it, and notes on what it cannot. Errors where a constant is malformed.
    pub(super) fn follow(self, facts: &Facts<'_>, coupling: &Coupling, plan: Plan) -> Result<(Plan, Vec<String>)> {
        match self {
            Self::Hard => Ok((plan, Vec::new())),
            Self::Soft => silenced(facts, coupling, plan),
        }
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

/// The plan without the groups that zeros cannot silence, and a note on each: where a contraction multiplies activations with one another, no
/// weight of its own keeps a channel silent that an activation function wakes. Errors where a constant is malformed.
pub(super) fn silenced(facts: &Facts<'_>, coupling: &Coupling, mut plan: Plan) -> Result<(Plan, Vec<String>)> {
    let mut notes = Vec::new();
    loop {
        let gone = plan.gone(coupling)?;
        let removed = coupling.removed(facts, &gone);
        let heard = still_heard(facts, &Model::new(soften(facts, coupling, &gone)?)?, &removed)?;
        let group_of = |h: &Heard| {
            let axis = coupling.statements.axis_of(facts.graph.find(&h.value)?, h.axis)?;
            let has = |g: &&CoupledGroup| g.units.iter().any(|u| u.coordinates.contains(&(axis, h.index as u32)));
            Some((coupling.groups.iter().find(has)?.id, h.node.clone()))
        };
        let Some((id, node)) = heard.iter().find_map(group_of) else { return Ok((plan, notes)) };
        let name = &coupling.groups[id].name;
        notes.push(format!("'{name}' loses nothing: '{node}' would hear its channels, zero or not"));
        let together = |p: &&mut PlannedGroup| p.id == id || in_one_partition(coupling, p.id, id);
        plan.groups.iter_mut().filter(together).for_each(|p| p.remove.clear());
    }
}

/// Whether a grouped convolution holds two groups together.
fn in_one_partition(coupling: &Coupling, a: usize, b: usize) -> bool {
    let holds = |p: &Partition, g: usize| p.shares.iter().any(|s| s.group == g);
    coupling.partitions.iter().any(|p| holds(p, a) && holds(p, b))
}

/// What contractions of a soft file hear of the channels that are silent there.
fn still_heard(facts: &Facts<'_>, soft: &Model, removed: &[Removed]) -> Result<Vec<Heard>> {
    let graph = soft.graph()?;
    let constants = Constants::new(&graph)?;
    let dims = |id| {
        let known = constants.get(id).map(|k| k.dims().to_vec());
        known.or_else(|| facts.dims.get(facts.graph.find(graph.name(id))?).map(<[usize]>::to_vec))
    };
    let dims = Dims(graph.value_ids().map(dims).collect());
    let silent: HashMap<(&str, usize), &Vec<usize>> =
        removed.iter().map(|r| ((r.value.as_str(), r.axis), &r.indices)).collect();
    let silent = |value: &str, axis: usize| silent.get(&(value, axis)).map_or(Vec::new(), |i| (*i).clone());
    heard(&Facts { graph: &graph, constants: &constants, dims: &dims, ..*facts }, &silent)
}
