//! Constants of a healed model: where they may differ from the original's, and what the twin then holds.

use super::Values;
use super::contractions::{bias, healable};
use super::pairing::{Operand, Pairing};
use crate::model::constant::Known;
use crate::model::removed::{Kept, scatter};
use crate::model::{Node, NodeId, Tensor};

impl Pairing<'_> {
    /// The original's constant with the pruned model's numbers at the kept coordinates; `None` where they may not differ. `Err`: they may, and
    /// are no numbers.
    pub(super) fn healed(
        &self,
        node: &Node<'_>,
        slot: usize,
        (before, after): (&Known, &Known),
        kept: &[Kept],
    ) -> Result<Option<Tensor>, String> {
        if !self.lifts(node)
            || !(healable(node.op(), slot) || self.adds_a_bias(node, slot, before) || self.makes_weights(node))
        {
            return Ok(None);
        }
        let part = after.tensor();
        match scatter(kept, &before.tensor(), &part) {
            Ok(whole) if part.floats().is_some() => finite(&part, slot).map(|()| Some(whole)),
            _ => Ok(None),
        }
    }

    /// Whether a healed node may have a bias that the original does not have.
    pub(super) fn may_add_a_bias(&self, node: &Node<'_>, slot: usize) -> bool {
        self.lifts(node) && bias(node.op()).is_some_and(|b| b.0 == slot)
    }

    /// A bias that the original does not have: zero there, and the pruned model's at the kept channels. `Err`: it does not fit them.
    pub(super) fn added_bias(&self, node: &Node<'_>, slot: usize, after: &Known) -> Result<Operand, String> {
        let unfit = || format!("its new bias in input {slot} does not fit the channels that it keeps");
        let out = node.output(0).ok_or_else(unfit)?;
        let (_, axis) = bias(node.op()).ok_or_else(unfit)?;
        let channels = self.dims.get(out).and_then(|d| d.get(axis)).copied().ok_or_else(unfit)?;
        let of_channels = |k: Kept| match k {
            Kept::Along { axis: a, index } if a == axis => Some(Kept::Along { axis: 0, index }),
            _ => None,
        };
        let kept: Vec<Kept> = self.kept(self.before.name(out), "").into_iter().filter_map(of_channels).collect();
        let part = after.tensor();
        let width = part.data.len() / part.len().max(1);
        let zeros = Tensor { dtype: part.dtype, dims: vec![channels], data: vec![0; width * channels].into() };
        let whole = scatter(&kept, &zeros, &part).ok().filter(|_| part.floats().is_some()).ok_or_else(unfit)?;
        finite(&part, slot)?;
        Ok(Operand { slot, before: Known::Dense(zeros), kept, healed: Some(whole) })
    }

    /// Whether a node adds a constant vector to what a contraction makes: a bias that stands by itself, as after a MatMul.
    fn adds_a_bias(&self, node: &Node<'_>, slot: usize, before: &Known) -> bool {
        let maker = node.input(1 - slot.min(1)).and_then(|v| self.before.producer(v));
        node.op() == "Add"
            && slot < 2
            && before.dims().iter().filter(|d| **d > 1).count() <= 1
            && maker.is_some_and(|n| n.proto.in_default_domain() && makes_a_sum(n.op()))
    }

    /// Whether a node gives a stored constant another name or type, and only contractions and the like read that, where healing writes.
    fn makes_weights(&self, node: &Node<'_>) -> bool {
        let Some(made) = node.output(0).map(|y| self.before.value(y)) else { return false };
        let reads = |r: &(NodeId, usize)| {
            let reader = self.before.node(r.0);
            reader.proto.in_default_domain() && (healable(reader.op(), r.1) || self.makes_weights(reader))
        };
        node.renames()
            && !made.is_output
            && !made.captured
            && !made.readers.is_empty()
            && made.readers.iter().all(reads)
    }

    fn lifts(&self, node: &Node<'_>) -> bool {
        self.case.values == Values::Healed && node.proto.in_default_domain()
    }
}

fn makes_a_sum(op: &str) -> bool {
    matches!(op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Einsum")
}

fn finite(part: &Tensor, slot: usize) -> Result<(), String> {
    match part.floats().unwrap_or_default().into_iter().find(|v| !v.is_finite()) {
        Some(v) => Err(format!("its constant in input {slot} was healed and holds {v}")),
        None => Ok(()),
    }
}
