//! Groups of which the removal changes a statistic: no mask stands for that, so that the proof sets them aside. It starts from the original
//! with these groups cut, and every other coordinate is counted in that model.

use std::path::Path;

use crate::couple::{Coupling, Facts, Gone};
use crate::cut::cut;
use crate::error::{Error, Result};
use crate::model::removed::Kind;
use crate::model::{Graph, Model, Removed};
use crate::plan::Plan;

/// What the proof takes in place of the original.
#[derive(Debug)]
pub(super) struct Aside {
    /// The original without the units of these groups.
    pub base: Model,
    /// What else goes, in that model's coordinates.
    pub removed: Vec<Removed>,
    /// The groups' names.
    pub groups: Vec<String>,
}

/// Sets the groups aside of which a removal is not exact; `None` where the plan takes nothing from such a group.
pub(super) fn set_aside(facts: &Facts<'_>, coupling: &Coupling, plan: &Plan) -> Result<Option<Aside>> {
    let is_exact = |id: usize| coupling.groups.get(id).is_none_or(|g| g.exact);
    let part = |exact: bool| {
        let groups = plan.groups.iter().filter(|g| is_exact(g.id) == exact && !g.remove.is_empty());
        Plan { groups: groups.cloned().collect() }
    };
    let (inexact, exact) = (part(false), part(true));
    if inexact.is_empty() {
        return Ok(None);
    }
    let gone: Gone = inexact.gone(coupling)?;
    let bytes = Model::new(cut(facts, coupling, &gone)?)?.encode();
    let base = Model::decode(bytes.into(), Path::new("the original without what is set aside"))?;
    let (lost, others) = (coupling.removed(facts, &gone), coupling.removed(facts, &exact.gone(coupling)?));
    let names = inexact.groups.iter().filter_map(|g| coupling.groups.get(g.id)).map(|g| g.name.clone()).collect();
    let removed = {
        let after = base.graph()?;
        let mut out = Vec::new();
        for entry in &others {
            out.extend(recounted(entry, &lost, facts.graph, &after)?);
        }
        out
    };
    Ok(Some(Aside { base, removed, groups: names }))
}

/// An entry in the coordinates of the model in which `lost` is gone: one for each name that the value has there.
fn recounted(entry: &Removed, lost: &[Removed], before: &Graph<'_>, after: &Graph<'_>) -> Result<Vec<Removed>> {
    let value = before.find(&entry.value).ok_or_else(|| Error::internal(format!("no value '{}'", entry.value)))?;
    if entry.kind == Kind::Activation {
        return Ok(vec![shifted(entry, lost, "", entry.value.clone(), Vec::new())]);
    }
    let mut out: Vec<Removed> = Vec::new();
    for &(node, slot) in &before.value(value).readers {
        let node = before.node(node);
        if !entry.concerns(&entry.value, node.name()) {
            continue;
        }
        let made = node.output(0).and_then(|o| after.producer(after.find(before.name(o))?));
        let Some(name) = made.and_then(|n| n.input(slot)).map(|v| after.name(v).to_owned()) else { continue };
        let new = shifted(entry, lost, node.name(), name, vec![node.name().to_owned()]);
        match out.iter_mut().find(|r| r.is_same_cut(&new)) {
            Some(same) => same.readers.extend(new.readers),
            None => out.push(new),
        }
    }
    Ok(out)
}

/// The entry where what `lost` takes from the same axis, as `reader` sees it, is no longer counted.
fn shifted(entry: &Removed, lost: &[Removed], reader: &str, value: String, readers: Vec<String>) -> Removed {
    let lost = lost.iter().find(|r| r.axis == entry.axis && r.concerns(&entry.value, reader));
    let gone = |block: usize| lost.map_or(&[][..], |r| in_block(r, block));
    let shift = |block: usize| {
        let left = in_block(entry, block).iter().filter(|i| !gone(block).contains(i));
        left.map(|i| i - gone(block).partition_point(|g| g < i)).collect::<Vec<usize>>()
    };
    let blocks = entry.blocks.len().max(lost.map_or(0, |r| r.blocks.len()));
    let indices = if blocks == 0 { shift(0) } else { Vec::new() };
    let length = entry.length - gone(0).len();
    Removed { value, length, indices, blocks: (0..blocks).map(shift).collect(), readers, ..entry.clone() }
}

/// What an entry takes from one block of rows.
fn in_block(entry: &Removed, block: usize) -> &[usize] {
    entry.blocks.get(block).unwrap_or(&entry.indices)
}
