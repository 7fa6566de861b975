//! Roles of constants that nodes stand before: an int8 weight is a filter's because of what reads its dequantized form.

use std::collections::HashMap;

use super::Facts;
use crate::model::{Constants, Node};
use crate::op::{Assignment, AxisId, AxisTable, Owner, Statements};

/// Whether the node makes a constant by moving or scaling each element on its own, so that what it makes is cut by cutting what it reads.
pub(super) fn is_followed(node: &Node<'_>) -> bool {
    matches!(node.op(), "Cast" | "DequantizeLinear" | "Identity" | "QuantizeLinear" | "Transpose")
        && node.proto.in_default_domain()
}

/// Hands the roles of what followed nodes make to what they read, last node first; all roles are in the order of the nodes that gave them.
pub(super) fn inherit(
    facts: &Facts<'_>,
    table: &AxisTable<'_>,
    known: &Constants,
    live: &[bool],
    said: &mut Statements,
) {
    let makes_constant =
        |n: &&Node<'_>| is_followed(n) && !known.covers(n) && !n.outputs.iter().flatten().any(|o| live[o.index()]);
    let nodes: Vec<&Node<'_>> = facts.graph.nodes().iter().filter(makes_constant).collect();
    if nodes.is_empty() {
        return;
    }
    let sources = sources(said);
    for node in nodes.into_iter().rev() {
        let Some(y) = node.output(0).and_then(|v| table.operand(v, node.id)) else { continue };
        let made: Vec<AxisId> = y.axes().collect();
        let roles: Vec<Assignment> = said.roles.iter().filter(|r| made.contains(&r.axis)).copied().collect();
        for role in roles {
            let of_input = sources.get(&role.axis).into_iter().flatten().copied().filter(|&a| reads(node, said, a));
            let inherited: Vec<Assignment> = of_input.map(|axis| Assignment { axis, ..role }).collect();
            said.roles.extend(inherited);
        }
    }
    said.roles.sort_by_key(|r| r.node);
}

/// Axes that are one and the same, by either of them.
fn sources(said: &Statements) -> HashMap<AxisId, Vec<AxisId>> {
    let mut out = HashMap::<AxisId, Vec<AxisId>>::new();
    let whole = |l: &&crate::op::relations::Link| said.length(l.whole) == said.length(l.part);
    for link in said.links.iter().filter(whole) {
        out.entry(link.part).or_default().push(link.whole);
        out.entry(link.whole).or_default().push(link.part);
    }
    out
}

/// Whether the axis is one of what the node reads first.
fn reads(node: &Node<'_>, said: &Statements, axis: AxisId) -> bool {
    matches!(said.axes[axis.index()].owner, Owner::Value { value, .. } if Some(value) == node.input(0))
}
