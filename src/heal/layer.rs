//! The contractions of a cut model that can be fitted again: which channels they keep, how their weights lie, and where a bias goes.

use std::ops::Range;

use ndarray::Array2;

use super::behind::Behind;
use super::network::Network;
use super::window::{Channels, Plane, Window};
use crate::model::{Node, NodeId, Removed, Tensor, ValueId};

/// A contraction, in both models.
pub(super) struct Layer {
    /// The node's name.
    pub name: String,
    /// The node in the original, and in the cut model.
    pub nodes: [NodeId; 2],
    /// What it reads in the original, and in the cut model.
    pub x: [ValueId; 2],
    /// What it is fitted to make, bias included: in the original, and in the cut model.
    pub y: [ValueId; 2],
    /// Input channels that are kept, of the original's.
    pub kept: Vec<usize>,
    /// Output channels that are kept, of the original's.
    pub filters: Vec<usize>,
    /// The operator.
    pub kind: Kind,
    /// Groups of channels, with filters of their own.
    pub groups: Vec<Block>,
    /// Where its bias goes.
    pub bias: Bias,
    /// What comes behind it.
    pub behind: Behind,
    /// Whether it reads what another contraction makes with the same weights: those are fitted before it can run.
    pub late: bool,
}

/// The operators that are healed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Conv.
    Conv(Window),
    /// ConvTranspose, with the product of its strides: folded, never refit.
    Transposed(usize),
    /// Gemm and MatMul: what the weights are multiplied by, and whether filters are the weight's first axis.
    Dense {
        /// Gemm's alpha.
        alpha: f32,
        /// Gemm's transB.
        filters_first: bool,
    },
}

/// Where a bias goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bias {
    /// Into that input slot of that node, times that factor: 1 over Gemm's beta.
    Slot {
        node: NodeId,
        slot: usize,
        factor: f32,
        /// What is there now.
        now: Option<ValueId>,
    },
    /// Away from the mean of that BatchNormalization, its input 3.
    Mean {
        node: NodeId,
        /// What is there now.
        now: ValueId,
    },
    /// Nowhere.
    None,
}

/// One group of a convolution, or all of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its input channels in the cut model.
    pub inputs: Range<usize>,
    /// Its filters in the cut model.
    pub filters: Range<usize>,
    /// Its input channels in the original.
    pub whole: Range<usize>,
}

/// Both models of a cut.
pub(super) struct Both<'a> {
    pub before: &'a Network<'a>,
    pub after: &'a Network<'a>,
    pub removed: &'a [Removed],
}

