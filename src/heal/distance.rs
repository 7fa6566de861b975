//! How far outputs are from the original's.

use crate::divergence::{is_row, log_probabilities};
use crate::model::Tensor;

/// The mean over the outputs of `|a - b|^2 / |a - mean a|^2`, `a` the original's: of the logarithms of the probabilities, less their mean, where an
/// output is a row of scores, else of the values. What is no number is as far as can be.
///
/// Of scores every sample tells, where KL is made by the few that are in doubt.
pub(super) fn distance(before: &[Tensor], after: &[Tensor]) -> f64 {
    let each = before.iter().zip(after).filter_map(|(a, b)| Some(of_one(a, &a.floats()?, &b.floats()?)));
    let (sum, n) = each.fold((0.0, 0.0), |(sum, n), d| (sum + d, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

fn of_one(a: &Tensor, before: &[f32], after: &[f32]) -> f64 {
    if before.len() != after.len() || after.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    if is_row(&a.dims) {
        let [a, b] = log_probabilities(before, after).map(centred);
        return relative(&a, &b);
    }
    let mean = mean(before.iter().map(|v| f64::from(*v)));
    let less = |v: &[f32]| v.iter().map(|v| f64::from(*v) - mean).collect::<Vec<f64>>();
    relative(&less(before), &less(after))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn centred(v: Vec<f64>) -> Vec<f64> {
    let mean = mean(v.iter().copied());
    v.into_iter().map(|v| v - mean).collect()
}

/// `|a - b|^2 / |a|^2`.
fn relative(a: &[f64], b: &[f64]) -> f64 {
    let difference = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let size = a.iter().map(|a| a * a).sum::<f64>();
    if difference == 0.0 { 0.0 } else { difference / size.max(1e-12) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_scores_are_compared_whatever_is_added_to_all() {
        let row = |v: &[f32]| vec![Tensor::from_floats(vec![1, 3], v)];
        assert!(distance(&row(&[1.0, 2.0, 3.0]), &row(&[2.0, 3.0, 4.0])) < 1e-12);
        assert!((distance(&row(&[-1.0, 0.0, 1.0]), &row(&[-2.0, 0.0, 2.0])) - 1.0).abs() < 1e-9);
        let doubled = distance(&row(&[0.25, 0.25, 0.5]), &row(&[0.2, 0.2, 0.6]));
        let logs = distance(&row(&[0.0, 0.0, 2f32.ln()]), &row(&[0.0, 0.0, 3f32.ln()]));
        assert!((doubled - logs).abs() < 1e-4);
    }

    #[test]
    fn other_outputs_are_compared_by_their_squares() {
        let map = |v: &[f32]| vec![Tensor::from_floats(vec![1, 2, 2], v)];
        let d = distance(&map(&[0.0, 2.0, 0.0, 2.0]), &map(&[0.0, 2.0, 0.0, 0.0]));
        assert!((d - 1.0).abs() < 1e-9);
        assert_eq!(distance(&map(&[0.0; 4]), &map(&[f32::NAN, 0.0, 0.0, 0.0])), f64::INFINITY);
    }
}
