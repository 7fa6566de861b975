//! The rows of a block in coordinates in which the fitted ones have no mean, and what its weights make of them, up to and behind the activation.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

use super::chunks::{centre, column_sums, each_row, filled, summed};
use super::products::applied;
use super::sums::Sums;
use super::{Part, Problem, Reader};
use crate::heal::behind::Kink;

/// A filter whose scale is below this share of the largest has no say through it: what it makes does not count there.
const NO_SCALE: f32 = 1e-4;

/// The rows of one reader of a block.
pub(super) struct Shifted<'a> {
    pub reader: &'a Reader<'a>,
    /// The block's filters.
    filters: Range<usize>,
    /// What the block reads: `rows x (channels * taps)`.
    pub u: ArrayView2<'a, f32>,
    /// What it should make: `rows x filters`.
    pub t: Array2<f32>,
    /// What was subtracted from both; nothing where there is no bias to make up for it.
    pub means: [Array1<f64>; 2],
    /// How many rows are fitted on: the first.
    fit: usize,
    /// The same as float32, of `t`.
    mean: Vec<f32>,
    /// What is behind each filter, `a` and `t` of [`Behind`](crate::heal::behind::Behind).
    scale: &'a [f32],
    shift: &'a [f32],
    /// Whether a filter is heard through its scale.
    heard: Vec<bool>,
}

/// Weights, `filters x (channels * taps)`, and a bias, in shifted coordinates.
type Made<'c> = (&'c Array2<f64>, ArrayView1<'c, f64>);

/// One row, by filter of the block.
#[derive(Clone, Copy)]
struct Row<'r> {
    /// What the original makes.
    t: &'r [f32],
    /// The original's sum, and the cut model's other summand.
    joined: Option<[&'r [f32]; 2]>,
}

impl<'a> Shifted<'a> {
    pub(super) fn new(problem: &Problem<'_>, reader: &'a Reader<'a>) -> Self {
        let (rows, filters) = (reader.rows, problem.filters.clone());
        let [from, to] = [problem.inputs.start, problem.inputs.end].map(|c| c * problem.taps);
        let (scale, shift) = (&reader.behind.scale, &reader.behind.shift);
        let largest = scale.iter().fold(0.0f32, |m, a| m.max(a.abs()));
        let (scale, shift) = (&scale[filters.clone()], &shift[filters.clone()]);
        let mut all = Self {
            reader,
            filters: filters.clone(),
            u: rows.u.slice(s![.., from..to]),
            t: Array2::zeros((0, 0)),
            means: [rows.mean.slice(s![from..to]).to_owned(), Array1::zeros(filters.len())],
            fit: rows.fit[0],
            mean: vec![0.0; filters.len()],
            scale,
            shift,
            heard: scale.iter().map(|a| a.abs() > NO_SCALE * largest).collect(),
        };
        all.t = filled(rows.u.nrows(), filters.len(), |i, out| {
            let row = all.row(i);
            out.iter_mut().enumerate().for_each(|(f, out)| *out = all.target(row, f));
        });
        if reader.biased {
            all.means[1] = centre(&mut all.t, all.fit);
            all.mean = all.means[1].iter().map(|m| *m as f32).collect();
        }
        all
    }