impl Both<'_> {
    /// The layer that a node of the cut model is; `Err`: why it is none that can be healed.
    pub(super) fn layer(&self, node: &Node<'_>) -> Result<Layer, String> {
        let (net, other) = (self.after, self.before);
        let y = node.output(0).ok_or("it makes nothing")?;
        let twin = |v: ValueId| other.graph.find(net.graph.name(v));
        let before = twin(y).and_then(|v| other.graph.producer(v)).ok_or("the original has no such node")?;
        let x = node.input(0).ok_or("it reads nothing")?;
        let x0 =
            before.input(0).filter(|v| Some(*v) == twin(x)).ok_or("it reads another value than in the original")?;
        if net.known.get(x).is_some() {
            return Err("its input is a constant".into());
        }
        let weight = node.input(1).ok_or("it has no weights")?;
        if net.floats(weight).is_none() {
            return Err(weights_reason(net, weight));
        }
        if let Some(n) = self.uses(weight).find(|(n, slot)| *slot != 1 || !n.contracts()) {
            return Err(format!("'{}' has the same weights", n.0.name()));
        }
        let first = self.uses(weight).map(|u| u.0.id).min().unwrap_or(node.id);
        let (kind, channels) = kind(net, node)?;
        let (kept, filters) = (self.kept(x0, before, channels)?, self.kept(twin(y).ok_or("")?, before, channels)?);
        let groups = blocks(net, other, node, before, &kept, &filters, &kind)?;
        let (bias, y) = bias(net, node, y)?;
        let behind = Behind::new(self, first, y, channels);
        let y0 = twin(y).ok_or("the original has no such value")?;
        Ok(Layer {
            name: node.name().to_owned(),
            nodes: [before.id, node.id],
            x: [x0, x],
            y: [y0, y],
            kept,
            filters,
            kind,
            groups,
            bias,
            behind,
            late: net.graph.producer(x).is_some_and(|n| n.id >= first),
        })
    }

    /// The nodes that compute with a weight in the cut model, and in which slot.
    fn uses(&self, weight: ValueId) -> impl Iterator<Item = (&Node<'_>, usize)> {
        let net = self.after;
        let uses = net.known.uses(&net.graph, weight);
        uses.into_iter().map(|(node, slot)| (net.graph.node(node), slot))
    }

    /// The stored weight that a node of the cut model reads as it lies.
    pub(super) fn weight(&self, node: &Node<'_>) -> Option<ValueId> {
        node.input(1).map(|w| self.after.known.same_as(&self.after.graph, w))
    }

    /// The other nodes that read a node's weight.
    pub(super) fn sharing(&self, node: &Node<'_>) -> impl Iterator<Item = &Node<'_>> {
        let id = node.id;
        node.input(1).into_iter().flat_map(|w| self.uses(w)).map(|u| u.0).filter(move |n| n.id != id)
    }

    /// What stays of a value's channels, as `reader` or its maker sees it. Errors where it loses something of another axis.
    pub(super) fn kept(&self, value: ValueId, reader: &Node<'_>, channels: Channels) -> Result<Vec<usize>, String> {
        let dims = self.before.dims.get(value).ok_or("the dims of what it reads or makes are not known")?;
        let axis = match channels {
            Channels::Second => 1,
            Channels::Last => dims.len().saturating_sub(1),
        };
        let name = self.before.graph.name(value);
        let cuts: Vec<&Removed> =
            self.removed.iter().filter(|r| r.concerns(name, reader.name()) && !r.is_empty()).collect();
        match cuts.as_slice() {
            [] => Ok((0..*dims.get(axis).ok_or("it has no channels")?).collect()),
            [one] if one.axis == axis && one.blocks.is_empty() => Ok(one.kept_indices()),
            _ => Err("what it reads or makes loses something else than channels".into()),
        }
    }

    /// Whether the node reads channels that are removed.
    pub(super) fn reads_removed(&self, node: &Node<'_>) -> bool {
        let concerns = |v: ValueId| {
            let name = self.after.graph.name(v);
            self.removed.iter().any(|r| r.concerns(name, node.name()) && !r.is_empty())
        };
        node.contracts()
            && node.inputs.iter().copied().flatten().filter(|v| self.after.known.get(*v).is_none()).any(concerns)
    }
}

impl Layer {
    /// Whether its weights are the same matrix for the same channels as another's.
    pub(super) fn reads_as(&self, other: &Self) -> bool {
        let alike = match (&self.kind, &other.kind) {
            (Kind::Conv(a), Kind::Conv(b)) => a.taps() == b.taps(),
            (a, b) => a == b,
        };
        alike && self.kept == other.kept && self.filters == other.filters && self.groups == other.groups
    }

    /// What it asks of the original (0), or of the cut model (1), when the first contraction of its weights is to run.
    pub(super) fn asked(&self, k: usize) -> Vec<ValueId> {
        match k {
            0 if self.late => Vec::new(),
            0 => self.asked_late(),
            _ => {
                let other = self.behind.joined.map(|j| j.other);
                [(!self.late).then_some(self.x[1]), other].into_iter().flatten().collect()
            }
        }
    }

    /// What it asks of the original.
    pub(super) fn asked_late(&self) -> Vec<ValueId> {
        let sum = self.behind.joined.map(|j| j.sum);
        [Some(self.x[0]), Some(self.y[0]), sum].into_iter().flatten().collect()
    }

    /// The plane of what it reads, or makes.
    pub(super) fn plane(&self, dims: &[usize]) -> Option<Plane> {
        Plane::new(dims, self.channels())
    }

    /// The number of the first node of the original behind all that healing writes: weights, and a bias that stands further on.
    pub(super) fn end(&self) -> usize {
        let biased = match self.bias {
            Bias::Slot { node, .. } | Bias::Mean { node, .. } => node.index(),
            Bias::None => 0,
        };
        self.nodes[1].index().max(biased) + 1
    }

