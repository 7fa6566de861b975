//! What it costs to remove units of a group: measured at the outputs of the original, with the readers of the group fitted again in closed form.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use super::change::{self, Change};
use super::distance::distance;
use super::layer::{Both, Layer};
use super::memory;
use super::moments::{Moments, moments};
use super::network::{Given, Network};
use super::prior::MOST_CHANNELS;
use super::walk::Walk;
use super::{Get, Step};
use crate::cost;
use crate::error::Result;
use crate::model::{Model, NodeId, Removed, Tensor, ValueId};
use crate::runtime::{Feed, Session};

/// Units of a group, or of groups that are tied, that go together: level by level, more at each.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What a reader is told of it.
    pub name: String,
    /// What goes at each level.
    pub levels: Vec<Vec<Removed>>,
}

/// Samples from which the readers are fitted.
const FITTED: usize = 384;

/// The most samples on which the outputs are compared, and the fewest.
const COMPARED: [usize; 2] = [64, 8];

/// The multiply-accumulates that comparing outputs may take; beyond them, fewer samples are compared.
const MOST_MACS: u64 = 1_500_000_000_000;

/// A distance that is as good as none: where the outputs are no further at a level, they are not compared at lower ones.
const NEGLIGIBLE: f64 = 2e-3;

/// What a level was measured to cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// How far the outputs are from the original's: the squared error over the variance, the mean over some samples and over the outputs; of rows of
    /// scores, that of the logarithms of their probabilities.
    pub outputs: f64,
    /// The relative error of the readers' refit, alone: `E |y - y'|^2 / E |y - mean y|^2`, the mean over the readers.
    pub readers: f64,
}

