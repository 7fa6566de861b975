//! In which order the units of a group go, by what their readers lose: Optimal Brain Surgeon (Hassibi and Stork 1993), by units.
//!
//! With `H` the inverse of the covariance of what a reader reads, and `W` its weights, least squares without the columns `j` of a unit leaves the
//! squared error `tr W_j H_jj^-1 W_j^T`. The unit of the smallest error goes, what is left makes up for it, `W -= W_j H_jj^-1 H_j`, and so on:
//! each unit is judged beside those that are still there, which is what folding BatchNormalization into filters does not change.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::Study;
use super::moments::Moments;
use crate::heal::Step;
use crate::heal::fit::solve;
use crate::heal::layer::{Block, Both, Kind, Layer};
use crate::model::{NodeId, Removed};

/// How strongly each fit is held back, as a share of the mean variance.
const LAMBDA: f64 = 1e-2;

/// Rows that are updated together.
const ROWS: usize = 128;

/// What the readers of a group say of its units: one number a unit.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The relative errors of the readers, added up over all units that went before and itself; the lowest goes first.
    pub losses: Vec<f64>,
    /// The length of the weights that read it, relative to the standard deviation of what their layers make.
    pub loudness: Vec<f64>,
}

impl Study<'_> {
    /// What the readers of each group say. `groups`: by unit, what goes with it. `None`: of a group of which a reader cannot be fitted.
    pub fn order(&self, groups: &[Vec<Vec<Removed>>], watch: &(dyn Fn(Step<'_>) + Sync)) -> Vec<Option<Heard>> {
        let one = |units: &Vec<Vec<Removed>>| {
            let readers = self.readers_of(units)?;
            let heard = |unit: usize| readers.iter().map(|r| r.squares(unit)).sum::<f64>().sqrt();
            Some(Heard { loudness: (0..units.len()).map(heard).collect(), losses: eliminated(readers, units.len()) })
        };
        let (done, of) = (AtomicUsize::new(0), groups.len());
        let watched = |units| {
            let scores = one(units);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            watch(Step { stage: "rank", name: "", done, of, errors: None });
            scores
        };
        groups.par_iter().map(watched).collect()
    }

    fn readers_of(&self, units: &[Vec<Removed>]) -> Option<Vec<Reader>> {
        let all: Vec<Removed> = units.concat();
        let mut out = Vec::new();
        for id in self.readers(&all)? {
            let (layer, moments) = (self.layers.get(&id)?, self.moments.get(&id)?);
            let channels: Vec<Vec<usize>> = units.iter().map(|u| self.lost(id, layer, u)).collect::<Option<_>>()?;
            out.extend(self.blocks(id, layer, moments, &channels)?);
        }
        Some(out)
    }

    /// The channels that a reader loses.
    fn lost(&self, id: NodeId, layer: &Layer, removed: &[Removed]) -> Option<Vec<usize>> {
        let net = &self.net;
        let both = Both { before: net, after: net, removed };
        let kept = both.kept(layer.x[0], net.graph.node(id), layer.channels()).ok()?;
        Some(layer.kept.iter().copied().filter(|c| kept.binary_search(c).is_err()).collect())
    }

    /// A layer's blocks, each with the columns that go with each unit.
    fn blocks(&self, id: NodeId, layer: &Layer, moments: &Moments, channels: &[Vec<usize>]) -> Option<Vec<Reader>> {
        let weight = self.net.graph.node(id).input(1).and_then(|v| self.net.known.get(v))?.tensor();
        let matrix = layer.matrix(&weight)?;
        let (mut out, mut variance) = (Vec::new(), 0.0);
        for (block, (_, covariance)) in layer.groups.iter().zip(&moments.groups) {
            let weights = by_column(layer, block, &matrix, moments.of_patches);
            variance += (covariance.dot(&weights) * &weights).sum();
            let width = if moments.of_patches { layer.taps() } else { 1 };
            let columns = |c: &usize| (c - block.whole.start) * width..(c - block.whole.start + 1) * width;
            let of_unit = |u: &Vec<usize>| u.iter().filter(|c| block.whole.contains(c)).flat_map(columns).collect();
            let lambda = LAMBDA * covariance.diag().mean().unwrap_or(0.0).max(1e-12);
            let inverse = solve(covariance, lambda, &Array2::eye(covariance.nrows()))?;
            out.push(Reader { inverse, weights, columns: channels.iter().map(of_unit).collect(), scale: 0.0 });
        }
        out.iter_mut().for_each(|r| r.scale = 1.0 / variance.max(1e-12));
        Some(out)
    }
}

/// The weights of a block, a row a column of what it reads, each filter as loud as it is behind its scale.
fn by_column(layer: &Layer, block: &Block, matrix: &Array2<f32>, of_patches: bool) -> Array2<f64> {
    if let Kind::Transposed(_) = layer.kind {
        return matrix.slice(s![block.whole.clone(), ..]).mapv(f64::from);
    }
    let scales: Array1<f64> = layer.behind.scale[block.filters.clone()].iter().map(|a| f64::from(*a)).collect();
    let of = |turn: usize, turns: usize| {
        let part = matrix.slice(s![block.filters.clone(), turn..;turns]);
        part.t().mapv(f64::from) * &scales
    };
    if of_patches {
        return of(0, 1);
    }
    let turns = layer.taps();
    let parts: Vec<Array2<f64>> = (0..turns).map(|turn| of(turn, turns)).collect();
    let views: Vec<ArrayView2<'_, f64>> = parts.iter().map(|p| p.view()).collect();
    ndarray::concatenate(Axis(1), &views).unwrap_or_else(|_| of(0, turns))
}

/// A block of a reader, of which units go one after the other.
struct Reader {
    /// `H`, of the columns that are left.
    inverse: Array2<f64>,
    /// `W^T`, a row a column.
    weights: Array2<f64>,
    /// The columns of each unit; none of one that is gone.
    columns: Vec<Vec<usize>>,
    /// 1 over the variance of what the layer makes.
    scale: f64,
}

impl Reader {
    /// The squares of the weights that read a unit.
    fn squares(&self, unit: usize) -> f64 {
        self.columns[unit].iter().map(|c| self.weights.row(*c)).map(|w| w.dot(&w)).sum::<f64>() * self.scale
    }

    /// What it costs to take the unit now.
    fn cost(&self, unit: usize) -> f64 {
        let columns = &self.columns[unit];
        if columns.is_empty() {
            return 0.0;
        }
        let weights = self.weights.select(Axis(0), columns);
        let own = self.inverse.select(Axis(0), columns).select(Axis(1), columns);
        solve(&own, 0.0, &weights).map_or(f64::INFINITY, |x| (weights * x).sum() * self.scale)
    }

    /// Takes it, and lets the others make up for it.
    fn take(&mut self, unit: usize) {
        let columns = std::mem::take(&mut self.columns[unit]);
        let rows = self.inverse.select(Axis(0), &columns);
        let own = rows.select(Axis(1), &columns);
        let solved = [self.weights.select(Axis(0), &columns), rows.clone()].map(|b| solve(&own, 0.0, &b));
        if let [Some(weights), Some(inverse)] = solved {
            less(&mut self.weights, &rows, &weights);
            less(&mut self.inverse, &rows, &inverse);
        }
        self.drop(&columns);
    }

    /// Leaves columns out.
    fn drop(&mut self, gone: &[usize]) {
        let left: Vec<usize> = (0..self.inverse.nrows()).filter(|c| !gone.contains(c)).collect();
        self.inverse = self.inverse.select(Axis(0), &left).select(Axis(1), &left);
        self.weights = self.weights.select(Axis(0), &left);
        let place = |c: &usize| c - gone.iter().filter(|g| *g < c).count();
        self.columns.iter_mut().for_each(|u| *u = u.iter().map(place).collect());
    }
}

/// `a -= rows^T b`.
fn less(a: &mut Array2<f64>, rows: &Array2<f64>, b: &Array2<f64>) {
    let parts: Vec<_> = a.axis_chunks_iter_mut(Axis(0), ROWS).zip(rows.axis_chunks_iter(Axis(1), ROWS)).collect();
    parts.into_par_iter().for_each(|(mut a, rows)| a -= &rows.t().dot(b));
}

/// Takes unit after unit, the cheapest first, ties by number. The score of each is what all that went up to it cost.
fn eliminated(mut readers: Vec<Reader>, units: usize) -> Vec<f64> {
    let mut left: Vec<usize> = (0..units).collect();
    let (mut scores, mut total) = (vec![f64::INFINITY; units], 0.0);
    while !left.is_empty() {
        let cost = |&unit: &usize| readers.iter().map(|r| r.cost(unit)).sum::<f64>();
        let costs: Vec<f64> = left.par_iter().map(cost).collect();
        let cheapest = (0..left.len()).min_by(|a, b| costs[*a].total_cmp(&costs[*b])).unwrap_or(0);
        let unit = left.remove(cheapest);
        total += costs[cheapest].max(0.0);
        scores[unit] = if total.is_nan() { f64::INFINITY } else { total };
        readers.iter_mut().filter(|r| !r.columns[unit].is_empty()).for_each(|r| r.take(unit));
    }
    scores
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reader(covariance: &Array2<f64>, weights: Array2<f64>) -> Reader {
        let n = covariance.nrows();
        let inverse = solve(covariance, 0.0, &Array2::eye(n)).unwrap();
        Reader { inverse, weights, columns: (0..n).map(|c| vec![c]).collect(), scale: 1.0 }
    }

    /// The squared error that least squares without some columns leaves.
    fn error(covariance: &Array2<f64>, weights: &Array2<f64>, gone: &[usize]) -> f64 {
        let kept: Vec<usize> = (0..covariance.nrows()).filter(|c| !gone.contains(c)).collect();
        let part = |a: &[usize], b: &[usize]| covariance.select(Axis(0), a).select(Axis(1), b);
        let w = weights.select(Axis(0), gone);
        let m = solve(&part(&kept, &kept), 0.0, &part(&kept, gone)).unwrap();
        let left = part(gone, gone) - part(gone, &kept).dot(&m);
        (left.dot(&w) * &w).sum()
    }

    #[test]
    fn costs_are_those_of_least_squares_without_what_is_gone() {
        let a = Array2::from_shape_fn((5, 5), |(i, j)| ((i * 7 + j * 5 + i * j) % 11) as f64 - 5.0);
        let covariance = a.t().dot(&a) + Array2::<f64>::eye(5);
        let weights = Array2::from_shape_fn((5, 2), |(c, f)| (c as f64 - 1.5) * (f as f64 + 0.5));
        let scores = eliminated(vec![reader(&covariance, weights.clone())], 5);
        let mut order: Vec<usize> = (0..5).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        for n in 1..5 {
            let wanted = error(&covariance, &weights, &order[..n]);
            assert!((scores[order[n - 1]] - wanted).abs() < 1e-9 * wanted.max(1.0), "{n}");
        }
    }

    #[test]
    fn of_twins_one_goes_first_and_the_other_stays() {
        let covariance = Array2::from_shape_vec((3, 3), vec![1.0, 0.999, 0.0, 0.999, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        let weights = Array2::from_shape_vec((3, 1), vec![2.0, 2.0, 1.0]).unwrap();
        let scores = eliminated(vec![reader(&covariance, weights)], 3);
        assert!(scores[0] < scores[2] && scores[2] < scores[1], "{scores:?}");
    }
}
