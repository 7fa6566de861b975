//! What comes behind a contraction, up to the first activation: a scale and a shift for each filter, perhaps a sum with another value, and the
//! kink of a ReLU. `q = a p + t + s`, `p` what the contraction makes.

use super::layer::Both;
use super::network::Network;
use super::window::Channels;
use crate::model::{Node, NodeId, ValueId};

/// What a contraction's output goes through.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Behind {
    /// `a`, by kept filter.
    pub scale: Vec<f32>,
    /// `t`, by kept filter.
    pub shift: Vec<f32>,
    /// Another value that is added, ready before the contraction runs.
    pub joined: Option<Joined>,
    /// Where values are clipped.
    pub kink: Option<Kink>,
}

/// A sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Joined {
    /// The other summand in the cut model.
    pub other: ValueId,
    /// The sum in the original.
    pub sum: ValueId,
}

/// Nothing passes below 0, nor above `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kink {
    pub high: f32,
}

impl Kink {
    /// What passes.
    pub(super) fn of(self, q: f32) -> f32 {
        q.clamp(0.0, self.high)
    }
}

impl Behind {
    /// Behind `value` of the cut model, whose maker is fitted when `first` is to run.
    pub(super) fn new(both: &Both<'_>, first: NodeId, value: ValueId, channels: Channels) -> Self {
        let net = both.after;
        let dims = net.dims.get(value).unwrap_or_default();
        let axis = match channels {
            Channels::Second => 1,
            Channels::Last => dims.len().saturating_sub(1),
        };
        let filters = dims.get(axis).copied().unwrap_or(0);
        let mut behind = Self { scale: vec![1.0; filters], shift: vec![0.0; filters], joined: None, kink: None };
        let mut at = value;
        while let Some(node) = net.sole_reader(at).filter(|n| n.proto.in_default_domain()) {
            let Some(out) = node.output(0) else { break };
            if let Some(kink) = kink(net, node, at) {
                behind.kink = Some(kink);
                break;
            }
            let passes = matches!(node.op(), "Identity" | "Dropout")
                || (behind.joined.is_none() && (behind.normalized(net, node) || behind.moved(net, node, at, axis)))
                || behind.join(both, node, (at, out), first);
            if !passes {
                break;
            }
            at = out;
        }
        behind
    }

    fn normalized(&mut self, net: &Network<'_>, node: &Node<'_>) -> bool {
        if node.op() != "BatchNormalization" || node.proto.attr_int("training_mode").unwrap_or(0) != 0 {
            return false;
        }
        let vector = |slot: usize| node.input(slot).and_then(|v| net.floats(v)).filter(|f| f.len() == self.scale.len());
        let (Some(scale), Some(bias), Some(mean), Some(var)) = (vector(1), vector(2), vector(3), vector(4)) else {
            return false;
        };
        let epsilon = node.proto.attr("epsilon").and_then(|a| a.f).unwrap_or(1e-5);
        for f in 0..self.scale.len() {
            let a = scale[f] / (var[f] + epsilon).sqrt();
            self.scale[f] *= a;
            self.shift[f] = (self.shift[f] - mean[f]) * a + bias[f];
        }
        true
    }

    /// A constant for each filter that is added or multiplied.
    fn moved(&mut self, net: &Network<'_>, node: &Node<'_>, at: ValueId, axis: usize) -> bool {
        if !matches!(node.op(), "Add" | "Mul") {
            return false;
        }
        let rank = net.dims.get(at).map_or(0, <[usize]>::len);
        let other = node.input(usize::from(node.input(0) == Some(at)));
        let Some((known, floats)) = other.and_then(|v| Some((net.known.get(v)?, net.floats(v)?))) else { return false };
        let dims = known.dims();
        let filters = self.scale.len();
        let along = |(k, &d): (usize, &usize)| d == 1 || (k + rank == axis + dims.len() && d == filters);
        if dims.len() > rank || !dims.iter().enumerate().all(along) || floats.is_empty() {
            return false;
        }
        for f in 0..filters {
            let c = floats[if floats.len() == filters { f } else { 0 }];
            if node.op() == "Add" {
                self.shift[f] += c;
            } else {
                self.scale[f] *= c;
                self.shift[f] *= c;
            }
        }
        true
    }

    /// A sum with a value that is ready before `first` runs.
    fn join(&mut self, both: &Both<'_>, node: &Node<'_>, (at, out): (ValueId, ValueId), first: NodeId) -> bool {
        let net = both.after;
        let Some(other) = node.input(usize::from(node.input(0) == Some(at))) else { return false };
        let is_ready = net.graph.producer(other).is_none_or(|n| n.id < first);
        let sum = both.before.graph.find(net.graph.name(out));
        let same = net.dims.get(other).is_some() && net.dims.get(other) == net.dims.get(at);
        match sum.filter(|_| {
            node.op() == "Add"
                && self.joined.is_none()
                && is_ready
                && same
                && net.known.get(other).is_none()
                && other != at
        }) {
            Some(sum) => self.joined = Some(Joined { other, sum }),
            None => return false,
        }
        true
    }
}

fn kink(net: &Network<'_>, node: &Node<'_>, at: ValueId) -> Option<Kink> {
    if node.input(0) != Some(at) {
        return None;
    }
    let bound = |slot: usize, name: &str, none: f32| match node.input(slot) {
        Some(v) => net.floats(v)?.first().copied(),
        None => Some(node.proto.attr(name).and_then(|a| a.f).unwrap_or(none)),
    };
    match node.op() {
        "Relu" => Some(Kink { high: f32::INFINITY }),
        "Clip" if bound(1, "min", f32::NEG_INFINITY)? == 0.0 => {
            Some(Kink { high: bound(2, "max", f32::INFINITY)? }).filter(|k| k.high > 0.0)
        }
        _ => None,
    }
}
