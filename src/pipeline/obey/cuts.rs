//! What a plan file's `cuts` say, against the coupling. They are not obeyed. But where they take one half of what only goes together, somebody
//! has edited them and means something that cannot be: that is an error, with the entry. Whole units that differ from `groups[].remove` are
//! merely stale.

use std::collections::{HashMap, HashSet};

use super::entry;
use crate::couple::{Coupling, Facts, Unit, is_unused};
use crate::error::Result;
use crate::op::{AxisId, Owner};
use crate::plan::Plan;
use crate::report as data;

/// Whether the file's cuts are other than what its groups lose. Errors where they break the coupling.
pub(super) fn check(file: &data::Plan, plan: &Plan, facts: &Facts<'_>, coupling: &Coupling) -> Result<bool> {
    if file.cuts.is_empty() {
        return Ok(false);
    }
    let said = Said::new(file, facts, coupling)?;
    let mut stale = false;
    let mut whole: HashSet<(AxisId, u32)> = HashSet::new();
    for group in &coupling.groups {
        let gone = plan.groups.iter().find(|p| p.id == group.id).map_or(&[][..], |p| &p.remove);
        for (u, unit) in group.units.iter().enumerate() {
            let goes = gone.contains(&u);
            let listed = said.takes(unit, goes).map_err(|half| {
                let what = format!("unit {u} of group {} ('{}')", group.id, group.name);
                half.error(&said, &what)
            })?;
            if listed {
                whole.extend(&unit.coordinates);
            }
            stale |= listed != goes;
        }
    }
    match said.others(&whole) {
        Some((k, i)) => {
            let cut = &file.cuts[k];
            let reason = format!("{i} of axis {} of '{}' is held, and cannot go: {EDIT}", cut.axis, cut.value);
            Err(entry(format!("cuts[{k}]"), reason))
        }
        None => Ok(stale),
    }
}

const EDIT: &str = "edit groups[].remove, or leave the cuts out; they are made from it";

/// What the cuts say, by coordinate.
struct Said<'a> {
    file: &'a data::Plan,
    facts: &'a Facts<'a>,
    coupling: &'a Coupling,
    /// The entry that takes a coordinate.
    taken: HashMap<(AxisId, u32), usize>,
    /// The entry about an axis.
    entries: HashMap<AxisId, usize>,
}

/// A unit of which the cuts take only a part.
struct Half {
    /// A coordinate that goes.
    gone: (AxisId, u32),
    /// One that does not.
    stays: (AxisId, u32),
    /// Whether the groups take the unit.
    goes: bool,
}

impl<'a> Said<'a> {
    fn new(file: &'a data::Plan, facts: &'a Facts<'a>, coupling: &'a Coupling) -> Result<Self> {
        let mut said = Self { file, facts, coupling, taken: HashMap::new(), entries: HashMap::new() };
        let mut by_axis: HashMap<(&str, usize), Vec<usize>> = HashMap::new();
        for (k, cut) in file.cuts.iter().enumerate() {
            by_axis.entry((&cut.value, cut.axis)).or_default().push(k);
        }
        let mut known = vec![false; file.cuts.len()];
        for (id, axis) in coupling.statements.numbered() {
            let Some((value, k)) = axis.owner.place().filter(|p| !is_unused(facts.graph, p.0)) else { continue };
            for &at in by_axis.get(&(facts.graph.name(value), k)).into_iter().flatten() {
                let cut = &file.cuts[at];
                let blocks = match axis.owner {
                    Owner::Blocks { blocks, .. } => blocks,
                    _ => 0,
                };
                let reader = match axis.owner {
                    Owner::Value { reader, .. } => reader.map(|n| facts.graph.node(n).name()),
                    _ => None,
                };
                let mine = cut.readers.is_empty() || reader.is_some_and(|r| cut.readers.iter().any(|c| c == r));
                let length = axis.length / blocks.max(1);
                if mine && cut.blocks.len() == blocks && cut.length == length {
                    known[at] = true;
                    said.entries.insert(id, at);
                    said.take(id, at, length)?;
                }
            }
        }
        match known.iter().position(|k| !k) {
            Some(k) => {
                let cut = &file.cuts[k];
                let reason = format!("no axis {} of '{}' can be cut so: {EDIT}", cut.axis, cut.value);
                Err(entry(format!("cuts[{k}]"), reason))
            }
            None => Ok(said),
        }
    }

    /// Notes what an entry takes of an axis.
    fn take(&mut self, id: AxisId, at: usize, length: usize) -> Result<()> {
        let cut = &self.file.cuts[at];
        let blocks = cut.blocks.iter().enumerate().flat_map(|(b, block)| block.iter().map(move |i| (b, *i)));
        for (b, i) in cut.remove.iter().map(|i| (0, *i)).chain(blocks) {
            if i >= length {
                let reason =
                    format!("axis {} of '{}' has no {i}, it ends at {}", cut.axis, cut.value, length.saturating_sub(1));
                return Err(entry(format!("cuts[{at}]"), reason));
            }
            self.taken.insert((id, (b * length + i) as u32), at);
        }
        Ok(())
    }

    /// Whether a unit is taken: all of what it has in values, or nothing.
    fn takes(&self, unit: &Unit, goes: bool) -> std::result::Result<bool, Half> {
        let (mut gone, mut stays) = (None, None);
        for coordinate in unit.coordinates.iter().filter(|c| self.is_of_value(c.0)) {
            let side = if self.taken.contains_key(coordinate) { &mut gone } else { &mut stays };
            side.get_or_insert(*coordinate);
        }
        match (gone, stays) {
            (Some(gone), Some(stays)) => Err(Half { gone, stays, goes }),
            (gone, _) => Ok(gone.is_some()),
        }
    }

    fn is_of_value(&self, axis: AxisId) -> bool {
        let place = self.coupling.statements.axes[axis.index()].owner.place();
        place.is_some_and(|(value, _)| !is_unused(self.facts.graph, value))
    }

    /// The first entry that takes a coordinate outside these, and which.
    fn others(&self, whole: &HashSet<(AxisId, u32)>) -> Option<(usize, u32)> {
        let outside = self.taken.iter().filter(|(c, _)| !whole.contains(c));
        outside.map(|((_, i), k)| (*k, *i)).min()
    }

    /// A coordinate in words.
    fn describe(&self, (axis, i): (AxisId, u32)) -> String {
        let axis = &self.coupling.statements.axes[axis.index()];
        let (value, k) = axis.owner.place().map_or(("", 0), |(v, k)| (self.facts.graph.name(v), k));
        format!("{i} of axis {k} of '{value}'")
    }
}

impl Half {
    /// The error, at the entry that differs from what the groups say.
    fn error(&self, said: &Said<'_>, unit: &str) -> crate::Error {
        let taken = said.taken.get(&self.gone).copied().unwrap_or(0);
        let at = if self.goes { said.entries.get(&self.stays.0).copied().unwrap_or(taken) } else { taken };
        let reason = format!(
            "{} would go without {}, and these only go together, as {unit}: {EDIT}",
            said.describe(self.gone),
            said.describe(self.stays)
        );
        entry(format!("cuts[{at}]"), reason)
    }
}
