//! How close a model's outputs are to the untouched original's. A second figure, never the proof.

use super::{inputs, plain};
use crate::error::Result;
use crate::model::{Model, Tensor};
use crate::runtime::{Feed, Session};

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
    /// Signal over difference, in decibels: `10 log10(|a|^2 / |a - b|^2)`; infinite where nothing differs.
    pub sqnr_db: f64,
    /// Largest difference: `max |a - b|`.
    pub max_abs_error: f64,
}

/// Compares the outputs of two models on seeded inputs, both in float32. Errors where one of them does not run.
pub fn fidelity(before: &Model, after: &Model, feeds: &[Feed], seed: u64, samples: usize) -> Result<Fidelity> {
    let names: Vec<String> = before.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
    let (before, after, feeds) = (plain::float32(before)?, plain::float32(after)?, &plain::feeds(feeds));
    let (a, b) = (Session::load(&before, feeds, &names)?, Session::load(&after, feeds, &names)?);
    let mut sums: Vec<Sums> = vec![Sums::default(); names.len()];
    for sample in 0..samples as u64 {
        let x = inputs::seeded(feeds, seed + 1000 + sample);
        let (p, q) = (a.run(&x)?, b.run(&x)?);
        sums.iter_mut().zip(p.iter().zip(&q)).for_each(|(s, (p, q))| s.add(p, q));
    }
    let outputs = names.into_iter().zip(sums).map(|(name, s)| s.finish(name)).collect();
    Ok(Fidelity { samples, outputs })
}

#[derive(Debug, Clone, Default)]
struct Sums {
    aa: f64,
    bb: f64,
    ab: f64,
    dd: f64,
    max: f64,
    rows: usize,
    agree: usize,
    kl: f64,
}

impl Sums {
    fn add(&mut self, before: &Tensor, after: &Tensor) {
        let (Some(p), Some(q)) = (before.floats(), after.floats()) else { return };
        for (&x, &y) in p.iter().zip(&q) {
            let (x, y) = (f64::from(x), f64::from(y));
            self.aa += x * x;
            self.bb += y * y;
            self.ab += x * y;
            self.dd += (x - y) * (x - y);
            self.max = self.max.max((x - y).abs());
        }
        let classes = before.dims.iter().filter(|&&d| d > 1).count() == 1;
        if classes && p.len() == q.len() {
            self.rows += 1;
            self.agree += usize::from(argmax(&p) == argmax(&q));
            self.kl += kl(&p, &q);
        }
    }

    fn finish(self, name: String) -> OutputFidelity {
        let rows = (self.rows > 0).then_some(self.rows as f64);
        let norm = (self.aa * self.bb).sqrt();
        OutputFidelity {
            name,
            top1_agreement: rows.map(|n| self.agree as f64 / n),
            kl: rows.map(|n| self.kl / n),
            cosine: if norm > 0.0 { self.ab / norm } else { f64::from(u8::from(self.dd == 0.0)) },
            sqnr_db: 10.0 * (self.aa / self.dd).log10(),
            max_abs_error: self.max,
        }
    }
}

fn argmax(v: &[f32]) -> usize {
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
