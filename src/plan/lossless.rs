//! The plan that changes nothing: units that are zero, constant or unread go, and no other.

use std::collections::BTreeMap;

use super::limits::Bounds;
use super::ties::Ties;
use super::wish::{quota, settle};
use super::{Plan, PlannedGroup, Wish};
use crate::couple::{Coupling, Facts};
use crate::error::Result;
use crate::lossless::{Reason, find};

/// Decides. Errors where a constant is malformed.
pub(super) fn plan(facts: &Facts<'_>, coupling: &Coupling, ties: &Ties<'_>, bounds: &Bounds) -> Result<Plan> {
    let reasons = find(facts, coupling)?;
    let most = |id: usize| {
        let bound = bounds.of[id]?;
        Some(quota(bound.rate.unwrap_or(1.0).min(bound.most), coupling.groups[id].units.len()))
    };
    let wish = |id: usize| Some(wish(&reasons[id], most(id)?));
    let mut wishes: Vec<Option<Wish>> = (0..coupling.groups.len()).map(wish).collect();
    let mut plan = settle(ties, &wishes);
    // Blocks of grouped convolutions want equally many: where one has fewer such units than another, fewer go of all.
    while let Some(group) = beyond(&plan, &reasons) {
        wishes[group].iter_mut().for_each(|w| w.quota = w.quota.saturating_sub(1));
        plan = settle(ties, &wishes);
    }
    for cluster in ties.clusters().into_iter().filter(|c| !ties.round(c)) {
        let whole = all_of(&cluster, &wishes, &reasons);
        let is_allowed = whole.groups.iter().all(|g| most(g.id).is_some_and(|most| g.remove.len() <= most));
        if is_allowed && whole.gone(coupling).is_ok() {
            let whole = whole.groups.into_iter().map(|g| (g.id, g.remove)).collect::<BTreeMap<_, _>>();
            plan.groups.iter_mut().for_each(|p| p.remove = whole.get(&p.id).unwrap_or(&p.remove).clone());
        }
    }
    Ok(plan)
}

/// All units of some groups that change nothing.
fn all_of(cluster: &[usize], wishes: &[Option<Wish>], reasons: &[Vec<Option<Reason>>]) -> Plan {
    let free = |&id: &usize| {
        wishes[id].as_ref()?;
        Some(PlannedGroup { id, remove: (0..reasons[id].len()).filter(|&u| reasons[id][u].is_some()).collect() })
    };
    Plan { groups: cluster.iter().filter_map(free).collect() }
}

/// Units that change nothing first, and no more than these; one of them stays where there is no other.
fn wish(reasons: &[Option<Reason>], most: usize) -> Wish {
    let mut order: Vec<usize> = (0..reasons.len()).collect();
    order.sort_by_key(|&u| reasons[u].is_none());
    Wish { order, quota: reasons.iter().flatten().count().min(most) }
}

/// A group of which the plan takes a unit that changes something.
fn beyond(plan: &Plan, reasons: &[Vec<Option<Reason>>]) -> Option<usize> {
    let takes = |remove: &[usize], of: &[Option<Reason>]| remove.iter().any(|&u| of[u].is_none());
    plan.groups.iter().find(|p| takes(&p.remove, &reasons[p.id])).map(|p| p.id)
}
