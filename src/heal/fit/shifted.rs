//! The rows of a block in coordinates in which the fitted ones have no mean, and what its weights make of them, up to and behind the activation.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, s};

use super::chunks::{centre, column_sums, each_row, filled, summed};
use super::products::applied;
use super::sums::Sums;
use super::{Candidate, Problem};
use crate::heal::rows::halves;

/// A filter whose scale is below this share of the largest has no say through it: what it makes does not count there.
const NO_SCALE: f32 = 1e-4;

/// A problem's rows.
pub(super) struct Shifted<'a> {
    pub problem: &'a Problem<'a>,
    /// What the block reads: `rows x (channels * taps)`.
    pub u: ArrayView2<'a, f32>,
    /// What it should make: `rows x filters`.
    pub t: Array2<f32>,
    /// What was subtracted from both; nothing where there is no bias to make up for it.
    pub means: [Array1<f64>; 2],
    /// How many rows are fitted on: the first.
    pub fit: usize,
    /// The same as float32, of `t`.
    mean: Vec<f32>,
    /// What is behind each filter, `a` and `t` of [`Behind`](crate::heal::behind::Behind).
    scale: &'a [f32],
    shift: &'a [f32],
    /// Whether a filter is heard through its scale.
    heard: Vec<bool>,
}

/// One row, by filter of the block.
#[derive(Clone, Copy)]
struct Row<'r> {
    /// What the original makes.
    t: &'r [f32],
    /// The original's sum, and the cut model's other summand.
    joined: Option<[&'r [f32]; 2]>,
}

impl<'a> Shifted<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        let (rows, filters) = (problem.rows, problem.filters.clone());
        let [from, to] = [problem.inputs.start, problem.inputs.end].map(|c| c * problem.taps);
        let (scale, shift) = (&problem.behind.scale, &problem.behind.shift);
        let largest = scale.iter().fold(0.0f32, |m, a| m.max(a.abs()));
        let (scale, shift) = (&scale[filters.clone()], &shift[filters.clone()]);
        let mut all = Self {
            problem,
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
        if problem.biased {
            all.means[1] = centre(&mut all.t, all.fit);
            all.mean = all.means[1].iter().map(|m| *m as f32).collect();
        }
        all
    }

    fn row(&self, i: usize) -> Row<'a> {
        let rows = self.problem.rows;
        let filters = &self.problem.filters;
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
        match self.problem.behind.kink {
            Some(kink) => kink.of(self.given(row, f)),
            None => self.scale[f] * (self.t[[i, f]] + self.mean[f]),
        }
    }

    /// The same where the block makes `p`.
    fn passing(&self, row: Row<'_>, f: usize, p: f32) -> f32 {
        match self.problem.behind.kink {
            Some(kink) => kink.of(self.scale[f] * p + self.shift[f] + row.summand(f)),
            None => self.scale[f] * p,
        }
    }

    /// The sums over the fitted rows, and over those held out.
    pub(super) fn sums(&self) -> [Sums; 2] {
        let ([u, v], [t, w]) = (halves(self.u, self.fit), halves(self.t.view(), self.fit));
        [Sums::new(&u, &t), Sums::new(&v, &w)]
    }

    /// What a bias is found from, over some rows.
    pub(super) fn means_of(&self, rows: Range<usize>) -> Sums {
        Sums::of_columns(&self.u.slice(s![rows.clone(), ..]), &self.t.slice(s![rows, ..]))
    }

    /// Filters by how loud they are behind the contraction.
    pub(super) fn weights(&self) -> Array1<f64> {
        self.scale.iter().map(|a| f64::from(*a) * f64::from(*a)).collect()
    }

    /// What the candidate makes of some rows, in the coordinates of the model.
    fn predicted(&self, c: &Candidate, rows: Range<usize>) -> Array2<f32> {
        let b: Vec<f32> = c.b.iter().zip(&self.means[1]).map(|(b, m)| (b + m) as f32).collect();
        let mut out = applied(&self.u.slice(s![rows, ..]), &c.w.mapv(|v| v as f32));
        each_row(&mut out, |_, row| row.iter_mut().zip(&b).for_each(|(v, b)| *v += b));
        out
    }

    /// The sum of squares on held-out rows, of what passes the activation.
    pub(super) fn passed_error(&self, c: &Candidate) -> f64 {
        let p = self.predicted(c, self.fit..self.u.nrows());
        let of_row = |i: usize| {
            let (row, p) = (self.row(i), part(&p, i - self.fit, &(0..p.ncols())));
            let square = |(f, p): (usize, &f32)| {
                (f64::from(self.passed(i, row, f)) - f64::from(self.passing(row, f, *p))).powi(2)
            };
            p.iter().enumerate().map(square).sum()
        };
        summed(self.fit..self.u.nrows(), of_row)
    }

    /// The same of the mean instead of what a candidate makes.
    pub(super) fn passed_variance(&self) -> f64 {
        let held = self.fit..self.u.nrows();
        let passed = filled(held.len(), self.t.ncols(), |i, out| {
            let row = self.row(self.fit + i);
            out.iter_mut().enumerate().for_each(|(f, out)| *out = self.passed(self.fit + i, row, f));
        });
        let mean = column_sums(&passed.view()) / held.len().max(1) as f64;
        let of_row = |i: usize| passed.row(i).iter().zip(&mean).map(|(v, m)| (f64::from(*v) - m).powi(2)).sum();
        summed(0..held.len(), of_row)
    }

    /// Targets that ask for nothing where the original's activation passes nothing: there what the candidate makes is right as it is, as long as
    /// nothing passes either. `None` where there is no such activation.
    pub(super) fn loose_targets(&self, c: &Candidate, rows: Range<usize>) -> Option<Array2<f32>> {
        let kink = self.problem.behind.kink?;
        let mut out = self.predicted(c, rows.clone());
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
        Some(out)
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
