//! Where a cut will not pay: widths that hardware fills up, and layers that wait for memory.

use super::text::percent;
use super::{LayerChange, LayerCost};

/// Channels are computed in vectors of this many; what is no multiple leaves the last one partly empty.
const VECTOR: usize = 8;

/// Multiply-adds a byte, below which memory bounds a layer. A core does about 25 G multiply-adds a second and reads about 10 GB: at 2.5 both
/// take as long. Depthwise 3x3 convolutions have about 1, a Gemm at batch 1 has 1/4, a 3x3 convolution of 64 channels 64 and more.
pub const MEMORY_BOUND: f64 = 2.5;

/// The share of multiply-adds, or of bytes moved, from which advice is given.
const NOTABLE: f64 = 0.05;
const MUCH: f64 = 1.0 / 3.0;

/// Advice about a model after a cut; none where nothing was cut.
pub fn advice(layers: &[LayerChange]) -> Vec<String> {
    let cut = |l: &&LayerChange| l.channels.is_some_and(|[a, b]| b < a);
    if !layers.iter().any(|l| cut(&l)) {
        return Vec::new();
    }
    [uneven(layers), bound_by_memory(layers)].into_iter().flatten().collect()
}

/// Layers whose width was a multiple of the vector's and is none any more.
fn uneven(layers: &[LayerChange]) -> Option<String> {
    let off = |l: &&LayerChange| l.channels.is_some_and(|[a, b]| a.is_multiple_of(VECTOR) && !b.is_multiple_of(VECTOR));
    let (n, share) = part(layers, off, |c| c.macs);
    (share >= NOTABLE).then(|| {
        format!(
            "{n} of {} layers, with {} of the MACs that are left, have widths that are no multiple of {VECTOR} any more, which hardware \
             rounds up: --round-to {VECTOR} cuts what pays",
            layers.len(),
            percent(share)
        )
    })
}

/// Layers that move many bytes for few multiply-adds.
fn bound_by_memory(layers: &[LayerChange]) -> Option<String> {
    let slow = |l: &&LayerChange| {
        l.after.as_ref().is_some_and(|c| c.moved_bytes > 0 && (c.macs as f64) < MEMORY_BOUND * c.moved_bytes as f64)
    };
    let (n, bytes) = part(layers, slow, |c| c.moved_bytes);
    let (_, macs) = part(layers, slow, |c| c.macs);
    (bytes >= MUCH).then(|| {
        format!(
            "{n} of {} layers do fewer than {MEMORY_BOUND} MACs for each byte that they move, and are bound by memory: they move {} of the bytes \
             and do {} of the MACs, so that latency falls less than MACs do; --bench measures it",
            layers.len(),
            percent(bytes),
            percent(macs)
        )
    })
}

/// How many layers these are, and their share of what `of` counts after the cut.
fn part(layers: &[LayerChange], which: impl Fn(&&LayerChange) -> bool, of: impl Fn(&LayerCost) -> u64) -> (usize, f64) {
    let sum = |l: &LayerChange| l.after.as_ref().map_or(0, &of);
    let all: u64 = layers.iter().map(sum).sum();
    let these: Vec<u64> = layers.iter().filter(which).map(sum).collect();
    (these.len(), these.iter().sum::<u64>() as f64 / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(channels: [usize; 2], macs: u64, moved_bytes: u64) -> LayerChange {
        let cost = LayerCost { macs, moved_bytes, ..LayerCost::default() };
        LayerChange {
            node: "n".into(),
            op: "Conv".into(),
            before: None,
            after: Some(cost),
            channels: Some(channels),
            reason: None,
        }
    }

    #[test]
    fn widths_that_hardware_rounds_up_are_named_with_their_share() {
        let said = advice(&[layer([16, 12], 300, 1), layer([16, 8], 700, 1), layer([10, 9], 0, 0)]);
        assert!(said.len() == 1 && said[0].contains("1 of 3 layers, with 30.0 %"), "{said:?}");
        assert!(advice(&[layer([16, 8], 1, 0), layer([10, 9], 1, 0)]).is_empty());
    }

    #[test]
    fn layers_that_wait_for_memory_are_named_with_their_share() {
        let said = advice(&[layer([16, 8], 1000, 100), layer([16, 8], 100, 100)]);
        assert!(
            said.len() == 1 && said[0].contains("1 of 2 layers") && said[0].contains("50.0 % of the bytes"),
            "{said:?}"
        );
        assert!(advice(&[layer([16, 8], 1000, 100), layer([16, 8], 100, 41)]).is_empty());
    }

    #[test]
    fn where_nothing_was_cut_there_is_no_advice() {
        assert!(advice(&[layer([16, 16], 1, 1000)]).is_empty());
    }
}
