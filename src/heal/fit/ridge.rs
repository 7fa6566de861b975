//! Ridge regression around a prior: `W = W0 + [(Cov(U) + l mean(diag Cov(U)) I)^-1 (Cov(U, T) - Cov(U) W0^T)]^T`.

use std::sync::Once;

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, Par, Side};
use ndarray::Array2;

/// What a contraction's weights are solved from.
pub(super) struct Ridge {
    /// `d x d`.
    covariance: Array2<f64>,
    /// `Cov(U) W0^T`, `d x o`.
    by_prior: Array2<f64>,
    scale: f64,
}

impl Ridge {
    /// From the covariance of inputs; `prior` is `o x d`.
    pub(super) fn new(covariance: Array2<f64>, prior: &Array2<f64>) -> Self {
        let scale = covariance.diag().sum() / covariance.nrows().max(1) as f64;
        Self { by_prior: covariance.dot(&prior.t()), covariance, scale }
    }

    /// `W - W0`, `o x d`, with that weight of the prior, for the covariance of inputs with targets, `d x o`; `None` where it is no number.
    pub(super) fn step(&self, lambda: f64, cross: &Array2<f64>) -> Option<Array2<f64>> {
        solve(&self.covariance, lambda * self.scale, &(cross - &self.by_prior)).map(Array2::reversed_axes)
    }
}

/// `(a + shift I)^-1 b` for a symmetric `a`; `None` where it has none.
pub(in crate::heal) fn solve(a: &Array2<f64>, shift: f64, b: &Array2<f64>) -> Option<Array2<f64>> {
    if a.is_empty() || b.is_empty() {
        return Some(b.clone());
    }
    let x = factor(a, shift)?.solve(Mat::from_fn(b.nrows(), b.ncols(), |i, j| b[[i, j]]));
    let x = Array2::from_shape_fn(b.dim(), |(i, j)| x[(i, j)]);
    x.iter().all(|v| v.is_finite()).then_some(x)
}

/// The factor of `a + shift I`; `None` where it is not positive definite.
fn factor(a: &Array2<f64>, shift: f64) -> Option<Llt<f64>> {
    // One thread a system, so that its result does not depend on how many there are.
    static SEQUENTIAL: Once = Once::new();
    SEQUENTIAL.call_once(|| faer::set_global_parallelism(Par::Seq));
    let shifted = |i: usize, j: usize| a[[i, j]] + if i == j { shift } else { 0.0 };
    Mat::from_fn(a.nrows(), a.nrows(), shifted).llt(Side::Lower).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_a_weight_it_solves_the_system_and_with_a_large_one_it_keeps_the_prior() {
        let a = Array2::from_shape_vec((2, 2), vec![4.0, 1.0, 1.0, 3.0]).unwrap();
        let cross = Array2::from_shape_vec((2, 1), vec![1.0, 2.0]).unwrap();
        let prior = Array2::from_shape_vec((1, 2), vec![0.5, -0.5]).unwrap();
        let ridge = Ridge::new(a.clone(), &prior);
        let w = &prior + &ridge.step(0.0, &cross).unwrap();
        assert!((a.dot(&w.t()) - &cross).iter().all(|e| e.abs() < 1e-12));
        assert!(ridge.step(1e12, &cross).unwrap().iter().all(|d| d.abs() < 1e-10));
    }

    #[test]
    fn a_system_without_a_solution_is_none() {
        let a = Array2::from_shape_vec((2, 2), vec![0.0, 1.0, 1.0, 0.0]).unwrap();
        assert!(solve(&a, 0.0, &Array2::ones((2, 1))).is_none());
    }
}
