//! The contractions that read one weight. Mostly it is one; several are fitted as one, each with a bias of its own.

use super::layer::{Bias, Both, Kind, Layer};
use crate::model::{Node, NodeId, ValueId};

/// New biases of several readers may take this share of their weight's elements together; beyond it, none is added.
const MOST_BIASES: f64 = 0.125;

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
        spare_biases(&mut layers);
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

/// Where many share a weight, a bias for each could take more than was cut.
fn spare_biases(layers: &mut [Layer]) {
    let is_new = |l: &Layer| matches!(l.bias, Bias::Slot { now: None, .. });
    let (count, columns) = (layers.iter().filter(|l| is_new(l)).count(), layers[0].width());
    if count > 1 && count as f64 > MOST_BIASES * columns as f64 {
        layers.iter_mut().filter(|l| is_new(l)).for_each(|l| l.bias = Bias::None);
    }
}
