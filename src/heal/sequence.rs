//! Layer after layer: both networks are carried forward side by side, and each contraction behind the cut is fitted to what the original's makes,
//! fed by what was healed before it.

use std::collections::BTreeSet;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::fit::{Fitted, Problem, Reader};
use super::layer::{Bias, Block, Both, Kind, Layer};
use super::network::{Instead, Network};
use super::prior::Prior;
use super::rows::{At, Rows, halves};
use super::shared::Shared;
use super::transposed;
use super::walk::Walk;
use super::{Case, Edit, Healed, LayerError, Step};
use super::{memory, order};
use crate::error::{Error, Result};
use crate::model::{NodeId, Tensor, ValueId};

/// The widest system that is solved: beyond it, its products alone take more memory than all samples, and a layer is only folded.
const MOST_COLUMNS: usize = 4608;

/// Contractions behind the cut that share their weights, mostly one alone; or one that is left alone, and why.
enum Found {
    Shared(Box<Shared>),
    Skipped(LayerError),
}

/// Heals every layer behind the cut; `refits`: by least squares, else only by the fold.
pub(super) fn heal(case: &Case<'_>, refits: bool) -> Result<Healed> {
    let ordered = [order::together(case.original)?, order::together(case.cut)?];
    let before = Network::new(ordered[0].as_ref().unwrap_or(case.original), case.feeds)?;
    let after = Network::new(ordered[1].as_ref().unwrap_or(case.cut), case.feeds)?;
    let both = Both { before: &before, after: &after, removed: case.removed };
    let found = behind_the_cut(&both);
    let shared = || found.iter().filter_map(Found::shared);
    if shared().next().is_none() {
        return Ok(Healed { layers: found.into_iter().filter_map(Found::skipped).collect(), ..Healed::default() });
    }
    let samples = memory::prepared(&[&before, &after], case.fit.clone(), case.get)?;
    let inputs: Vec<String> = case.feeds.iter().map(|f| f.name.clone()).collect();
    let [a, b]: [Vec<ValueId>; 2] = [0, 1].map(|k| shared().flat_map(|s| s.asked(k)).collect());
    let [before, after] =
        [(&before, a), (&after, b)].map(|(net, asked)| Walk::new(net, &inputs, &samples, asked.into_iter()));
    let is_late = shared().any(|s| s.layers().iter().any(|l| l.late));
    // What is not walked once more need not be held.
    let samples = if is_late { samples } else { Vec::new() };
    let mut walks = Walks { before: before?, after: after?, start: (&inputs, &samples), rows: case.rows };
    let (mut healed, of) = (Healed::default(), shared().map(|s| s.layers().len()).sum());
    let mut done = 0;
    for found in &found {
        match found {
            Found::Skipped(error) => healed.layers.push(error.clone()),
            Found::Shared(shared) => {
                let solved = walks.heal((done, shared), refits, &mut healed.edits)?;
                done += shared.layers().len();
                let layers = solved.errors(shared);
                let errors = Some(solved.error());
                (case.watch)(Step { stage: "heal", name: &shared.lead().name, done, of, errors });
                healed.layers.extend(layers);
            }
        }
    }
    Ok(healed)
}

/// The contractions behind the cut, in the order of the cut model.
fn behind_the_cut(both: &Both<'_>) -> Vec<Found> {
    let net = both.after;
    let mut out: Vec<Found> = Vec::new();
    for node in changed(both).into_iter().map(|id| net.graph.node(id)).filter(|n| n.contracts()) {
        if out.iter().filter_map(Found::shared).any(|s| s.has(node.id)) {
            continue;
        }
        out.push(match Shared::new(both, node) {
            Ok(shared) => Found::Shared(Box::new(shared)),
            Err(reason) => Found::Skipped(LayerError::skipped(node.name(), reason)),
        });
    }
    out
}

