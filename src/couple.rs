//! Which channels live and die together: the rules' statements, solved once into units and coupled groups.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::removed::Kind;
use crate::model::{Constants, Dims, Graph, NodeId, Removed, Source, ValueId};
use crate::op::{self, Axis, AxisId, AxisTable, NodeView, Owner, Statements};

mod balance;
pub mod explain;
pub mod graph;
mod group;
pub mod payload;
mod roles;
mod shuffle;
pub mod solve;

pub use balance::{Partition, Share};
pub use shuffle::Shuffle;

use explain::Held;
use payload::{Kept, Payloads};

/// What the analysis knows of a graph.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The graph.
    pub graph: &'a Graph<'a>,
    /// What follows from the file alone.
    pub constants: &'a Constants,
    /// Dims of values at the given inputs.
    pub dims: &'a Dims,
    /// Whether some dim of an input is open.
    pub open: bool,
    /// Dims of values where every open dim is larger; `None` where there are none, or nothing is known there.
    pub grown: Option<&'a Dims>,
    /// Whether axes may shrink over which a statistic is taken (LayerNorm, LRN, a mean over channels).
    pub inexact: bool,
}

/// The smallest thing that can be removed: coordinates of one fate, by axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Sorted by axis, then by index.
    pub coordinates: Vec<(AxisId, u32)>,
}

/// Units of the same signature. Its units are ranked together, and at least one of them stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoupledGroup {
    /// Its position among the groups.
    pub id: usize,
    /// The first node whose filters make it.
    pub name: String,
    /// Its units.
    pub units: Vec<Unit>,
    /// Its axes, with the coordinates that a unit has in each.
    pub axes: Vec<(AxisId, u32)>,
    /// Whether removing a unit equals setting it to zero where contractions read it.
    pub exact: bool,
    /// Whether an Add joins two activations that both carry it.
    pub residual: bool,
}

/// A weight's filter axis that stays whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The axis.
    pub axis: AxisId,
    /// The node whose filters stay.
    pub layer: NodeId,
    /// The node that holds them; `None`: the graph's interface.
    pub node: Option<NodeId>,
    /// Why.
    pub reason: String,
}

/// The coupling of a graph.
#[derive(Debug, Clone)]
pub struct Coupling {
    /// What the rules said.
    pub statements: Statements,
    /// What can go.
    pub groups: Vec<CoupledGroup>,
    /// Blocks of grouped convolutions, which must lose equally many.
    pub partitions: Vec<Partition>,
    /// Nodes that together permute one axis: replaced by a Gather where that axis is cut.
    pub shuffles: Vec<Shuffle>,
    /// Filter axes that stay whole.
    pub pinned: Vec<Pinned>,
    /// What holds each layer's channels.
    pub held: Vec<Held>,
}

/// Couples. Errors where a constant is malformed.
pub fn couple(facts: &Facts<'_>) -> Result<Coupling> {
    let known = facts.constants.at(facts.graph, facts.dims)?;
    let table = AxisTable::new(facts.graph, facts.dims, &known);
    Coupling::from_statements(facts, relate(facts, &table, &known))
}

/// What every node and the graph's interface say.
fn relate(facts: &Facts<'_>, table: &AxisTable<'_>, known: &Constants) -> Statements {
    let mut said = Statements::new(table);
    pin_interface(facts, table, known, &mut said);
    let live = facts.graph.live();
    let shuffles = shuffle::find(facts);
    for node in facts.graph.nodes().iter().filter(|n| !known.covers(n)) {
        let view = NodeView { graph: facts.graph, node, table, known };
        let mut rel = said.about(node.id);
        if let Some(shuffle) = shuffles.iter().find(|s| s.nodes.contains(&node.id)) {
            if shuffle.nodes[2] == node.id {
                permute(&mut rel, table, shuffle);
            }
            continue;
        }
        if !node.outputs.iter().flatten().any(|o| live[o.index()]) && !roles::is_followed(node) {
            // A sum over a weight's axis is no contraction that a mask could stand for: what it makes is a constant of its own.
            rel.close(view.operands(), &format!("{} makes a constant in a way that is not followed", node.op()));
            continue;
        }
        let reason = match op::rule(node.proto).map(|rule| rule.relate(&view, &mut rel)) {
            Some(Ok(())) => format!("{} says nothing of this axis", node.op()),
            Some(Err(unsupported)) => {
                view.operands()
                    .flat_map(|o| o.axes())
                    .for_each(|a| rel.pin(a, &format!("{} {}", node.op(), unsupported.0)));
                String::new()
            }
            None => format!("{} has no rule here, so all that it touches stays", node.op()),
        };
        rel.close(view.operands(), &reason);
    }
    roles::inherit(facts, table, known, &live, &mut said);
    said
}

