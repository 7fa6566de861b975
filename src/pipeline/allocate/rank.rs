//! Who chooses how units are ranked.

use crate::couple::{CoupledGroup, Coupling, Facts};
use crate::pipeline::heal::Basis;
use crate::score::{Criterion, OptimalBrainSurgeon, SurgeonAndMedian, filter_axes};

/// Who chooses how units are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rank {
    /// The criterion of the choice. Where a budget is split by measured errors, what that is by default: on samples of the user's
    /// `optimal-brain-surgeon`; on others, where BatchNormalization does not stand behind the filters, `surgeon-and-median`. Inputs that are
    /// made up tell less of what readers can do without than filters as they were trained do, but those that BatchNormalization was folded into
    /// are longer or shorter than they were trained, and so are their distances.
    #[default]
    Auto,
    /// The criterion of the choice.
    AsChosen,
}

/// What ranks units that are measured on samples of that kind, where the choice is left to them; `None`: what filters alone tell.
pub(super) fn measured_on(basis: Basis, facts: &Facts<'_>, coupling: &Coupling) -> Option<&'static dyn Criterion> {
    match basis {
        Basis::Calibration => Some(&OptimalBrainSurgeon),
        Basis::Generated | Basis::Seeded if is_normalized(facts, coupling) => None,
        Basis::Generated | Basis::Seeded => Some(&SurgeonAndMedian),
    }
}

/// Whether BatchNormalization reads what some filters make.
fn is_normalized(facts: &Facts<'_>, coupling: &Coupling) -> bool {
    let graph = facts.graph;
    let normalizes = |group: &CoupledGroup| {
        let values = filter_axes(facts, coupling, group).into_iter().map(|(_, value, _)| value);
        let makers = values.flat_map(|v| facts.constants.uses(graph, v)).filter(|(_, slot)| *slot == 1);
        let made = makers.filter_map(|(node, _)| graph.node(node).output(0));
        let readers = made.flat_map(|v| &graph.value(v).readers);
        readers.into_iter().any(|(node, slot)| *slot == 0 && graph.node(*node).op() == "BatchNormalization")
    };
    coupling.groups.iter().any(normalizes)
}
