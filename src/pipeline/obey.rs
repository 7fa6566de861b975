//! A plan that was made before, perhaps by hand, against the model that it is for: what its groups lose, or which entry does not fit, and why.
//!
//! Invariant: only `groups[].remove` is obeyed. What else the file says is held against the model, and never believed.

use crate::couple::{CoupledGroup, Coupling, Facts};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Decision, Plan, PlannedGroup};
use crate::report as data;

mod cuts;

/// The format that this program reads and writes.
const FORMAT: &str = "secateur-plan/1";

/// What a plan says to remove. Errors where it is another model's, or an entry does not fit the model's coupling.
pub(super) fn obey(file: &data::Plan, facts: &Facts<'_>, coupling: &Coupling) -> Result<Decision> {
    check_head(file, &facts.graph.model().origin().sha256)?;
    let mut groups = Vec::new();
    for (k, planned) in file.groups.iter().enumerate() {
        if let Some(first) = file.groups[..k].iter().position(|g| g.id == planned.id) {
            let reason = format!("group {} stands already in groups[{first}]: join the two", planned.id);
            return Err(entry(format!("groups[{k}].id"), reason));
        }
        groups.push(group(k, planned, coupling)?);
    }
    groups.sort_by_key(|g| g.id);
    let plan = Plan { groups };
    check_balance(file, &plan, coupling)?;
    plan.gone(coupling)?;
    let stale = cuts::check(file, &plan, facts, coupling)?;
    let note = "the plan's cuts say otherwise than its groups[].remove; these were obeyed, and the cuts made from them";
    Ok(Decision { plan, left: Vec::new(), notes: stale.then(|| note.to_owned()).into_iter().collect() })
}

fn check_head(file: &data::Plan, sha256: &str) -> Result<()> {
    if file.format != FORMAT {
        let reason = format!("the format is '{}', expected '{FORMAT}'", file.format);
        return Err(entry("format".into(), reason));
    }
    if !file.model_sha256.eq_ignore_ascii_case(sha256) {
        let reason = format!(
            "the plan is for another model: for one of SHA-256 '{}', and this one's is {sha256}; give the model that it was \
             made for, or make a plan of this one",
            file.model_sha256
        );
        return Err(entry("model_sha256".into(), reason));
    }
    Ok(())
}

/// What one group loses, sorted.
fn group(k: usize, planned: &data::PlannedGroup, coupling: &Coupling) -> Result<PlannedGroup> {
    let id = planned.id;
    let fail = |field: &str, reason: String| Err(entry(format!("groups[{k}].{field}"), reason));
    let Some(group) = coupling.groups.get(id) else {
        return fail("id", format!("the model has no group {id}, {}", there_are(coupling)));
    };
    if planned.name != group.name {
        let other = coupling.groups.iter().find(|g| g.name == planned.name);
        let other = other.map_or(String::new(), |g| format!("; '{}' is group {}", g.name, g.id));
        return fail("name", format!("group {id} is '{}' in the model, not '{}'{other}", group.name, planned.name));
    }
    let units = group.units.len();
    if planned.units != units {
        return fail("units", format!("{} has {units} units in the model, not {}", named(group), planned.units));
    }
    for (i, unit) in planned.remove.iter().enumerate() {
        let place = || format!("remove[{i}]");
        if *unit >= units {
            return fail(
                &place(),
                format!("{} has no unit {unit}: its units are 0 to {}", named(group), units.saturating_sub(1)),
            );
        }
        if planned.remove[..i].contains(unit) {
            return fail(&place(), format!("unit {unit} of {} is named twice: take one away", named(group)));
        }
    }
    if planned.remove.len() == units {
        return fail("remove", format!("{} would lose all its {units} units: keep at least one", named(group)));
    }
    let mut remove = planned.remove.clone();
    remove.sort_unstable();
    Ok(PlannedGroup { id, remove })
}

/// Grouped convolutions lose equally many channels from each block.
fn check_balance(file: &data::Plan, plan: &Plan, coupling: &Coupling) -> Result<()> {
    let Some(uneven) = plan.uneven(coupling) else { return Ok(()) };
    let ids: Vec<usize> = uneven.partition.shares.iter().map(|s| s.group).collect();
    let loses = |g: &data::PlannedGroup| ids.contains(&g.id) && !g.remove.is_empty();
    let k = file.groups.iter().position(loses).unwrap_or(0);
    let names: Vec<String> = ids.iter().filter_map(|id| coupling.groups.get(*id)).map(named).collect();
    Err(entry(format!("groups[{k}].remove"), format!("{}: {uneven}", names.join(", "))))
}

fn named(group: &CoupledGroup) -> String {
    format!("group {} ('{}')", group.id, group.name)
}

fn there_are(coupling: &Coupling) -> String {
    match coupling.groups.len() {
        0 => "nor any other".into(),
        n => format!("only 0 to {}: see secateur inspect MODEL --json", n - 1),
    }
}

fn entry(place: String, reason: String) -> Error {
    Error::new(ErrorKind::PlanEntry { place, reason })
}
