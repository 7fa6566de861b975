//! The dependency graph, for people: nodes, coupled groups as clusters, what is pinned and why, in Graphviz's language.

use std::collections::BTreeMap;
use std::fmt::Write;

use petgraph::graph::DiGraph;
use petgraph::visit::EdgeRef;

use super::{Coupling, Facts};
use crate::model::{Graph, Source};
use crate::op::Role;

/// The nodes that compute, and the values that run between them.
pub fn dependency_graph<'g>(graph: &'g Graph<'_>) -> DiGraph<&'g str, &'g str> {
    let mut out = DiGraph::new();
    let ids: Vec<_> = graph.nodes().iter().map(|n| out.add_node(n.name())).collect();
    for id in graph.value_ids() {
        let value = graph.value(id);
        if let Source::Node(from, _) = value.source {
            for (to, _) in &value.readers {
                out.add_edge(ids[from.index()], ids[to.index()], value.name);
            }
        }
    }
    out
}

/// In Graphviz's language: one cluster a group, pinned layers in red with the reason as tooltip; constants are left out.
pub fn dot(facts: &Facts<'_>, coupling: &Coupling) -> String {
    let graph = dependency_graph(facts.graph);
    let shown = |i: usize| !facts.constants.covers(&facts.graph.nodes()[i]);
    let mut out =
        String::from("digraph secateur {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n");
    for i in (0..graph.node_count()).filter(|&i| shown(i)) {
        let node = &facts.graph.nodes()[i];
        let pin = coupling.pinned.iter().find(|p| p.layer == node.id);
        let style = pin.map_or(String::new(), |p| format!(", color=red, tooltip={}", quoted(&p.reason)));
        let _ = writeln!(out, "  n{i} [label={}{style}];", quoted(&format!("{}\n{}", node.op(), node.name())));
    }
    for (group, members) in members(coupling) {
        let group = &coupling.groups[group];
        let label = quoted(&format!("group {}: {} units", group.id, group.units.len()));
        let list: String = members.iter().map(|m| format!(" n{m};")).collect();
        let _ = writeln!(out, "  subgraph cluster_{} {{ label={label}; color=blue;{list} }}", group.id);
    }
    for edge in graph.edge_references().filter(|e| shown(e.source().index()) && shown(e.target().index())) {
        let tip = quoted(edge.weight());
        let _ = writeln!(out, "  n{} -> n{} [tooltip={tip}];", edge.source().index(), edge.target().index());
    }
    out.push_str("}\n");
    out
}

/// The nodes whose filters make each group; a node stands in the first of its groups.
fn members(coupling: &Coupling) -> BTreeMap<usize, Vec<usize>> {
    let mut of_node = BTreeMap::<usize, usize>::new();
    for filter in coupling.statements.roles.iter().filter(|r| r.role == Role::Filter) {
        let group = coupling.groups.iter().find(|g| g.axes.iter().any(|a| a.0 == filter.axis));
        if let Some(group) = group {
            of_node.entry(filter.node.index()).or_insert(group.id);
        }
    }
    let mut out = BTreeMap::<usize, Vec<usize>>::new();
    for (node, group) in of_node {
        out.entry(group).or_default().push(node);
    }
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
