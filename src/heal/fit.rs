//! One block of a layer, fitted: candidates for its weights, of which the best on held-out rows is taken.

use std::ops::Range;

use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

use super::behind::Behind;
use super::ridge::Ridge;
use super::rows::{Rows, columns, halves};
use super::sums::Sums;

/// Weights of the prior that are tried.
const LAMBDAS: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// How often a layer is fitted again to looser targets.
const PASSES: usize = 2;

/// A filter whose scale is below this share of the largest has no say through it: what it makes does not count there.
const NO_SCALE: f32 = 1e-4;

/// Rows that are predicted together.
const CHUNK: usize = 2048;

/// What a block is fitted with.
pub(super) struct Problem<'a> {
    pub rows: &'a Rows,
    /// Input channels, and filters, of the block.
    pub inputs: Range<usize>,
    pub filters: Range<usize>,
    pub taps: usize,
    pub behind: &'a Behind,
    /// The weights and the bias that it has.
    pub now: (Array2<f64>, Array1<f64>),
    /// The folded weights.
    pub prior: Array2<f64>,
    /// Whether there is a place for a bias.
    pub biased: bool,
    /// Whether it is fitted, or only folded.
    pub refits: bool,
}

/// Weights and bias of a block, and the sums of squares that they leave on held-out rows.
pub(super) struct Fitted {
    pub weights: Array2<f64>,
    pub bias: Array1<f64>,
    pub outcome: &'static str,
    /// Before, after, and the variance of what is fitted to.
    pub errors: [f64; 3],
}

/// Weights, in shifted coordinates.
#[derive(Clone)]
struct Candidate {
    w: Array2<f64>,
    b: Array1<f64>,
    outcome: &'static str,
}

/// A problem in coordinates in which the fitted rows have no mean.
struct Shifted<'a> {
    problem: &'a Problem<'a>,
    u: Array2<f32>,
    t: Array2<f32>,
    /// What was subtracted.
    means: [Array1<f64>; 2],
    /// What the activation is given in the original: `rows x filters`.
    z: Option<Array2<f32>>,
    /// The other summand in the cut model.
    s: Option<Array2<f32>>,
    fit: usize,
}