/// A shuffle permutes one axis and leaves the others alone; what lies between its nodes is not spoken of.
fn permute(rel: &mut op::Relations<'_>, table: &AxisTable<'_>, shuffle: &Shuffle) {
    let operand = |value| table.operand(value, shuffle.nodes[0]);
    let (Some(x), Some(y)) = (operand(shuffle.x), operand(shuffle.y)) else { return };
    for k in 0..x.rank() {
        if k == shuffle.axis {
            rel.link_by(x.axis(k), shuffle.index.clone(), y.axis(k));
        } else {
            rel.link(x.axis(k), y.axis(k));
        }
    }
}

/// Graph inputs and outputs, what subgraphs read, and what is computed from shapes keep their dims.
fn pin_interface(facts: &Facts<'_>, table: &AxisTable<'_>, known: &Constants, said: &mut Statements) {
    for id in facts.graph.value_ids() {
        let value = facts.graph.value(id);
        let name = value.name;
        let reason = match value.source {
            Source::Input => format!("it is the graph input '{name}'"),
            Source::Sparse => format!("'{name}' is stored as a sparse tensor"),
            _ if value.is_output => format!("it is the graph output '{name}'"),
            _ if value.captured => format!("a subgraph reads '{name}'"),
            _ if known.is_from_dims(id) => format!("'{name}' is computed from shapes"),
            _ => continue,
        };
        for axis in table.all_axes(facts.graph, id) {
            said.pins.push(op::relations::Pin { axis, node: None, reason: reason.clone() });
        }
    }
}

/// The coordinates that go when units go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    by_axis: HashMap<AxisId, Vec<usize>>,
}

impl Gone {
    /// Of these units.
    pub fn new<'u>(units: impl Iterator<Item = &'u Unit>) -> Self {
        let mut gone = Self::default();
        for (axis, i) in units.flat_map(|u| &u.coordinates) {
            gone.by_axis.entry(*axis).or_default().push(*i as usize);
        }
        gone.by_axis.values_mut().for_each(|v| v.sort_unstable());
        gone
    }

    /// Of an axis, sorted.
    pub fn of(&self, axis: AxisId) -> &[usize] {
        self.by_axis.get(&axis).map_or(&[], Vec::as_slice)
    }
}

impl Kept for Gone {
    fn kept(&self, axis: AxisId, range: Range<usize>) -> usize {
        range.len() - self.of(axis).iter().filter(|i| range.contains(i)).count()
    }
}

impl Coupling {
    /// The coupling that follows from what was said. Errors where a constant is malformed.
    pub fn from_statements(facts: &Facts<'_>, mut statements: Statements) -> Result<Self> {
        check_size(facts, &statements)?;
        if !facts.inexact {
            statements.pins.extend(statements.renormalized.iter().cloned());
        }
        let solution = solve::solve(&statements);
        let (groups, pinned) = group::groups(facts, &statements, &solution);
        let shuffles = shuffle::find(facts);
        let mut coupling = Self { statements, groups, partitions: Vec::new(), shuffles, pinned, held: Vec::new() };
        coupling.drop_uneven(facts);
        coupling.drop_impossible(facts)?;
        coupling.partitions = balance::partitions(&coupling.statements, &coupling.groups);
        coupling.held = explain::held(facts, &coupling, &solution);
        Ok(coupling)
    }

    /// What the removal means for every value, in the graph's order.
    pub fn removed(&self, facts: &Facts<'_>, gone: &Gone) -> Vec<Removed> {
        let mut out: Vec<Removed> = Vec::new();
        for (id, axis) in self.statements.numbered() {
            let Some((value, entry)) = entry(facts, axis, gone.of(id)) else { continue };
            if is_unused(facts.graph, value) {
                continue;
            }
            match out.iter_mut().rev().find(|r| r.is_same_cut(&entry)) {
                Some(there) => there.readers.extend(entry.readers),
                None => out.push(entry),
            }
        }
        for entry in &mut out {
            let mut all: Vec<NodeId> = facts
                .graph
                .find(&entry.value)
                .map_or(Vec::new(), |v| facts.graph.value(v).readers.iter().map(|r| r.0).collect());
            all.dedup();
            if entry.readers.len() == all.len() {
                entry.readers.clear();
            }
        }
        out
    }

