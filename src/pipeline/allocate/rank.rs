//! Who chooses how units are ranked.

use crate::couple::{CoupledGroup, Coupling, Facts};
use crate::score::filter_axes;

/// Who chooses how units are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rank {
    /// The criterion of the choice; where a budget is split by measured errors and BatchNormalization does not stand behind the filters,
    /// `surgeon-and-median`. Filters that BatchNormalization was folded into are longer or shorter than they were trained, and so are their
    /// distances.
    #[default]
    Auto,
    /// The criterion of the choice.
    AsChosen,
}

/// Whether BatchNormalization reads what some filters make.
pub(super) fn is_normalized(facts: &Facts<'_>, coupling: &Coupling) -> bool {
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