impl Problem<'_> {
    /// Fits.
    pub(super) fn solve(&self) -> Fitted {
        let shifted = self.shifted();
        let now = shifted.now();
        let (before, variance) = (shifted.passed_error(&now), shifted.passed_variance());
        if !self.refits {
            let folded = shifted.with_bias(self.prior.clone(), &shifted.means_of(0..shifted.fit), "folded");
            let after = shifted.passed_error(&folded);
            let all = shifted.means_of(0..shifted.u.nrows());
            return self.finish(&shifted, &all, folded, &now, [before, after, variance]);
        }
        let [fit, held] = shifted.sums();
        let all = fit.plus(&held);
        let (lambda, best) = shifted.choose(&fit, &held);
        let Some(lambda) = lambda else {
            let after = shifted.passed_error(&best);
            return self.finish(&shifted, &all, best, &now, [before, after, variance]);
        };
        let plain = shifted.passed_error(&best);
        let slack = shifted.loosened(&best, lambda, &fit, 0..shifted.fit, 1);
        let slack = slack.map_or(f64::INFINITY, |c| shifted.passed_error(&c));
        let passes = if slack < plain { PASSES } else { 0 };
        let whole = shifted.refit(lambda, &all).unwrap_or(best);
        let rows = 0..shifted.u.nrows();
        let loose = shifted.loosened(&whole, lambda, &all, rows, passes).unwrap_or(whole);
        self.finish(&shifted, &all, loose, &now, [before, slack.min(plain), variance])
    }

    fn finish(&self, shifted: &Shifted<'_>, all: &Sums, best: Candidate, now: &Candidate, errors: [f64; 3]) -> Fitted {
        let keeps = errors[1] >= errors[0] || errors[1].is_nan();
        let mut c = if keeps { now.clone() } else { best };
        if c.outcome == "folded" {
            c = shifted.with_bias(c.w, all, "folded");
        }
        let [u, t] = &shifted.means;
        let bias = if keeps { self.now.1.clone() } else { &c.b + t - c.w.dot(u) };
        let errors = if keeps { [errors[0], errors[0], errors[2]] } else { errors };
        Fitted { weights: c.w, bias, outcome: c.outcome, errors }
    }

    fn covariance(&self, sums: &Sums) -> Array2<f64> {
        if self.biased { sums.covariance() } else { &sums.uu / sums.n }
    }

    fn cross(&self, sums: &Sums) -> Array2<f64> {
        if self.biased { sums.cross() } else { &sums.ut / sums.n }
    }

    fn shifted(&self) -> Shifted<'_> {
        let fit = self.rows.fit[0];
        let mut u = columns(self.rows.u.view(), self.inputs.clone(), self.taps).to_owned();
        let filters = |a: &Array2<f32>| a.slice(s![.., self.filters.clone()]).to_owned();
        let mut t = filters(&self.rows.t);
        let [a, shift] = [&self.behind.scale, &self.behind.shift].map(|v| &v[self.filters.clone()]);
        let (mut z, mut summand) = (None, None);
        if let Some([sum, other]) = &self.rows.joined {
            let (sum, other) = (filters(sum), filters(other));
            for f in (0..a.len()).filter(|&f| self.counts(a, f)) {
                let both = sum.column(f).into_iter().zip(other.column(f).to_owned());
                t.column_mut(f).iter_mut().zip(both).for_each(|(t, (sum, s))| *t = (sum - s - shift[f]) / a[f]);
            }
            (z, summand) = (Some(sum), Some(other));
        } else if self.behind.kink.is_some() {
            let mut q = t.clone();
            q.axis_iter_mut(Axis(1)).enumerate().for_each(|(f, mut q)| q.mapv_inplace(|p| a[f] * p + shift[f]));
            z = Some(q);
        }
        let centre = |m: &mut Array2<f32>| -> Array1<f64> {
            let top = m.slice(s![..fit, ..]);
            let sums = top.rows().into_iter().fold(Array1::<f64>::zeros(top.ncols()), |mut sums, row| {
                sums.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
                sums
            });
            let mean = if self.biased { sums / fit.max(1) as f64 } else { Array1::zeros(top.ncols()) };
            m.rows_mut().into_iter().for_each(|mut row| row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= *m as f32));
            mean.mapv(|m| f64::from(m as f32))
        };
        let means = [centre(&mut u), centre(&mut t)];
        Shifted { problem: self, u, t, means, z, s: summand, fit }
    }

    /// Whether a filter is heard through its scale.
    fn counts(&self, a: &[f32], f: usize) -> bool {
        let largest = self.behind.scale.iter().fold(0.0f32, |m, a| m.max(a.abs()));
        a[f].abs() > NO_SCALE * largest
    }
}

