//! One block of a layer, fitted: candidates for its weights, of which the best on held-out rows is taken.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1};
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
pub(super) use sums::{covariance, mean_and_covariance};

/// Weights of the prior that are tried.
const LAMBDAS: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// What a block is fitted with: the same weights for all that read with them.
pub(super) struct Problem<'a> {
    pub readers: Vec<Reader<'a>>,
    /// Input channels, and filters, of the block.
    pub inputs: Range<usize>,
    pub filters: Range<usize>,
    pub taps: usize,
    /// The weights that it has.
    pub now: Array2<f64>,
    /// The folded weights.
    pub prior: Array2<f64>,
    /// Whether it is fitted, or only folded.
    pub refits: bool,
}

/// A contraction that reads with the block's weights.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    pub rows: &'a Rows,
    pub behind: &'a Behind,
    /// The bias that it has, of the block's filters.
    pub bias: Array1<f64>,
    /// Whether there is a place for one.
    pub biased: bool,
}

/// Weights and biases of a block, and the sums of squares that they leave on held-out rows.
pub(super) struct Fitted {
    pub weights: Array2<f64>,
    /// By reader.
    pub biases: Vec<Array1<f64>>,
    pub outcome: &'static str,
    /// By reader: before, after, and the variance of what is fitted to.
    pub errors: Vec<[f64; 3]>,
}

/// Weights, and biases in shifted coordinates.
#[derive(Clone)]
pub(super) struct Candidate {
    /// `filters x (channels * taps)`.
    pub w: Array2<f64>,
    /// `readers x filters`.
    pub b: Array2<f64>,
    outcome: &'static str,
}

/// Which rows are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Fitted,
    HeldOut,
    All,
}

/// The rows of all readers.
struct Stack<'a> {
    problem: &'a Problem<'a>,
    readers: Vec<Shifted<'a>>,
    /// By reader, the squares of what passes its activation, on held-out rows. An error counts as its share of them.
    variances: Vec<f64>,
}

/// Least squares over some rows.
struct System<'a> {
    stack: &'a Stack<'a>,
    part: Part,
    sums: &'a Sums,
    ridge: Ridge,
}

impl Problem<'_> {
    /// Fits. A layer behind an activation is fitted twice more, to targets that are looser: first on the fitted rows, and where that helps on those
    /// held out, on all.
    pub(super) fn solve(&self) -> Fitted {
        let stack = Stack::new(self);
        let now = stack.now();
        let before = stack.passed_errors(&now);
        if !self.refits {
            let folded = with_bias(self.prior.clone(), &stack.means_of(Part::Fitted), "folded");
            let after = stack.passed_errors(&folded);
            return stack.finish(&stack.means_of(Part::All), folded, &now, [before, after]);
        }
        let [on_fit, held] = [Part::Fitted, Part::HeldOut].map(|part| stack.sums(part));
        let all = on_fit.plus(&held);
        let system = System::new(&stack, Part::Fitted, &on_fit);
        let (lambda, best) = system.choose(&now, &held);
        let plain = stack.passed_errors(&best);
        let Some(lambda) = lambda else {
            return stack.finish(&all, best, &now, [before, plain]);
        };
        let slack = system.loosened(&best, lambda);
        let slack =
            slack.map(|c| (stack.passed_errors(&c), c)).filter(|(errors, _)| stack.total(errors) < stack.total(&plain));
        drop(system);
        let system = System::new(&stack, Part::All, &all);
        let (after, whole) = match slack {
            Some((errors, c)) => (errors, system.loosened(&c, lambda).unwrap_or(c)),
            None => (plain, system.fitted(lambda).unwrap_or(best)),
        };
        stack.finish(&all, whole, &now, [before, after])
    }
}

/// An amount as a share of another; as it is where that is nothing.
fn share(of: f64, all: f64) -> f64 {
    if all > 0.0 { of / all } else { of }
}

fn with_bias(w: Array2<f64>, sums: &Sums, outcome: &'static str) -> Candidate {
    let b = sums.bias(&w);
    Candidate { w, b, outcome }
}

impl<'a> Stack<'a> {
    fn new(problem: &'a Problem<'a>) -> Self {
        let readers: Vec<Shifted<'a>> = problem.readers.iter().map(|r| Shifted::new(problem, r)).collect();
        let variances = readers.iter().map(|r| r.passed_variance()).collect();
        Self { problem, readers, variances }
    }

    /// The squared errors of what passes the readers' activations, on held-out rows.
    fn passed_errors(&self, c: &Candidate) -> Vec<f64> {
        self.readers.iter().zip(c.b.rows()).map(|(r, b)| r.passed_error((&c.w, b))).collect()
    }

