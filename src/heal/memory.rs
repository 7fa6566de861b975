//! How many samples are carried at once: as many as are there, or as the memory holds of what a network needs at its widest place.

use std::ops::Range;

use rayon::prelude::*;

use super::Get;
use super::network::Network;
use crate::error::Result;
use crate::model::{Tensor, ValueId};
use crate::parallel::in_order;

/// Bytes that the values of all samples may take, in both networks.
const MOST_BYTES: usize = 3 << 29;

/// The inputs of some samples, as many as the networks' values leave room for. Errors where one cannot be had.
pub(super) fn prepared(networks: &[&Network<'_>], samples: Range<usize>, get: Get<'_>) -> Result<Vec<Vec<Tensor>>> {
    let most = MOST_BYTES / networks.iter().map(|n| peak(n)).sum::<usize>().max(1);
    let numbers: Vec<usize> = samples.take(most.max(1)).collect();
    in_order(numbers.into_par_iter().map(get))
}

/// The most bytes that one sample's values take while its network runs node after node.
pub(super) fn peak(net: &Network<'_>) -> usize {
    let graph = &net.graph;
    let bytes = |v: ValueId| 4 * net.dims.get(v).map_or(0, |d| d.iter().product::<usize>());
    let last = |v: ValueId| graph.value(v).readers.iter().map(|r| r.0.index()).max().unwrap_or(0);
    let made = |v: ValueId| graph.producer(v).map_or(0, |n| n.id.index());
    let count = graph.nodes().len();
    let mut change = vec![0i64; count + 2];
    for v in graph.value_ids().filter(|&v| net.known.get(v).is_none()) {
        let size = i64::try_from(bytes(v)).unwrap_or(i64::MAX / 4);
        change[made(v)] += size;
        change[last(v).max(made(v)) + 1] -= size;
    }
    let mut at = 0i64;
    change
        .into_iter()
        .map(|c| {
            at = at.saturating_add(c);
            at
        })
        .max()
        .and_then(|m| usize::try_from(m).ok())
        .unwrap_or(0)
}
