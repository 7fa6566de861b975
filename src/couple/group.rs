//! Units of the same signature form a coupled group: they are alike, so they are ranked together.

use std::collections::{HashMap, HashSet};

use super::solve::Solution;
use super::{CoupledGroup, Facts, Pinned, Unit, explain};
use crate::model::{NodeId, ValueId};
use crate::op::{Assignment, AxisId, Role, Statements};

/// The coupled groups of a solution, and the filter axes that stay whole.
pub(super) fn groups(facts: &Facts<'_>, said: &Statements, solution: &Solution) -> (Vec<CoupledGroup>, Vec<Pinned>) {
    let filters = filter_axes(facts, said);
    let renormalized: HashSet<AxisId> = said.renormalized.iter().map(|r| r.axis).collect();
    let joined: Vec<AxisId> = said.roles.iter().filter(|r| r.role == Role::Joined).map(|r| r.axis).collect();
    let mut groups: Vec<CoupledGroup> = Vec::new();
    let mut by_signature = HashMap::<Vec<(AxisId, u32)>, Option<usize>>::new();
    for unit in units(said, solution) {
        let signature = signature(&unit);
        let found = by_signature.entry(signature).or_insert_with_key(|signature| {
            let maker = filters.iter().find(|f| signature.iter().any(|s| s.0 == f.0))?;
            groups.push(CoupledGroup {
                id: groups.len(),
                name: facts.graph.node(maker.1).name().to_owned(),
                units: Vec::new(),
                axes: signature.clone(),
                exact: signature.iter().all(|s| !renormalized.contains(&s.0)),
                residual: signature.iter().any(|s| joined.contains(&s.0)),
            });
            Some(groups.len() - 1)
        });
        if let Some(group) = found.and_then(|g| groups.get_mut(g)) {
            group.units.push(unit);
        }
    }
    (groups, pinned(facts, &filters, said, solution))
}

/// Axes of constants along which filters lie, each with the first node that says so.
pub(super) fn filter_axes(facts: &Facts<'_>, said: &Statements) -> Vec<(AxisId, NodeId, ValueId)> {
    let constant = |r: &Assignment| {
        let (value, _) = said.axes[r.axis.index()].owner.place()?;
        facts.constants.is_constant(value).then_some((r.axis, r.node, value))
    };
    let filters = said.roles.iter().filter(|r| r.role == Role::Filter);
    let mut seen = HashSet::new();
    filters.filter_map(constant).filter(|f| seen.insert(f.0)).collect()
}

/// Classes that may go, by their first coordinate.
fn units(said: &Statements, solution: &Solution) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut by_class = HashMap::<u32, usize>::new();
    for id in (0..said.axes.len()).map(|a| AxisId(a as u32)) {
        for i in 0..solution.length(id) {
            let class = solution.class(id, i);
            if solution.pinned(class).is_some() {
                continue;
            }
            let unit = *by_class.entry(class).or_insert_with(|| {
                units.push(Unit { coordinates: Vec::new() });
                units.len() - 1
            });
            units[unit].coordinates.push((id, i as u32));
        }
    }
    units
}

fn signature(unit: &Unit) -> Vec<(AxisId, u32)> {
    let mut out: Vec<(AxisId, u32)> = Vec::new();
    for (axis, _) in &unit.coordinates {
        match out.last_mut() {
            Some(last) if last.0 == *axis => last.1 += 1,
            _ => out.push((*axis, 1)),
        }
    }
    out
}

/// Filter axes of which no coordinate may go, with what holds them.
fn pinned(
    facts: &Facts<'_>,
    filters: &[(AxisId, NodeId, ValueId)],
    said: &Statements,
    solution: &Solution,
) -> Vec<Pinned> {
    let mut out = Vec::new();
    for &(axis, reader, _) in filters {
        let pins: Vec<Option<u32>> =
            (0..solution.length(axis)).map(|i| solution.pinned(solution.class(axis, i))).collect();
        if let Some(pin) = pins.iter().copied().collect::<Option<Vec<u32>>>().and_then(|p| p.into_iter().min()) {
            let (node, reason) = explain::why(facts, said, pin, reader);
            out.push(Pinned { axis, layer: reader, node, reason });
        }
    }
    out
}
