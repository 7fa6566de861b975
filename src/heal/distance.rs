//! How far outputs are from the original's.

use crate::divergence::{is_row, kl};
use crate::model::Tensor;

/// The mean over the outputs: of [`kl`] where an output is one row of several scores; of `|a - b|^2 / |a - mean a|^2` where it is none. What is no number is as far as can be.
pub fn distance(before: &[Tensor], after: &[Tensor]) -> f64 {
    let each = before.iter().zip(after).filter_map(|(a, b)| Some(of_one(a, &a.floats()?, &b.floats()?)));
    let (sum, n) = each.fold((0.0, 0.0), |(sum, n), d| (sum + d, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

fn of_one(a: &Tensor, before: &[f32], after: &[f32]) -> f64 {
    if before.len() != after.len() || after.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    if is_row(&a.dims) {
        return kl(before, after);
    }
    let mean = before.iter().map(|v| f64::from(*v)).sum::<f64>() / before.len().max(1) as f64;
    let squares = |f: &dyn Fn(usize) -> f64| (0..before.len()).map(|i| f(i) * f(i)).sum::<f64>();
    let difference = squares(&|i| f64::from(before[i]) - f64::from(after[i]));
    let variance = squares(&|i| f64::from(before[i]) - mean);
    if difference == 0.0 { 0.0 } else { difference / variance.max(1e-12) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_outputs_are_compared_by_their_squares() {
        let map = |v: &[f32]| vec![Tensor::from_floats(vec![1, 2, 2], v)];
        let d = distance(&map(&[0.0, 2.0, 0.0, 2.0]), &map(&[0.0, 2.0, 0.0, 0.0]));
        assert!((d - 1.0).abs() < 1e-9);
        assert_eq!(distance(&map(&[0.0; 4]), &map(&[f32::NAN, 0.0, 0.0, 0.0])), f64::INFINITY);
    }
}
