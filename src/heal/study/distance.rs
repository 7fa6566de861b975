//! How far outputs are from the original's.

use crate::divergence::{is_row, log_probabilities};
use crate::model::Tensor;

/// How far one sample's outputs are from the original's: of each the squared error, and what that is measured by.
pub(super) type Apart = Vec<[f64; 2]>;

/// Of one sample, `a` the original's. Of a row of scores: `|a - b|^2 / |a|^2` of the logarithms of the probabilities, less their mean, and 1: of
/// scores every sample tells as much, where KL is made by the few that are in doubt. Of other outputs: `|a - b|^2`, and `|a - mean a|^2`, for one of
/// which next to nothing is there says next to nothing. What is no number is as far as can be.
pub(super) fn apart(before: &[Tensor], after: &[Tensor]) -> Apart {
    before.iter().zip(after).filter_map(|(a, b)| Some(of_one(a, &a.floats()?, &b.floats()?))).collect()
}

/// The distance over some samples: of each output the sum of its errors over the sum of what they are measured by, the mean over the outputs.
pub(super) fn distance(samples: &[Apart]) -> f64 {
    let outputs = samples.first().map_or(0, Vec::len);
    let sum = |output: usize, k: usize| samples.iter().filter_map(|s| Some(s.get(output)?[k])).sum::<f64>();
    (0..outputs).map(|o| relative(sum(o, 0), sum(o, 1))).sum::<f64>() / outputs.max(1) as f64
}

fn of_one(a: &Tensor, before: &[f32], after: &[f32]) -> [f64; 2] {
    if before.len() != after.len() || after.iter().any(|v| !v.is_finite()) {
        return [f64::INFINITY, 1.0];
    }
    if is_row(&a.dims) {
        let [a, b] = log_probabilities(before, after).map(centred);
        return [relative(error(&a, &b), a.iter().map(|a| a * a).sum()), 1.0];
    }
    let numbers = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let (a, b) = (numbers(before), numbers(after));
    [error(&a, &b), centred(a).iter().map(|a| a * a).sum()]
}

/// `|a - b|^2`.
fn error(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn relative(error: f64, size: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / size.max(1e-12) }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

fn centred(v: Vec<f64>) -> Vec<f64> {
    let mean = mean(v.iter().copied());
    v.into_iter().map(|v| v - mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(before: &[Tensor], after: &[Tensor]) -> f64 {
        distance(&[apart(before, after)])
    }

    #[test]
    fn rows_of_scores_are_compared_whatever_is_added_to_all() {
        let row = |v: &[f32]| vec![Tensor::from_floats(vec![1, 3], v)];
        assert!(of(&row(&[1.0, 2.0, 3.0]), &row(&[2.0, 3.0, 4.0])) < 1e-12);
        assert!((of(&row(&[-1.0, 0.0, 1.0]), &row(&[-2.0, 0.0, 2.0])) - 1.0).abs() < 1e-9);
        let doubled = of(&row(&[0.25, 0.25, 0.5]), &row(&[0.2, 0.2, 0.6]));
        let logs = of(&row(&[0.0, 0.0, 2f32.ln()]), &row(&[0.0, 0.0, 3f32.ln()]));
        assert!((doubled - logs).abs() < 1e-4);
    }

    #[test]
    fn other_outputs_are_compared_by_their_squares() {
        let map = |v: &[f32]| vec![Tensor::from_floats(vec![1, 2, 2], v)];
        let d = of(&map(&[0.0, 2.0, 0.0, 2.0]), &map(&[0.0, 2.0, 0.0, 0.0]));
        assert!((d - 1.0).abs() < 1e-9);
        assert_eq!(of(&map(&[0.0; 4]), &map(&[f32::NAN, 0.0, 0.0, 0.0])), f64::INFINITY);
    }

    #[test]
    fn a_sample_with_nothing_in_it_does_not_speak_for_all() {
        let map = |v: &[f32]| vec![Tensor::from_floats(vec![1, 2, 2], v)];
        let loud = apart(&map(&[0.0, 2.0, 0.0, 2.0]), &map(&[0.0, 1.0, 0.0, 2.0]));
        let silent = apart(&map(&[0.0; 4]), &map(&[0.0, 1.0, 0.0, 0.0]));
        assert_eq!(distance(std::slice::from_ref(&loud)), 0.25);
        assert_eq!(distance(&[loud, silent]), 0.5);
        assert_eq!(distance(&[]), 0.0);
    }
}
