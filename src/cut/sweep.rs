//! Sweeping up after a cut: nodes and constants that were read before and are not read any more.

use std::collections::HashSet;

use crate::model::ModelProto;
use crate::model::proto::{GraphProto, NodeProto};

/// Drops what `before` read and `after` does not: constant chains whose result was replaced, constants that were copied for all their readers.
pub(crate) fn drop_unread(before: &ModelProto, after: &mut ModelProto) {
    let Some(graph) = after.graph.as_mut() else { return };
    let was_read = before.graph.as_ref().map(names_read).unwrap_or_default();
    loop {
        let read = names_read(graph);
        let unread = |name: &str| was_read.contains(name) && !read.contains(name);
        let count = graph.node.len() + graph.initializer.len();
        graph.node.retain(|n| !n.output.iter().all(|o| o.is_empty() || unread(o)));
        let gone: HashSet<String> =
            graph.initializer.iter().filter(|t| unread(t.name())).map(|t| t.name().to_owned()).collect();
        graph.initializer.retain(|t| !gone.contains(t.name()));
        graph.input.retain(|i| !gone.contains(i.name()));
        if graph.node.len() + graph.initializer.len() == count {
            break;
        }
    }
    let there: HashSet<&str> = graph
        .node
        .iter()
        .flat_map(|n| &n.output)
        .map(String::as_str)
        .chain(graph.initializer.iter().map(|t| t.name()))
        .collect();
    let there: HashSet<String> = there.into_iter().map(str::to_owned).collect();
    let inputs: HashSet<String> = graph.input.iter().map(|i| i.name().to_owned()).collect();
    graph.value_info.retain(|v| there.contains(v.name()) || inputs.contains(v.name()));
    graph.quantization_annotation.retain(|a| there.contains(a.tensor_name()) || inputs.contains(a.tensor_name()));
}

/// Every name that the file uses, in subgraphs too.
pub(crate) fn all_names(model: &ModelProto) -> HashSet<String> {
    fn walk(graph: &GraphProto, out: &mut HashSet<String>) {
        out.extend(graph.input.iter().chain(&graph.output).map(|v| v.name().to_owned()));
        out.extend(graph.initializer.iter().map(|t| t.name().to_owned()));
        for node in &graph.node {
            out.extend(node.input.iter().chain(&node.output).cloned());
            node.subgraphs().for_each(|g| walk(g, out));
        }
    }
    let mut out = HashSet::new();
    model.graph.iter().for_each(|g| walk(g, &mut out));
    out
}

/// Names that nodes, subgraphs and outputs of a graph read.
fn names_read(graph: &GraphProto) -> HashSet<String> {
    fn of_node(node: &NodeProto, out: &mut HashSet<String>) {
        out.extend(node.input.iter().filter(|i| !i.is_empty()).cloned());
        for graph in node.subgraphs() {
            out.extend(names_read(graph));
        }
    }
    let mut out: HashSet<String> = graph.output.iter().map(|o| o.name().to_owned()).collect();
    graph.node.iter().for_each(|n| of_node(n, &mut out));
    out
}
