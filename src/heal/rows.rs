//! The rows that a layer is fitted on: at some places of every sample, what it reads in the cut model and what it should make.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::fit::centre;
use super::layer::{Bias, Kind, Layer};
use super::network::Instead;
use super::sequence::slots;
use super::walk::Walk;
use super::window::Plane;
use crate::error::{Error, Result};
use crate::model::Tensor;

/// Rows wanted for each column.
const ROWS_PER_COLUMN: usize = 10;

/// The most numbers that the rows of one layer hold.
const MOST_NUMBERS: usize = 1 << 27;

/// Every fifth sample is held out: nothing is fitted on it until it has chosen.
const HELD_OUT: usize = 5;

/// Rows, those that are fitted on first.
pub(super) struct Rows {
    /// What the layer reads in the cut model, less the mean: `rows x (channels * taps)`.
    pub u: Array2<f32>,
    /// The mean over the fitted rows; nothing where there is no bias to make up for it.
    pub mean: Array1<f64>,
    /// What the original makes, at the kept filters: `rows x filters`.
    pub t: Array2<f32>,
    /// The original's sum, and the cut model's other summand, where the layer's output is one of two.
    pub joined: Option<[Array2<f32>; 2]>,
    /// What the original reads, all channels, at other places: `rows x channels`.
    pub x: Array2<f32>,
    /// How many rows are fitted on, of `u` and the like, and of `x`.
    pub fit: [usize; 2],
}

/// One half of some rows: the fitted ones, or those held out.
pub(super) fn halves(a: ArrayView2<'_, f32>, fit: usize) -> [ArrayView2<'_, f32>; 2] {
    let (a, b) = a.split_at(Axis(0), fit.min(a.nrows()));
    [a, b]
}

/// Samples in the order of rows: fitted ones, then held-out ones; where there are too few, all are both.
fn order(count: usize) -> (Vec<usize>, usize) {
    let (mut fit, held): (Vec<usize>, Vec<usize>) = (0..count).partition(|i| i % HELD_OUT != HELD_OUT - 1);
    let n = fit.len();
    fit.extend(if held.is_empty() { (0..count).collect() } else { held });
    (fit, n)
}

/// Both walks, at a layer.
pub(super) struct At<'w> {
    pub before: &'w Walk<'w>,
    pub after: &'w Walk<'w>,
    pub layer: &'w Layer,
    /// The number of the layer among those that are looked at, which tells its places from another's: the same in every export of a network.
    pub number: usize,
    /// The fewest rows that are wanted.
    pub fewest: usize,
    /// How many contractions share the rows, as they share their weights.
    pub among: usize,
}

