//! An order of the nodes in which all contractions that read one weight come one after the other, as far as none of them depends on another: such
//! a weight is fitted once, to all that they read.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{Constants, Graph, Model, NodeId, ValueId};

/// The model with its nodes in such an order; `None` where no weight has several readers. Errors where the model is malformed.
pub(super) fn together(model: &Model) -> Result<Option<Model>> {
    let graph = model.graph()?;
    let shared = sharing(&graph, &Constants::new(&graph)?);
    if shared.is_empty() {
        return Ok(None);
    }
    let order = Order::new(&graph, shared).run();
    let mut proto = model.proto().clone();
    if let Some(graph) = proto.graph.as_mut() {
        graph.node = order.into_iter().map(|n| graph.node[n].clone()).collect();
    }
    Ok(Some(model.edited(proto)))
}

/// The contractions that read one weight, of each weight with several.
fn sharing(graph: &Graph<'_>, known: &Constants) -> Vec<Vec<NodeId>> {
    let mut readers: BTreeMap<ValueId, Vec<NodeId>> = BTreeMap::new();
    for node in graph.nodes().iter().filter(|n| n.contracts()) {
        if let Some(weight) = node.input(1).filter(|w| known.is_constant(*w)) {
            readers.entry(known.same_as(graph, weight)).or_default().push(node.id);
        }
    }
    readers.into_values().filter(|nodes| nodes.len() > 1).collect()
}

/// Nodes that are put in order: always the first, in the order of the file, of those that can run.
struct Order {
    /// Who waits for each node.
    waiting: Vec<Vec<usize>>,
    /// For how many nodes each one waits.
    waits: Vec<usize>,
    /// Nodes that come together, by each of them.
    unit: Vec<Vec<usize>>,
    /// Nodes that can run.
    ready: BTreeSet<usize>,
    /// Those that could, and wait for the others of their unit.
    held: BTreeSet<usize>,
}

impl Order {
    fn new(graph: &Graph<'_>, shared: Vec<Vec<NodeId>>) -> Self {
        let count = graph.nodes().len();
        let mut order = Self {
            waiting: vec![Vec::new(); count],
            waits: vec![0; count],
            unit: (0..count).map(|n| vec![n]).collect(),
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
        };
        for nodes in shared {
            let unit: Vec<usize> = nodes.iter().map(|n| n.index()).collect();
            unit.iter().for_each(|&n| order.unit[n] = unit.clone());
        }
        for node in graph.nodes() {
            let makers = graph.reads(node).filter_map(|v| Some(graph.producer(v)?.id.index()));
            let makers: BTreeSet<usize> = makers.collect();
            order.waits[node.id.index()] = makers.len();
            makers.into_iter().for_each(|m| order.waiting[m].push(node.id.index()));
        }
        (0..count).filter(|&n| order.waits[n] == 0).collect::<Vec<_>>().into_iter().for_each(|n| order.can_run(n));
        order
    }

    /// All nodes, in order.
    fn run(mut self) -> Vec<usize> {
        let mut out = Vec::with_capacity(self.waits.len());
        while let Some(first) = self.ready.first().or(self.held.first()).copied() {
            // Of a unit in which one depends on another, those that can run go now, and each of the others by itself.
            let unit = std::mem::take(&mut self.unit[first]);
            let (now, later): (Vec<usize>, Vec<usize>) = unit.into_iter().partition(|&n| self.waits[n] == 0);
            later.into_iter().for_each(|n| self.unit[n] = vec![n]);
            for &n in &now {
                self.ready.remove(&n);
                self.held.remove(&n);
            }
            for n in now {
                out.push(n);
                for m in std::mem::take(&mut self.waiting[n]) {
                    self.waits[m] -= 1;
                    if self.waits[m] == 0 {
                        self.can_run(m);
                    }
                }
            }
        }
        out
    }

    /// A node of which all is there that it reads.
    fn can_run(&mut self, node: usize) {
        let unit = &self.unit[node];
        if unit.iter().all(|&n| self.waits[n] == 0) {
            self.held.retain(|n| !unit.contains(n));
            self.ready.extend(unit.iter().min());
        } else {
            self.held.insert(node);
        }
    }
}

#[cfg(test)]
mod tests;
