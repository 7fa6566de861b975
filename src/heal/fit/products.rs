//! Products of tall arrays, `a^T b`: computed in float32 by chunks of rows, added up in float64, in an order that does not depend on the number of
//! threads.

use std::borrow::Cow;
use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::chunks::CHUNK;

/// Columns whose products are computed together.
const BLOCK: usize = 192;

/// Parts of the rows, where few columns alone would not keep all cores busy.
const PARTS: usize = 8;

/// `a^T b`.
pub(super) fn product(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>) -> Array2<f64> {
    by_blocks(a, b, false)
}

/// `a^T a`, of which one half is computed.
pub(super) fn gram(a: &ArrayView2<'_, f32>) -> Array2<f64> {
    let mut out = by_blocks(a, a, true);
    for i in 0..out.nrows() {
        for j in 0..i {
            out[[j, i]] = out[[i, j]];
        }
    }
    out
}

/// `a w^T`, computed in float32 by chunks of rows.
pub(super) fn applied(a: &ArrayView2<'_, f32>, w: &Array2<f32>) -> Array2<f32> {
    let (rows, columns) = (a.nrows(), w.nrows());
    let mut out = Array2::zeros((rows, columns));
    if a.ncols() == 0 || columns == 0 {
        return out;
    }
    let (a, w) = (Tall::new(a), Tall::new(&w.view()));
    let w = w.part(0..columns, &(0..w.columns));
    if let Some(flat) = out.as_slice_mut() {
        flat.par_chunks_mut(CHUNK * columns).enumerate().for_each(|(chunk, to)| {
            let count = to.len() / columns;
            let a = a.part(chunk * CHUNK..chunk * CHUNK + count, &(0..a.columns));
            let to = MatMut::from_row_major_slice_mut(to, count, columns);
            matmul(to, Accum::Replace, a, w.transpose(), 1.0, Par::Seq);
        });
    }
    out
}

/// Some columns and rows of both.
struct Task {
    of: [Range<usize>; 2],
    rows: Range<usize>,
}

/// `a^T b`; `half`: of the lower triangle alone.
fn by_blocks(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>, half: bool) -> Array2<f64> {
    let (a, b) = (Tall::new(a), Tall::new(b));
    let blocks = |n: usize| (0..n).step_by(BLOCK).map(move |from| from..n.min(from + BLOCK));
    let pairs = blocks(a.columns).flat_map(|i| blocks(b.columns).map(move |j| [i.clone(), j]));
    let pairs: Vec<[Range<usize>; 2]> = pairs.filter(|[i, j]| !half || j.start <= i.start).collect();
    let parts = if pairs.len() > PARTS { 1 } else { PARTS };
    let height = a.rows.div_ceil(parts).max(1);
    let rows = |p: usize| (p * height).min(a.rows)..((p + 1) * height).min(a.rows);
    let tasks: Vec<Task> =
        pairs.iter().flat_map(|of| (0..parts).map(|p| Task { of: of.clone(), rows: rows(p) })).collect();
    let done: Vec<Array2<f64>> = tasks.par_iter().map(|t| t.run(&a, &b, half)).collect();
    let mut out = Array2::zeros((a.columns, b.columns));
    for (Task { of: [i, j], .. }, block) in tasks.into_iter().zip(done) {
        let mut place = out.slice_mut(s![i, j]);
        place += &block;
    }
    out
}

impl Task {
    fn run(&self, a: &Tall<'_>, b: &Tall<'_>, half: bool) -> Array2<f64> {
        let [i, j] = &self.of;
        let mut out = Array2::<f64>::zeros((i.len(), j.len()));
        let mut part = Mat::<f32>::zeros(i.len(), j.len());
        for top in self.rows.clone().step_by(CHUNK) {
            let rows = top..self.rows.end.min(top + CHUNK);
            let (a, b) = (a.part(rows.clone(), i), b.part(rows, j));
            if half && i == j {
                let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
                triangular::matmul(part.as_mut(), lower, Accum::Replace, a.transpose(), full, b, full, 1.0, Par::Seq);
            } else {
                matmul(part.as_mut(), Accum::Replace, a.transpose(), b, 1.0, Par::Seq);
            }
            out.indexed_iter_mut().for_each(|((i, j), o)| *o += f64::from(part[(i, j)]));
        }
        out
    }
}

/// An array whose rows lie one after the other.
struct Tall<'a> {
    flat: Cow<'a, [f32]>,
    rows: usize,
    columns: usize,
}

impl<'a> Tall<'a> {
    fn new(a: &ArrayView2<'a, f32>) -> Self {
        let flat = a.to_slice().map_or_else(|| Cow::Owned(a.iter().copied().collect()), Cow::Borrowed);
        Self { flat, rows: a.nrows(), columns: a.ncols() }
    }

    /// Some rows, at least one, and some columns, at least one.
    fn part(&self, rows: Range<usize>, columns: &Range<usize>) -> MatRef<'_, f32> {
        let (from, to) = (rows.start * self.columns + columns.start, (rows.end - 1) * self.columns + columns.end);
        MatRef::from_row_major_slice_with_stride(&self.flat[from..to], rows.len(), columns.len(), self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(rows: usize, columns: usize, salt: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, columns), |(i, j)| (((i * 31 + j * 17 + salt) % 23) as f32 - 11.0) / 8.0)
    }

    #[test]
    fn products_are_those_of_all_rows_and_columns() {
        for (rows, columns) in [(3000, 2 * BLOCK + 5), (CHUNK * PARTS + 1, 3), (5, 4), (1, 1)] {
            let (u, t) = (numbers(rows, columns, 0), numbers(rows, 3, 4));
            let exact = |t: &Array2<f32>| u.mapv(f64::from).t().dot(&t.mapv(f64::from));
            let close = |a: Array2<f64>, b: Array2<f64>| (a - b).iter().all(|d| d.abs() < 1e-2);
            assert!(close(product(&u.view(), &t.view()), exact(&t)), "{rows} x {columns}");
            assert!(close(gram(&u.view()), exact(&u)), "{rows} x {columns}");
        }
        assert_eq!(product(&numbers(4, 0, 0).view(), &numbers(4, 2, 0).view()).dim(), (0, 2));
        assert_eq!(gram(&numbers(0, 2, 0).view()), Array2::<f64>::zeros((2, 2)));
    }

    #[test]
    fn weights_are_applied_to_every_row() {
        for (rows, columns, filters) in [(CHUNK + 3, 7, 5), (2, 300, 1), (3, 0, 2), (0, 4, 2), (3, 4, 0)] {
            let (u, w) = (numbers(rows, columns, 0), numbers(filters, columns, 9));
            let made = applied(&u.view(), &w);
            assert_eq!(made.dim(), (rows, filters));
            assert!((made - u.dot(&w.t())).iter().all(|d| d.abs() < 1e-3), "{rows} x {columns}");
        }
    }

    #[test]
    fn columns_of_a_wider_array_are_multiplied_as_they_are() {
        let wide = numbers(50, 7, 0);
        let part = wide.slice(s![10.., 2..5]);
        let exact = part.mapv(f64::from).t().dot(&part.mapv(f64::from));
        assert!((gram(&part) - exact).iter().all(|d| d.abs() < 1e-3));
    }
}