/// The nodes that do not make what they made, once what reads cut channels is fitted again.
fn changed(both: &Both<'_>) -> Vec<NodeId> {
    let net = both.after;
    let mut nodes: BTreeSet<NodeId> =
        net.graph.nodes().iter().filter(|n| both.reads_removed(n)).map(|n| n.id).collect();
    loop {
        let count = nodes.len();
        let mut values: BTreeSet<ValueId> = BTreeSet::new();
        for node in net.graph.nodes().iter().filter(|n| !net.known.covers(n)) {
            if nodes.contains(&node.id) || net.graph.reads(node).any(|v| values.contains(&v)) {
                nodes.insert(node.id);
                values.extend(node.outputs.iter().flatten());
            }
        }
        // Weights that are fitted change what all that read them make.
        let contractions = nodes.iter().map(|id| net.graph.node(*id)).filter(|n| n.contracts());
        let others: Vec<NodeId> = contractions.flat_map(|n| both.sharing(n)).map(|n| n.id).collect();
        nodes.extend(others);
        if nodes.len() == count {
            return nodes.into_iter().collect();
        }
    }
}

struct Walks<'n> {
    before: Walk<'n>,
    after: Walk<'n>,
    /// The inputs, and the samples where one walk is not enough.
    start: (&'n [String], &'n [Vec<Tensor>]),
    rows: usize,
}

impl Walks<'_> {
    fn heal(&mut self, (number, shared): (usize, &Shared), refits: bool, edits: &mut Vec<Edit>) -> Result<Solved> {
        let asked = [0, 1].map(|k| shared.asked(k));
        self.before.advance(end(&self.before, &asked[0]))?;
        self.after.advance(shared.lead().nodes[1].index())?;
        let solved = self.solved((number, shared), refits)?;
        for (asked, walk) in asked.into_iter().zip([&mut self.before, &mut self.after]) {
            asked.into_iter().for_each(|v| walk.done_with(v));
        }
        self.write(shared, &solved, edits)?;
        Ok(solved)
    }

    fn solved(&self, (number, shared): (usize, &Shared), refits: bool) -> Result<Solved> {
        let among = shared.layers().len();
        let at = |layer| At { before: &self.before, after: &self.after, layer, number, fewest: self.rows, among };
        if let Kind::Transposed(_) = shared.lead().kind {
            return transposed::fold(&shared.layers().iter().map(at).collect::<Vec<_>>());
        }
        let mut ahead = self.ahead(shared)?;
        let mut rows = Vec::with_capacity(among);
        for layer in shared.layers() {
            rows.push(match &mut ahead {
                Some(ahead) if layer.late => {
                    ahead.advance(end(ahead, &layer.asked_late()))?;
                    let rows = At { before: ahead, ..at(layer) }.rows()?;
                    layer.asked_late().into_iter().for_each(|v| ahead.done_with(v));
                    rows
                }
                _ => at(layer).rows()?,
            });
        }
        solve(&at(shared.lead()), (shared, &rows), refits)
    }

    /// A walk through the original for what late contractions read and make; `None` where there is none.
    fn ahead(&self, shared: &Shared) -> Result<Option<Walk<'_>>> {
        let asked: Vec<ValueId> = shared.layers().iter().filter(|l| l.late).flat_map(Layer::asked_late).collect();
        let (inputs, samples) = self.start;
        let walk = (!asked.is_empty()).then(|| Walk::new(self.before.net, inputs, samples, asked.into_iter()));
        walk.transpose()
    }

    /// Puts what was found into the walk, and into the edits.
    fn write(&mut self, shared: &Shared, solved: &Solved, edits: &mut Vec<Edit>) -> Result<()> {
        if solved.outcome == "kept" {
            return Ok(());
        }
        let net = self.after.net;
        let name = |id: NodeId| net.graph.node(id).output(0).map_or("", |v| net.graph.name(v)).to_owned();
        let mut weights: Option<Edit> = None;
        for (layer, bias) in shared.layers().iter().zip(&solved.biases) {
            for (place, (id, slot, tensor)) in slots(net, layer, &solved.weights, bias)?.into_iter().enumerate() {
                self.after.given.insert((id, slot), Instead::Constant(tensor.clone()));
                match &mut weights {
                    Some(edit) if place == 0 => edit.slots.push((name(id), slot)),
                    None => weights = Some(Edit { slots: vec![(name(id), slot)], tensor }),
                    _ => edits.push(Edit { slots: vec![(name(id), slot)], tensor }),
                }
            }
        }
        edits.extend(weights);
        Ok(())
    }
}

