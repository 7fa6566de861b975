//! Integers that carry shape, after a cut: which stay right by themselves, which need a new constant, and which cannot be mended.
//!
//! A payload may be computed by a chain of nodes (Shape, Gather, Concat, ...). The chain is evaluated again at the cut dims: right as it
//! is, it stays; wrong and the same at every size of the inputs, its reader gets a new constant; wrong in the constants that a Concat joins
//! to open lengths, these are written anew; otherwise the cut is not possible.

use std::collections::BTreeMap;

use super::{Coupling, Facts, Gone, Shuffle};
use crate::error::Result;
use crate::model::constant::Known;
use crate::model::{Constants, Dims, Node, NodeId, ValueId};
use crate::op::relations::{Count, Meaning, Slot};
use crate::op::{Owner, Statements};

mod part;

/// New integers for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The node.
    pub node: NodeId,
    /// Where they stand.
    pub slot: Slot,
    /// All of them.
    pub ints: Vec<i64>,
}

/// A node whose integers would be wrong and cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The node.
    pub node: NodeId,
    /// Why not.
    pub reason: &'static str,
}

/// What the rules and the dims say of integers, ready to be asked about cuts.
#[derive(Debug)]
pub struct Payloads<'a> {
    facts: &'a Facts<'a>,
    said: &'a Statements,
    shuffles: &'a [Shuffle],
    before: &'a Constants,
    grown: Option<Constants>,
    by_node: BTreeMap<NodeId, BTreeMap<Slot, Vec<&'a Count>>>,
}

impl<'a> Payloads<'a> {
    /// For a graph and its coupling; `before`: what is known at the given dims. Errors where a constant is malformed.
    pub fn new(facts: &'a Facts<'a>, coupling: &'a Coupling, before: &'a Constants) -> Result<Self> {
        let said = &coupling.statements;
        let grown = facts.grown.map(|d| facts.constants.at(facts.graph, d)).transpose()?;
        let mut by_node = BTreeMap::<NodeId, BTreeMap<Slot, Vec<&Count>>>::new();
        for count in &said.counts {
            by_node.entry(count.node).or_default().entry(count.slot).or_default().push(count);
        }
        Ok(Self { facts, said, shuffles: &coupling.shuffles, before, grown, by_node })
    }

    /// The edits that a cut needs, or the first node that forbids it. Errors where a constant is malformed.
    pub fn edits(&self, gone: &Gone) -> Result<std::result::Result<Vec<Edit>, Conflict>> {
        let dims = self.cut_dims(gone);
        let after = self.facts.constants.at(self.facts.graph, &dims)?;
        if let Some(conflict) = self.shown(&after) {
            return Ok(Err(conflict));
        }
        let mut edits = Vec::new();
        let replaced: Vec<NodeId> =
            self.shuffles.iter().filter(|s| dims.get(s.x) != self.facts.dims.get(s.x)).flat_map(|s| s.nodes).collect();
        let stays = |n: &&Node<'_>| !self.before.covers(n) && !replaced.contains(&n.id);
        for node in self.facts.graph.nodes().iter().filter(stays) {
            for slot in 0..node.inputs.len() {
                match self.input(node, slot, &after, gone) {
                    Ok(new) => new.into_iter().for_each(|e| {
                        if !edits.contains(&e) {
                            edits.push(e)
                        }
                    }),
                    Err(conflict) => return Ok(Err(conflict)),
                }
            }
        }
        for (node, slots) in self.by_node.iter().filter(|(n, _)| !replaced.contains(n)) {
            let node = self.facts.graph.node(*node);
            edits.extend(slots.iter().filter_map(|(slot, counts)| self.absent_or_attr(node, *slot, counts, gone)));
        }
        Ok(Ok(edits))
    }

    /// The dims of every value once coordinates are gone.
    fn cut_dims(&self, gone: &Gone) -> Dims {
        let mut dims = self.facts.dims.clone();
        for (id, axis) in self.said.numbered() {
            let (value, k, blocks) = match axis.owner {
                Owner::Value { value, reader: None, axis: k } => (value, k, 1),
                Owner::Blocks { value, blocks } => (value, 1, blocks),
                _ => continue,
            };
            if let Some(length) = dims.0.get_mut(value.index()).and_then(Option::as_mut).and_then(|d| d.get_mut(k)) {
                *length = gone.kept(id, 0..axis.length) / blocks;
            }
        }
        dims
    }

    /// Numbers computed from shapes that an output or a subgraph shows, and that would change: no reader's input can be mended.
    fn shown(&self, after: &Constants) -> Option<Conflict> {
        let graph = self.facts.graph;
        graph.value_ids().find_map(|id| {
            let (value, node) = (graph.value(id), graph.producer(id)?);
            let changes = self.before.is_from_dims(id) && self.before.get(id) != after.get(id);
            let reason = match (value.is_output, value.captured) {
                _ if !changes => return None,
                (true, _) => "makes a graph output of the number of channels",
                (_, true) => "makes a number out of the number of channels, which a subgraph reads",
                _ => return None,
            };
            Some(conflict(node, reason))
        })
    }

