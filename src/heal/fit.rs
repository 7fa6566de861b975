//! One block of a layer, fitted: candidates for its weights, of which the best on held-out rows is taken.

use std::ops::Range;

use ndarray::{Array1, Array2, s};
use rayon::prelude::*;

use super::behind::Behind;
use super::rows::Rows;

mod chunks;
mod products;
mod ridge;
mod shifted;
mod sums;

pub(super) use chunks::centre;
use ridge::Ridge;
pub(super) use ridge::solve;
use shifted::Shifted;
use sums::Sums;
pub(super) use sums::mean_and_covariance;

/// Weights of the prior that are tried.
const LAMBDAS: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

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
pub(super) struct Candidate {
    /// `filters x (channels * taps)`.
    pub w: Array2<f64>,
    pub b: Array1<f64>,
    outcome: &'static str,
}

/// Least squares over some rows.
struct System<'a> {
    shifted: &'a Shifted<'a>,
    rows: Range<usize>,
    sums: &'a Sums,
    ridge: Ridge,
}

impl Problem<'_> {
    /// Fits. A layer behind an activation is fitted twice more, to targets that are looser: first on the fitted rows, and where that helps on those
    /// held out, on all.
    pub(super) fn solve(&self) -> Fitted {
        let shifted = Shifted::new(self);
        let (fit, count) = (shifted.fit, shifted.u.nrows());
        let now = self.now(&shifted);
        let (before, variance) = (shifted.passed_error(&now), shifted.passed_variance());
        if !self.refits {
            let folded = self.with_bias(self.prior.clone(), &shifted.means_of(0..fit), "folded");
            let after = shifted.passed_error(&folded);
            return self.finish(&shifted, &shifted.means_of(0..count), folded, &now, [before, after, variance]);
        }
        let [on_fit, held] = shifted.sums();
        let all = on_fit.plus(&held);
        let system = System::new(&shifted, 0..fit, &on_fit);
        let (lambda, best) = system.choose(&now, &held);
        let plain = shifted.passed_error(&best);
        let Some(lambda) = lambda else {
            return self.finish(&shifted, &all, best, &now, [before, plain, variance]);
        };
        let slack = system.loosened(&best, lambda);
        let slack = slack.map(|c| (shifted.passed_error(&c), c)).filter(|(error, _)| *error < plain);
        drop(system);
        let system = System::new(&shifted, 0..count, &all);
        let (after, whole) = match slack {
            Some((error, c)) => (error, system.loosened(&c, lambda).unwrap_or(c)),
            None => (plain, system.fitted(lambda).unwrap_or(best)),
        };
        self.finish(&shifted, &all, whole, &now, [before, after, variance])
    }

    fn finish(&self, shifted: &Shifted<'_>, all: &Sums, best: Candidate, now: &Candidate, errors: [f64; 3]) -> Fitted {
        let keeps = errors[1] >= errors[0] || errors[1].is_nan();
        let mut c = if keeps { now.clone() } else { best };
        if c.outcome == "folded" {
            c = self.with_bias(c.w, all, "folded");
        }
        let [u, t] = &shifted.means;
        let bias = if keeps { self.now.1.clone() } else { &c.b + t - c.w.dot(u) };
        let errors = if keeps { [errors[0], errors[0], errors[2]] } else { errors };
        Fitted { weights: c.w, bias, outcome: c.outcome, errors }
    }

    fn now(&self, shifted: &Shifted<'_>) -> Candidate {
        let (w, b) = self.now.clone();
        let b = b - &shifted.means[1] + w.dot(&shifted.means[0]);
        Candidate { w, b, outcome: "kept" }
    }

    fn with_bias(&self, w: Array2<f64>, sums: &Sums, outcome: &'static str) -> Candidate {
        let b = if self.biased { sums.bias(&w) } else { Array1::zeros(w.nrows()) };
        Candidate { w, b, outcome }
    }
}

impl<'a> System<'a> {
    fn new(shifted: &'a Shifted<'a>, rows: Range<usize>, sums: &'a Sums) -> Self {
        let problem = shifted.problem;
        let covariance = if problem.biased { sums.covariance() } else { &sums.uu / sums.n };
        Self { shifted, rows, sums, ridge: Ridge::new(covariance, &problem.prior) }
    }

    /// Fitted to the targets of those sums, with that weight of the prior; `None` where that has no solution.
    fn to(&self, sums: &Sums, lambda: f64) -> Option<Candidate> {
        let cross = if self.shifted.problem.biased { sums.cross() } else { &sums.ut / sums.n };
        let step = self.ridge.step(lambda, &cross)?;
        Some(self.shifted.problem.with_bias(&self.shifted.problem.prior + &step, sums, "refit"))
    }

    fn fitted(&self, lambda: f64) -> Option<Candidate> {
        self.to(self.sums, lambda)
    }

    /// Fitted once more, to targets that are loose around what the candidate makes. `None` where no activation makes them so.
    fn loosened(&self, c: &Candidate, lambda: f64) -> Option<Candidate> {
        let targets = self.shifted.loose_targets(c, self.rows.clone())?;
        let u = self.shifted.u.slice(s![self.rows.clone(), ..]);
        self.to(&self.sums.with_targets(Sums::of_targets(&u, &targets.view())), lambda)
    }

    /// The candidate that is best on held-out rows, and the weight of the prior that it was fitted with.
    fn choose(&self, now: &Candidate, held: &Sums) -> (Option<f64>, Candidate) {
        let weights = self.shifted.weights();
        let folded = self.shifted.problem.with_bias(self.shifted.problem.prior.clone(), self.sums, "folded");
        let others = [(None, now.clone()), (None, folded)].into_par_iter();
        let all = others.chain(LAMBDAS.par_iter().filter_map(|&l| Some((Some(l), self.fitted(l)?))));
        let rated = all.map(|(l, c)| ((held.squared_error(&c.w, &c.b) * &weights).sum(), l, c));
        // Of equal ones the first; what is no number is no better than what the layer has.
        let best = rated.collect::<Vec<_>>().into_iter().reduce(|a, b| if b.0 < a.0 { b } else { a });
        best.map_or_else(|| (None, now.clone()), |(_, l, c)| (l, c))
    }
}