impl Shifted<'_> {
    fn sums(&self) -> [Sums; 2] {
        let ([u, v], [t, w]) = (halves(&self.u, self.fit), halves(&self.t, self.fit));
        [Sums::new(&u, &t), Sums::new(&v, &w)]
    }

    /// What a bias is found from, over some rows.
    fn means_of(&self, rows: Range<usize>) -> Sums {
        Sums::of_columns(&self.u.slice(s![rows.clone(), ..]), &self.t.slice(s![rows, ..]))
    }

    /// Filters by how loud they are behind the contraction.
    fn weights(&self) -> Array1<f64> {
        let a = &self.problem.behind.scale[self.problem.filters.clone()];
        a.iter().map(|a| f64::from(*a) * f64::from(*a)).collect()
    }

    fn now(&self) -> Candidate {
        let (w, b) = self.problem.now.clone();
        let b = b - &self.means[1] + w.dot(&self.means[0]);
        Candidate { w, b, outcome: "kept" }
    }

    fn with_bias(&self, w: Array2<f64>, sums: &Sums, outcome: &'static str) -> Candidate {
        let b = if self.problem.biased { sums.bias(&w) } else { Array1::zeros(w.nrows()) };
        Candidate { w, b, outcome }
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
    fn passed_error(&self, c: &Candidate) -> f64 {
        self.over_held(Some(c))
    }

    /// The same of the mean instead of what a candidate makes.
    fn passed_variance(&self) -> f64 {
        self.over_held(None)
    }

    fn over_held(&self, c: Option<&Candidate>) -> f64 {
        let held = self.fit..self.u.nrows();
        let p = c.map(|c| self.predicted(c, held.clone()));
        let (behind, means) = (self.problem.behind, &self.means[1]);
        let kink = behind.kink.filter(|_| self.z.is_some());
        let first = self.problem.filters.start;
        let mut total = 0.0;
        for f in 0..self.t.ncols() {
            let (a, t) = (behind.scale[first + f], behind.shift[first + f]);
            let truth = |row: usize| match (&self.z, kink) {
                (Some(z), Some(kink)) => kink.of(z[[row, f]]),
                _ => a * (self.t[[row, f]] + means[f] as f32),
            };
            let made = |row: usize, p: f32| match kink {
                Some(kink) => kink.of(a * p + t + self.s.as_ref().map_or(0.0, |s| s[[row, f]])),
                None => a * p,
            };
            let mean = held.clone().map(|r| f64::from(truth(r))).sum::<f64>() / held.len().max(1) as f64;
            total += held
                .clone()
                .map(|r| {
                    let made = p.as_ref().map_or(mean, |p| f64::from(made(r, p[[r - self.fit, f]])));
                    (f64::from(truth(r)) - made).powi(2)
                })
                .sum::<f64>();
        }
        total
    }

    /// The candidate that is best on held-out rows, and the weight of the prior that it was fitted with.
    fn choose(&self, fit: &Sums, held: &Sums) -> (Option<f64>, Candidate) {
        let (problem, weights) = (self.problem, self.weights());
        let error = |c: &Candidate| (held.squared_error(&c.w, &c.b) * &weights).sum();
        let mut best = (None, self.now());
        let mut least = error(&best.1);
        let mut consider = |lambda: Option<f64>, c: Candidate| {
            let e = error(&c);
            if e < least {
                (best, least) = ((lambda, c), e);
            }
        };
        consider(None, self.with_bias(problem.prior.clone(), fit, "folded"));
        let (ridge, cross) = (Ridge::new(problem.covariance(fit), &problem.prior), problem.cross(fit));
        let steps = LAMBDAS.par_iter().filter_map(|&l| Some((l, ridge.factor(l)?.step(&cross)?)));
        for (lambda, step) in steps.collect::<Vec<_>>() {
            consider(Some(lambda), self.with_bias(&problem.prior + &step, fit, "refit"));
        }
        best
    }

    fn refit(&self, lambda: f64, sums: &Sums) -> Option<Candidate> {
        let ridge = Ridge::new(self.problem.covariance(sums), &self.problem.prior);
        let step = ridge.factor(lambda)?.step(&self.problem.cross(sums))?;
        Some(self.with_bias(&self.problem.prior + &step, sums, "refit"))
    }

    /// The candidate, fitted so many times more to targets that ask for nothing where the original's activation passes nothing: there what the last
    /// one makes is right as it is, as long as nothing passes either. `sums` is over `rows`. `None` where there is no such activation.
    fn loosened(
        &self,
        c: &Candidate,
        lambda: f64,
        sums: &Sums,
        rows: Range<usize>,
        passes: usize,
    ) -> Option<Candidate> {
        self.problem.behind.kink.filter(|_| self.z.is_some() && passes > 0)?;
        let ridge = Ridge::new(self.problem.covariance(sums), &self.problem.prior);
        let factor = ridge.factor(lambda)?;
        let mut c = c.clone();
        for _ in 0..passes {
            let t = self.loose_targets(&c, rows.clone());
            let u = self.u.slice(s![rows.clone(), ..]);
            let sums = sums.with_targets(Sums::of_targets(&u, &t.view()));
            let step = factor.step(&self.problem.cross(&sums))?;
            c = self.with_bias(&self.problem.prior + &step, &sums, "refit");
        }
        Some(c)
    }

    fn loose_targets(&self, c: &Candidate, rows: Range<usize>) -> Array2<f32> {
        let behind = self.problem.behind;
        let mut t = self.t.slice(s![rows.clone(), ..]).to_owned();
        let (Some(kink), Some(z)) = (behind.kink, &self.z) else { return t };
        let p = self.predicted(c, rows.clone());
        let first = self.problem.filters.start;
        let scale = &behind.scale[self.problem.filters.clone()];
        for f in (0..t.ncols()).filter(|&f| self.problem.counts(scale, f)) {
            let (a, shift, mean) = (scale[f], behind.shift[first + f], self.means[1][f] as f32);
            for (i, t) in t.column_mut(f).iter_mut().enumerate() {
                let s = self.s.as_ref().map_or(0.0, |s| s[[rows.start + i, f]]);
                let q = a * p[[i, f]] + shift + s;
                let z = z[[rows.start + i, f]];
                let wanted = if z <= 0.0 {
                    q.min(0.0)
                } else if z >= kink.high {
                    q.max(kink.high)
                } else {
                    continue;
                };
                *t = (wanted - s - shift) / a - mean;
            }
        }
        t
    }
}