    fn input(
        &self,
        node: &Node<'_>,
        slot: usize,
        after: &Constants,
        gone: &Gone,
    ) -> std::result::Result<Vec<Edit>, Conflict> {
        let Some(value) = node.input(slot) else { return Ok(Vec::new()) };
        let Some(before) = self.before.get(value) else { return Ok(Vec::new()) };
        let found = self.counts_at(node.id, slot);
        if found.is_none() && !self.before.is_from_dims(value) {
            return Ok(Vec::new());
        }
        let (Some(ints), Some(now)) = (before.ints(), after.get(value).and_then(Known::ints)) else {
            return if after.get(value) == Some(before) {
                Ok(Vec::new())
            } else {
                Err(conflict(node, "uses the number of channels in its arithmetic"))
            };
        };
        let counts = found.map_or(&[][..], |(_, counts)| counts);
        let wanted = wanted(&ints, counts, gone);
        if now.len() == wanted.len() && (0..now.len()).all(|e| self.same(counts, e, now[e], wanted[e], gone)) {
            return Ok(Vec::new());
        }
        if self.is_open(value, &ints) {
            let parts = self.parts(value, &now, &wanted, gone);
            let reason = "reads a shape that is computed from an open dimension, and would be wrong";
            return parts.ok_or_else(|| conflict(node, reason));
        }
        let edit_slot = found.map_or(Slot::Input { slot, replaces: None }, |(at, _)| at);
        Ok(vec![Edit { node: node.id, slot: edit_slot, ints: wanted }])
    }

    /// The counts in an input slot of a node, and how they stand there.
    fn counts_at(&self, node: NodeId, slot: usize) -> Option<(Slot, &[&'a Count])> {
        let (at, counts) = self.by_node.get(&node)?.iter().find(|(at, _)| at.is_input(slot))?;
        Some((*at, counts.as_slice()))
    }

    fn same(&self, counts: &[&Count], element: usize, now: i64, wanted: i64, gone: &Gone) -> bool {
        let found = counts.iter().find(|c| c.element == element && c.meaning != Meaning::Amount);
        let Some(count) = found else { return now == wanted };
        let length = gone.kept(count.axis, 0..self.said.length(count.axis)) as i64;
        let from_front = if now < 0 { now.saturating_add(length) } else { now };
        match count.meaning {
            Meaning::Position => from_front.clamp(0, length) == wanted,
            _ => from_front == wanted,
        }
    }

    /// Whether the integers differ where the inputs are larger, or might.
    fn is_open(&self, value: ValueId, ints: &[i64]) -> bool {
        let differs = |g: &Constants| g.get(value).and_then(Known::ints).as_deref() != Some(ints);
        self.before.is_from_dims(value) && self.grown.as_ref().is_some_and(differs)
    }

    /// Integers in an attribute, or in a slot that is empty and says the same by default.
    fn absent_or_attr(&self, node: &Node<'_>, slot: Slot, counts: &[&Count], gone: &Gone) -> Option<Edit> {
        let present = match slot {
            Slot::Attr(name) => node.proto.attr_ints(name).map(<[i64]>::to_vec),
            Slot::Input { slot, .. } if node.input(slot).is_some() => return None,
            Slot::Input { .. } => None,
        };
        let whole: Vec<i64> = counts.iter().map(|c| c.range.len() as i64).collect();
        let ints = present.unwrap_or(whole);
        let wanted = wanted(&ints, counts, gone);
        let same = (0..ints.len()).all(|e| self.same(counts, e, ints[e], wanted[e], gone));
        (!same).then_some(Edit { node: node.id, slot, ints: wanted })
    }
}

impl Coupling {
    /// The edits that a cut needs, or what forbids it. Errors where a constant is malformed.
    pub fn payload_edits(&self, facts: &Facts<'_>, gone: &Gone) -> Result<std::result::Result<Vec<Edit>, Conflict>> {
        let known = facts.constants.at(facts.graph, facts.dims)?;
        Payloads::new(facts, self, &known)?.edits(gone)
    }
}

fn conflict(node: &Node<'_>, reason: &'static str) -> Conflict {
    Conflict { node: node.id, reason }
}

/// The integers as they must be; an index goes where the coordinate that it makes goes.
fn wanted(ints: &[i64], counts: &[&Count], gone: &Gone) -> Vec<i64> {
    let mut out: Vec<Option<i64>> = ints.iter().copied().map(Some).collect();
    for count in counts {
        if let Some(v) = out.get_mut(count.element) {
            *v = Some(gone.kept(count.axis, count.range.clone()) as i64).filter(|_| stays(count, gone));
        }
    }
    out.into_iter().flatten().collect()
}

fn stays(count: &Count, gone: &Gone) -> bool {
    match count.meaning {
        Meaning::Index { made } => gone.kept(made, count.element..count.element + 1) > 0,
        Meaning::Amount | Meaning::Position => true,
    }
}
