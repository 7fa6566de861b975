//! What can go and change nothing: units that are zero, or constant, wherever a contraction reads them, and units that no contraction weighs.
//!
//! A value is known here where it follows from the weights alone, whatever the input: a filter that is zero makes its bias, and what each
//! channel on its own does to that is followed. A unit goes where every contraction that reads it
//!
//! - reads zero: `sum over i of w[o, i] x[i]` does not see it;
//! - weighs it with zeros, or makes of it only what goes with it (unread);
//! - or reads a constant `c` at every place: `b[o] + w[o, i] c` then takes the place of its bias. Where a convolution pads, the border does
//!   not see `c`, so that the unit stays.
//!
//! Invariant: what is not understood is not known, and stays. Running a network proves nothing of this kind, and nothing is run.

use std::collections::{HashMap, HashSet};

use crate::couple::{CoupledGroup, Coupling, Facts, Unit};
use crate::error::Result;
use crate::model::{Constants, NodeId, Tensor, ValueId};
use crate::op::{AxisId, Owner};

mod contract;
mod fold;
mod pointwise;
mod reads;
mod spread;
mod values;
mod weights;

pub use fold::{Fold, folds};

use reads::{Read, Verdict};
use values::Values;
use weights::Weights;

/// Why a unit can go and change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It is zero wherever it is read.
    Zero,
    /// It is a constant, which biases can take up.
    Constant,
    /// Nothing weighs it.
    Unread,
}

impl Reason {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Constant => "constant",
            Self::Unread => "unread",
        }
    }
}

/// What is known of a network's values and weights.
struct Analysis<'a> {
    facts: &'a Facts<'a>,
    known: Constants,
    weights: Weights<'a>,
    values: Values,
    /// Which values depend on an input.
    live: Vec<bool>,
}

impl<'a> Analysis<'a> {
    fn new(facts: &'a Facts<'a>) -> Result<Self> {
        let mut analysis = Self::of_weights(facts)?;
        analysis.values = Values::of(facts, &analysis.known, &analysis.weights);
        Ok(analysis)
    }

    /// Without what follows for values.
    fn of_weights(facts: &'a Facts<'a>) -> Result<Self> {
        let known = facts.constants.at(facts.graph, facts.dims)?;
        let (weights, values) = (Weights::new(facts), Values::default());
        Ok(Self { facts, known, weights, values, live: facts.graph.live() })
    }
}

/// For each unit of each group, why it can go and change nothing, if it can. Errors where a constant is malformed.
pub fn find(facts: &Facts<'_>, coupling: &Coupling) -> Result<Vec<Vec<Option<Reason>>>> {
    let analysis = Analysis::new(facts)?;
    let places = Places::new(coupling);
    let of_group = |g: &CoupledGroup| {
        let reason = |u: &Unit| if g.exact { analysis.reason(coupling, &places, u) } else { None };
        g.units.iter().map(reason).collect()
    };
    Ok(coupling.groups.iter().map(of_group).collect())
}

/// A channel that a contraction hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The contraction's name.
    pub node: String,
    /// The value that it reads.
    pub value: String,
    /// The axis that it sums over.
    pub axis: usize,
    /// The coordinate.
    pub index: usize,
}

/// The channels that contractions hear of those that `silent` gives for the axes of values. Errors where a constant is malformed.
pub fn heard(facts: &Facts<'_>, silent: &dyn Fn(&str, usize) -> Vec<usize>) -> Result<Vec<Heard>> {
    let heard = Analysis::of_weights(facts)?.heard(silent);
    if heard.is_empty() { Ok(heard) } else { Ok(Analysis::new(facts)?.heard(silent)) }
}

/// The axes of values that all readers see alike.
struct Places(HashMap<(ValueId, usize), AxisId>);

impl Places {
    fn new(coupling: &Coupling) -> Self {
        let place = |(id, axis): (AxisId, &crate::op::Axis)| match axis.owner {
            Owner::Value { value, reader: None, axis } => Some(((value, axis), id)),
            _ => None,
        };
        Self(coupling.statements.numbered().filter_map(place).collect())
    }
}

impl Analysis<'_> {
    fn heard(&self, silent: &dyn Fn(&str, usize) -> Vec<usize>) -> Vec<Heard> {
        let mut out = Vec::new();
        for node in self.facts.graph.nodes() {
            for read in self.reads_of(node) {
                let made = node.output(0).map_or("", |y| self.facts.graph.name(y));
                let with = |axis: usize, o: usize| silent(made, axis).contains(&o);
                let value = self.facts.graph.name(read.value);
                for index in silent(value, read.axis) {
                    if !matches!(self.verdict(&read, index, &with), Verdict::Zero | Verdict::Unread) {
                        let node = node.name().to_owned();
                        out.push(Heard { node, value: value.into(), axis: read.axis, index });
                    }
                }
            }
        }
        out
    }

    fn reason(&self, coupling: &Coupling, places: &Places, unit: &Unit) -> Option<Reason> {
        let own: HashSet<(AxisId, u32)> = unit.coordinates.iter().copied().collect();
        let mut reason = Reason::Zero;
        let mut read_at_all = false;
        for &(axis, i) in &unit.coordinates {
            let Owner::Value { value, axis: k, .. } = coupling.statements.axes[axis.index()].owner else { continue };
            if !self.live[value.index()] {
                continue;
            }
            for read in self.reads_at(value, k) {
                read_at_all = true;
                let made = self.facts.graph.node(read.node).output(0);
                let with = |axis: usize, o: usize| {
                    made.and_then(|y| places.0.get(&(y, axis))).is_some_and(|&a| own.contains(&(a, o as u32)))
                };
                match self.verdict(&read, i as usize, &with) {
                    Verdict::Zero => {}
                    Verdict::Unread if reason == Reason::Constant => {}
                    Verdict::Unread => reason = Reason::Unread,
                    Verdict::Constant(_) => reason = Reason::Constant,
                    Verdict::Heard => return None,
                }
            }
        }
        Some(if read_at_all { reason } else { Reason::Unread })
    }

    /// The contractions that read a value and sum over that axis of it.
    fn reads_at(&self, value: ValueId, axis: usize) -> Vec<Read> {
        let readers = &self.facts.graph.value(value).readers;
        let mut nodes: Vec<NodeId> = readers.iter().map(|r| r.0).collect();
        nodes.dedup();
        let reads = nodes.into_iter().flat_map(|n| self.reads_of(self.facts.graph.node(n)));
        reads.filter(|r| r.value == value && r.axis == axis).collect()
    }
}

/// A tensor of numbers of which those that are not known are NaN.
fn numbers(t: &Tensor) -> Option<Vec<f32>> {
    t.floats()
}
