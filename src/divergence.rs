//! Rows of scores, and how far one is from another: reports and healing look at them alike.

/// How far the sum of probabilities may be from 1.
const ROUNDING: f32 = 1e-3;

/// Whether an output is one row of several elements, as a classifier's is.
pub fn is_row(dims: &[usize]) -> bool {
    dims.iter().filter(|&&d| d > 1).count() == 1
}

/// `KL(p || q) = sum p (ln p - ln q)` in nats, of the softmax of both rows, or of the rows themselves where the first has probabilities.
pub fn kl(p: &[f32], q: &[f32]) -> f64 {
    let [p, q] = log_probabilities(p, q);
    p.iter().zip(q).map(|(a, b)| a.exp() * (a - b)).sum::<f64>().max(0.0)
}

/// The logarithms of the softmax of both rows, or of the rows themselves where the first has probabilities.
pub fn log_probabilities(p: &[f32], q: &[f32]) -> [Vec<f64>; 2] {
    let of: fn(&[f32]) -> Vec<f64> = if are_probabilities(p) { logs } else { log_softmax };
    [of(p), of(q)]
}

fn are_probabilities(v: &[f32]) -> bool {
    v.iter().all(|x| *x >= 0.0) && (v.iter().sum::<f32>() - 1.0).abs() < ROUNDING
}

/// Logarithms of probabilities; of none, that of a small one.
fn logs(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(x.max(1e-7)).ln()).collect()
}

fn log_softmax(v: &[f32]) -> Vec<f64> {
    let top = v.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = v.iter().map(|x| f64::from(x - top).exp()).sum::<f64>().ln();
    v.iter().map(|x| f64::from(x - top) - log_sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_compared_by_their_softmax_and_probabilities_as_they_are() {
        assert_eq!(kl(&[1.0, 2.0], &[3.0, 4.0]), 0.0);
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((kl(&[0.75, 0.25], &[0.5, 0.5]) - expected).abs() < 1e-9);
    }
}
