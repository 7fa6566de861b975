//! The contractions that read one weight. Mostly it is one; several are fitted as one, each with a bias of its own.

use super::layer::{Both, Kind, Layer};
use crate::model::{Node, NodeId, ValueId};

/// The contractions of one weight, in the cut model's order.
pub(super) struct Shared {
    /// At least one.
    layers: Vec<Layer>,
}

impl Shared {
    /// The readers of the node's weight; `Err`: why they cannot be healed.
    pub(super) fn new(both: &Both<'_>, node: &Node<'_>) -> Result<Self, String> {
        let mut layers = vec![both.layer(node)?];
        for other in both.sharing(node) {
            let same = |reason: String| format!("'{}' has the same weights, and {reason}", other.name());
            let layer = both.layer(other).map_err(same)?;
            if !layer.reads_as(&layers[0]) || both.weight(other) != both.weight(node) {
                return Err(same("reads them another way".into()));
            }
            layers.push(layer);
        }
        layers.sort_by_key(|l| l.nodes[1]);
        let is_late = layers.iter().any(|l| l.late);
        if is_late && matches!(layers[0].kind, Kind::Transposed(_)) {
            return Err("one ConvTranspose of the same weights reads what another makes".into());
        }
        Ok(Self { layers })
    }

    /// All of them.
    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The same, taken apart.
    pub(super) fn into_layers(self) -> Vec<Layer> {
        self.layers
    }

    /// The first.
    pub(super) fn lead(&self) -> &Layer {
        &self.layers[0]
    }

    /// Whether it is one of them, in the cut model.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.layers.iter().any(|l| l.nodes[1] == node)
    }

    /// What they ask of the original (0), or of the cut model (1), as it is when the first of them runs.
    pub(super) fn asked(&self, k: usize) -> Vec<ValueId> {
        self.layers.iter().flat_map(|l| l.asked(k)).collect()
    }
}
