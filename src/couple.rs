//! Which channels live and die together: the rules' statements, solved once into units and coupled groups.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::removed::Kind;
use crate::model::{Constants, Dims, Graph, NodeId, Removed, Source, ValueId};
use crate::op::{Axis, AxisId, AxisTable, Owner, Statements};

mod balance;
pub mod explain;
mod gone;
pub mod graph;
mod group;
pub mod payload;
mod relate;
mod roles;
mod shuffle;
pub mod solve;

pub use balance::{Partition, Share};
pub use gone::Gone;
pub use shuffle::Shuffle;

use explain::Held;
use payload::{Conflict, Payloads};

/// What the analysis knows of a graph.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The graph.
    pub graph: &'a Graph<'a>,
    /// What follows from the file alone.
    pub constants: &'a Constants,
    /// Dims of values at the given inputs.
    pub dims: &'a Dims,
    /// Dims of values where every open dim of the inputs is larger; `None` where none is open.
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
    Coupling::from_statements(facts, relate::relate(facts, &table, &known))
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
        let reason = "needs equally many channels in each of its groups, which these cannot give";
        let uneven =
            |g: &CoupledGroup| balance::uneven(&self.statements, g).map(|node| (g.id, Conflict { node, reason }));
        let dropped: Vec<(usize, Conflict)> = self.groups.iter().filter_map(uneven).collect();
        self.drop_groups(facts, &dropped);
    }

    /// Takes groups away whose removal would leave a computed shape wrong beyond mending: each is tried with
    /// one unit, with two, and with all but the last.
    fn drop_impossible(&mut self, facts: &Facts<'_>) -> Result<()> {
        let known = facts.constants.at(facts.graph, facts.dims)?;
        let payloads = Payloads::new(facts, self, &known)?;
        let mut dropped = Vec::new();
        for group in &self.groups {
            let most = group.units.len().saturating_sub(1);
            for n in BTreeSet::from([1.min(most), 2.min(most), most]).into_iter().filter(|n| *n > 0) {
                if let Err(conflict) = payloads.edits(&Gone::new(group.units[..n].iter()))? {
                    dropped.push((group.id, conflict));
                    break;
                }
            }
        }
        self.drop_groups(facts, &dropped);
        Ok(())
    }

    /// Takes groups away for the sake of a node each: their filters are pinned by it.
    fn drop_groups(&mut self, facts: &Facts<'_>, dropped: &[(usize, Conflict)]) {
        let filters = group::filter_axes(facts, &self.statements);
        for (id, conflict) in dropped {
            let reason = format!("{} {}", facts.graph.node(conflict.node).op(), conflict.reason);
            for &(axis, layer, _) in filters.iter().filter(|f| self.groups[*id].axes.iter().any(|g| g.0 == f.0)) {
                self.pinned.push(Pinned { axis, layer, node: Some(conflict.node), reason: reason.clone() });
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
    let name = longest.and_then(|a| Some((facts.graph.name(a.owner.place()?.0), a.length)));
    let (name, length) = name.unwrap_or(("", 0));
    Err(Error::bad_model(format!("its axes are too long to be real: '{name}' has one of {length}")))
}

/// What one axis of a value loses, as one of its readers sees it; `None` where it loses nothing or is no axis of a value.
pub(crate) fn entry(facts: &Facts<'_>, axis: &Axis, gone: &[usize]) -> Option<(ValueId, Removed)> {
    let (value, k) = axis.owner.place().filter(|_| !gone.is_empty())?;
    let (blocks, reader) = match axis.owner {
        Owner::Value { reader, .. } => (None, reader),
        Owner::Blocks { blocks, .. } => (Some(blocks), None),
        Owner::Virtual { .. } => (None, None),
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
pub(crate) fn is_unused(graph: &Graph<'_>, id: ValueId) -> bool {
    let value = graph.value(id);
    matches!(value.source, Source::Node(_, 1..)) && value.readers.is_empty() && !value.is_output
}
