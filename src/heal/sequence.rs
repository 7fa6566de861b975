//! Layer after layer: both networks are carried forward side by side, and each contraction behind the cut is fitted to what the original's makes,
//! fed by what was healed before it.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, s};
use rayon::prelude::*;

use super::fit::{Fitted, Problem};
use super::layer::{Bias, Both, Kind, Layer};
use super::memory;
use super::network::{Instead, Network};
use super::prior::Prior;
use super::rows::{At, Rows, halves};
use super::transposed;
use super::walk::Walk;
use super::{Case, Edit, Healed, LayerError, Step};
use crate::error::{Error, Result};
use crate::model::{NodeId, Tensor, ValueId};

/// The widest system that is solved: beyond it, its products alone take more memory than all samples, and a layer is only folded.
const MOST_COLUMNS: usize = 4608;

/// A layer behind the cut, or why it is left alone.
enum Found {
    Layer(Box<Layer>),
    Skipped(LayerError),
}

/// Heals every layer behind the cut; `refits`: by least squares, else only by the fold.
pub(super) fn heal(case: &Case<'_>, refits: bool) -> Result<Healed> {
    let before = Network::new(case.original, case.feeds)?;
    let after = Network::new(case.cut, case.feeds)?;
    let both = Both { before: &before, after: &after, removed: case.removed };
    let found = behind_the_cut(&both);
    let layers = || found.iter().filter_map(|f| if let Found::Layer(l) = f { Some(l.as_ref()) } else { None });
    if layers().next().is_none() {
        return Ok(Healed { layers: found.into_iter().filter_map(Found::skipped).collect(), ..Healed::default() });
    }
    let samples = memory::prepared(&[&before, &after], case.fit.clone(), case.get)?;
    let inputs: Vec<String> = case.feeds.iter().map(|f| f.name.clone()).collect();
    let wanted: [Vec<ValueId>; 2] = [0, 1].map(|k| layers().flat_map(|l| asked(l, k)).collect());
    let [a, b] = wanted;
    let mut walks = Walks {
        before: Walk::new(&before, &inputs, &samples, a.into_iter())?,
        after: Walk::new(&after, &inputs, &samples, b.into_iter())?,
        rows: case.rows,
    };
    drop(samples);
    let (mut healed, of) = (Healed::default(), layers().count());
    let mut done = 0;
    for found in &found {
        match found {
            Found::Skipped(error) => healed.layers.push(error.clone()),
            Found::Layer(layer) => {
                let error = walks.heal((done, layer), refits, &mut healed.edits)?;
                done += 1;
                let errors = Some([error.before, error.after]);
                (case.watch)(Step { stage: "heal", name: &layer.name, done, of, errors });
                healed.layers.push(error);
            }
        }
    }
    Ok(healed)
}

/// The contractions behind the cut, in the graph's order.
fn behind_the_cut(both: &Both<'_>) -> Vec<Found> {
    let mut changed: BTreeSet<ValueId> = BTreeSet::new();
    let mut out = Vec::new();
    for node in both.after.graph.nodes().iter().filter(|n| !both.after.known.covers(n)) {
        let reads_removed = both.reads_removed(node);
        if !reads_removed && !both.after.reads(node).iter().any(|v| changed.contains(v)) {
            continue;
        }
        changed.extend(node.outputs.iter().flatten());
        if node.contracts() {
            out.push(match both.layer(node) {
                Ok(layer) => Found::Layer(Box::new(layer)),
                Err(reason) => Found::Skipped(LayerError::skipped(node.name(), reason)),
            });
        }
    }
    out
}

/// What a layer asks of the original (0), or of the cut model (1).
fn asked(layer: &Layer, k: usize) -> Vec<ValueId> {
    let joined = layer.behind.joined.map(|j| [j.sum, j.other][k]);
    let y = (k == 0).then_some(layer.y[0]);
    [Some(layer.x[k]), y, joined].into_iter().flatten().collect()
}

struct Walks<'n> {
    before: Walk<'n>,
    after: Walk<'n>,
    rows: usize,
}

impl Walks<'_> {
    fn heal(&mut self, (number, layer): (usize, &Layer), refits: bool, edits: &mut Vec<Edit>) -> Result<LayerError> {
        let made = |v: ValueId| self.before.net.graph.producer(v).map_or(0, |n| n.id.index() + 1);
        let to = asked(layer, 0).into_iter().map(made).max().unwrap_or(0);
        self.before.advance(to)?;
        self.after.advance(layer.nodes[1].index())?;
        let at = At { before: &self.before, after: &self.after, layer, number, fewest: self.rows };
        let solved = match layer.kind {
            Kind::Transposed(_) => transposed::fold(&at)?,
            _ => solve(&at, refits)?,
        };
        for (k, walk) in [(0, &mut self.before), (1, &mut self.after)] {
            asked(layer, k).into_iter().for_each(|v| walk.done_with(v));
        }
        self.write(layer, &solved, edits)?;
        Ok(solved.error(&layer.name))
    }

    /// Puts what was found into the walk, and into the edits.
    fn write(&mut self, layer: &Layer, solved: &Solved, edits: &mut Vec<Edit>) -> Result<()> {
        if solved.outcome == "kept" {
            return Ok(());
        }
        let net = self.after.net;
        let slots = slots(net, layer, &solved.weights, &solved.bias)?;
        for (id, slot, tensor) in slots {
            let output = net.graph.node(id).output(0).map_or("", |v| net.graph.name(v)).to_owned();
            edits.push(Edit { output, slot, tensor: tensor.clone() });
            self.after.given.insert((id, slot), Instead::Constant(tensor));
        }
        Ok(())
    }
}

