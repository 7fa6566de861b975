//! Two orders in one: what readers lose, and how near a filter is to the geometric median of the others, each filter as loud as its readers hear it.
//!
//! Where BatchNormalization is folded into filters, how long they are is no longer what training made of them, and the plain geometric median
//! suffers. A filter's length times that of the weights that read it does not depend on how a scale is shared between a layer and the next.

use ndarray::Array2;

use super::geometric_median::distance_sums;
use super::{Criterion, Units};

/// The sum of two ranks.
pub(crate) struct SurgeonAndMedian;

impl Criterion for SurgeonAndMedian {
    fn name(&self) -> &'static str {
        "surgeon-and-median"
    }

    fn summary(&self) -> &'static str {
        "the sum of two ranks: optimal-brain-surgeon's, and geometric-median's of filters as loud as their readers hear them"
    }

    fn is_measured(&self) -> bool {
        true
    }

    fn sees_normalized(&self) -> bool {
        true
    }

    /// Those of the geometric median where nothing is measured.
    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        let Some(measured) = units.measured else { return distance_sums(units.filters) };
        let heard = Array2::from_shape_fn(units.filters.dim(), |(u, w)| {
            units.filters[[u, w]] * measured.loudness.get(u).copied().unwrap_or(0.0)
        });
        ranks(&measured.losses).iter().zip(ranks(&distance_sums(&heard))).map(|(a, b)| a + b).collect()
    }
}

/// How many scores are lower; ties by index.
fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut ranks = vec![0.0; scores.len()];
    order.into_iter().enumerate().for_each(|(rank, unit)| ranks[unit] = rank as f64);
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_is_lower() {
        assert_eq!(ranks(&[0.5, -1.0, f64::INFINITY, 0.5]), [1.0, 0.0, 3.0, 2.0]);
        assert!(ranks(&[]).is_empty());
    }
}