/// The costs of every level of each trial. At some levels outputs are compared; in between their distance is taken to grow with the readers' error.
/// `None`: of a trial of which a reader cannot be fitted.
///
/// Errors where the model cannot be run.
pub fn curves(
    original: &Model,
    feeds: &[Feed],
    trials: &[Trial],
    (fit, get): (&Range<usize>, Get<'_>),
    watch: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Vec<Option<Vec<Cost>>>> {
    let net = Network::new(original, feeds)?;
    let readers = Readers::new(&net, trials);
    let count = compared(&net, trials, &readers);
    let samples = memory::prepared(&[&net], fit.start..fit.end.min(fit.start + FITTED + count), get)?;
    let (samples, compared) = samples.split_at(samples.len() - (samples.len() / 2).min(count));
    let moments = moments(&net, feeds, samples, readers.layers.values())?;
    let mut out = vec![None; trials.len()];
    let mut order: Vec<usize> = (0..trials.len()).filter(|t| readers.of(*t).is_some()).collect();
    order.sort_by_key(|t| readers.of(*t).map(|r| r.start));
    let outputs: Vec<ValueId> = net.graph.value_ids().filter(|&v| net.graph.value(v).is_output).collect();
    let inputs: Vec<String> = feeds.iter().map(|f| f.name.clone()).collect();
    let mut walk = Walk::new(&net, &inputs, compared, outputs.iter().copied())?;
    let truth = truth(&net, &inputs, compared, &outputs)?;
    let tails = Tails { net: &net, outputs: &outputs, truth: &truth };
    let of = order.len();
    for (done, t) in order.into_iter().enumerate() {
        let Some(range) = readers.of(t) else { continue };
        walk.advance(range.start)?;
        let changes: Option<Vec<Change>> =
            trials[t].levels.par_iter().map(|l| readers.change(&net, l, &moments)).collect();
        if let Some(changes) = changes {
            out[t] = Some(tails.costs(&walk, range, &changes)?);
        }
        let errors = out[t].as_ref().and_then(|c| Some([c.first()?.outputs, c.last()?.outputs]));
        watch(Step { stage: "measure", name: &trials[t].name, done: done + 1, of, errors });
    }
    Ok(out)
}

/// The contractions that read what trials remove.
struct Readers {
    layers: BTreeMap<NodeId, Layer>,
    /// From the first reader of each trial up to behind the last; `None`: one cannot be fitted, or there is none.
    ranges: Vec<Option<Range<usize>>>,
}

impl Readers {
    fn new(net: &Network<'_>, trials: &[Trial]) -> Self {
        let mut layers = BTreeMap::new();
        let mut ranges = Vec::new();
        for trial in trials {
            let removed: &[Removed] = trial.levels.last().map_or(&[], Vec::as_slice);
            let both = Both { before: net, after: net, removed };
            let nodes: Vec<NodeId> = net.graph.nodes().iter().filter(|n| both.reads_removed(n)).map(|n| n.id).collect();
            let whole = Both { removed: &[], ..both };
            let mut all = true;
            let mut end = 0;
            for &id in &nodes {
                // Of too many channels no covariance is taken.
                let fits = |l: &Layer| l.groups.iter().all(|b| b.whole.len() <= MOST_CHANNELS);
                match whole.layer(net.graph.node(id)).ok().filter(fits) {
                    Some(layer) => {
                        end = end.max(layer.end());
                        layers.insert(id, layer);
                    }
                    None => all = false,
                }
            }
            let range = nodes.first().map(|a| a.index()..end);
            ranges.push(range.filter(|_| all));
        }
        Self { layers, ranges }
    }

    fn of(&self, trial: usize) -> Option<Range<usize>> {
        self.ranges[trial].clone()
    }

    /// What becomes of the readers where so much goes.
    fn change(&self, net: &Network<'_>, removed: &[Removed], moments: &BTreeMap<NodeId, Moments>) -> Option<Change> {
        let both = Both { before: net, after: net, removed };
        let mut all = Change::default();
        for (id, layer) in self.layers.iter().filter(|(id, _)| both.reads_removed(net.graph.node(**id))) {
            let kept = both.kept(layer.x[0], net.graph.node(*id), layer.channels()).ok()?;
            all.add(change::of_layer(net, layer, &kept, moments.get(id)?)?);
        }
        Some(all)
    }
}

/// On how many samples outputs are compared: as many as the work allows of running, for each level of each trial, all that is behind its readers.
fn compared(net: &Network<'_>, trials: &[Trial], readers: &Readers) -> usize {
    let layers = cost::layers(&net.graph, &net.known, &net.dims);
    let behind =
        |range: Range<usize>| layers.iter().filter(|l| l.id.index() >= range.start).map(|l| l.cost.macs).sum::<u64>();
    let of = |t: usize| levels_to_run(trials[t].levels.len()).len() as u64 * readers.of(t).map_or(0, behind);
    let one = (0..trials.len()).map(of).sum::<u64>();
    let [most, fewest] = COMPARED;
    usize::try_from(MOST_MACS / one.max(1)).unwrap_or(most).clamp(fewest, most)
}

/// What the original makes of each sample.
fn truth(
    net: &Network<'_>,
    inputs: &[String],
    samples: &[Vec<Tensor>],
    outputs: &[ValueId],
) -> Result<Vec<Vec<Tensor>>> {
    let mut walk = Walk::new(net, inputs, samples, outputs.iter().copied())?;
    walk.advance(net.graph.nodes().len())?;
    let by_output = outputs.iter().map(|v| walk.get(*v)).collect::<Result<Vec<_>>>()?;
    Ok((0..samples.len()).map(|i| by_output.iter().map(|o| o[i].clone()).collect()).collect())
}

/// Runs the rest of the network behind changed readers.
struct Tails<'n> {
    net: &'n Network<'n>,
    outputs: &'n [ValueId],
    truth: &'n [Vec<Tensor>],
}

impl Tails<'_> {
    fn costs(&self, walk: &Walk<'_>, range: Range<usize>, changes: &[Change]) -> Result<Vec<Cost>> {
        let errors: Vec<f64> = changes.iter().map(Change::error).collect();
        let (middle, end) = (range.end, self.net.graph.nodes().len());
        let outputs: BTreeSet<ValueId> = self.outputs.iter().copied().collect();
        let tail = self.net.segment(middle..end, &outputs);
        let head_makes: BTreeSet<ValueId> = tail.reads.iter().copied().filter(|v| walk.get(*v).is_err()).collect();
        let head = self.net.segment(range.start..middle, &head_makes);
        let mut tail_session: Option<Session> = None;
        let mut measured: BTreeMap<usize, f64> = BTreeMap::new();
        for level in levels_to_run(changes.len()).into_iter().rev() {
            let made = walk.run(&head, &changes[level].given)?;
            let value = |v: ValueId, i: usize| match head.makes.iter().position(|m| *m == v) {
                Some(k) => Ok(made[k][i].clone()),
                None => walk.get(v).map(|all| all[i].clone()),
            };
            if tail_session.is_none() {
                let like = tail.reads.iter().map(|v| value(*v, 0)).collect::<Result<Vec<_>>>()?;
                tail_session = Some(self.net.load(&tail, &Given::new(), &like.iter().collect::<Vec<_>>())?);
            }
            let Some(session) = &tail_session else { continue };
            let one = |i: usize| {
                let inputs = tail.reads.iter().map(|v| value(*v, i)).collect::<Result<Vec<_>>>()?;
                let outputs = session.run(&inputs)?;
                let in_order = |v: &ValueId| tail.makes.iter().position(|m| m == v).map(|k| outputs[k].clone());
                let made: Vec<Tensor> = self.outputs.iter().filter_map(in_order).collect();
                Ok(distance(&self.truth[i], &made))
            };
            let each = (0..self.truth.len()).into_par_iter().map(one).collect::<Result<Vec<f64>>>()?;
            let distance = each.iter().sum::<f64>() / each.len().max(1) as f64;
            measured.insert(level, distance);
            if distance < NEGLIGIBLE {
                break;
            }
        }
        let points: Vec<(f64, f64)> = measured.iter().map(|(l, d)| (errors[*l], *d)).collect();
        let outputs = |level: usize| measured.get(&level).copied().unwrap_or_else(|| between(&points, errors[level]));
        Ok((0..errors.len()).map(|level| Cost { outputs: outputs(level), readers: errors[level] }).collect())
    }
}