    /// The sum of the readers' errors, each as its share.
    fn total(&self, errors: &[f64]) -> f64 {
        errors.iter().zip(&self.variances).map(|(e, v)| share(*e, *v)).sum()
    }

    /// The sums of all readers.
    fn added(&self, of: impl Fn(usize, &Shifted<'_>) -> Sums) -> Sums {
        let all = self.readers.iter().enumerate().map(|(k, r)| of(k, r).times(share(r.loudness(), self.variances[k])));
        all.reduce(|all, one| all.beside(&one)).unwrap_or_default()
    }

    fn sums(&self, part: Part) -> Sums {
        self.added(|_, r| r.sums(part))
    }

    fn means_of(&self, part: Part) -> Sums {
        self.added(|_, r| r.means_of(part))
    }

    /// Filters by how loud they are behind the contractions, relative to all of a reader's.
    fn weights(&self) -> Array1<f64> {
        let relative = |r: &Shifted<'_>| r.weights().mapv(|w| share(w, r.loudness()));
        self.readers.iter().map(relative).reduce(|a, b| a + b).unwrap_or_default()
    }

    /// What the block has.
    fn now(&self) -> Candidate {
        let w = self.problem.now.clone();
        let b = self.readers.iter().flat_map(|r| &r.reader.bias - &r.means[1] + w.dot(&r.means[0])).collect();
        let b = Array2::from_shape_vec((self.readers.len(), w.nrows()), b).unwrap_or_default();
        Candidate { w, b, outcome: "kept" }
    }

    fn finish(&self, all: &Sums, best: Candidate, now: &Candidate, [before, after]: [Vec<f64>; 2]) -> Fitted {
        let (was, is) = (self.total(&before), self.total(&after));
        let keeps = is >= was || is.is_nan();
        let mut c = if keeps { now.clone() } else { best };
        if c.outcome == "folded" {
            c = with_bias(c.w, all, "folded");
        }
        let bias = |(r, b): (&Shifted<'_>, ArrayView1<'_, f64>)| match keeps {
            true => r.reader.bias.clone(),
            false => &b + &r.means[1] - c.w.dot(&r.means[0]),
        };
        let after = if keeps { &before } else { &after };
        Fitted {
            biases: self.readers.iter().zip(c.b.rows()).map(bias).collect(),
            errors: (0..before.len()).map(|k| [before[k], after[k], self.variances[k]]).collect(),
            weights: c.w,
            outcome: c.outcome,
        }
    }
}

impl<'a> System<'a> {
    fn new(stack: &'a Stack<'a>, part: Part, sums: &'a Sums) -> Self {
        Self { stack, part, sums, ridge: Ridge::new(sums.covariance(), &stack.problem.prior) }
    }

    /// Fitted to the targets of those sums, with that weight of the prior; `None` where that has no solution.
    fn to(&self, sums: &Sums, lambda: f64) -> Option<Candidate> {
        let step = self.ridge.step(lambda, &sums.cross())?;
        Some(with_bias(&self.stack.problem.prior + &step, sums, "refit"))
    }

    fn fitted(&self, lambda: f64) -> Option<Candidate> {
        self.to(self.sums, lambda)
    }

    /// Fitted once more, to targets that are loose around what the candidate makes. `None` where no activation makes them so.
    fn loosened(&self, c: &Candidate, lambda: f64) -> Option<Candidate> {
        let readers = &self.stack.readers;
        if readers.iter().all(|r| r.reader.behind.kink.is_none()) {
            return None;
        }
        let targets = |k: usize, r: &Shifted<'_>| r.loosened((&c.w, c.b.row(k)), self.part);
        self.to(&self.sums.with_targets(self.stack.added(targets)), lambda)
    }

    /// The candidate that is best on held-out rows, and the weight of the prior that it was fitted with.
    fn choose(&self, now: &Candidate, held: &Sums) -> (Option<f64>, Candidate) {
        let weights = self.stack.weights();
        let folded = with_bias(self.stack.problem.prior.clone(), self.sums, "folded");
        let others = [(None, now.clone()), (None, folded)].into_par_iter();
        let all = others.chain(LAMBDAS.par_iter().filter_map(|&l| Some((Some(l), self.fitted(l)?))));
        let rated = all.map(|(l, c)| ((held.squared_error(&c.w, &c.b) * &weights).sum(), l, c));
        // Of equal ones the first; what is no number is no better than what the layer has.
        let best = rated.collect::<Vec<_>>().into_iter().reduce(|a, b| if b.0 < a.0 { b } else { a });
        best.map_or_else(|| (None, now.clone()), |(_, l, c)| (l, c))
    }
}
