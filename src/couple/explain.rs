//! Why channels stay: for each layer, what holds which of its filters, in words that a user understands.

use std::collections::{BTreeMap, HashMap};

use super::solve::{BY_PRODUCT, SINGLE, Solution};
use super::{Coupling, Facts};
use crate::model::{Node, NodeId, ValueId};
use crate::op::{self, AxisId, Role, Statements};

/// Channels of a layer that stay, all for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The layer.
    pub layer: NodeId,
    /// The node that holds them, be it the layer itself; `None`: the graph's interface, or nothing but the layer's nature.
    pub node: Option<NodeId>,
    /// Why.
    pub reason: String,
    /// How many of its channels.
    pub channels: usize,
    /// How many it has.
    pub of: usize,
}

/// What holds each layer's channels, in the graph's order. A layer of which every channel may go is not in it.
pub(super) fn held(facts: &Facts<'_>, coupling: &Coupling, solution: &Solution) -> Vec<Held> {
    let live = facts.graph.live();
    let grouped = Grouped::new(coupling);
    let layers = facts.graph.nodes().iter().filter(|n| n.contracts() && !facts.constants.covers(n));
    let mut out = Vec::new();
    for layer in layers {
        let view = Layer { facts, coupling, solution, grouped: &grouped, layer };
        let is_live = |axis: AxisId| {
            coupling.statements.axes[axis.index()].owner.place().is_some_and(|(value, _)| live[value.index()])
        };
        let filters: Vec<AxisId> = filters(&coupling.statements, layer.id).collect();
        let live_inputs = |n: &Node<'_>| n.inputs.iter().flatten().filter(|v| live[v.index()]).count();
        // A layer with several filter axes is held where the one with the most freedom is.
        match filters.iter().filter(|a| !is_live(**a)).map(|a| view.held(*a)).min_by_key(|h| count(h)) {
            Some(held) => out.extend(held),
            None if filters.is_empty() && live_inputs(layer) < 2 => {
                out.push(without_rule(facts, &coupling.statements, layer));
            }
            None => out.push(view.without_weights(&live)),
        }
    }
    out
}

/// What holds a class of coordinates, for a layer: the node, and why.
pub(super) fn why(facts: &Facts<'_>, said: &Statements, pin: u32, layer: NodeId) -> (Option<NodeId>, String) {
    if let Some(pin) = said.pins.get(pin as usize) {
        let unknown = pin.node.and_then(|n| maker_of_unknown(facts, n));
        return unknown.map_or_else(|| (pin.node, pin.reason.clone()), |(n, reason)| (Some(n), reason));
    }
    let node = pin & !BY_PRODUCT;
    if pin == SINGLE || node as usize >= facts.graph.nodes().len() {
        return (Some(layer), "it has a single channel, or is tied to a value that has".into());
    }
    let folds = "folds this axis together with others, of which only one may shrink";
    (Some(NodeId(node)), format!("{} {folds}", facts.graph.node(NodeId(node)).op()))
}

/// The node that makes the value of unknown shape because of which nothing can be said of `node`.
fn maker_of_unknown(facts: &Facts<'_>, node: NodeId) -> Option<(NodeId, String)> {
    let unknown = |v: ValueId| facts.dims.get(v).is_none() && !facts.constants.is_constant(v);
    let read = |n: &Node<'_>| n.inputs.iter().take(2).flatten().copied().find(|&v| unknown(v));
    let mut maker = facts.graph.producer(read(facts.graph.node(node))?)?;
    while let Some(above) = read(maker).and_then(|v| facts.graph.producer(v)) {
        maker = above;
    }
    Some((maker.id, format!("{} makes a value of unknown shape", maker.op())))
}

fn count(held: &[Held]) -> usize {
    held.iter().map(|h| h.channels).sum()
}

fn filters(said: &Statements, node: NodeId) -> impl Iterator<Item = AxisId> {
    said.roles.iter().filter(move |r| r.role == Role::Filter && r.node == node).map(|r| r.axis)
}

