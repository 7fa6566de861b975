//! The rows of a block in coordinates in which the fitted ones have no mean, and what its weights make of them, up to and behind the activation.

use std::ops::Range;

use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

use super::chunks::{CHUNK, column_sums, each_row, filled, less, summed};
use super::fit::{Candidate, Problem};
use super::rows::halves;
use super::sums::Sums;

/// A filter whose scale is below this share of the largest has no say through it: what it makes does not count there.
const NO_SCALE: f32 = 1e-4;

/// A problem's rows.
pub(super) struct Shifted<'a> {
    pub problem: &'a Problem<'a>,
    /// What the block reads: `rows x (channels * taps)`.
    pub u: Array2<f32>,
    /// What it should make: `rows x filters`.
    pub t: Array2<f32>,
    /// What was subtracted from both; nothing where there is no bias to make up for it.
    pub means: [Array1<f64>; 2],
    /// How many rows are fitted on: the first.
    pub fit: usize,
    /// Whether a filter is heard through its scale.
    heard: Vec<bool>,
}

impl<'a> Shifted<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        let rows = problem.rows;
        let (fit, count) = (rows.fit[0], rows.u.nrows());
        let [from, to] = [problem.inputs.start, problem.inputs.end].map(|c| c * problem.taps);
        let scales = &problem.behind.scale;
        let largest = scales.iter().fold(0.0f32, |m, a| m.max(a.abs()));
        let heard = problem.filters.clone().map(|f| scales[f].abs() > NO_SCALE * largest).collect();
        let mut all =
            Self { problem, u: Array2::zeros((0, 0)), t: Array2::zeros((0, 0)), means: Default::default(), fit, heard };
        let mean = |top: Array1<f64>| {
            let mean = if problem.biased { top / fit.max(1) as f64 } else { Array1::zeros(top.len()) };
            mean.mapv(|m| f64::from(m as f32))
        };
        let u = mean(column_sums(&rows.u.slice(s![..fit, from..to])));
        all.u = less(&rows.u.slice(s![.., from..to]), &u);
        all.t = filled(count, problem.filters.len(), |row, out| {
            out.iter_mut().enumerate().for_each(|(f, out)| *out = all.target(row, f));
        });
        let t = mean(column_sums(&all.t.slice(s![..fit, ..])));
        all.t = less(&all.t.view(), &t);
        all.means = [u, t];
        all
    }

    /// What the block should make, in the coordinates of the model: the original's, or, where a sum follows, what repairs the other summand.
    fn target(&self, row: usize, f: usize) -> f32 {
        let (a, shift, filter) = self.behind(f);
        match &self.problem.rows.joined {
            Some([sum, other]) if self.heard[f] => (sum[[row, filter]] - other[[row, filter]] - shift) / a,
            _ => self.problem.rows.t[[row, filter]],
        }
    }

    /// Scale and shift behind a filter of the block, and its number in the layer.
    fn behind(&self, f: usize) -> (f32, f32, usize) {
        let filter = self.problem.filters.start + f;
        (self.problem.behind.scale[filter], self.problem.behind.shift[filter], filter)
    }

    /// What the activation is given in the original.
    fn given(&self, row: usize, f: usize) -> f32 {
        let (a, shift, filter) = self.behind(f);
        match &self.problem.rows.joined {
            Some([sum, _]) => sum[[row, filter]],
            None => a * self.problem.rows.t[[row, filter]] + shift,
        }
    }

    /// The other summand in the cut model, if there is one.
    fn summand(&self, row: usize, f: usize) -> f32 {
        self.problem.rows.joined.as_ref().map_or(0.0, |[_, other]| other[[row, self.problem.filters.start + f]])
    }

    /// What passes in the original; without an activation, what is made, as loud as it is behind its scale.
    fn passed(&self, row: usize, f: usize) -> f32 {
        match self.problem.behind.kink {
            Some(kink) => kink.of(self.given(row, f)),
            None => self.behind(f).0 * (self.t[[row, f]] + self.means[1][f] as f32),
        }
    }

    /// The same where the block makes `p`.
    fn passing(&self, row: usize, f: usize, p: f32) -> f32 {
        let (a, shift, _) = self.behind(f);
        match self.problem.behind.kink {
            Some(kink) => kink.of(a * p + shift + self.summand(row, f)),
            None => a * p,
        }
    }

    /// The sums over the fitted rows, and over those held out.
    pub(super) fn sums(&self) -> [Sums; 2] {
        let ([u, v], [t, w]) = (halves(&self.u, self.fit), halves(&self.t, self.fit));
        [Sums::new(&u, &t), Sums::new(&v, &w)]
    }

    /// What a bias is found from, over some rows.
    pub(super) fn means_of(&self, rows: Range<usize>) -> Sums {
        Sums::of_columns(&self.u.slice(s![rows.clone(), ..]), &self.t.slice(s![rows, ..]))
    }

    /// Filters by how loud they are behind the contraction.
    pub(super) fn weights(&self) -> Array1<f64> {
        let a = &self.problem.behind.scale[self.problem.filters.clone()];
        a.iter().map(|a| f64::from(*a) * f64::from(*a)).collect()
    }

    /// What the candidate makes of some rows, in the coordinates of the model.
    fn predicted(&self, c: &Candidate, rows: Range<usize>) -> Array2<f32> {
        let w = c.w.mapv(|v| v as f32);
        let b: Vec<f32> = c.b.iter().zip(&self.means[1]).map(|(b, m)| (b + m) as f32).collect();
        let u = self.u.slice(s![rows, ..]);
        let mut out = Array2::zeros((u.nrows(), w.nrows()));
        let chunks: Vec<_> = out.axis_chunks_iter_mut(Axis(0), CHUNK).zip(u.axis_chunks_iter(Axis(0), CHUNK)).collect();
        chunks.into_par_iter().for_each(|(mut out, u)| {
            out.assign(&u.dot(&w.t()));
            out.rows_mut().into_iter().for_each(|mut row| row.iter_mut().zip(&b).for_each(|(v, b)| *v += b));
        });
        out
    }

    /// The sum of squares on held-out rows, of what passes the activation.
    pub(super) fn passed_error(&self, c: &Candidate) -> f64 {
        let p = self.predicted(c, self.fit..self.u.nrows());
        let square = |row: usize, f: usize| {
            let made = self.passing(row, f, p[[row - self.fit, f]]);
            (f64::from(self.passed(row, f)) - f64::from(made)).powi(2)
        };
        summed(self.fit..self.u.nrows(), |row| (0..p.ncols()).map(|f| square(row, f)).sum())
    }

    /// The same of the mean instead of what a candidate makes.
    pub(super) fn passed_variance(&self) -> f64 {
        let held = self.fit..self.u.nrows();
        let of_filter = |f: usize| {
            let mean = held.clone().map(|row| f64::from(self.passed(row, f))).sum::<f64>() / held.len().max(1) as f64;
            held.clone().map(|row| (f64::from(self.passed(row, f)) - mean).powi(2)).sum::<f64>()
        };
        (0..self.t.ncols()).into_par_iter().map(of_filter).collect::<Vec<f64>>().iter().sum()
    }

    /// Targets that ask for nothing where the original's activation passes nothing: there what the candidate makes is right as it is, as long as
    /// nothing passes either. `None` where there is no such activation.
    pub(super) fn loose_targets(&self, c: &Candidate, rows: Range<usize>) -> Option<Array2<f32>> {
        let kink = self.problem.behind.kink?;
        let mut out = self.predicted(c, rows.clone());
        each_row(&mut out, |i, out| {
            let row = rows.start + i;
            for (f, p) in out.iter_mut().enumerate() {
                let ((a, shift, _), s, z) = (self.behind(f), self.summand(row, f), self.given(row, f));
                let q = a * *p + shift + s;
                let wanted = match () {
                    () if !self.heard[f] => None,
                    () if z <= 0.0 => Some(q.min(0.0)),
                    () if z >= kink.high => Some(q.max(kink.high)),
                    () => None,
                };
                *p = wanted.map_or(self.t[[row, f]], |q| (q - s - shift) / a - self.means[1][f] as f32);
            }
        });
        Some(out)
    }
}