/// Where weights and a bias stand in the cut model, as it stores them.
pub(super) fn slots(
    net: &Network<'_>,
    layer: &Layer,
    weights: &Array2<f32>,
    bias: &[f32],
) -> Result<Vec<(NodeId, usize, Tensor)>> {
    let node = net.graph.node(layer.nodes[1]);
    let dims = node.input(1).and_then(|v| net.known.get(v)).map(|k| k.dims().to_vec());
    let dims = dims.ok_or_else(|| Error::internal("no weights").at(&layer.name))?;
    let mut slots = vec![(node.id, 1, layer.tensor(weights, &dims))];
    let placed = match layer.bias {
        Bias::Slot { node, slot, factor, now } => Some((node, slot, now, bias.iter().map(|b| b * factor).collect())),
        Bias::Mean { node, now } => {
            let means = net.floats(now).unwrap_or_default();
            Some((node, 3, Some(now), means.iter().zip(bias).map(|(mean, b)| mean - b).collect::<Vec<f32>>()))
        }
        Bias::None => None,
    };
    if let Some((node, slot, now, values)) = placed {
        let dims = now.and_then(|v| net.known.get(v)).map_or(vec![bias.len()], |k| k.dims().to_vec());
        slots.push((node, slot, Tensor::from_floats(dims, &values)));
    }
    Ok(slots)
}

/// Weights and bias of a layer.
pub(super) struct Solved {
    pub weights: Array2<f32>,
    pub bias: Vec<f32>,
    pub outcome: &'static str,
    /// Sums of squares before, after, and of what is fitted to.
    pub errors: [f64; 3],
}

impl Solved {
    fn error(&self, node: &str) -> LayerError {
        let [before, after, variance] = self.errors;
        let relative = |e: f64| if variance > 0.0 { e / variance } else { 0.0 };
        LayerError {
            node: node.into(),
            before: relative(before),
            after: relative(after),
            outcome: self.outcome,
            skipped: None,
        }
    }
}

fn solve(at: &At<'_>, refits: bool) -> Result<Solved> {
    let layer = at.layer;
    let rows = at.rows()?;
    let [whole, now] = [0, 1].map(|k| matrix(at, k));
    let (whole, now) = (whole?, now?);
    let bias = bias_of(at.after.net, at.layer);
    let refits = refits && layer.width() <= MOST_COLUMNS;
    let one = |block: &super::layer::Block| {
        let prior = Prior::new(block, &layer.kept, halves(rows.x.view(), rows.fit[1]));
        let filters: Vec<usize> = layer.filters[block.filters.clone()].to_vec();
        let of_filters = Array2::from_shape_fn((filters.len(), whole.ncols()), |(f, j)| whole[[filters[f], j]]);
        problem(&rows, layer, block, refits, prior.fold(&of_filters, layer.taps()), (&now, &bias)).solve()
    };
    let fitted: Vec<Fitted> = layer.groups.par_iter().map(one).collect();
    let mut solved = Solved { weights: now.clone(), bias, outcome: "kept", errors: [0.0; 3] };
    for (block, fitted) in layer.groups.iter().zip(fitted) {
        solved.weights.slice_mut(s![block.filters.clone(), ..]).assign(&fitted.weights.mapv(|w| w as f32));
        block.filters.clone().zip(&fitted.bias).for_each(|(f, b)| solved.bias[f] = *b as f32);
        solved.errors.iter_mut().zip(fitted.errors).for_each(|(all, one)| *all += one);
        if fitted.outcome != "kept" && solved.outcome != "refit" {
            solved.outcome = fitted.outcome;
        }
    }
    Ok(solved)
}

fn problem<'a>(
    rows: &'a Rows,
    layer: &'a Layer,
    block: &super::layer::Block,
    refits: bool,
    prior: Array2<f64>,
    (now, bias): (&Array2<f32>, &[f32]),
) -> Problem<'a> {
    Problem {
        rows,
        inputs: block.inputs.clone(),
        filters: block.filters.clone(),
        taps: layer.taps(),
        behind: &layer.behind,
        now: (
            now.slice(s![block.filters.clone(), ..]).mapv(f64::from),
            bias[block.filters.clone()].iter().map(|b| f64::from(*b)).collect::<Array1<f64>>(),
        ),
        prior,
        biased: layer.bias != Bias::None,
        refits,
    }
}

/// The weights of the original (0), or of the cut model (1), as a matrix.
pub(super) fn matrix(at: &At<'_>, k: usize) -> Result<Array2<f32>> {
    let net = [at.before.net, at.after.net][k];
    let weight = net.graph.node(at.layer.nodes[k]).input(1).and_then(|v| net.known.get(v));
    let matrix = weight.and_then(|w| at.layer.matrix(&w.tensor()));
    matrix.ok_or_else(|| Error::internal("its weights are no matrix").at(&at.layer.name))
}

/// The bias that a layer has in the cut model, in the units of what the layer makes: a mean is no part of it.
pub(super) fn bias_of(net: &Network<'_>, layer: &Layer) -> Vec<f32> {
    let none = vec![0.0; layer.filters.len()];
    match layer.bias {
        Bias::Slot { factor, now: Some(v), .. } => {
            net.floats(v).map_or(none, |b| b.iter().map(|b| b / factor).collect())
        }
        _ => none,
    }
}

impl Found {
    fn skipped(self) -> Option<LayerError> {
        match self {
            Self::Skipped(e) => Some(e),
            Self::Layer(_) => None,
        }
    }
}