    /// Where channels stand.
    pub(super) fn channels(&self) -> Channels {
        match self.kind {
            Kind::Dense { .. } => Channels::Last,
            _ => Channels::Second,
        }
    }

    /// Numbers of a row for one channel.
    pub(super) fn taps(&self) -> usize {
        match &self.kind {
            Kind::Conv(w) => w.taps(),
            _ => 1,
        }
    }

    /// Columns of the widest group's system.
    pub(super) fn width(&self) -> usize {
        self.groups.iter().map(|b| b.inputs.len()).max().unwrap_or(0) * self.taps()
    }

    /// The weights as a matrix: a row a filter, `[filter, channel * taps]`; of ConvTranspose, a row for each filter and tap. `None` where they
    /// are no floating-point numbers.
    pub(super) fn matrix(&self, weight: &Tensor) -> Option<Array2<f32>> {
        let floats = weight.floats()?;
        let (first, rest) = (*weight.dims.first()?, weight.dims.iter().skip(1).product());
        let m = Array2::from_shape_vec((first, rest), floats).ok()?;
        Some(match self.kind {
            Kind::Conv(_) | Kind::Transposed(_) => m,
            Kind::Dense { alpha, filters_first } => {
                let m = if filters_first { m } else { m.reversed_axes() };
                m.mapv(|w| w * alpha)
            }
        })
    }

    /// The weights of a matrix, in the dims of the node's own.
    pub(super) fn tensor(&self, matrix: &Array2<f32>, dims: &[usize]) -> Tensor {
        let values: Vec<f32> = match self.kind {
            Kind::Conv(_) | Kind::Transposed(_) => matrix.iter().copied().collect(),
            Kind::Dense { alpha, filters_first: true } => matrix.iter().map(|w| w / alpha).collect(),
            Kind::Dense { alpha, filters_first: false } => matrix.t().iter().map(|w| w / alpha).collect(),
        };
        Tensor::from_floats(dims.to_vec(), &values)
    }
}

fn weights_reason(net: &Network<'_>, weight: ValueId) -> String {
    match net.graph.producer(weight) {
        Some(n) if n.op() == "DequantizeLinear" => "its weights are quantized".into(),
        _ => "its weights are no floating-point constants".into(),
    }
}

fn kind(net: &Network<'_>, node: &Node<'_>) -> Result<(Kind, Channels), String> {
    let dims = |v: Option<ValueId>| v.and_then(|v| net.dims.get(v)).ok_or("its dims are not known".to_owned());
    let (x, y) = (dims(node.input(0))?, dims(node.output(0))?);
    let w = node.input(1).and_then(|v| net.known.get(v)).map(|k| k.dims().to_vec()).ok_or("it has no weights")?;
    let one = |name: &str| node.proto.attr(name).and_then(|a| a.f).unwrap_or(1.0);
    let flag = |name: &str| node.proto.attr_int(name).unwrap_or(0) != 0;
    match node.op() {
        "Conv" if x.len() > 2 && x.len() == w.len() && x.len() == y.len() => {
            let window = Window::new(node.proto, &x[2..], &w[2..], &y[2..]);
            Ok((Kind::Conv(window.ok_or("its attributes do not fit its dims")?), Channels::Second))
        }
        "ConvTranspose" if x.len() > 2 => {
            let strides = node.proto.attr_ints("strides").map_or(1, |s| s.iter().product::<i64>());
            Ok((Kind::Transposed(usize::try_from(strides).unwrap_or(1).max(1)), Channels::Second))
        }
        "Gemm" if w.len() == 2 && x.len() == 2 && !flag("transA") && one("alpha") != 0.0 => {
            Ok((Kind::Dense { alpha: one("alpha"), filters_first: flag("transB") }, Channels::Last))
        }
        "MatMul" if w.len() == 2 && x.len() >= 2 => {
            Ok((Kind::Dense { alpha: 1.0, filters_first: false }, Channels::Last))
        }
        op => Err(format!("{op} of these dims is not healed")),
    }
}

