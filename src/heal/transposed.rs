//! ConvTranspose: removed channels are folded into the kept ones, and the bias takes up the difference of means, as running it shows.

use ndarray::Array2;
use rayon::prelude::*;

use super::layer::Bias;
use super::prior::Prior;
use super::rows::{At, halves};
use super::sequence::{Solved, bias_of, matrix};
use super::window::Plane;
use crate::error::{Error, Result};
use crate::model::Tensor;

/// The folded weights of what several ConvTranspose read, mostly one.
pub(super) fn fold(ats: &[At<'_>]) -> Result<Solved> {
    let Some(lead) = ats.first() else { return Err(Error::internal("no contraction to fold")) };
    let layer = lead.layer;
    let all: Vec<usize> = (0..lead.before.get(layer.x[0])?.len()).collect();
    let x = ats.iter().map(|at| Ok(at.channels(&all)?.0)).collect::<Result<Vec<_>>>()?;
    let x: Vec<_> = x.iter().map(|x| halves(x.view(), x.nrows() * 4 / 5)).collect();
    let (whole, now) = (matrix(lead, 0)?, matrix(lead, 1)?);
    let mut folded = now.clone();
    for block in &layer.groups {
        let prior = Prior::new(block, &layer.kept, &x);
        prior.fold_rows(&whole, (block, &layer.kept, &layer.filters), &mut folded);
    }
    let moved = ats.iter().map(|at| Moved::new(at, [&now, &folded])).collect::<Result<Vec<_>>>()?;
    let total = |k: usize| moved.iter().map(|m| m.errors[k]).sum::<f64>();
    let biases = ats.iter().map(|at| bias_of(at.after.net, at.layer));
    if total(1) < total(0) {
        let biases = biases.zip(&moved).map(|(b, m)| b.iter().zip(&m.shift).map(|(b, d)| b + *d as f32).collect());
        let errors = moved.iter().map(|m| m.errors).collect();
        return Ok(Solved { weights: folded, biases: biases.collect(), outcome: "folded", errors });
    }
    let errors = moved.iter().map(|m| [m.errors[0], m.errors[0], m.errors[2]]).collect();
    Ok(Solved { weights: now, biases: biases.collect(), outcome: "kept", errors })
}

/// What other weights make of what one of them reads.
struct Moved {
    /// What its bias takes up, by filter.
    shift: Vec<f64>,
    /// The sums of squares before, after, and of what is fitted to.
    errors: [f64; 3],
}

impl Moved {
    fn new(at: &At<'_>, [now, folded]: [&Array2<f32>; 2]) -> Result<Self> {
        let truth = at.before.get(at.layer.y[0])?;
        let bias = bias_of(at.after.net, at.layer);
        let run = |weights: &Array2<f32>| -> Result<Vec<[f64; 4]>> { compare(at, truth, &at.run(weights, &bias)?) };
        let (was, is) = (run(now)?, run(folded)?);
        let total = |sums: &[[f64; 4]], k: usize| sums.iter().map(|s| s[k]).sum::<f64>();
        // With a bias, the difference of means goes.
        let biased = at.layer.bias != Bias::None;
        let shift: Vec<f64> = is.iter().map(|s| if biased { s[1] / s[0].max(1.0) } else { 0.0 }).collect();
        let gone: f64 = is.iter().zip(&shift).map(|(s, d)| s[0] * d * d).sum();
        Ok(Self { shift, errors: [total(&was, 2), total(&is, 2) - gone, total(&is, 3)] })
    }
}

/// By kept filter: how many numbers, the sum of the original's minus the other's, the sum of its squares, and of the original's about its mean.
fn compare(at: &At<'_>, truth: &[Tensor], made: &[Tensor]) -> Result<Vec<[f64; 4]>> {
    let filters = &at.layer.filters;
    let own: Vec<usize> = (0..filters.len()).collect();
    let one = |(y, z): (&Tensor, &Tensor)| {
        let mut sums = vec![[0.0f64; 5]; filters.len()];
        let planes = (at.layer.plane(&y.dims), at.layer.plane(&z.dims));
        let (Some(y_plane), Some(z_plane), Some(y), Some(z)) = (planes.0, planes.1, y.floats(), z.floats()) else {
            return sums;
        };
        let mut row = [vec![0.0f32; filters.len()], vec![0.0f32; filters.len()]];
        let copy =
            |plane: &Plane, x: &[f32], r: usize, channels: &[usize], to: &mut Vec<f32>| plane.copy(x, r, channels, to);
        for r in 0..y_plane.rows() {
            copy(&y_plane, &y, r, filters, &mut row[0]);
            copy(&z_plane, &z, r, &own, &mut row[1]);
            for (sums, (y, z)) in sums.iter_mut().zip(row[0].iter().zip(&row[1])) {
                let (y, d) = (f64::from(*y), f64::from(y - z));
                [1.0, d, d * d, y, y * y].iter().zip(sums).for_each(|(v, s)| *s += v);
            }
        }
        sums
    };
    let all: Vec<Vec<[f64; 5]>> = truth.par_iter().zip(made).map(one).collect();
    let mut sums = vec![[0.0f64; 5]; filters.len()];
    for one in all {
        sums.iter_mut().zip(one).for_each(|(s, o)| s.iter_mut().zip(o).for_each(|(s, o)| *s += o));
    }
    Ok(sums.into_iter().map(|[n, d, dd, y, yy]| [n, d, dd, (yy - y * y / n.max(1.0)).max(0.0)]).collect())
}
