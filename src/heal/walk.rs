//! A walk through a network with many samples at once, stretch by stretch: each node runs once for each sample, and only what is still needed
//! is held.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::network::{Given, Network, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{NodeId, Tensor, ValueId};
use crate::parallel::in_order;

/// A network, run up to some node for every sample.
pub(super) struct Walk<'n> {
    pub net: &'n Network<'n>,
    /// What stands in input slots instead of what the file has there.
    pub given: Given,
    /// The first node that has not run.
    at: usize,
    held: BTreeMap<ValueId, Vec<Tensor>>,
    /// What later steps ask for, by number of asking.
    wanted: BTreeMap<ValueId, usize>,
}

impl<'n> Walk<'n> {
    /// At the beginning. `samples`: the inputs of each, in the order of `inputs`; `wanted`: what will be asked for, once for each time.
    /// Errors where a name is no value.
    pub(super) fn new(
        net: &'n Network<'n>,
        inputs: &[String],
        samples: &[Vec<Tensor>],
        wanted: impl Iterator<Item = ValueId>,
    ) -> Result<Self> {
        let mut held = BTreeMap::new();
        for (k, name) in inputs.iter().enumerate() {
            let id = net.graph.find(name).ok_or_else(|| Error::internal(format!("no input '{name}'")))?;
            held.insert(id, samples.iter().map(|s| s[k].clone()).collect());
        }
        let mut counts = BTreeMap::new();
        wanted.for_each(|v| *counts.entry(v).or_insert(0) += 1);
        Ok(Self { net, given: Given::new(), at: 0, held, wanted: counts })
    }

    /// Runs all nodes before `to`.
    pub(super) fn advance(&mut self, to: usize) -> Result<()> {
        if to <= self.at {
            return Ok(());
        }
        let range = self.at..to;
        let makes: BTreeSet<ValueId> =
            range.clone().flat_map(|n| self.net.graph.nodes()[n].outputs.iter().copied().flatten()).collect();
        let makes = makes
            .into_iter()
            .filter(|&v| self.net.known.get(v).is_none() && !self.net.is_fixed(v) && self.is_needed(v, to))
            .collect();
        let segment = self.net.segment(range, &makes);
        if !segment.makes.is_empty() {
            let made = self.run(&segment, &self.given)?;
            self.held.extend(segment.makes.iter().copied().zip(made));
        }
        self.at = to;
        let gone: Vec<ValueId> = self.held.keys().copied().filter(|&v| !self.is_needed(v, to)).collect();
        gone.iter().for_each(|v| drop(self.held.remove(v)));
        Ok(())
    }

    /// The value, by sample. Errors where it is not held.
    pub(super) fn get(&self, value: ValueId) -> Result<&[Tensor]> {
        let missing = || Error::new(ErrorKind::Runtime(format!("'{}' was not computed", self.net.graph.name(value))));
        self.held.get(&value).map(Vec::as_slice).ok_or_else(missing)
    }

    /// Says that one of the times is over that a value is asked for.
    pub(super) fn done_with(&mut self, value: ValueId) {
        if let Some(n) = self.wanted.get_mut(&value) {
            *n = n.saturating_sub(1);
        }
        if self.held.contains_key(&value) && !self.is_needed(value, self.at) {
            self.held.remove(&value);
        }
    }

    fn is_needed(&self, value: ValueId, from: usize) -> bool {
        let v = self.net.graph.value(value);
        let later = |n: &(NodeId, usize)| n.0.index() >= from && !self.net.known.covers(self.net.graph.node(n.0));
        self.wanted.get(&value).is_some_and(|n| *n > 0) || v.captured || v.readers.iter().any(later)
    }

    /// What a node makes of every sample with other constants, up to `value`. Errors where it does not run.
    pub(super) fn try_node(&self, node: NodeId, value: ValueId, given: &Given) -> Result<Vec<Tensor>> {
        let end = self.net.graph.producer(value).map_or(node.index(), |n| n.id.index());
        let segment = self.net.segment(node.index()..end + 1, &BTreeSet::from([value]));
        Ok(self.run(&segment, given)?.swap_remove(0))
    }

    /// What the segment makes, by value and sample.
    pub(super) fn run(&self, segment: &Segment, given: &Given) -> Result<Vec<Vec<Tensor>>> {
        let reads = segment.reads.iter().map(|v| self.get(*v)).collect::<Result<Vec<_>>>()?;
        let count = self.held.values().next().map_or(0, Vec::len);
        let like = reads.iter().filter_map(|r| r.first()).collect::<Vec<_>>();
        if like.len() != reads.len() {
            return Err(Error::internal("a walk without samples"));
        }
        let session = self.net.load(segment, given, &like)?;
        let one = |i: usize| {
            let inputs: Vec<Tensor> = reads.iter().map(|r| r[i].clone()).collect();
            session.run(&inputs)
        };
        let all = in_order((0..count).into_par_iter().map(one))?;
        let mut out = vec![Vec::with_capacity(count); segment.makes.len()];
        all.into_iter().for_each(|made| out.iter_mut().zip(made).for_each(|(all, one)| all.push(one)));
        Ok(out)
    }
}
