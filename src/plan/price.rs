//! What a network costs when so many units of each group are gone, without cutting it: the same sums as [`crate::cost`], over dims from
//! which the units' coordinates are taken away. Which units go makes no difference.

use std::collections::{BTreeMap, HashMap};

use crate::cost;
use crate::couple::{Coupling, Facts};
use crate::model::{Node, NodeId, ValueId};
use crate::op::Owner;

/// The cost of a network by the number of units that are gone of each group.
#[derive(Debug)]
pub struct Prices<'a> {
    facts: &'a Facts<'a>,
    work: Vec<Work>,
    weights: Vec<Weight>,
}

/// A contraction that shrinks or not, with its operands.
#[derive(Debug)]
struct Work {
    node: NodeId,
    inputs: Vec<Option<Shape>>,
    outputs: Vec<Option<Shape>>,
}

/// A stored constant that counts as parameters: as each set of readers sees it.
#[derive(Debug, Default)]
struct Weight {
    /// One for each way in which it shrinks, under each name that has a fate of its own.
    variants: Vec<(ValueId, Shape)>,
}

/// Dims that shrink.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    dims: Vec<usize>,
    shrinks: Vec<Shrink>,
}

/// How an axis shrinks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shrink {
    axis: usize,
    /// Coordinates that one place of the axis stands for: the row blocks of a grouped convolution's weight.
    blocks: usize,
    /// Groups, with the coordinates of a unit.
    shares: Vec<(usize, u32)>,
}

impl Shape {
    fn at(&self, counts: &[usize]) -> Vec<usize> {
        let mut dims = self.dims.clone();
        for shrink in &self.shrinks {
            let gone: usize = shrink.shares.iter().map(|&(group, per_unit)| counts[group] * per_unit as usize).sum();
            dims[shrink.axis] = dims[shrink.axis].saturating_sub(gone / shrink.blocks);
        }
        dims
    }

    fn is_touched(&self, counts: &[usize]) -> bool {
        self.shrinks.iter().flat_map(|s| &s.shares).any(|s| counts[s.0] > 0)
    }
}

impl<'a> Prices<'a> {
    /// The prices of a coupled graph.
    pub fn new(facts: &'a Facts<'a>, coupling: &Coupling) -> Self {
        let shrinks = shrinks(coupling);
        let computes: Vec<&Node<'_>> = facts.graph.nodes().iter().filter(|n| !facts.constants.covers(n)).collect();
        let shape = |v: ValueId, reader: NodeId| {
            let dims = facts.constants.get(v).map(|k| k.dims()).or_else(|| facts.dims.get(v))?.to_vec();
            let own = shrinks.get(&(v, Some(reader))).or_else(|| shrinks.get(&(v, None)));
            Some(Shape { dims, shrinks: own.cloned().unwrap_or_default() })
        };
        let work = computes.iter().filter(|n| n.contracts()).map(|n| Work {
            node: n.id,
            inputs: n.inputs.iter().map(|v| shape((*v)?, n.id)).collect(),
            outputs: n.outputs.iter().map(|v| shape((*v)?, n.id)).collect(),
        });
        let mut weights = BTreeMap::<ValueId, Weight>::new();
        for node in &computes {
            for &value in node.inputs.iter().flatten().filter(|&&v| facts.constants.get(v).is_some_and(cost::counts)) {
                let (root, _) = facts.constants.root(facts.graph, value, 0);
                let name = if facts.constants.is_other_name(facts.graph, value) { root } else { value };
                let variants = &mut weights.entry(root).or_default().variants;
                let seen = shape(name, node.id).map(|shape| (name, shape)).filter(|s| !variants.contains(s));
                variants.extend(seen);
            }
        }
        Self { facts, work: work.collect(), weights: weights.into_values().collect() }
    }

    /// Multiply-adds where so many units are gone, by group.
    pub fn macs(&self, counts: &[usize]) -> u64 {
        let at = |shapes: &[Option<Shape>]| -> Vec<Option<Vec<usize>>> {
            shapes.iter().map(|s| s.as_ref().map(|s| s.at(counts))).collect()
        };
        let macs = |w: &Work| cost::macs_at(self.facts.graph.node(w.node), &at(&w.inputs), &at(&w.outputs));
        self.work.iter().map(macs).sum()
    }

    /// Parameters where so many units are gone, by group. Readers that want a constant differently have copies of it.
    pub fn params(&self, counts: &[usize]) -> u64 {
        let of = |weight: &Weight| {
            let elements = |s: &Shape| s.at(counts).iter().product::<usize>() as u64;
            let variants = || weight.variants.iter().map(|v| &v.1);
            let touched = variants().filter(|s| s.is_touched(counts)).map(elements).sum::<u64>();
            let whole = variants().find(|s| !s.is_touched(counts)).map_or(0, elements);
            touched + whole
        };
        self.weights.iter().map(of).sum()
    }
}

/// How the axes of values shrink, by value and, where readers see it differently, reader.
fn shrinks(coupling: &Coupling) -> HashMap<(ValueId, Option<NodeId>), Vec<Shrink>> {
    let mut by_axis = BTreeMap::new();
    for group in &coupling.groups {
        for &(axis, per_unit) in &group.axes {
            by_axis.entry(axis).or_insert_with(Vec::new).push((group.id, per_unit));
        }
    }
    let mut out = HashMap::<_, Vec<Shrink>>::new();
    for (axis, shares) in by_axis {
        let (key, axis, blocks) = match coupling.statements.axes[axis.index()].owner {
            Owner::Value { value, reader, axis } => ((value, reader), axis, 1),
            Owner::Blocks { value, blocks } => ((value, None), 1, blocks.max(1)),
            Owner::Virtual { .. } => continue,
        };
        out.entry(key).or_default().push(Shrink { axis, blocks, shares });
    }
    out
}