    /// Takes groups away that lie in the blocks of a grouped convolution so that no choice of units is balanced.
    fn drop_uneven(&mut self, facts: &Facts<'_>) {
        let uneven = |g: &CoupledGroup| balance::uneven(&self.statements, g).map(|node| (g.id, node));
        let dropped: Vec<(usize, NodeId)> = self.groups.iter().filter_map(uneven).collect();
        self.drop_groups(
            facts,
            &dropped,
            |_| "needs equally many channels in each of its groups, which these cannot give",
        );
    }

    /// Takes groups away whose removal would leave a computed shape wrong beyond mending: each is tried with one unit and with two.
    fn drop_impossible(&mut self, facts: &Facts<'_>) -> Result<()> {
        let known = facts.constants.at(facts.graph, facts.dims)?;
        let payloads = Payloads::new(facts, self, &known)?;
        let mut dropped = Vec::new();
        for group in &self.groups {
            for n in 1..=2.min(group.units.len().saturating_sub(1)) {
                if let Err(conflict) = payloads.edits(&Gone::new(group.units[..n].iter()))? {
                    dropped.push((group.id, conflict));
                    break;
                }
            }
        }
        let nodes: Vec<(usize, NodeId)> = dropped.iter().map(|(id, conflict)| (*id, conflict.node)).collect();
        self.drop_groups(facts, &nodes, |i| dropped[i].1.reason);
        Ok(())
    }

    /// Takes groups away for the sake of a node each: their filters are pinned by it.
    fn drop_groups(&mut self, facts: &Facts<'_>, dropped: &[(usize, NodeId)], reason: impl Fn(usize) -> &'static str) {
        let filters = group::filter_axes(facts, &self.statements);
        for (i, &(id, node)) in dropped.iter().enumerate() {
            let reason = format!("{} {}", facts.graph.node(node).op(), reason(i));
            for &(axis, layer, _) in filters.iter().filter(|f| self.groups[id].axes.iter().any(|g| g.0 == f.0)) {
                self.pinned.push(Pinned { axis, layer, node: Some(node), reason: reason.clone() });
            }
        }
        self.groups.retain(|g| dropped.iter().all(|d| d.0 != g.id));
        self.groups.iter_mut().enumerate().for_each(|(id, g)| g.id = id);
    }
}

/// The most coordinates that are solved for.
const MOST_COORDINATES: usize = 1 << 28;

/// Errors where the axes are longer, all together, than any network's that runs.
fn check_size(facts: &Facts<'_>, said: &Statements) -> Result<()> {
    let total = said.axes.iter().try_fold(0usize, |n, a| n.checked_add(a.length));
    if total.is_some_and(|n| n <= MOST_COORDINATES) {
        return Ok(());
    }
    let longest = said.axes.iter().max_by_key(|a| a.length);
    let name = longest.and_then(|a| match a.owner {
        Owner::Value { value, .. } => Some((facts.graph.name(value), a.length)),
        Owner::Blocks { .. } | Owner::Virtual { .. } => None,
    });
    let (name, length) = name.unwrap_or(("", 0));
    Err(Error::bad_model(format!("its axes are too long to be real: '{name}' has one of {length}")))
}

/// What one axis of a value loses, as one of its readers sees it; `None` where it loses nothing or is no axis of a value.
pub(crate) fn entry(facts: &Facts<'_>, axis: &Axis, gone: &[usize]) -> Option<(ValueId, Removed)> {
    let (value, k, blocks, reader) = match axis.owner {
        _ if gone.is_empty() => return None,
        Owner::Value { value, reader, axis } => (value, axis, None, reader),
        Owner::Blocks { value, blocks } => (value, 1, Some(blocks), None),
        Owner::Virtual { .. } => return None,
    };
    let length = axis.length / blocks.unwrap_or(1);
    let of_block = |b: usize| gone.iter().filter(|&&i| i / length == b).map(|i| i % length).collect();
    let removed = Removed {
        value: facts.graph.name(value).into(),
        kind: if facts.constants.is_constant(value) { Kind::Initializer } else { Kind::Activation },
        axis: k,
        length,
        indices: if blocks.is_none() { gone.to_vec() } else { Vec::new() },
        blocks: (0..blocks.unwrap_or(0)).map(of_block).collect(),
        readers: reader.map(|n| facts.graph.node(n).name().to_owned()).into_iter().collect(),
    };
    Some((value, removed))
}

/// Whether a value is a further output that nothing reads, such as Dropout's mask.
fn is_unused(graph: &Graph<'_>, id: ValueId) -> bool {
    let value = graph.value(id);
    matches!(value.source, Source::Node(_, 1..)) && value.readers.is_empty() && !value.is_output
}
