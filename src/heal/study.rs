//! What a network makes of samples, looked at once: which contractions read what could go, and what they read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use super::Get;
use super::layer::{Both, Layer};
use super::memory;
use super::network::Network;
use super::prior::MOST_CHANNELS;
use super::shared::Shared;
use super::walk::Walk;
use crate::cost;
use crate::error::Result;
use crate::model::{Model, NodeId, Removed, Tensor, ValueId};
use crate::parallel::in_order;
use crate::runtime::{Feed, Session};

mod change;
mod curves;
mod distance;
mod moments;
mod surgeon;
mod tails;

pub use curves::{Cost, Trial};
use distance::{apart, distance};
use moments::{Moments, moments};
pub use surgeon::Heard;

/// Samples from which the readers are fitted.
const FITTED: usize = 384;

/// The most samples on which the outputs are compared, and the fewest.
const COMPARED: [usize; 2] = [64, 8];

/// The multiply-accumulates that comparing outputs may take; beyond them, fewer samples are compared.
const MOST_MACS: u64 = 1_500_000_000_000;

/// At how many levels of a trial outputs are compared, at most.
const LEVELS_RUN: usize = 4;

/// A network, and the contractions that read what could go from it, with what they read.
pub struct Study<'m> {
    net: Network<'m>,
    inputs: Vec<String>,
    /// The contractions that can be fitted.
    layers: BTreeMap<NodeId, Layer>,
    moments: BTreeMap<NodeId, Moments>,
    /// Samples on which outputs are compared: others than those that contractions are fitted on, where there are two or more.
    compared: Vec<Vec<Tensor>>,
    outputs: Vec<ValueId>,
    /// What the network makes of each sample that is compared on.
    truth: Vec<Vec<Tensor>>,
    feeds: Vec<Feed>,
}

impl<'m> Study<'m> {
    /// Of a model that computes in float32; `groups`: all that could go, by group. Errors where the model cannot be run.
    pub fn new(
        model: &'m Model,
        feeds: &[Feed],
        groups: &[Vec<Removed>],
        (fit, get): (&Range<usize>, Get<'_>),
    ) -> Result<Self> {
        let net = Network::new(model, feeds)?;
        let outputs = net.graph.value_ids().filter(|&v| net.graph.value(v).is_output).collect();
        let mut study = Self {
            net,
            inputs: feeds.iter().map(|f| f.name.clone()).collect(),
            layers: BTreeMap::new(),
            moments: BTreeMap::new(),
            compared: Vec::new(),
            outputs,
            truth: Vec::new(),
            feeds: feeds.to_vec(),
        };
        for removed in groups {
            study.add_readers(removed);
        }
        let count = study.to_compare(groups);
        let net = &study.net;
        let mut samples = memory::prepared(&[net], fit.start..fit.end.min(fit.start + FITTED + count), get)?;
        let compared = samples.split_off(samples.len() - (samples.len() / 2).min(count));
        study.compared = if compared.is_empty() { samples.clone() } else { compared };
        study.truth = study.makes()?;
        if !study.is_silent() {
            study.moments = moments(&study.net, feeds, &samples, study.layers.values())?;
        }
        Ok(study)
    }

    /// Whether the outputs are the same for all samples, of two or more: then nothing can be measured at them.
    pub fn is_silent(&self) -> bool {
        self.truth.len() > 1 && self.truth.iter().all(|outputs| *outputs == self.truth[0])
    }

    /// What the network makes of each sample that is compared on.
    fn makes(&self) -> Result<Vec<Vec<Tensor>>> {
        let mut walk = Walk::new(&self.net, &self.inputs, &self.compared, self.outputs.iter().copied())?;
        walk.advance(self.net.graph.nodes().len())?;
        let by_output = self.outputs.iter().map(|v| walk.get(*v)).collect::<Result<Vec<_>>>()?;
        Ok((0..self.compared.len()).map(|i| by_output.iter().map(|o| o[i].clone()).collect()).collect())
    }

    /// How far another model's outputs are from the network's, on the samples that are compared on: as [`super::Cost::outputs`] measures it. The
    /// model has the same inputs and outputs, and computes in float32. Errors where it cannot be run.
    pub fn distance(&self, model: &Model) -> Result<f64> {
        let names: Vec<String> = self.outputs.iter().map(|v| self.net.graph.name(*v).to_owned()).collect();
        let session = Session::load(model, &self.feeds, &names)?;
        let one = |(inputs, truth): (&Vec<Tensor>, &Vec<Tensor>)| Ok(apart(truth, &session.run(inputs)?));
        Ok(distance(&in_order(self.compared.par_iter().zip(&self.truth).map(one))?))
    }

    fn add_readers(&mut self, removed: &[Removed]) {
        let net = &self.net;
        let whole = Both { before: net, after: net, removed: &[] };
        // Of too many channels no covariance is taken.
        let fits = |l: &Layer| l.groups.iter().all(|b| b.whole.len() <= MOST_CHANNELS);
        let shared = |id: NodeId| Shared::new(&whole, net.graph.node(id)).ok();
        let found: Vec<Shared> = self.reading(removed).into_iter().filter_map(shared).collect();
        let layers = found.into_iter().flat_map(Shared::into_layers).filter(fits);
        self.layers.extend(layers.map(|l| (l.nodes[0], l)));
    }

    /// The contractions that read what is removed.
    fn reading(&self, removed: &[Removed]) -> Vec<NodeId> {
        let both = Both { before: &self.net, after: &self.net, removed };
        self.net.graph.nodes().iter().filter(|n| both.reads_removed(n)).map(|n| n.id).collect()
    }

    /// The same; `None` where there is none.
    fn readers(&self, removed: &[Removed]) -> Option<Vec<NodeId>> {
        Some(self.reading(removed)).filter(|nodes| !nodes.is_empty())
    }

    /// From the first reader up to behind the last, and behind all that fitting them writes.
    fn range(&self, readers: &[NodeId]) -> Option<Range<usize>> {
        let end = readers.iter().map(|id| self.layers.get(id).map_or(id.index() + 1, Layer::end)).max()?;
        Some(readers.first()?.index()..end)
    }

    /// How many contractions see what some of them make.
    fn behind(&self, readers: &[NodeId]) -> usize {
        let net = &self.net;
        let mut seen: BTreeSet<ValueId> = BTreeSet::new();
        let mut count = 0;
        for node in net.graph.nodes().iter().filter(|n| !net.known.covers(n)) {
            let sees = net.graph.reads(node).any(|v| seen.contains(&v));
            if sees || readers.contains(&node.id) {
                seen.extend(node.outputs.iter().flatten());
                count += usize::from(sees && node.contracts() && !readers.contains(&node.id));
            }
        }
        count
    }

    /// On how many samples outputs are compared: as many as the work allows of running, for each group, all that is behind its readers.
    fn to_compare(&self, groups: &[Vec<Removed>]) -> usize {
        let layers = cost::layers(&self.net.graph, &self.net.known, &self.net.dims);
        let behind = |start: usize| layers.iter().filter(|l| l.id.index() >= start).map(|l| l.cost.macs).sum::<u64>();
        let first = |g: &Vec<Removed>| self.readers(g).and_then(|r| Some(r.first()?.index()));
        let one = groups.iter().filter_map(first).map(behind).sum::<u64>();
        let [most, fewest] = COMPARED;
        usize::try_from(MOST_MACS / (LEVELS_RUN as u64 * one).max(1)).unwrap_or(most).clamp(fewest, most)
    }
}
