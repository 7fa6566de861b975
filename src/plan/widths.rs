//! Widths of layers that must end as a multiple, for hardware that wants 8, 16 or 32 channels at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::couple::{Coupling, Facts};
use crate::model::{Node, ValueId};
use crate::op::Role;

/// The output channels of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Width {
    /// What it must be a multiple of once it is cut.
    pub multiple: usize,
    /// Channels.
    pub length: usize,
    /// The groups among them, with the channels of a unit.
    pub shares: Vec<(usize, u32)>,
}

impl Width {
    /// What has to go beside multiples.
    pub(super) fn rest(&self) -> usize {
        self.length % self.multiple
    }

    /// Whether one of these groups lies in it.
    pub(super) fn touches(&self, groups: &[usize]) -> bool {
        self.shares.iter().any(|s| groups.contains(&s.0))
    }
}

/// The widths of all layers that can be cut; of equal ones the first.
pub(super) fn widths(facts: &Facts<'_>, coupling: &Coupling, multiple: usize) -> Vec<Width> {
    let said = &coupling.statements;
    let mut shares = BTreeMap::<(ValueId, usize), Vec<(usize, u32)>>::new();
    for group in &coupling.groups {
        for &(axis, per_unit) in &group.axes {
            if let Some(place) = said.axes[axis.index()].owner.place() {
                shares.entry(place).or_default().push((group.id, per_unit));
            }
        }
    }
    let layers: BTreeSet<_> = said.roles.iter().filter(|r| r.role == Role::Filter).map(|r| r.node).collect();
    let mut out: Vec<Width> = Vec::new();
    for node in layers.into_iter().map(|n| facts.graph.node(n)) {
        let Some((value, axis, length)) = channels(facts, node) else { continue };
        let Some(shares) = shares.get(&(value, axis)) else { continue };
        let width = Width { multiple, length, shares: shares.clone() };
        if !out.contains(&width) {
            out.push(width);
        }
    }
    out
}

/// The axis of a layer's output along which its filters lie, and its length.
fn channels(facts: &Facts<'_>, node: &Node<'_>) -> Option<(ValueId, usize, usize)> {
    let value = node.output(0)?;
    let dims = facts.dims.get(value)?;
    let axis = match node.op() {
        "Conv" | "ConvTranspose" | "Gemm" => 1,
        "MatMul" => dims.len().checked_sub(1)?,
        _ => return None,
    };
    Some((value, axis, *dims.get(axis)?))
}
