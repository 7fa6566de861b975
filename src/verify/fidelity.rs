//! How close a model's outputs are to the untouched original's. A second figure, never the proof.

use std::ops::Range;

use super::Pair;
use crate::divergence::{Slices, kl, score_axis};
use crate::error::{Error, Result};
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
    /// How many choices between classes it has in one sample, as [`crate::divergence::score_axis`] finds them: one of a row, one a place of a map
    /// of probabilities, else 0.
    pub places: usize,
    /// Share of them of which the largest score is the same.
    pub top1_agreement: Option<f64>,
    /// Mean of [`crate::divergence::kl`], in nats, where there is a top-1.
    pub kl: Option<f64>,
    /// Cosine of all elements: `a . b / (|a| |b|)`; where one of them is zero, 1 if the other is too, else 0.
    pub cosine: f64,
    /// Signal over difference, in decibels: `10 log10(|a|^2 / |a - b|^2)`; infinite where nothing differs, minus infinity where one of the
    /// models gives no number and the other does.
    pub sqnr_db: f64,
    /// Largest difference: `max |a - b|`.
    pub max_abs_error: f64,
    /// The same of the sample where it is worst.
    pub worst: Worst,
}

/// The worst that one sample has; each figure from the sample where that is worst.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worst {
    /// The largest `KL(softmax(before) || softmax(after))`, where there is a top-1.
    pub kl: Option<f64>,
    /// The smallest cosine.
    pub cosine: f64,
    /// The smallest signal over difference, in decibels.
    pub sqnr_db: f64,
}

impl Fidelity {
    /// How far the outputs are in one number, to choose between models by: the mean over the outputs of the KL divergence where they are rows of
    /// scores, and of `|a - b|^2 / |a|^2` elsewhere. Lower is better; not finite where an output is no number.
    pub fn distance(&self) -> f64 {
        let one = |o: &OutputFidelity| match o.places {
            1 => o.kl.unwrap_or(f64::NAN),
            _ => o.error(),
        };
        self.outputs.iter().map(one).sum::<f64>() / self.outputs.len().max(1) as f64
    }

    /// The mean over the outputs of `|a - b|^2 / |a|^2`, rows of scores among them: what a divergence between scores that are in no doubt does
    /// not see.
    pub fn error(&self) -> f64 {
        self.outputs.iter().map(OutputFidelity::error).sum::<f64>() / self.outputs.len().max(1) as f64
    }
}

impl OutputFidelity {
    /// `|a - b|^2 / |a|^2`.
    fn error(&self) -> f64 {
        10f64.powf(-self.sqnr_db / 10.0)
    }
}

/// Compares the outputs of two models on samples; `get` gives a sample's inputs. The result is the same for any number of threads. Errors
/// where a sample cannot be had or run.
pub fn fidelity(
    pair: &Pair,
    samples: Range<usize>,
    get: impl Fn(usize) -> Result<Vec<Tensor>> + Sync,
) -> Result<Fidelity> {
    let mut one = fidelities(&[pair], samples, get)?;
    one.pop().ok_or_else(|| Error::internal("a pair without a fidelity"))
}

/// [`fidelity`] of each of several pairs of one model before: that one runs once for all.
pub fn fidelities(
    pairs: &[&Pair],
    samples: Range<usize>,
    get: impl Fn(usize) -> Result<Vec<Tensor>> + Sync,
) -> Result<Vec<Fidelity>> {
    let count = samples.len();
    let of_one = |_: usize, p: &[Tensor], all: &[Vec<Tensor>]| -> Vec<Vec<Sums>> {
        all.iter().map(|q| p.iter().zip(q).map(|(p, q)| Sums::of(p, q)).collect()).collect()
    };
    let each = Pair::each_of(pairs, samples, get, of_one)?;
    let of_pair = |(k, pair): (usize, &&Pair)| {
        let output = |(j, name): (usize, &String)| {
            let mut all = Sums::default();
            each.iter().filter_map(|one| one.get(k)?.get(j)).for_each(|one| all.add(one));
            let all = all.finish(name.clone());
            let worst = Worst::of(each.iter().filter_map(|one| one.get(k)?.get(j)));
            OutputFidelity { worst: Worst { kl: all.kl.and(worst.kl), ..worst }, ..all }
        };
        Fidelity { samples: count, outputs: pair.outputs().iter().enumerate().map(output).collect() }
    };
    Ok(pairs.iter().enumerate().map(of_pair).collect())
}

impl Worst {
    fn of<'s>(samples: impl Iterator<Item = &'s Sums>) -> Self {
        let figures = samples.map(|s| s.clone().finish(String::new()));
        let worse = |a: Self, o: OutputFidelity| Self {
            kl: [a.kl, o.kl].into_iter().flatten().reduce(f64::max),
            cosine: a.cosine.min(o.cosine),
            sqnr_db: a.sqnr_db.min(o.sqnr_db),
        };
        figures.fold(Self { kl: None, cosine: 1.0, sqnr_db: f64::INFINITY }, worse)
    }
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
    /// Choices of one sample, and of all.
    places: usize,
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
        if let Some(axis) = score_axis(&before.dims, &p) {
            s.choices(Slices::new(&before.dims, axis).map(|at| [at.of(&p), at.of(&q)]));
        }
        s
    }

    fn choices(&mut self, all: impl Iterator<Item = [Vec<f32>; 2]>) {
        for [p, q] in all {
            let finite = |v: &[f32]| v.iter().all(|x| x.is_finite());
            self.rows += 1;
            self.agree += usize::from(!self.broken && argmax(&p) == argmax(&q));
            self.kl += if self.broken || !finite(&p) || !finite(&q) { 0.0 } else { kl(&p, &q) };
        }
        self.places = self.rows;
    }

    fn add(&mut self, other: &Self) {
        self.aa += other.aa;
        self.bb += other.bb;
        self.ab += other.ab;
        self.dd += other.dd;
        self.max = self.max.max(other.max);
        self.broken |= other.broken;
        self.places = self.places.max(other.places);
        self.rows += other.rows;
        self.agree += other.agree;
        self.kl += other.kl;
    }

    fn finish(self, name: String) -> OutputFidelity {
        let rows = (self.rows > 0).then_some(self.rows as f64);
        let (places, top1_agreement) = (self.places, rows.map(|n| self.agree as f64 / n));
        if self.broken {
            let (sqnr_db, max_abs_error) = (f64::NEG_INFINITY, f64::INFINITY);
            let worst = Worst::default();
            return OutputFidelity {
                name,
                places,
                top1_agreement,
                kl: None,
                cosine: 0.0,
                sqnr_db,
                max_abs_error,
                worst,
            };
        }
        let norm = (self.aa * self.bb).sqrt();
        OutputFidelity {
            name,
            places,
            top1_agreement,
            kl: rows.map(|n| self.kl / n),
            cosine: if norm > 0.0 { self.ab / norm } else { f64::from(u8::from(self.dd == 0.0)) },
            sqnr_db: if self.dd == 0.0 { f64::INFINITY } else { 10.0 * (self.aa / self.dd).log10() },
            max_abs_error: self.max,
            worst: Worst::default(),
        }
    }
}

/// The elements, whatever numbers they are.
fn numbers(t: &Tensor) -> Vec<f32> {
    t.floats().or_else(|| t.ints().map(|v| v.iter().map(|&i| i as f32).collect())).unwrap_or_default()
}

/// The place of the largest element, the first of several; 0 where there are none.
pub fn argmax(v: &[f32]) -> usize {
    v.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |m| m.0)
}
