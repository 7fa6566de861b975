//! FPGM: the score of filter j is `sum over i of ||F_j - F_i||`, smallest nearest the geometric median
//! (He et al., Filter Pruning via Geometric Median, CVPR 2019, equation 5).

use std::collections::HashMap;

use ndarray::{Array2, ArrayView1, s};
use rayon::prelude::*;

use super::{Criterion, Units};

/// Below this share of the norms, a squared distance from the Gram matrix has lost too many digits and is computed from the differences.
const CANCELS: f64 = 1e-6;

/// Filters of which the products are computed together: large enough for a fast product, small enough for every core to have some.
const BLOCK: usize = 256;

/// Distance sums.
pub(super) struct GeometricMedian;

impl Criterion for GeometricMedian {
    fn name(&self) -> &'static str {
        "geometric-median"
    }

    fn summary(&self) -> &'static str {
        "smallest sum of distances first (FPGM)"
    }

    fn scores(&self, units: &Units<'_>) -> Vec<f64> {
        distance_sums(units.filters)
    }
}

/// For each filter, the sum of its distances to the others.
pub(super) fn distance_sums(filters: &Array2<f64>) -> Vec<f64> {
    let gram = gram(filters);
    let n = filters.nrows();
    let same = first_equal(filters);
    let distance = |i: usize, j: usize| {
        if same[i] == same[j] {
            return 0.0;
        }
        let norms = gram[[i, i]] + gram[[j, j]];
        let squared = norms - 2.0 * gram[[i, j]];
        if squared > CANCELS * norms {
            return squared.sqrt();
        }
        let pairs = filters.row(i).into_iter().zip(filters.row(j));
        pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    };
    (0..n).into_par_iter().map(|j| (0..n).filter(|&i| i != j).map(|i| distance(i.min(j), i.max(j))).sum()).collect()
}

/// All products of two filters: `filters filters^T`, of which one half is computed, block by block.
fn gram(filters: &Array2<f64>) -> Array2<f64> {
    let n = filters.nrows();
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let pairs: Vec<(usize, usize)> =
        starts.iter().flat_map(|&a| starts.iter().filter(move |&&b| b <= a).map(move |&b| (a, b))).collect();
    let rows = |from: usize| filters.slice(s![from..(from + BLOCK).min(n), ..]);
    let blocks: Vec<Array2<f64>> = pairs.par_iter().map(|&(a, b)| rows(a).dot(&rows(b).t())).collect();
    let mut gram = Array2::zeros((n, n));
    for ((a, b), block) in pairs.into_iter().zip(blocks) {
        let (height, width) = block.dim();
        gram.slice_mut(s![b..b + width, a..a + height]).assign(&block.t());
        gram.slice_mut(s![a..a + height, b..b + width]).assign(&block);
    }
    gram
}

/// For each filter, the first one that equals it: pruned, tied and constant weights hold many.
fn first_equal(filters: &Array2<f64>) -> Vec<usize> {
    let mut first = HashMap::new();
    let bits = |row: ArrayView1<'_, f64>| row.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    filters.rows().into_iter().enumerate().map(|(i, row)| *first.entry(bits(row)).or_insert(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute(filters: &Array2<f64>) -> Vec<f64> {
        let rows = || filters.rows().into_iter();
        rows().map(|a| rows().map(|b| (&a - &b).mapv(|d| d * d).sum().sqrt()).sum()).collect()
    }

    #[test]
    fn equals_the_sum_of_distances() {
        let filters = Array2::from_shape_fn((9, 14), |(i, j)| ((i * 31 + j * 17) % 23) as f64 / 7.0 - 1.5);
        for (a, b) in distance_sums(&filters).iter().zip(brute(&filters)) {
            assert!((a - b).abs() <= 1e-12 * b, "{a} {b}");
        }
    }

    #[test]
    fn products_of_several_blocks_are_those_of_one() {
        let filters = Array2::from_shape_fn((2 * BLOCK + 3, 3), |(i, j)| ((i * 31 + j * 17) % 23) as f64 - 11.0);
        assert_eq!(gram(&filters), filters.dot(&filters.t()));
    }

    #[test]
    fn near_filters_far_from_the_origin_keep_their_order() {
        let filters = Array2::from_shape_fn((5, 8), |(i, j)| 1e6 + (i * i) as f64 * 1e-4 + j as f64);
        for (a, b) in distance_sums(&filters).iter().zip(brute(&filters)) {
            assert!((a - b).abs() <= 1e-9 * b, "{a} {b}");
        }
    }
}
