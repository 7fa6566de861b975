//! Rows of scores, and how far one is from another: reports and healing look at them alike.

/// How far the sum of probabilities may be from 1.
const ROUNDING: f32 = 1e-3;

/// Whether an output is one row of several elements, as a classifier's is.
pub fn is_row(dims: &[usize]) -> bool {
    dims.iter().filter(|&&d| d > 1).count() == 1
}

/// The axis along which an output has the scores of one choice: of one row, its own; of a map of probabilities or of their logarithms, as Softmax
/// and LogSoftmax make them, that along which the probabilities add up to 1 at every place. `None` where there is none.
pub fn score_axis(dims: &[usize], values: &[f32]) -> Option<usize> {
    if is_row(dims) {
        return dims.iter().position(|&d| d > 1);
    }
    let all = |axis: usize, are: fn(&[f32]) -> bool| Slices::new(dims, axis).all(|at| are(&at.of(values)));
    let adds_up = |&axis: &usize| all(axis, are_probabilities) || all(axis, are_logs_of_probabilities);
    (0..dims.len()).rev().filter(|&axis| dims[axis] > 1).find(adds_up)
}

/// One slice along an axis.
pub struct Slice {
    start: usize,
    step: usize,
    length: usize,
}

impl Slice {
    /// Its elements, of all of a tensor's.
    pub fn of(&self, values: &[f32]) -> Vec<f32> {
        values.get(self.start..).unwrap_or_default().iter().step_by(self.step).take(self.length).copied().collect()
    }
}

/// Every slice along an axis.
pub struct Slices {
    inner: usize,
    length: usize,
    places: std::ops::Range<usize>,
}

impl Slices {
    /// Of a tensor of those dims.
    pub fn new(dims: &[usize], axis: usize) -> Self {
        let length = dims.get(axis).copied().unwrap_or(1).max(1);
        let inner = dims.iter().skip(axis + 1).product::<usize>().max(1);
        Self { inner, length, places: 0..dims.iter().product::<usize>() / length }
    }
}

impl Iterator for Slices {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        let place = self.places.next()?;
        let start = place / self.inner * self.inner * self.length + place % self.inner;
        Some(Slice { start, step: self.inner, length: self.length })
    }
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

fn are_logs_of_probabilities(v: &[f32]) -> bool {
    v.iter().all(|x| *x <= ROUNDING) && (v.iter().map(|x| x.exp()).sum::<f32>() - 1.0).abs() < ROUNDING
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
    fn a_map_has_its_scores_along_the_axis_that_adds_up_to_one() {
        // Two classes at three places: [1, 2, 3].
        let map = [0.25, 0.5, 1.0, 0.75, 0.5, 0.0];
        assert_eq!(score_axis(&[1, 2, 3], &map), Some(1));
        let places: Vec<Vec<f32>> = Slices::new(&[1, 2, 3], 1).map(|s| s.of(&map)).collect();
        assert_eq!(places, [vec![0.25, 0.75], vec![0.5, 0.5], vec![1.0, 0.0]]);
        assert_eq!(score_axis(&[1, 3, 2], &[0.25, 0.75, 0.5, 0.5, 1.0, 0.0]), Some(2));
        assert_eq!(score_axis(&[1, 2, 3], &[0.25, 0.5, 1.0, 0.75, 0.5, 0.1]), None);
        let logs = map.map(|p: f32| p.ln());
        assert_eq!(score_axis(&[1, 2, 3], &logs), Some(1), "and so do logarithms, of 0 too");
        assert_eq!(score_axis(&[1, 2, 3], &logs.map(|l| l - 0.1)), None);
        assert_eq!(score_axis(&[1, 4, 1], &[5.0, -1.0, 2.0, 0.0]), Some(1), "one row, whatever it adds up to");
        assert_eq!(score_axis(&[1, 1], &[1.0]), None);
    }

    #[test]
    fn scores_are_compared_by_their_softmax_and_probabilities_as_they_are() {
        assert_eq!(kl(&[1.0, 2.0], &[3.0, 4.0]), 0.0);
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((kl(&[0.75, 0.25], &[0.5, 0.5]) - expected).abs() < 1e-9);
    }
}
