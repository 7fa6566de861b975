//! Work over many rows, in chunks that cores share: what comes out does not depend on how many there are.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// Rows of a chunk.
pub(super) const CHUNK: usize = 2048;

/// An array of which `fill` writes every row.
pub(super) fn filled(rows: usize, columns: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Array2<f32> {
    let mut out = Array2::zeros((rows, columns));
    each_row(&mut out, fill);
    out
}

/// Every row less the same one.
pub(super) fn less(a: &ArrayView2<'_, f32>, row: &Array1<f64>) -> Array2<f32> {
    let row: Vec<f32> = row.iter().map(|v| *v as f32).collect();
    filled(a.nrows(), a.ncols(), |i, out| {
        out.iter_mut().zip(a.row(i)).zip(&row).for_each(|((out, v), m)| *out = v - m);
    })
}

/// Takes the mean of the first rows away from all. Gives it, as it was taken.
pub(in crate::heal) fn centre(a: &mut Array2<f32>, first: usize) -> Array1<f64> {
    let mean = column_sums(&a.slice(s![..first, ..])) / first.max(1) as f64;
    let row: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    each_row(a, |_, to| to.iter_mut().zip(&row).for_each(|(v, m)| *v -= m));
    row.iter().map(|m| f64::from(*m)).collect()
}

/// Changes every row of an array.
pub(super) fn each_row(a: &mut Array2<f32>, change: impl Fn(usize, &mut [f32]) + Sync) {
    let columns = a.ncols();
    if let Some(all) = a.as_slice_mut().filter(|all| !all.is_empty()) {
        all.par_chunks_mut(CHUNK * columns).enumerate().for_each(|(chunk, part)| {
            part.chunks_mut(columns).enumerate().for_each(|(row, to)| change(chunk * CHUNK + row, to));
        });
    }
}

/// The sum of what rows come to.
pub(super) fn summed(rows: Range<usize>, of_row: impl Fn(usize) -> f64 + Sync) -> f64 {
    let starts: Vec<usize> = rows.clone().step_by(CHUNK).collect();
    let chunk = |&start: &usize| (start..rows.end.min(start + CHUNK)).map(&of_row).sum::<f64>();
    starts.par_iter().map(chunk).collect::<Vec<f64>>().iter().sum()
}

/// The sum of each column.
pub(super) fn column_sums(a: &ArrayView2<'_, f32>) -> Array1<f64> {
    let chunk = |rows: ArrayView2<'_, f32>| {
        let mut sums = Array1::<f64>::zeros(rows.ncols());
        rows.rows().into_iter().for_each(|row| sums.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v)));
        sums
    };
    let chunks: Vec<_> = a.axis_chunks_iter(Axis(0), CHUNK).collect();
    let parts: Vec<Array1<f64>> = chunks.into_par_iter().map(chunk).collect();
    parts.iter().fold(Array1::zeros(a.ncols()), |sum, part| sum + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_the_first_rows_is_taken_from_all() {
        let mut a = filled(4, 2, |row, to| to.copy_from_slice(&[row as f32, -2.0]));
        assert_eq!(centre(&mut a, 3).to_vec(), [1.0, -2.0]);
        assert!((0..4).all(|r| a[[r, 0]] == r as f32 - 1.0 && a[[r, 1]] == 0.0));
    }

    #[test]
    fn every_row_is_seen_once_whatever_the_chunks() {
        let rows = 2 * CHUNK + 3;
        let mut a = filled(rows, 2, |row, to| to.copy_from_slice(&[row as f32, 1.0]));
        each_row(&mut a, |row, to| to[1] += row as f32);
        assert!((0..rows).all(|r| a[[r, 0]] == r as f32 && a[[r, 1]] == 1.0 + r as f32));
        let below = (rows * (rows - 1) / 2) as f64;
        assert_eq!(column_sums(&a.view()).to_vec(), [below, below + rows as f64]);
        assert_eq!(summed(1..rows, |r| r as f64), below);
        assert_eq!(filled(0, 3, |_, _| ()).dim(), (0, 3));
    }
}
