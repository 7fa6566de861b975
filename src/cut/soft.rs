//! Soft pruning: the structure stays as it is, and weights are set to zero at the coordinates that would go. What makes a channel is then zero,
//! and so is what contractions read it with, so that the file computes what the masked original does, whatever lies between.
//!
//! Invariant: only what weighs or shifts is set to zero. Variances, scales of quantization, slopes, divisors, shapes and tables stay.

use std::collections::BTreeMap;

use super::{Cutter, sweep};
use crate::couple::{self, Coupling, Facts, Gone};
use crate::error::{Error, Result};
use crate::model::attr::from_front;
use crate::model::removed::Kept;
use crate::model::{ModelProto, Node, NodeId, Tensor, ValueId};
use crate::op::Owner;

/// For each input slot that reads a constant, what it keeps of each axis: the rest is zero.
type BySlot = BTreeMap<(NodeId, usize), Vec<Kept>>;

/// Sets the coordinates that would go to zero. Errors where a constant is malformed.
pub fn soften(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> Result<ModelProto> {
    let mut cutter = Cutter::new(facts);
    for (value, by_slot) in zeros_by_slot(facts, coupling, gone) {
        cutter.zero(value, by_slot)?;
    }
    let mut proto = cutter.finish();
    sweep::drop_unread(facts.graph.model().proto(), &mut proto);
    Ok(proto)
}

impl Cutter<'_> {
    /// Sets parts of a constant to zero; where readers want it differently, those that want zeros get copies.
    fn zero(&mut self, value: ValueId, by_slot: BySlot) -> Result<()> {
        let fail = |reason: &str| Error::internal(format!("'{}' {reason}", self.facts.graph.name(value)));
        let whole = self.facts.constants.get(value).ok_or_else(|| fail("is no constant"))?.tensor();
        let mut variants: BTreeMap<Vec<Kept>, Vec<(NodeId, usize)>> = BTreeMap::new();
        for (slot, kept) in by_slot {
            variants.entry(kept).or_default().push(slot);
        }
        let shared = variants.len() > 1 || self.in_a_chain(value);
        for (kept, slots) in variants.into_iter().filter(|v| !v.0.is_empty()) {
            let lost =
                Kept::lost(&kept, &whole.dims).ok_or_else(|| fail("is cut along an axis that it does not have"))?;
            let zeros = slots.first().and_then(|s| zeros(self.facts, self.facts.graph.node(s.0), value, &whole));
            let zeroed = zeros.and_then(|z| whole.blend(&z, &lost)).ok_or_else(|| fail("has no zeros"))?;
            if shared {
                self.copy_into(value, &zeroed, &slots);
            } else if zeroed != whole {
                self.replace(value, &zeroed);
            }
        }
        Ok(())
    }

    /// Gives input slots a constant of their own.
    fn copy_into(&mut self, value: ValueId, tensor: &Tensor, slots: &[(NodeId, usize)]) {
        let name = self.fresh(self.facts.graph.name(value));
        for &(reader, slot) in slots {
            if let Some(input) = self.node(reader).and_then(|n| n.input.get_mut(slot)) {
                input.clone_from(&name);
            }
        }
        self.add_initializer(tensor.to_proto(&name));
    }
}

/// For each constant of which something is set to zero, what each slot that reads it wants.
fn zeros_by_slot(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> BTreeMap<ValueId, BySlot> {
    let weights = Weights { facts, live: facts.graph.live() };
    let mut out = BTreeMap::<ValueId, BySlot>::new();
    for (id, axis) in coupling.statements.numbered() {
        let only = match axis.owner {
            Owner::Value { reader, .. } => reader,
            Owner::Blocks { .. } => None,
            Owner::Virtual { .. } => continue,
        };
        let Some((value, removed)) = couple::entry(facts, axis, gone.of(id)) else { continue };
        // Another name of a matrix stands for nothing of its own.
        if !facts.constants.is_constant(value) || facts.constants.is_other_name(facts.graph, value) {
            continue;
        }
        let slots = out.entry(value).or_insert_with(|| weights.slots(value));
        for (&(node, slot), kept) in slots.iter_mut().filter(|s| only.is_none_or(|n| n == s.0.0)) {
            if weights.weighs(facts.graph.node(node), slot) {
                kept.push(removed.kept());
            }
        }
    }
    out.retain(|_, slots| slots.values().any(|kept| !kept.is_empty()));
    out
}

/// Which constants are weights, and which are not.
struct Weights<'a> {
    facts: &'a Facts<'a>,
    /// Which values depend on an input.
    live: Vec<bool>,
}

