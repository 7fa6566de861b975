//! What was measured of a model beside the original, as plain data.

use serde::{Deserialize, Serialize};

/// How often the largest score is the label's, as shares from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Labelled samples.
    pub samples: usize,
    /// The output that has the scores.
    pub output: String,
    /// Of the original.
    pub before: f64,
    /// Of the cut model before it was healed; `null` where two finished models are compared.
    pub cut: Option<f64>,
    /// Of the model as it was written.
    pub after: f64,
    /// Samples that the original has right.
    pub correct_before: usize,
    /// Samples that the cut model has right.
    #[serde(default)]
    pub correct_cut: Option<usize>,
    /// Samples that the model as it was written has right.
    pub correct_after: usize,
    /// 95 % interval of `before` by Wilson's score.
    pub interval_before: [f64; 2],
    /// 95 % interval of `cut` by Wilson's score.
    #[serde(default)]
    pub interval_cut: Option<[f64; 2]>,
    /// 95 % interval of `after` by Wilson's score.
    pub interval_after: [f64; 2],
    /// Samples that the original has right and the other wrong.
    pub lost: usize,
    /// Samples that the original has wrong and the other right.
    pub gained: usize,
}

impl Accuracy {
    /// Of samples that each model has right or not: before and after.
    pub fn of(output: String, right: &[(bool, bool)]) -> Self {
        let count = |f: &dyn Fn(&(bool, bool)) -> bool| right.iter().filter(|r| f(r)).count();
        let n = right.len();
        let (correct_before, correct_after) = (count(&|r| r.0), count(&|r| r.1));
        let share = |k: usize| k as f64 / n.max(1) as f64;
        Self {
            samples: n,
            output,
            before: share(correct_before),
            cut: None,
            after: share(correct_after),
            correct_before,
            correct_cut: None,
            correct_after,
            interval_before: wilson(correct_before, n),
            interval_cut: None,
            interval_after: wilson(correct_after, n),
            lost: count(&|r| r.0 && !r.1),
            gained: count(&|r| !r.0 && r.1),
        }
    }

    /// The same, of which the cut model before it was healed has so many right.
    #[must_use]
    pub fn with_cut(self, correct: usize) -> Self {
        let share = correct as f64 / self.samples.max(1) as f64;
        let interval = wilson(correct, self.samples);
        Self { cut: Some(share), correct_cut: Some(correct), interval_cut: Some(interval), ..self }
    }
}

/// Wilson's 95 % interval of a share `p = k / n`: `(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)`, `z = 1.96`.
/// See <https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval>.
pub fn wilson(k: usize, n: usize) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    let z = 1.959_963_984_540_054_f64;
    let (n, p) = (n as f64, k as f64 / n as f64);
    let middle = p + z * z / (2.0 * n);
    let reach = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let all = 1.0 + z * z / n;
    [((middle - reach) / all).max(0.0), ((middle + reach) / all).min(1.0)]
}

/// Latency of one run at a time, both models in turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// `tract`.
    pub runtime: String,
    /// Runs of each model.
    pub runs: usize,
    /// Median of the original, in milliseconds.
    pub before_ms: f64,
    /// Median of the other model, in milliseconds.
    pub after_ms: f64,
    /// First and third quartile of the original.
    pub before_quartiles_ms: [f64; 2],
    /// First and third quartile of the other model.
    pub after_quartiles_ms: [f64; 2],
    /// `after_ms / before_ms`.
    pub ratio: f64,
}

impl Latency {
    /// Of the times of each run, in milliseconds.
    pub fn of(mut before: Vec<f64>, mut after: Vec<f64>) -> Self {
        before.sort_by(f64::total_cmp);
        after.sort_by(f64::total_cmp);
        let (a, b) = (quantile(&before, 0.5), quantile(&after, 0.5));
        Self {
            runtime: "tract".into(),
            runs: before.len(),
            before_ms: a,
            after_ms: b,
            before_quartiles_ms: [quantile(&before, 0.25), quantile(&before, 0.75)],
            after_quartiles_ms: [quantile(&after, 0.25), quantile(&after, 0.75)],
            ratio: if a > 0.0 { b / a } else { 1.0 },
        }
    }
}

/// The quantile of sorted numbers, between two of them where it lies there.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * sorted.len().saturating_sub(1) as f64;
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(low), sorted.get(high)) {
        (Some(a), Some(b)) => a + (b - a) * at.fract(),
        _ => 0.0,
    }
}

/// A gate, and whether it held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// As it was given, such as `accuracy>=0.9`.
    pub gate: String,
    /// What was found; `null` where it is infinite or could not be measured.
    pub found: Option<f64>,
    /// Whether it held.
    pub met: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_by_wilsons_score() {
        let close =
            |a: [f64; 2], b: [f64; 2]| assert!((a[0] - b[0]).abs() < 5e-5 && (a[1] - b[1]).abs() < 5e-5, "{a:?}");
        close(wilson(915, 1000), [0.8961, 0.9307]);
        close(wilson(0, 10), [0.0, 0.2775]);
        close(wilson(10, 10), [0.7225, 1.0]);
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn medians_and_quartiles() {
        let l = Latency::of(vec![4.0, 1.0, 2.0, 3.0, 100.0], vec![1.0, 2.0]);
        assert_eq!((l.before_ms, l.before_quartiles_ms, l.after_ms, l.ratio), (3.0, [2.0, 4.0], 1.5, 0.5));
    }

    #[test]
    fn what_was_lost_and_gained_is_counted() {
        let a = Accuracy::of("y".into(), &[(true, true), (true, false), (false, true), (false, false), (true, false)]);
        assert_eq!((a.before, a.after, a.lost, a.gained), (0.6, 0.4, 2, 1));
    }
}
