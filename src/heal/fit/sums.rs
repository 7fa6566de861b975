//! Sums over rows from which least squares are solved: `sum u u^T`, `sum u t^T`, `sum u`, `sum t`, `sum t^2`.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::chunks::{column_sums, less};
use super::products::{gram, product};

/// The sums over some rows of `u` (`rows x d`) and `t` (`rows x o`), read by one contraction or by several with the same weights.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    /// Number of rows, by reader, each as often as it counts.
    pub n: Array1<f64>,
    /// Of each reader that has a place for a bias; of another 0, so that nothing makes up for its means.
    pub u: Array2<f64>,
    /// The same.
    pub t: Array2<f64>,
    pub uu: Array2<f64>,
    /// `d x o`.
    pub ut: Array2<f64>,
    pub tt: Array1<f64>,
}

impl Sums {
    /// Over all rows of one reader; `biased`: whether it has a place for a bias.
    pub(super) fn new(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>, biased: bool) -> Self {
        let of_columns = Self::of_columns(u, t, biased);
        Self { n: of_columns.n, u: of_columns.u, uu: gram(u), ..Self::of_targets(u, t, biased) }
    }

    /// Only the sums of columns, from which a bias is found; the products are empty.
    pub(super) fn of_columns(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>, biased: bool) -> Self {
        let none = Array2::zeros((0, 0));
        Self {
            n: Array1::from_elem(1, u.nrows() as f64),
            u: means(u, biased),
            t: means(t, biased),
            uu: none.clone(),
            ut: none,
            tt: Array1::zeros(0),
        }
    }

    /// Only what depends on the targets; the rest is empty.
    pub(super) fn of_targets(u: &ArrayView2<'_, f32>, t: &ArrayView2<'_, f32>, biased: bool) -> Self {
        let squares = t.map_axis(Axis(0), |c| c.iter().map(|v| f64::from(*v) * f64::from(*v)).sum());
        Self {
            n: Array1::zeros(0),
            u: Array2::zeros((0, 0)),
            t: means(t, biased),
            uu: Array2::zeros((0, 0)),
            ut: product(u, t),
            tt: squares,
        }
    }

    /// The same rows with other targets; the product of `u` with itself is left out.
    pub(super) fn with_targets(&self, targets: Self) -> Self {
        Self { n: self.n.clone(), u: self.u.clone(), ..targets }
    }

    /// Over the rows of both, of the same readers.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            n: &self.n + &other.n,
            u: &self.u + &other.u,
            t: &self.t + &other.t,
            uu: &self.uu + &other.uu,
            ut: &self.ut + &other.ut,
            tt: &self.tt + &other.tt,
        }
    }

    /// Rows that count so much.
    pub(super) fn times(mut self, count: f64) -> Self {
        self.n *= count;
        for all in [&mut self.u, &mut self.t, &mut self.uu, &mut self.ut] {
            *all *= count;
        }
        self.tt *= count;
        self
    }

    /// Those of another reader beside these; of both the same sums are there.
    pub(super) fn beside(mut self, other: &Self) -> Self {
        let below = |a: &Array2<f64>, b: &Array2<f64>| {
            let rows = a.rows().into_iter().chain(b.rows());
            let all: Vec<f64> = rows.flat_map(|r| r.to_vec()).collect();
            let readers = a.nrows() + b.nrows();
            Array2::from_shape_vec((readers, all.len() / readers.max(1)), all).unwrap_or_default()
        };
        (self.u, self.t) = (below(&self.u, &other.u), below(&self.t, &other.t));
        self.n = self.n.iter().chain(&other.n).copied().collect();
        self.uu += &other.uu;
        self.ut += &other.ut;
        self.tt += &other.tt;
        self
    }

    /// The covariance of `u`, each reader's about its own mean.
    pub(super) fn covariance(&self) -> Array2<f64> {
        &self.uu / self.rows() - self.outer(&self.u)
    }

    /// The covariance of `u` with `t`.
    pub(super) fn cross(&self) -> Array2<f64> {
        &self.ut / self.rows() - self.outer(&self.t)
    }

    fn rows(&self) -> f64 {
        self.n.sum()
    }

    /// The product of the means of `u` and of other column sums, the mean over the readers' rows.
    fn outer(&self, other: &Array2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros((self.u.ncols(), other.ncols()));
        for ((u, other), n) in self.u.rows().into_iter().zip(other.rows()).zip(&self.n) {
            let product = u.insert_axis(Axis(1)).dot(&other.insert_axis(Axis(0)));
            out += &(product / (self.rows() * n));
        }
        out
    }

    /// The biases, `readers x o`, with which the mean of `w u + b` is that of `t`; `w` is `o x d`.
    pub(super) fn bias(&self, w: &Array2<f64>) -> Array2<f64> {
        let n = self.n.view().insert_axis(Axis(1));
        (&self.t - &self.u.dot(&w.t())) / n
    }

    /// `sum |t - w u - b|^2`, by output.
    pub(super) fn squared_error(&self, w: &Array2<f64>, b: &Array2<f64>) -> Array1<f64> {
        let quadratic = (w.dot(&self.uu) * w).sum_axis(Axis(1));
        let cross = (w * &self.ut.t()).sum_axis(Axis(1));
        let linear = b * &((&self.t - &self.u.dot(&w.t())) * -2.0);
        let constant = b * b * self.n.view().insert_axis(Axis(1));
        let e = &self.tt - &(cross * 2.0) + quadratic + linear.sum_axis(Axis(0)) + constant.sum_axis(Axis(0));
        e.mapv(|v| v.max(0.0))
    }
}