/// The number of the first node behind all that make some values.
fn end(walk: &Walk<'_>, values: &[ValueId]) -> usize {
    let graph = &walk.net.graph;
    values.iter().map(|&v| graph.producer(v).map_or(0, |n| n.id.index() + 1)).max().unwrap_or(0)
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

/// Weights, and the biases of the contractions that share them.
pub(super) struct Solved {
    pub weights: Array2<f32>,
    pub biases: Vec<Vec<f32>>,
    pub outcome: &'static str,
    /// Sums of squares before, after, and of what is fitted to, by contraction.
    pub errors: Vec<[f64; 3]>,
}

impl Solved {
    /// Puts a block in its place.
    fn take(&mut self, block: &Block, fitted: Fitted) {
        self.weights.slice_mut(s![block.filters.clone(), ..]).assign(&fitted.weights.mapv(|w| w as f32));
        for (all, one) in self.biases.iter_mut().zip(&fitted.biases) {
            block.filters.clone().zip(one).for_each(|(f, b)| all[f] = *b as f32);
        }
        let errors = self.errors.iter_mut().zip(fitted.errors);
        errors.for_each(|(all, one)| all.iter_mut().zip(one).for_each(|(all, one)| *all += one));
        if fitted.outcome != "kept" && self.outcome != "refit" {
            self.outcome = fitted.outcome;
        }
    }

    fn errors(&self, shared: &Shared) -> Vec<LayerError> {
        let one = |(layer, errors): (&Layer, &[f64; 3])| {
            let [before, after] = relative(*errors);
            LayerError { node: layer.name.clone(), before, after, outcome: self.outcome, skipped: None }
        };
        shared.layers().iter().zip(&self.errors).map(one).collect()
    }

    /// Of all together.
    fn error(&self) -> [f64; 2] {
        let add = |a: [f64; 3], b: &[f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
        relative(self.errors.iter().fold([0.0; 3], add))
    }
}

fn relative([before, after, variance]: [f64; 3]) -> [f64; 2] {
    [before, after].map(|e| if variance > 0.0 { e / variance } else { 0.0 })
}

fn solve(at: &At<'_>, (shared, rows): (&Shared, &[Rows]), refits: bool) -> Result<Solved> {
    let (layer, net) = (at.layer, at.after.net);
    let [whole, now] = [0, 1].map(|k| matrix(at, k));
    let (whole, now) = (whole?, now?);
    let biases: Vec<Vec<f32>> = shared.layers().iter().map(|l| bias_of(net, l)).collect();
    let refits = refits && layer.width() <= MOST_COLUMNS;
    let x: Vec<_> = rows.iter().map(|r| halves(r.x.view(), r.fit[1])).collect();
    let readers = |block: &Block| {
        let one = |((layer, rows), bias): ((_, _), &Vec<f32>)| reader((layer, rows), &bias[block.filters.clone()]);
        shared.layers().iter().zip(rows).zip(&biases).map(one).collect()
    };
    let one = |block: &Block| {
        let filters: Vec<usize> = layer.filters[block.filters.clone()].to_vec();
        let of_filters = Array2::from_shape_fn((filters.len(), whole.ncols()), |(f, j)| whole[[filters[f], j]]);
        let problem = Problem {
            readers: readers(block),
            inputs: block.inputs.clone(),
            filters: block.filters.clone(),
            taps: layer.taps(),
            now: now.slice(s![block.filters.clone(), ..]).mapv(f64::from),
            prior: Prior::new(block, &layer.kept, &x).fold(&of_filters, layer.taps()),
            refits,
        };
        problem.solve()
    };
    let fitted: Vec<Fitted> = layer.groups.par_iter().map(one).collect();
    let errors = vec![[0.0; 3]; biases.len()];
    let mut solved = Solved { weights: now.clone(), biases: biases.clone(), outcome: "kept", errors };
    for (block, fitted) in layer.groups.iter().zip(fitted) {
        solved.take(block, fitted);
    }
    Ok(solved)
}

fn reader<'a>((layer, rows): (&'a Layer, &'a Rows), bias: &[f32]) -> Reader<'a> {
    Reader {
        rows,
        behind: &layer.behind,
        bias: bias.iter().map(|b| f64::from(*b)).collect(),
        biased: layer.bias != Bias::None,
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
    fn shared(&self) -> Option<&Shared> {
        match self {
            Self::Shared(shared) => Some(shared),
            Self::Skipped(_) => None,
        }
    }

    fn skipped(self) -> Option<LayerError> {
        match self {
            Self::Skipped(error) => Some(error),
            Self::Shared(_) => None,
        }
    }
}