impl Weights<'_> {
    /// The slots of nodes that compute with a constant, or give it another name, and nothing to zero yet.
    fn slots(&self, value: ValueId) -> BySlot {
        let (graph, known) = (self.facts.graph, self.facts.constants);
        let reads = |node: &Node<'_>| !known.covers(node) || known.is_alias(graph, node);
        let readers = graph.value(value).readers.iter().filter(|r| reads(graph.node(r.0)));
        readers.map(|r| (*r, Vec::new())).collect()
    }

    /// Whether a node only weighs or shifts with the constant in that slot, so that zeros there are harmless wherever they stand.
    fn weighs(&self, node: &Node<'_>, slot: usize) -> bool {
        let known = node.input(slot).and_then(|v| self.facts.constants.get(v));
        let float = known.is_none_or(|k| k.dtype().is_float());
        let weighs = match (node.op(), slot) {
            ("Cast" | "DequantizeLinear" | "Identity" | "QuantizeLinear" | "Transpose", 0) => self.passes_on(node),
            _ if !float => false,
            ("Conv" | "ConvTranspose", 1 | 2) | ("Gemm", 0..=2) | ("MatMul", 0 | 1) | ("Gather", 0) => true,
            ("Einsum" | "Add" | "Sum" | "Mul" | "Sub", _) => true,
            ("BatchNormalization" | "GroupNormalization" | "InstanceNormalization", 1 | 2) => true,
            _ => false,
        };
        weighs && node.proto.in_default_domain()
    }

    /// Whether what a node makes of a constant is a weight to all its readers.
    fn passes_on(&self, node: &Node<'_>) -> bool {
        let Some(y) = node.output(0) else { return false };
        let readers = &self.facts.graph.value(y).readers;
        self.live[y.index()] || readers.iter().all(|r| self.weighs(self.facts.graph.node(r.0), r.1))
    }
}

/// What stands for zero in a constant that the node reads: zero, or the zero point of what is dequantized. `None` where that is not known.
fn zeros(facts: &Facts<'_>, node: &Node<'_>, value: ValueId, whole: &Tensor) -> Option<Tensor> {
    let zero = Tensor::zeros(whole.dtype, whole.dims.clone())?;
    if node.op() != "DequantizeLinear" || node.input(0) != Some(value) {
        return Some(zero);
    }
    let Some(points) = node.input(2) else { return Some(zero) };
    spread(&facts.constants.get(points)?.tensor(), whole, node)
}

/// Zero points, one a tensor or one for each coordinate of the node's axis, laid out as what they belong to.
fn spread(points: &Tensor, whole: &Tensor, node: &Node<'_>) -> Option<Tensor> {
    let width = points.data.len().checked_div(points.len())?;
    let (inner, length) = if points.len() == 1 {
        (1, 1)
    } else {
        let axis = from_front(node.proto.attr_int("axis").unwrap_or(1), whole.dims.len())?;
        (whole.dims[axis + 1..].iter().product::<usize>().max(1), whole.dims[axis])
    };
    if points.dtype != whole.dtype || points.len() != length {
        return None;
    }
    let of = |f: usize| f / inner % length;
    let data: Vec<u8> =
        (0..whole.len()).flat_map(|f| points.data[of(f) * width..(of(f) + 1) * width].to_vec()).collect();
    Some(Tensor { data: data.into(), ..whole.clone() })
}