/// The sum of each column, a row; 0 where no bias makes up for it.
fn means(a: &ArrayView2<'_, f32>, biased: bool) -> Array2<f64> {
    let sums = if biased { column_sums(a) } else { Array1::zeros(a.ncols()) };
    sums.insert_axis(Axis(0))
}

/// The covariance of rows of several readers, each about its own mean.
pub(in crate::heal) fn covariance<'x>(x: impl Iterator<Item = ArrayView2<'x, f32>>) -> Array2<f64> {
    let all: Vec<(f64, Array2<f64>)> = x.map(|x| (x.nrows() as f64, mean_and_covariance(&x).1)).collect();
    let rows: f64 = all.iter().map(|(n, _)| n).sum();
    let shares = all.into_iter().map(|(n, c)| c * if rows > 0.0 { n / rows } else { 1.0 });
    shares.reduce(|a, b| a + b).unwrap_or_default()
}

/// Mean and covariance of some rows.
pub(in crate::heal) fn mean_and_covariance(x: &ArrayView2<'_, f32>) -> (Array1<f64>, Array2<f64>) {
    let mean = column_sums(x) / x.nrows().max(1) as f64;
    // Without most of the mean, little is lost to rounding where it is large.
    let centred = less(x, &mean);
    let sums = Sums::new(&centred.view(), &centred.slice(s![.., ..0]), true);
    (mean, sums.covariance())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize, columns: usize, salt: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| (((i * 31 + j * 17 + salt) % 23) as f32 - 11.0) / 8.0)
    }

    fn of(u: &Array2<f32>, t: &Array2<f32>, biased: bool) -> Sums {
        Sums::new(&u.view(), &t.view(), biased)
    }

    fn near(a: &Array2<f64>, b: &Array2<f64>, tolerance: f64) -> bool {
        a.dim() == b.dim() && (a - b).iter().all(|d| d.abs() < tolerance)
    }

    #[test]
    fn sums_are_those_of_all_rows_however_they_are_split() {
        let (u, t) = (numbers(3000, 9, 0), numbers(3000, 3, 4));
        let half = |r: std::ops::Range<usize>| Sums::new(&u.slice(s![r.clone(), ..]), &t.slice(s![r, ..]), true);
        let (all, both) = (of(&u, &t, true), half(0..1000).plus(&half(1000..3000)));
        assert!(near(&all.uu, &both.uu, 1e-3) && near(&all.ut, &both.ut, 1e-3) && near(&all.t, &both.t, 1e-9));
    }

    #[test]
    fn errors_are_those_of_the_rows() {
        let (u, t) = (numbers(50, 4, 0), numbers(50, 2, 9));
        let w = Array2::from_shape_fn((2, 4), |(i, j)| (i + 2 * j) as f64 / 10.0 - 0.2);
        let b = Array2::from_shape_vec((1, 2), vec![0.5, -0.25]).unwrap_or_default();
        let residual = t.mapv(f64::from) - (u.mapv(f64::from).dot(&w.t()) + &b);
        let expected = (&residual * &residual).sum_axis(Axis(0));
        assert!((of(&u, &t, true).squared_error(&w, &b) - expected).iter().all(|d| d.abs() < 1e-3));
    }

    #[test]
    fn of_several_readers_each_is_about_its_own_mean() {
        // The second reads and makes the same, moved by constants of its own; the third has no place for a bias.
        let (u, t) = (numbers(60, 4, 0), numbers(60, 2, 9));
        let (v, r) = (u.mapv(|x| x + 3.0), t.mapv(|x| x - 2.0));
        let one = of(&u, &t, true);
        let both = one.clone().beside(&of(&v, &r, true));
        assert!(near(&both.covariance(), &one.covariance(), 1e-4) && near(&both.cross(), &one.cross(), 1e-4));
        let w = Array2::from_shape_fn((2, 4), |(i, j)| (i + 2 * j) as f64 / 10.0 - 0.2);
        let all = both.beside(&of(&u, &t, false));
        let b = all.bias(&w);
        assert_eq!(b.dim(), (3, 2));
        for f in 0..2 {
            let moved = -2.0 - 3.0 * w.row(f).sum();
            assert!((b[[1, f]] - b[[0, f]] - moved).abs() < 1e-4 && b[[2, f]] == 0.0);
        }
        let alone = |s: &Sums, k: usize| s.squared_error(&w, &b.slice(s![k..k + 1, ..]).to_owned());
        let parts = alone(&one, 0) + alone(&of(&v, &r, true), 1) + alone(&of(&u, &t, false), 2);
        assert!((all.squared_error(&w, &b) - parts).iter().all(|d| d.abs() < 1e-2));
    }
}
