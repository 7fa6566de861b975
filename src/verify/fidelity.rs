//! How close a model's outputs are to the untouched original's. A second figure, never the proof.

use std::ops::Range;

use super::Pair;
use crate::error::Result;
use crate::model::Tensor;

/// Agreement of two models' outputs over some samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fidelity {
    /// Samples run.
    pub samples: usize,
    /// Each output's figures.
    pub outputs: Vec<OutputFidelity>,
}

/// Agreement of one output.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutputFidelity {
    /// The output.
    pub name: String,
    /// Share of samples whose largest element is the same; of an output of one row of several.
    pub top1_agreement: Option<f64>,
    /// Mean of `KL(softmax(before) || softmax(after))`, in nats, where there is a top-1.
    pub kl: Option<f64>,
    /// Cosine of all elements: `a . b / (|a| |b|)`; where one of them is zero, 1 if the other is too, else 0.
    pub cosine: f64,
    /// Signal over difference, in decibels: `10 log10(|a|^2 / |a - b|^2)`; infinite where nothing differs, minus infinity where one of the
    /// models gives no number and the other does.
    pub sqnr_db: f64,
    /// Largest difference: `max |a - b|`.
    pub max_abs_error: f64,
}

/// Compares the outputs of two models on samples; `get` gives a sample's inputs. The result is the same for any number of threads. Errors
/// where a sample cannot be had or run.
pub fn fidelity(
    pair: &Pair,
    samples: Range<usize>,
    get: impl Fn(usize) -> Result<Vec<Tensor>> + Sync,
) -> Result<Fidelity> {
    let count = samples.len();
    let of_one =
        |_: usize, p: &[Tensor], q: &[Tensor]| p.iter().zip(q).map(|(p, q)| Sums::of(p, q)).collect::<Vec<_>>();
    let mut sums = vec![Sums::default(); pair.outputs().len()];
    for one in pair.each(samples, get, of_one)? {
        sums.iter_mut().zip(&one).for_each(|(all, one)| all.add(one));
    }
    let outputs = pair.outputs().iter().zip(sums).map(|(name, s)| s.finish(name.clone())).collect();
    Ok(Fidelity { samples: count, outputs })
}

#[derive(Debug, Clone, Default)]
struct Sums {
    aa: f64,
    bb: f64,
    ab: f64,
    dd: f64,
    max: f64,
    /// Whether somewhere one model gives a number and the other none, or the other's dims differ.
    broken: bool,
    rows: usize,
    agree: usize,
    kl: f64,
}

impl Sums {
    fn of(before: &Tensor, after: &Tensor) -> Self {
        let (p, q) = (numbers(before), numbers(after));
        let mut s = Self { broken: before.dims != after.dims, ..Self::default() };
        for (&x, &y) in p.iter().zip(&q) {
            if x == y || (x.is_nan() && y.is_nan()) {
                let square = if x.is_finite() { f64::from(x) * f64::from(x) } else { 0.0 };
                (s.aa, s.bb, s.ab) = (s.aa + square, s.bb + square, s.ab + square);
                continue;
            }
            let (x, y) = (f64::from(x), f64::from(y));
            s.broken |= !(x - y).is_finite();
            s.aa += x * x;
            s.bb += y * y;
            s.ab += x * y;
            s.dd += (x - y) * (x - y);
            s.max = s.max.max((x - y).abs());
        }
        if is_row(&before.dims) {
            let finite = |v: &[f32]| v.iter().all(|x| x.is_finite());
            s.rows = 1;
            s.agree = usize::from(!s.broken && argmax(&p) == argmax(&q));
            s.kl = if s.broken || !finite(&p) || !finite(&q) { 0.0 } else { kl(&p, &q) };
        }
        s
    }

    fn add(&mut self, other: &Self) {
        self.aa += other.aa;
        self.bb += other.bb;
        self.ab += other.ab;
        self.dd += other.dd;
        self.max = self.max.max(other.max);
        self.broken |= other.broken;
        self.rows += other.rows;
        self.agree += other.agree;
        self.kl += other.kl;
    }

    fn finish(self, name: String) -> OutputFidelity {
        let rows = (self.rows > 0).then_some(self.rows as f64);
        let top1_agreement = rows.map(|n| self.agree as f64 / n);
        if self.broken {
            let worst = (f64::NEG_INFINITY, f64::INFINITY);
            let (sqnr_db, max_abs_error) = worst;
            return OutputFidelity { name, top1_agreement, kl: None, cosine: 0.0, sqnr_db, max_abs_error };
        }
        let norm = (self.aa * self.bb).sqrt();
        OutputFidelity {
            name,
            top1_agreement,
            kl: rows.map(|n| self.kl / n),
            cosine: if norm > 0.0 { self.ab / norm } else { f64::from(u8::from(self.dd == 0.0)) },
            sqnr_db: if self.dd == 0.0 { f64::INFINITY } else { 10.0 * (self.aa / self.dd).log10() },
            max_abs_error: self.max,
        }
    }
}

/// Whether an output is one row of several elements, as a classifier's is.
pub fn is_row(dims: &[usize]) -> bool {
    dims.iter().filter(|&&d| d > 1).count() == 1
}

/// The elements, whatever numbers they are.
fn numbers(t: &Tensor) -> Vec<f32> {
    t.floats().or_else(|| t.ints().map(|v| v.iter().map(|&i| i as f32).collect())).unwrap_or_default()
}

/// The place of the largest element, the first of several; 0 where there are none.
pub fn argmax(v: &[f32]) -> usize {
    v.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |m| m.0)
}

fn log_softmax(v: &[f32]) -> Vec<f64> {
    let top = v.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let log_sum = v.iter().map(|x| f64::from(x - top).exp()).sum::<f64>().ln();
    v.iter().map(|x| f64::from(x - top) - log_sum).collect()
}

fn kl(p: &[f32], q: &[f32]) -> f64 {
    let (p, q) = (log_softmax(p), log_softmax(q));
    p.iter().zip(&q).map(|(a, b)| a.exp() * (a - b)).sum::<f64>().max(0.0)
}
