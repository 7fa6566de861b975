//! Collects what is said of a graph: every node by the rule of its operator, shuffles as one, and the interface, which keeps its dims.

use super::{Facts, Shuffle, roles, shuffle};
use crate::model::{Constants, Source, ValueId};
use crate::op::relations::Pin;
use crate::op::{AxisTable, NodeView, Relations, Statements, rule};

/// What every node and the graph's interface say.
pub(super) fn relate(facts: &Facts<'_>, table: &AxisTable<'_>, known: &Constants) -> Statements {
    let mut said = Statements::new(table);
    pin_interface(facts, table, known, &mut said);
    tie_aliases(facts, table, &mut said);
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
        pin_open(facts, &view, &mut rel);
        let reason = match rule(node.proto).map(|rule| rule.relate(&view, &mut rel)) {
            Some(Ok(())) => format!("{} says nothing of this axis", node.op()),
            Some(Err(unsupported)) => {
                rel.pin_all(view.operands().flat_map(|o| o.axes()), &format!("{} {}", node.op(), unsupported.0));
                String::new()
            }
            None => format!("{} has no rule here, so all that it touches stays", node.op()),
        };
        rel.close(view.operands(), &reason);
    }
    roles::inherit(facts, table, known, &live, &mut said);
    said
}

/// Another name of a matrix has its fate.
fn tie_aliases(facts: &Facts<'_>, table: &AxisTable<'_>, said: &mut Statements) {
    for node in facts.graph.nodes() {
        if !facts.constants.is_alias(facts.graph, node) {
            continue;
        }
        let operand = |value: Option<ValueId>| value.and_then(|v| table.operand(v, node.id));
        let (Some(x), Some(y)) = (operand(node.input(0)), operand(node.output(0))) else { continue };
        let mut rel = said.about(node.id);
        (0..y.rank()).for_each(|k| rel.link(x.axis(facts.constants.axis_before(node, k)), y.axis(k)));
    }
}

/// A shuffle permutes one axis and leaves the others alone; what lies between its nodes is not spoken of.
fn permute(rel: &mut Relations<'_>, table: &AxisTable<'_>, shuffle: &Shuffle) {
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
            said.pins.push(Pin { axis, node: None, reason: reason.clone() });
        }
    }
}

/// Where a contraction makes an axis whose length follows an open dim of an input, a coordinate of it is another thing at another size.
fn pin_open(facts: &Facts<'_>, view: &NodeView<'_>, rel: &mut Relations<'_>) {
    let Some(grown) = facts.grown.filter(|_| view.node.contracts()) else { return };
    let Ok(made) = view.made() else { return };
    let Some(larger) = grown.get(made.value).filter(|d| d.len() == made.rank()) else { return };
    for k in (0..made.rank()).filter(|&k| larger[k] != made.dims[k]) {
        rel.pin(made.axis(k), "its length follows an open dimension of the inputs");
    }
}
