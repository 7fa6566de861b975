//! Sums over rows from which least squares are solved: `sum u u^T`, `sum u t^T`, `sum u`, `sum t`, `sum t^2`.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::chunks::{column_sums, less};
use super::products::{gram, product};

/// The sums over some rows of `u` (`rows x d`) and `t` (`rows x o`).
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// Number of rows.
    pub n: f64,
    pub u: Array1<f64>,
    pub t: Array1<f64>,
    pub uu: Array2<f64>,
    /// `d x o`.
    pub ut: Array2<f64>,
    pub tt: Array1<f64>,
}

impl Sums {
    /// Over all rows.
    pub(super) fn new(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>) -> Self {
        Self { n: u.nrows() as f64, u: column_sums(u), uu: gram(u), ..Self::of_targets(u, t) }
    }

    /// Only the sums of columns, from which a bias is found; the products are empty.
    pub(super) fn of_columns(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>) -> Self {
        let none = Array2::zeros((0, 0));
        Self {
            n: u.nrows() as f64,
            u: column_sums(u),
            t: column_sums(t),
            uu: none.clone(),
            ut: none,
            tt: Array1::zeros(0),
        }
    }

    /// Only what depends on the targets; the rest is empty.
    pub(super) fn of_targets(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>) -> Self {
        let squares = t.map_axis(Axis(0), |c| c.iter().map(|v| f64::from(*v) * f64::from(*v)).sum());
        Self {
            n: 0.0,
            u: Array1::zeros(0),
            t: column_sums(t),
            uu: Array2::zeros((0, 0)),
            ut: product(u, t),
            tt: squares,
        }
    }

    /// The same rows with other targets; the product of `u` with itself is left out.
    pub(super) fn with_targets(&self, targets: Self) -> Self {
        Self { n: self.n, u: self.u.clone(), ..targets }
    }

    /// Over the rows of both.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            n: self.n + other.n,
            u: &self.u + &other.u,
            t: &self.t + &other.t,
            uu: &self.uu + &other.uu,
            ut: &self.ut + &other.ut,
            tt: &self.tt + &other.tt,
        }
    }

    /// The covariance of `u`.
    pub(super) fn covariance(&self) -> Array2<f64> {
        &self.uu / self.n - self.outer(&self.u)
    }

    /// The covariance of `u` with `t`.
    pub(super) fn cross(&self) -> Array2<f64> {
        &self.ut / self.n - self.outer(&self.t)
    }

    /// The product of the means of `u` and of another column sum.
    fn outer(&self, other: &Array1<f64>) -> Array2<f64> {
        self.u.view().insert_axis(Axis(1)).dot(&other.view().insert_axis(Axis(0))) / (self.n * self.n)
    }

    /// The bias with which the mean of `w u + b` is that of `t`; `w` is `o x d`.
    pub(super) fn bias(&self, w: &Array2<f64>) -> Array1<f64> {
        (&self.t - &w.dot(&self.u)) / self.n
    }

    /// `sum |t - w u - b|^2`, by output.
    pub(super) fn squared_error(&self, w: &Array2<f64>, b: &Array1<f64>) -> Array1<f64> {
        let (wu, quadratic) = (w.dot(&self.u), (w.dot(&self.uu) * w).sum_axis(Axis(1)));
        let cross = (w * &self.ut.t()).sum_axis(Axis(1));
        let linear = b * &((&self.t - &wu) * -2.0);
        let e = &self.tt - &(cross * 2.0) + quadratic + linear + &(b * b * self.n);
        e.mapv(|v| v.max(0.0))
    }
}

/// Mean and covariance of some rows.
pub(in crate::heal) fn mean_and_covariance(x: &ArrayView2<'_, f32>) -> (Array1<f64>, Array2<f64>) {
    let mean = column_sums(x) / x.nrows().max(1) as f64;
    // Without most of the mean, little is lost to rounding where it is large.
    let centred = less(x, &mean);
    let sums = Sums::new(&centred.view(), &centred.slice(s![.., ..0]));
    (mean, sums.covariance())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize, columns: usize, salt: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| (((i * 31 + j * 17 + salt) % 23) as f32 - 11.0) / 8.0)
    }

    #[test]
    fn sums_are_those_of_all_rows_however_they_are_split() {
        let (u, t) = (numbers(3000, 9, 0), numbers(3000, 3, 4));
        let all = Sums::new(&u.view(), &t.view());
        let half = |r: std::ops::Range<usize>| Sums::new(&u.slice(s![r.clone(), ..]), &t.slice(s![r, ..]));
        let both = half(0..1000).plus(&half(1000..3000));
        assert!((&all.uu - &both.uu).iter().all(|d| d.abs() < 1e-3));
        assert!((&all.ut - &both.ut).iter().all(|d| d.abs() < 1e-3));
        assert!((&all.t - &both.t).iter().all(|d| d.abs() < 1e-9));
    }

    #[test]
    fn errors_are_those_of_the_rows() {
        let (u, t) = (numbers(50, 4, 0), numbers(50, 2, 9));
        let sums = Sums::new(&u.view(), &t.view());
        let w = Array2::from_shape_fn((2, 4), |(i, j)| (i + 2 * j) as f64 / 10.0 - 0.2);
        let b = Array1::from(vec![0.5, -0.25]);
        let residual = t.mapv(f64::from) - (u.mapv(f64::from).dot(&w.t()) + &b);
        let expected = (&residual * &residual).sum_axis(Axis(0));
        assert!((sums.squared_error(&w, &b) - expected).iter().all(|d| d.abs() < 1e-3));
    }
}