impl At<'_> {
    /// Collects. Errors where a value was not computed, or has not the dims that were told.
    pub(super) fn rows(&self) -> Result<Rows> {
        let layer = self.layer;
        let (x, y) = (self.reads()?, self.before.get(layer.y[0])?);
        let (order, fit) = order(x.len());
        let output = plane(layer, y)?;
        let columns = layer.kept.len() * layer.taps();
        let places = self.places(&order, output.rows(), [layer.width(), columns + layer.filters.len()]);
        let mut u = self.patches_at(x, &order, &places)?;
        let values = |values: &[Tensor], plane: Plane, channels: &[usize]| {
            self.gather(values, &order, &places, channels.len(), |x, rows, to| {
                copied(rows, to, |row, to| plane.copy(x, row, channels, to));
            })
        };
        let t = values(y, output, &layer.filters);
        let joined = match layer.behind.joined {
            Some(j) => {
                let (sum, other) = (self.before.get(j.sum)?, self.after.get(j.other)?);
                let all: Vec<usize> = (0..layer.filters.len()).collect();
                Some([values(sum, plane(layer, sum)?, &layer.filters), values(other, plane(layer, other)?, &all)])
            }
            None => None,
        };
        let per = places.first().map_or(0, Vec::len);
        let (x, of_x) = self.channels(&order)?;
        let fit = [fit * per, fit * of_x];
        let mean = if layer.bias == Bias::None { Array1::zeros(columns) } else { centre(&mut u, fit[0]) };
        Ok(Rows { u, mean, t, joined, x, fit })
    }

    /// What it reads in the cut model, at some places of some samples.
    pub(super) fn patches(&self, order: &[usize]) -> Result<Array2<f32>> {
        let layer = self.layer;
        let (x, y) = (self.reads()?, self.after.net.dims.get(layer.y[1]));
        let rows = y.and_then(|d| layer.plane(d)).map_or(0, |p| p.rows());
        let places = self.places(order, rows, [layer.width(), layer.kept.len() * layer.taps()]);
        self.patches_at(x, order, &places)
    }

    /// What it reads in the cut model, or, where that is not yet known, in the original.
    fn reads(&self) -> Result<&[Tensor]> {
        let [x0, x1] = self.layer.x;
        if self.layer.late { self.before.get(x0) } else { self.after.get(x1) }
    }

    fn patches_at(&self, x: &[Tensor], order: &[usize], places: &[Vec<usize>]) -> Result<Array2<f32>> {
        let layer = self.layer;
        let (input, own) = (plane(layer, x)?, (0..layer.kept.len()).collect());
        let channels = if layer.late { &layer.kept } else { &own };
        let columns = channels.len() * layer.taps();
        Ok(self.gather(x, order, places, columns, |x, rows, to| match &layer.kind {
            Kind::Conv(window) => window.copy(x, (&input, channels), rows, to),
            _ => copied(rows, to, |row, to| input.copy(x, row, channels, to)),
        }))
    }

    /// What the layer makes of every sample with other weights and another bias. Errors where it does not run.
    pub(super) fn run(&self, weights: &Array2<f32>, bias: &[f32]) -> Result<Vec<Tensor>> {
        let slots = slots(self.after.net, self.layer, weights, bias)?;
        let given = slots.into_iter().map(|(node, slot, tensor)| ((node, slot), Instead::Constant(tensor))).collect();
        self.after.try_node(self.layer.nodes[1], self.layer.y[1], &given)
    }

    /// What the original reads, all channels of it, at some places, and how many of each sample.
    pub(super) fn channels(&self, order: &[usize]) -> Result<(Array2<f32>, usize)> {
        let x = self.before.get(self.layer.x[0])?;
        let plane = plane(self.layer, x)?;
        let all: Vec<usize> = (0..plane.channels).collect();
        let places = self.places(order, plane.rows(), [plane.channels; 2]);
        let copy = |x: &[f32], rows: &[usize], to: &mut [f32]| copied(rows, to, |row, to| plane.copy(x, row, &all, to));
        Ok((self.gather(x, order, &places, all.len(), copy), places.first().map_or(0, Vec::len)))
    }

    /// The rows of each sample, in the order given: all, or as many as the columns of one system want, drawn; `all` columns are held.
    fn places(&self, order: &[usize], rows: usize, [columns, all]: [usize; 2]) -> Vec<Vec<usize>> {
        let most = (MOST_NUMBERS / all.max(1)).max(order.len());
        let wanted = self.fewest.max(ROWS_PER_COLUMN * columns).min(most);
        let wanted = wanted.div_ceil(order.len().max(1)).div_ceil(self.among.max(1));
        let draw = |&sample: &usize| {
            if wanted >= rows {
                return (0..rows).collect();
            }
            let mut rng = ChaCha8Rng::seed_from_u64((self.number as u64) << 32 | sample as u64);
            let mut places = index::sample(&mut rng, rows, wanted).into_vec();
            places.sort_unstable();
            places
        };
        order.iter().map(draw).collect()
    }

    fn gather(
        &self,
        values: &[Tensor],
        order: &[usize],
        places: &[Vec<usize>],
        columns: usize,
        copy: impl Fn(&[f32], &[usize], &mut [f32]) + Sync,
    ) -> Array2<f32> {
        let rows: usize = places.iter().map(Vec::len).sum();
        let mut out = Array2::zeros((rows, columns));
        let chunk = places.first().map_or(0, Vec::len) * columns;
        if let Some(all) = out.as_slice_mut().filter(|_| chunk > 0) {
            all.par_chunks_mut(chunk).zip(order.par_iter().zip(places)).for_each(|(to, (&sample, rows))| {
                if let Some(x) = values[sample].floats() {
                    copy(&x, rows, to);
                }
            });
        }
        out
    }
}

/// Copies row after row.
fn copied(rows: &[usize], to: &mut [f32], copy: impl Fn(usize, &mut [f32])) {
    let width = (to.len() / rows.len().max(1)).max(1);
    rows.iter().zip(to.chunks_mut(width)).for_each(|(&row, to)| copy(row, to));
}

fn plane(layer: &Layer, values: &[Tensor]) -> Result<Plane> {
    let first = values.first().ok_or_else(|| Error::internal("no samples"))?;
    layer.plane(&first.dims).ok_or_else(|| Error::internal("a value without channels").at(&layer.name))
}

/// The columns of some channels.
pub(super) fn columns(a: ArrayView2<'_, f32>, channels: std::ops::Range<usize>, taps: usize) -> ArrayView2<'_, f32> {
    a.slice_move(s![.., channels.start * taps..channels.end * taps])
}