/// The levels at which outputs are compared: of seven, the second, the fourth and the sixth.
fn levels_to_run(levels: usize) -> Vec<usize> {
    let odd: Vec<usize> = (0..levels).skip(1).step_by(2).collect();
    if odd.is_empty() { (0..levels).collect() } else { odd }
}

/// The distance at an error, from measured pairs of both: proportional to the error, by a factor between those of the nearest two.
fn between(measured: &[(f64, f64)], error: f64) -> f64 {
    let factor = |(e, d): (f64, f64)| if e > 0.0 { d / e } else { 0.0 };
    let above = measured.partition_point(|m| m.0 < error);
    match (above.checked_sub(1).and_then(|i| measured.get(i)), measured.get(above)) {
        (Some(&a), Some(&b)) => {
            let at = (error - a.0) / (b.0 - a.0);
            (factor(a) * (1.0 - at) + factor(b) * at) * error
        }
        (Some(&one), None) | (None, Some(&one)) => factor(one) * error,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_grow_with_errors_by_factors_between_those_measured() {
        let measured = [(0.1, 0.2), (0.3, 1.2)];
        assert_eq!(between(&measured, 0.05), 0.1);
        assert_eq!(between(&measured, 0.1), 0.2);
        assert!((between(&measured, 0.2) - 0.6).abs() < 1e-12);
        assert!((between(&measured, 0.5) - 2.0).abs() < 1e-12);
        assert_eq!(between(&[], 0.5), 0.0);
    }

    #[test]
    fn every_second_level_is_run() {
        assert_eq!([levels_to_run(7), levels_to_run(2), levels_to_run(1)], [vec![1, 3, 5], vec![1], vec![0]]);
        assert!(levels_to_run(0).is_empty());
    }
}
