//! What a contraction reads in the original: mean and covariance of its patches, or, of wide ones, of its channels.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::heal::fit::mean_and_covariance;
use crate::heal::layer::{Kind, Layer};
use crate::heal::network::Network;
use crate::heal::rows::{At, columns};
use crate::heal::walk::Walk;
use crate::model::{NodeId, Tensor, ValueId};
use crate::runtime::Feed;

/// From more columns on, channels are looked at instead of patches.
const MOST_COLUMNS: usize = 1152;

/// The fewest rows that they are taken from, where there are as many.
const ROWS: usize = 8192;

/// Mean and covariance of what a contraction reads, by group.
pub(super) struct Moments {
    /// Whether a column is a number of a patch, rather than a channel.
    pub of_patches: bool,
    pub groups: Vec<(Array1<f64>, Array2<f64>)>,
}

/// Of each layer. Errors where the model does not run.
pub(super) fn moments<'l>(
    net: &Network<'_>,
    feeds: &[Feed],
    samples: &[Vec<Tensor>],
    layers: impl Iterator<Item = &'l Layer> + Clone,
) -> Result<BTreeMap<NodeId, Moments>> {
    let inputs: Vec<String> = feeds.iter().map(|f| f.name.clone()).collect();
    let mut walk = Walk::new(net, &inputs, samples, layers.clone().map(|l| l.x[0]))?;
    let mut out = BTreeMap::new();
    for (number, layer) in layers.enumerate() {
        walk.advance(layer.nodes[0].index())?;
        let at = At { before: &walk, after: &walk, layer, number, fewest: ROWS, among: 1 };
        // A ConvTranspose has no patches: its channels are rows of its weights.
        let of_patches = layer.width() <= MOST_COLUMNS && !matches!(layer.kind, Kind::Transposed(_));
        let order: Vec<usize> = (0..samples.len()).collect();
        let rows = if of_patches { at.patches(&order)? } else { at.channels(&order)?.0 };
        let taps = if of_patches { layer.taps() } else { 1 };
        let of_group =
            |b: &crate::heal::layer::Block| mean_and_covariance(&columns(rows.view(), b.whole.clone(), taps));
        out.insert(layer.nodes[0], Moments { of_patches, groups: layer.groups.iter().map(of_group).collect() });
        walk.done_with(layer.x[0]);
    }
    share(net, &mut out);
    Ok(out)
}

/// Contractions with the same weights are fitted as one, so that all that they read counts for each: the mean of their covariances.
fn share(net: &Network<'_>, of: &mut BTreeMap<NodeId, Moments>) {
    let mut readers: BTreeMap<ValueId, Vec<NodeId>> = BTreeMap::new();
    for id in of.keys() {
        let weight = net.graph.node(*id).input(1).map(|w| net.known.same_as(&net.graph, w));
        weight.into_iter().for_each(|w| readers.entry(w).or_default().push(*id));
    }
    for nodes in readers.values().filter(|nodes| nodes.len() > 1) {
        let groups = nodes.iter().filter_map(|id| of.get(id)).map(|m| m.groups.len()).min().unwrap_or(0);
        for g in 0..groups {
            let all = nodes.iter().filter_map(|id| of.get(id)).map(|m| &m.groups[g].1);
            let sum = all.fold(None, |sum: Option<Array2<f64>>, c| Some(sum.map_or_else(|| c.clone(), |s| s + c)));
            let Some(mean) = sum.map(|s| s / nodes.len() as f64) else { continue };
            nodes.iter().for_each(|id| {
                of.get_mut(id).into_iter().for_each(|m| m.groups[g].1.clone_from(&mean));
            });
        }
    }
}
