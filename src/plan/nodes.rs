//! Nodes as users name them: by glob, or as what lies between two values.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Graph, NodeId, ValueId};

/// Names shown where one is not found.
const NEAR: usize = 3;

/// Less alike than this, a name is no suggestion.
const ALIKE: f64 = 0.6;

/// The nodes whose name the glob matches: `*` stands for any characters, `?` for one. Errors where there are none, with near names; `option`
/// is where the glob was given.
pub(super) fn matching(graph: &Graph<'_>, glob: &str, option: &str) -> Result<BTreeSet<NodeId>> {
    let found = by_glob(graph, glob);
    if found.is_empty() {
        let names = graph.nodes().iter().map(|n| n.name());
        return Err(bad(format!("{option} '{glob}' matches no node{}", near(glob, names))));
    }
    Ok(found)
}

/// As [`matching`]; `a..b` stands for the nodes that depend on value `a` and that value `b` depends on.
pub(super) fn matching_or_between(graph: &Graph<'_>, text: &str, option: &str) -> Result<BTreeSet<NodeId>> {
    if !text.contains("..") || !by_glob(graph, text).is_empty() {
        return matching(graph, text, option);
    }
    let ends = text.match_indices("..").map(|(i, _)| (&text[..i], &text[i + 2..]));
    let values = |(a, b): (&str, &str)| Some((graph.find(a)?, graph.find(b)?));
    let Some((from, to)) = ends.clone().find_map(values) else {
        let names = || graph.values().iter().map(|v| v.name).filter(|n| !n.is_empty());
        let missing = ends.flat_map(|(a, b)| [a, b]).find(|n| graph.find(n).is_none()).unwrap_or(text);
        return Err(bad(format!("{option} '{text}': there is no value '{missing}'{}", near(missing, names()))));
    };
    let found = between(graph, from, to);
    if found.is_empty() {
        return Err(bad(format!(
            "{option} '{text}': no node lies between these values; data flows from the first to the second"
        )));
    }
    Ok(found)
}

fn by_glob(graph: &Graph<'_>, glob: &str) -> BTreeSet<NodeId> {
    let pattern = WildMatch::new(glob);
    graph.nodes().iter().filter(|n| n.name() == glob || pattern.matches(n.name())).map(|n| n.id).collect()
}

/// The nodes on the ways from one value to another.
fn between(graph: &Graph<'_>, from: ValueId, to: ValueId) -> BTreeSet<NodeId> {
    let mut reached = vec![false; graph.values().len()];
    reached[from.index()] = true;
    let mut after = BTreeSet::new();
    for node in graph.nodes() {
        if node.inputs.iter().flatten().any(|v| reached[v.index()]) {
            after.insert(node.id);
            node.outputs.iter().flatten().for_each(|v| reached[v.index()] = true);
        }
    }
    let mut needed = vec![false; graph.values().len()];
    needed[to.index()] = true;
    let mut out = BTreeSet::new();
    for node in graph.nodes().iter().rev().filter(|n| after.contains(&n.id)) {
        if node.outputs.iter().flatten().any(|v| needed[v.index()]) {
            out.insert(node.id);
            node.inputs.iter().flatten().for_each(|v| needed[v.index()] = true);
        }
    }
    out
}

/// `; near it: 'x', 'y'`: the names most alike, in the order of likeness.
fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> String {
    let wanted: String = wanted.chars().filter(|c| !matches!(c, '*' | '?')).collect();
    let likeness = |name: &str| {
        let part = name.rsplit('/').next().unwrap_or(name);
        strsim::jaro_winkler(&wanted, name).max(strsim::jaro_winkler(&wanted, part))
    };
    let mut all: Vec<(f64, &str)> = names.map(|n| (likeness(n), n)).filter(|n| n.0 >= ALIKE).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    all.dedup_by_key(|n| n.1);
    let shown: Vec<String> = all.iter().take(NEAR).map(|n| format!("'{}'", n.1)).collect();
    if shown.is_empty() { String::new() } else { format!("; near it: {}", shown.join(", ")) }
}

fn bad(reason: String) -> Error {
    Error::new(ErrorKind::BadOption(reason))
}