    fn row(&self, i: usize) -> Row<'a> {
        let (rows, filters) = (self.reader.rows, &self.filters);
        Row {
            t: part(&rows.t, i, filters),
            joined: rows.joined.as_ref().map(|[a, b]| [part(a, i, filters), part(b, i, filters)]),
        }
    }

    /// What the block should make, in the coordinates of the model: the original's, or, where a sum follows, what repairs the other summand.
    fn target(&self, row: Row<'_>, f: usize) -> f32 {
        match row.joined {
            Some([sum, other]) if self.heard[f] => (sum[f] - other[f] - self.shift[f]) / self.scale[f],
            _ => row.t[f],
        }
    }

    /// What the activation is given in the original.
    fn given(&self, row: Row<'_>, f: usize) -> f32 {
        row.joined.map_or_else(|| self.scale[f] * row.t[f] + self.shift[f], |[sum, _]| sum[f])
    }

    /// What passes in the original; without an activation, what is made, as loud as it is behind its scale.
    fn passed(&self, i: usize, row: Row<'_>, f: usize) -> f32 {
        match self.reader.behind.kink {
            Some(kink) => kink.of(self.given(row, f)),
            None => self.scale[f] * (self.t[[i, f]] + self.mean[f]),
        }
    }

    /// The same where the block makes `p`.
    fn passing(&self, row: Row<'_>, f: usize, p: f32) -> f32 {
        match self.reader.behind.kink {
            Some(kink) => kink.of(self.scale[f] * p + self.shift[f] + row.summand(f)),
            None => self.scale[f] * p,
        }
    }

    fn range(&self, part: Part) -> Range<usize> {
        match part {
            Part::Fitted => 0..self.fit,
            Part::HeldOut => self.fit..self.u.nrows(),
            Part::All => 0..self.u.nrows(),
        }
    }

    /// The sums over some rows.
    pub(super) fn sums(&self, part: Part) -> Sums {
        let rows = self.range(part);
        Sums::new(&self.u.slice(s![rows.clone(), ..]), &self.t.slice(s![rows, ..]), self.reader.biased)
    }

    /// What a bias is found from, over some rows.
    pub(super) fn means_of(&self, part: Part) -> Sums {
        let rows = self.range(part);
        Sums::of_columns(&self.u.slice(s![rows.clone(), ..]), &self.t.slice(s![rows, ..]), self.reader.biased)
    }

    /// How loud all filters are, the mean of [`weights`](Self::weights).
    pub(super) fn loudness(&self) -> f64 {
        self.weights().mean().unwrap_or(0.0)
    }

    /// Filters by how loud they are behind the contraction.
    pub(super) fn weights(&self) -> Array1<f64> {
        self.scale.iter().map(|a| f64::from(*a) * f64::from(*a)).collect()
    }

    /// What weights and a bias make of some rows, in the coordinates of the model.
    fn predicted(&self, (w, b): Made<'_>, rows: Range<usize>) -> Array2<f32> {
        let b: Vec<f32> = b.iter().zip(&self.means[1]).map(|(b, m)| (b + m) as f32).collect();
        let mut out = applied(&self.u.slice(s![rows, ..]), &w.mapv(|v| v as f32));
        each_row(&mut out, |_, row| row.iter_mut().zip(&b).for_each(|(v, b)| *v += b));
        out
    }

    /// The sum of squares on held-out rows, of what passes the activation.
    pub(super) fn passed_error(&self, made: Made<'_>) -> f64 {
        let p = self.predicted(made, self.range(Part::HeldOut));
        let of_row = |i: usize| {
            let (row, p) = (self.row(i), part(&p, i - self.fit, &(0..p.ncols())));
            let square = |(f, p): (usize, &f32)| {
                (f64::from(self.passed(i, row, f)) - f64::from(self.passing(row, f, *p))).powi(2)
            };
            p.iter().enumerate().map(square).sum()
        };
        summed(self.range(Part::HeldOut), of_row)
    }

    /// The same of the mean instead of what a candidate makes.
    pub(super) fn passed_variance(&self) -> f64 {
        let held = self.range(Part::HeldOut);
        let passed = filled(held.len(), self.t.ncols(), |i, out| {
            let row = self.row(self.fit + i);
            out.iter_mut().enumerate().for_each(|(f, out)| *out = self.passed(self.fit + i, row, f));
        });
        let mean = column_sums(&passed.view()) / held.len().max(1) as f64;
        let of_row = |i: usize| passed.row(i).iter().zip(&mean).map(|(v, m)| (f64::from(*v) - m).powi(2)).sum();
        summed(0..held.len(), of_row)
    }

    /// The sums of targets that ask for nothing where the original's activation passes nothing: there what the weights make is right as it is, as
    /// long as nothing passes either. Of the targets as they are, where there is no such activation.
    pub(super) fn loosened(&self, made: Made<'_>, part: Part) -> Sums {
        let rows = self.range(part);
        let loose = self.reader.behind.kink.map(|kink| self.loose_targets(made, kink, rows.clone()));
        let targets = loose.as_ref().map_or_else(|| self.t.slice(s![rows.clone(), ..]), |t| t.view());
        Sums::of_targets(&self.u.slice(s![rows, ..]), &targets, self.reader.biased)
    }

    fn loose_targets(&self, made: Made<'_>, kink: Kink, rows: Range<usize>) -> Array2<f32> {
        let mut out = self.predicted(made, rows.clone());
        each_row(&mut out, |i, out| {
            let (row, t) = (self.row(rows.start + i), part(&self.t, rows.start + i, &(0..self.t.ncols())));
            for (f, p) in out.iter_mut().enumerate() {
                let (a, shift, s, z) = (self.scale[f], self.shift[f], row.summand(f), self.given(row, f));
                let q = a * *p + shift + s;
                let wanted = match () {
                    () if !self.heard[f] => None,
                    () if z <= 0.0 => Some(q.min(0.0)),
                    () if z >= kink.high => Some(q.max(kink.high)),
                    () => None,
                };
                *p = wanted.map_or(t[f], |q| (q - s - shift) / a - self.mean[f]);
            }
        });
        out
    }
}

impl Row<'_> {
    /// The other summand in the cut model, 0 where there is none.
    fn summand(&self, f: usize) -> f32 {
        self.joined.map_or(0.0, |[_, other]| other[f])
    }
}

/// Some columns of a row.
fn part<'r>(a: &'r Array2<f32>, row: usize, columns: &Range<usize>) -> &'r [f32] {
    let from = row * a.ncols();
    a.as_slice().map_or(&[], |all| &all[from + columns.start..from + columns.end])
}
