//! Numbers that stand for a signal of which nothing is known: noise that is the stronger the slower it is, and a few tones.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Tones of a signal.
const TONES: usize = 3;

/// Their share of the variance.
const TONAL: f64 = 0.4;

/// Fewer elements are left as they are drawn: their own variance says little.
const FEW: usize = 64;

/// A standard normal number, by Box and Muller.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
}

/// Elements of an array of these dims, of zero mean and unit variance: along its longest axis (the last of several) pink noise, `1/f`, and a few
/// tones that all rows share, each in its own strength. Rows of fewer than 8 elements are plain normal noise.
pub(super) fn signal(dims: &[usize], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let total: usize = dims.iter().product();
    let axis = (0..dims.len()).max_by_key(|&a| dims[a]);
    let length = axis.map_or(1, |a| dims[a]);
    if length < 8 {
        return (0..total).map(|_| normal(rng)).collect();
    }
    let inner: usize = axis.map_or(1, |a| dims[a + 1..].iter().product());
    // From one wave along the axis to one in four elements.
    let tones: [f64; TONES] = std::array::from_fn(|_| (length as f64 / 4.0).powf(rng.random()) / length as f64);
    let mut out = vec![0.0; total];
    for row in 0..total / length.max(1) {
        let first = row / inner * inner * length + row % inner;
        let loud: [(f64, f64); TONES] = std::array::from_fn(|_| (normal(rng), rng.random()));
        for (t, v) in pink(length, rng).into_iter().enumerate() {
            let tone = |k: usize| loud[k].0 * (TAU * (tones[k] * t as f64 + loud[k].1)).sin();
            let sum: f64 = (0..TONES).map(tone).sum();
            out[first + t * inner] = (1.0 - TONAL).sqrt() * v + (2.0 * TONAL / TONES as f64).sqrt() * sum;
        }
    }
    if total >= FEW {
        standardize(&mut out);
    }
    out
}

/// Pink noise of unit variance: the mean of processes `x[t] = a x[t-1] + sqrt(1 - a^2) e[t]`, `a = exp(-1 / s)`, whose memories `s` are the
/// powers of four up to the length.
fn pink(length: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let scales = std::iter::successors(Some(0.25f64), |s| Some(4.0 * s)).take_while(|s| *s < length as f64);
    let keep: Vec<f64> = scales.map(|s| (-1.0 / s).exp()).collect();
    let mut state: Vec<f64> = keep.iter().map(|_| normal(rng)).collect();
    let mut next = || {
        state.iter_mut().zip(&keep).for_each(|(x, a)| *x = a * *x + (1.0 - a * a).sqrt() * normal(rng));
        state.iter().sum::<f64>() / (keep.len() as f64).sqrt()
    };
    (0..length).map(|_| next()).collect()
}

fn standardize(all: &mut [f64]) {
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let deviation = (all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    if deviation > 0.0 {
        all.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
    }
}