/// The groups of a layer. Errors where what is kept does not lie in them.
fn blocks(
    net: &Network<'_>,
    other: &Network<'_>,
    node: &Node<'_>,
    before: &Node<'_>,
    kept: &[usize],
    filters: &[usize],
    kind: &Kind,
) -> Result<Vec<Block>, String> {
    let group = |n: &Node<'_>| match kind {
        Kind::Dense { .. } => 1,
        _ => n.proto.attr_int("group").and_then(|g| usize::try_from(g).ok()).unwrap_or(1).max(1),
    };
    let channels = |net: &Network<'_>, n: &Node<'_>, slot: Option<usize>| {
        let v = slot.map_or(n.output(0), |s| n.input(s));
        let dims = v.and_then(|v| net.dims.get(v)).unwrap_or_default();
        match kind {
            Kind::Dense { .. } => dims.last().copied(),
            _ => dims.get(1).copied(),
        }
        .unwrap_or(0)
    };
    let (g, g0) = (group(node), group(before));
    let (whole, all) = (channels(other, before, Some(0)) / g0, channels(other, before, None) / g0);
    let unfit = || "its groups do not keep channels of their own".to_owned();
    if kept.len() != channels(net, node, Some(0)) || filters.len() != channels(net, node, None) || all == 0 {
        return Err("its dims are not those of what is kept".into());
    }
    if !kept.len().is_multiple_of(g) || !filters.len().is_multiple_of(g) {
        return Err(unfit());
    }
    let (c, o) = (kept.len() / g, filters.len() / g);
    (0..g)
        .map(|j| {
            let (inputs, outs) = (j * c..(j + 1) * c, j * o..(j + 1) * o);
            let own = filters[outs.start] / all;
            let whole = own * whole..(own + 1) * whole;
            let fits = kept[inputs.clone()].iter().all(|i| whole.contains(i))
                && filters[outs.clone()].iter().all(|f| f / all == own);
            fits.then_some(Block { inputs, filters: outs, whole }).ok_or_else(unfit)
        })
        .collect()
}

/// Where the bias goes, and the value that has it. Errors where there is one that cannot be written.
fn bias(net: &Network<'_>, node: &Node<'_>, y: ValueId) -> Result<(Bias, ValueId), String> {
    let slot = |node: NodeId, slot, factor, now| Bias::Slot { node, slot, factor, now };
    if node.op() == "MatMul" {
        let Some(next) = net.sole_reader(y).filter(|n| n.op() == "Add" && n.proto.in_default_domain()) else {
            return Ok((Bias::None, y));
        };
        let other = usize::from(next.input(0) == Some(y));
        let channels = net.dims.get(y).and_then(|d| d.last().copied());
        let vector = next.input(other).filter(|v| {
            let dims = net.known.get(*v).map(|k| k.dims().to_vec()).unwrap_or_default();
            dims.last().copied() == channels && dims.iter().rev().skip(1).all(|d| *d == 1) && net.floats(*v).is_some()
        });
        return Ok(match (vector, next.output(0)) {
            (Some(v), Some(out)) => (slot(next.id, other, 1.0, Some(v)), out),
            _ => (Bias::None, y),
        });
    }
    let beta = node.proto.attr("beta").and_then(|a| a.f).unwrap_or(1.0);
    match node.input(2) {
        Some(b) if net.floats(b).is_none() => Err("its bias is no floating-point constant".into()),
        Some(_) if beta == 0.0 => Ok((Bias::None, y)),
        Some(b) => {
            let filters = net.dims.get(y).and_then(|d| d.get(1).copied());
            let fits = net
                .known
                .get(b)
                .is_some_and(|k| k.dims().last().copied() == filters && Some(k.tensor().len()) == filters);
            if fits { Ok((slot(node.id, 2, 1.0 / beta, Some(b)), y)) } else { Err("its bias is no vector".into()) }
        }
        None => Ok((mean(net, y).unwrap_or(slot(node.id, 2, 1.0, None)), y)),
    }
}

/// The mean of the BatchNormalization that alone reads a value.
fn mean(net: &Network<'_>, y: ValueId) -> Option<Bias> {
    let next = net.sole_reader(y).filter(|n| n.op() == "BatchNormalization" && n.proto.in_default_domain())?;
    let mean = next.input(3).filter(|v| next.input(0) == Some(y) && net.floats(*v).is_some())?;
    Some(Bias::Mean { node: next.id, now: mean })
}
