//! From what is wanted of each group to a plan that grouped convolutions allow.

use super::ties::Ties;
use super::{Plan, PlannedGroup};
use crate::couple::Coupling;
use crate::score::share;

/// What is wanted of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Its units in the order in which they go.
    pub order: Vec<usize>,
    /// The most that may go.
    pub quota: usize,
}

/// What goes, given a wish for each group; a group without one is no candidate and loses nothing.
///
/// Where grouped convolutions want equally many from each of their blocks, a group may lose fewer than its quota.
pub fn choose(coupling: &Coupling, wishes: &[Option<Wish>]) -> Plan {
    settle(&Ties::new(coupling, Vec::new()), wishes)
}

/// The same, where layers' widths tie groups too.
pub(super) fn settle(ties: &Ties<'_>, wishes: &[Option<Wish>]) -> Plan {
    let quotas: Vec<usize> = wishes.iter().map(|w| w.as_ref().map_or(0, |w| w.quota)).collect();
    let mut remove: Vec<Vec<usize>> = wishes
        .iter()
        .map(|w| w.as_ref().map_or(Vec::new(), |w| w.order.iter().copied().take(w.quota).collect()))
        .collect();
    for cluster in ties.clusters() {
        cluster.iter().for_each(|&g| remove[g].clear());
        for (cell, count) in ties.settle(&cluster, &quotas) {
            let order = wishes[cell.group].iter().flat_map(|w| &w.order);
            remove[cell.group].extend(order.filter(|u| cell.units.contains(u)).take(count));
        }
    }
    planned(remove, |id| wishes[id].is_some())
}

/// The plan that removes these units, by group; only candidates stand in it.
pub(super) fn planned(remove: Vec<Vec<usize>>, is_candidate: impl Fn(usize) -> bool) -> Plan {
    let candidates = remove.into_iter().enumerate().filter(|(id, _)| is_candidate(*id));
    let group = |(id, mut remove): (usize, Vec<usize>)| {
        remove.sort_unstable();
        PlannedGroup { id, remove }
    };
    Plan { groups: candidates.map(group).collect() }
}

/// `floor(rate * units)`; at least one unit stays.
pub(super) fn quota(rate: f64, units: usize) -> usize {
    share(rate, units).min(units.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::quota;

    #[test]
    fn quotas_round_down_and_leave_one() {
        assert_eq!([quota(0.3, 10), quota(0.3, 16), quota(0.7, 10), quota(0.99, 2), quota(0.5, 1)], [3, 4, 7, 1, 0]);
    }
}