/// A layer of which no rule says where its filters lie.
fn without_rule(facts: &Facts<'_>, said: &Statements, layer: &Node<'_>) -> Held {
    let reason = said.pins.iter().find(|p| p.node == Some(layer.id)).map(|p| p.reason.clone());
    let dims = layer.output(0).and_then(|o| facts.dims.get(o)).unwrap_or(&[]);
    let channels = op::filters(layer.op(), dims).unwrap_or(0);
    let reason = || reason.unwrap_or_else(|| format!("{} has operands of unknown shape", layer.op()));
    let (node, reason) = maker_of_unknown(facts, layer.id).unwrap_or_else(|| (layer.id, reason()));
    Held { layer: layer.id, node: Some(node), reason, channels, of: channels }
}

/// In which group, of how many units, the coordinates of filter axes lie.
struct Grouped(HashMap<(AxisId, u32), usize>);

impl Grouped {
    fn new(coupling: &Coupling) -> Self {
        let said = &coupling.statements;
        let mut is_filter = vec![false; said.axes.len()];
        said.roles.iter().filter(|r| r.role == Role::Filter).for_each(|r| is_filter[r.axis.index()] = true);
        let units = coupling.groups.iter().flat_map(|g| g.units.iter().map(|u| (g.units.len(), u)));
        let all = units.flat_map(|(n, u)| u.coordinates.iter().map(move |c| (*c, n)));
        Self(all.filter(|((axis, _), _)| is_filter[axis.index()]).collect())
    }
}

/// A layer, and all that was found out.
struct Layer<'a> {
    facts: &'a Facts<'a>,
    coupling: &'a Coupling,
    solution: &'a Solution,
    grouped: &'a Grouped,
    layer: &'a Node<'a>,
}

impl Layer<'_> {
    /// What holds the coordinates of its filter axis, one entry a reason.
    fn held(&self, axis: AxisId) -> Vec<Held> {
        let of = self.solution.length(axis);
        let mut counts = BTreeMap::<(Option<NodeId>, String), usize>::new();
        let mut by_pin = BTreeMap::<Option<u32>, usize>::new();
        for i in 0..of {
            match self.solution.pinned(self.solution.class(axis, i)) {
                Some(pin) => *by_pin.entry(Some(pin)).or_default() += 1,
                None => match self.grouped.0.get(&(axis, i as u32)) {
                    Some(1) => *counts.entry(self.one_unit()).or_default() += 1,
                    Some(_) => {}
                    None => *by_pin.entry(None).or_default() += 1,
                },
            }
        }
        for (pin, n) in by_pin {
            let why = pin.map_or_else(|| self.ungrouped(axis), |p| self.why(p));
            *counts.entry(why).or_default() += n;
        }
        let layer = self.layer.id;
        counts.into_iter().map(|((node, reason), channels)| Held { layer, node, reason, channels, of }).collect()
    }

    fn why(&self, pin: u32) -> (Option<NodeId>, String) {
        why(self.facts, &self.coupling.statements, pin, self.layer.id)
    }

    fn one_unit(&self) -> (Option<NodeId>, String) {
        (Some(self.layer.id), "they are the only unit of their group, and a group keeps one".into())
    }

    /// Why an axis that nothing pins is in no group: an integer that counts it cannot be mended, or its weights are computed.
    fn ungrouped(&self, axis: AxisId) -> (Option<NodeId>, String) {
        if let Some(pinned) = self.coupling.pinned.iter().find(|p| p.axis == axis) {
            return (pinned.node, pinned.reason.clone());
        }
        let place = self.coupling.statements.axes[axis.index()].owner.place();
        let maker = place.and_then(|(v, _)| self.facts.graph.producer(v)).unwrap_or(self.layer);
        (Some(maker.id), format!("{} computes the weights in a way that is not followed", maker.op()))
    }

    /// A layer that multiplies what the model computes: there are no filters to cut.
    fn without_weights(&self, live: &[bool]) -> Held {
        let op = self.layer.op();
        let both = self.layer.input(0).is_some_and(|x| live[x.index()]);
        let reason = if both {
            format!("{op} multiplies two activations and has no weights of its own")
        } else {
            format!("{op} has weights that the graph computes in a way that is not followed")
        };
        Held { layer: self.layer.id, node: None, reason, channels: 0, of: 0 }
    }
}
