//! How far outputs are from the original's.

use crate::model::Tensor;

/// The mean over the outputs: of `KL(p || q)` in nats where an output is one row of several scores, `p` and `q` the softmax of both, or the
/// scores themselves where they are probabilities; of `|a - b|^2 / |a - mean a|^2` where it is none. What is no number is as far as can be.
pub fn distance(before: &[Tensor], after: &[Tensor]) -> f64 {
    let each = before.iter().zip(after).filter_map(|(a, b)| Some(of_one(a, &a.floats()?, &b.floats()?)));
    let (sum, n) = each.fold((0.0, 0.0), |(sum, n), d| (sum + d, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

fn of_one(a: &Tensor, before: &[f32], after: &[f32]) -> f64 {
    if before.len() != after.len() || after.iter().any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    if a.dims.iter().filter(|d| **d > 1).count() == 1 {
        return kl(before, after);
    }
    let mean = before.iter().map(|v| f64::from(*v)).sum::<f64>() / before.len().max(1) as f64;
    let squares = |f: &dyn Fn(usize) -> f64| (0..before.len()).map(|i| f(i) * f(i)).sum::<f64>();
    let difference = squares(&|i| f64::from(before[i]) - f64::from(after[i]));
    let variance = squares(&|i| f64::from(before[i]) - mean);
    if difference == 0.0 { 0.0 } else { difference / variance.max(1e-12) }
}

fn kl(p: &[f32], q: &[f32]) -> f64 {
    let is_simplex = |v: &[f32]| v.iter().all(|x| *x >= 0.0) && (v.iter().sum::<f32>() - 1.0).abs() < 1e-3;
    let logs: fn(&[f32]) -> Vec<f64> = if is_simplex(p) { logs } else { log_softmax };
    logs(p).iter().zip(logs(q)).map(|(a, b)| a.exp() * (a - b)).sum::<f64>().max(0.0)
}

/// Logarithms of probabilities; of none, a small one.
fn logs(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(x.max(1e-7)).ln()).collect()
}

fn log_softmax(v: &[f32]) -> Vec<f64> {
    let top = v.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = v.iter().map(|x| f64::from(x - top).exp()).sum::<f64>().ln();
    v.iter().map(|x| f64::from(x - top) - sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(v: &[f32]) -> Vec<Tensor> {
        vec![Tensor::from_floats(vec![1, v.len()], v)]
    }

    #[test]
    fn scores_are_compared_as_distributions() {
        assert_eq!(distance(&row(&[1.0, 2.0]), &row(&[3.0, 4.0])), 0.0);
        let p = [0.75f32, 0.25];
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((distance(&row(&p), &row(&[0.5, 0.5])) - expected).abs() < 1e-9);
    }

    #[test]
    fn other_outputs_are_compared_by_their_squares() {
        let map = |v: &[f32]| vec![Tensor::from_floats(vec![1, 2, 2], v)];
        let d = distance(&map(&[0.0, 2.0, 0.0, 2.0]), &map(&[0.0, 2.0, 0.0, 0.0]));
        assert!((d - 1.0).abs() < 1e-9);
        assert_eq!(distance(&map(&[0.0; 4]), &map(&[f32::NAN, 0.0, 0.0, 0.0])), f64::INFINITY);
    }
}
