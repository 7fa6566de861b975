//! What stands in the way of pruning: the nodes that keep channels, the layers that they keep them of, and what these cost.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Source, What};
use crate::cost::LayerCost;
use crate::couple::Coupling;
use crate::couple::explain::Held;
use crate::model::{Graph, NodeId};
use crate::op::Role;
use crate::report::Obstacle;

/// The obstacles, those that keep the most multiply-adds first; `total`: the model's multiply-adds.
pub(in crate::pipeline) fn obstacles(
    graph: &Graph<'_>,
    coupling: &Coupling,
    layers: &[LayerCost],
    total: u64,
) -> Vec<Obstacle> {
    let costs = by_node(layers);
    let mut out: Vec<Obstacle> = Vec::new();
    let mut place = HashMap::<(Option<NodeId>, &str), usize>::new();
    for held in &coupling.held {
        let at = *place.entry((held.node, &held.reason)).or_insert(out.len());
        if at == out.len() {
            let node = held.node.map(|n| graph.node(n));
            let (name, op) = node.map_or(("", ""), |n| (n.name(), n.op()));
            out.push(Obstacle { node: name.into(), op: op.into(), reason: held.reason.clone(), ..Obstacle::default() });
        }
        let obstacle = &mut out[at];
        let layer = graph.node(held.layer).name();
        if obstacle.layers.last().is_none_or(|l| l != layer) {
            obstacle.layers.push(layer.into());
        }
        obstacle.channels += held.channels;
        obstacle.macs += kept(held, &costs);
    }
    for obstacle in &mut out {
        obstacle.macs_share = obstacle.macs as f64 / total.max(1) as f64;
    }
    out.sort_by_key(|o| (Reverse(o.macs), Reverse(o.channels)));
    out
}

/// The share of the multiply-adds that lie in filters that can go.
pub(super) fn prunable(coupling: &Coupling, layers: &[LayerCost]) -> f64 {
    let costs = by_node(layers);
    let total: u64 = layers.iter().map(|l| l.cost.macs).sum();
    let held: u64 = coupling.held.iter().map(|h| kept(h, &costs)).sum();
    total.saturating_sub(held) as f64 / total.max(1) as f64
}

/// Why nothing of a layer went, by the layer's name: what holds most of its channels, else what the plan did not touch.
pub(super) fn reasons<'a>(source: &Source<'a>) -> HashMap<&'a str, String> {
    let mut most = HashMap::<NodeId, &Held>::new();
    for held in &source.coupling.held {
        let entry = most.entry(held.layer).or_insert(held);
        if held.channels > entry.channels {
            *entry = held;
        }
    }
    let mut out = HashMap::new();
    for layer in source.layers {
        let reason = match most.get(&layer.id) {
            Some(held) => because(source.graph, held, unplanned(source, layer.id)),
            None => unplanned(source, layer.id).unwrap_or("none of its channels was chosen").to_owned(),
        };
        out.insert(source.graph.node(layer.id).name(), reason);
    }
    out
}

/// Why a plan that is empty is.
pub(super) fn nothing_to_remove(source: &Source<'_>, obstacles: &[Obstacle]) -> String {
    let why = match obstacles.first() {
        _ if matches!(source.what, What::Obey(_)) => "the plan's groups lose nothing".to_owned(),
        _ if source.what.is_lossless() && !source.plan.groups.is_empty() => {
            "no unit is zero, constant or unread".to_owned()
        }
        _ if !source.plan.groups.is_empty() => "every group is too small for this rate".to_owned(),
        _ if !source.coupling.groups.is_empty() => "no group may lose any (--scope, --keep, --only)".to_owned(),
        Some(o) => {
            let at = if o.node.is_empty() { String::new() } else { format!(" ('{}')", o.node) };
            format!("every channel is held, most of them because {}{at}", o.reason)
        }
        None => "no weights of the model make channels that could go".to_owned(),
    };
    format!("nothing was removed: {why}")
}

fn by_node(layers: &[LayerCost]) -> HashMap<NodeId, u64> {
    layers.iter().map(|l| (l.id, l.cost.macs)).collect()
}

/// The multiply-adds that lie in held channels.
fn kept(held: &Held, costs: &HashMap<NodeId, u64>) -> u64 {
    let macs = costs.get(&held.layer).copied().unwrap_or(0);
    if held.of == 0 { macs } else { (u128::from(macs) * held.channels as u128 / held.of as u128) as u64 }
}

/// A reason in a layer's row: what holds its channels, and where it is not the layer itself.
fn because(graph: &Graph<'_>, held: &Held, rest: Option<&str>) -> String {
    let holder = held.node.filter(|n| *n != held.layer).map(|n| format!(" ({})", graph.node(n).name()));
    let mut out = format!("{}{}", held.reason, holder.unwrap_or_default());
    if held.channels < held.of {
        out = format!("{} of {}: {out}", held.channels, held.of);
        out.extend(rest.map(|r| format!("; else {r}")));
    }
    out
}

/// Why the plan leaves the groups of a layer alone.
fn unplanned(source: &Source<'_>, layer: NodeId) -> Option<&'static str> {
    let said = &source.coupling.statements;
    let axes = said.roles.iter().filter(|r| r.role == Role::Filter && r.node == layer).map(|r| r.axis);
    let axes: Vec<_> = axes.collect();
    let group = source.coupling.groups.iter().find(|g| g.axes.iter().any(|a| axes.contains(&a.0)))?;
    let in_blocks = source.coupling.partitions.iter().any(|p| p.shares.iter().any(|s| s.group == group.id));
    if source.plan.groups.iter().any(|p| p.id == group.id && !p.remove.is_empty()) {
        return None;
    }
    let left = source.left.iter().find(|l| l.0 == group.id).map(|l| l.1);
    Some(left.unwrap_or_else(|| source.what.why_none(in_blocks)))
}
