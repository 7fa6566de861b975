//! What it costs to remove units of a group: measured at the outputs of the original, with the readers of the group fitted again in closed form.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::change::{self, Change};
use super::distance::{Apart, distance};
use super::tails::{Tail, Tails};
use super::{LEVELS_RUN, Study};
use crate::error::Result;
use crate::heal::Step;
use crate::heal::layer::Both;
use crate::heal::walk::Walk;
use crate::model::{NodeId, Removed};

/// Units of a group, or of groups that are tied, that go together: level by level, more at each.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What a reader is told of it.
    pub name: String,
    /// What goes at each level.
    pub levels: Vec<Vec<Removed>>,
}

/// A distance that is as good as none: where the outputs are no further at a level, they are not compared at lower ones.
const NEGLIGIBLE: f64 = 2e-3;

/// What a level was measured to cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// How far the outputs are from the original's: the squared error over the variance, of some samples, the mean over the outputs; of rows of
    /// scores, that of the logarithms of their probabilities.
    pub outputs: f64,
    /// The relative error of the readers' refit, alone: `E |y - y'|^2 / E |y - mean y|^2`, the mean over the readers.
    pub readers: f64,
    /// How many contractions come behind the readers. Each is fitted again when a cut is healed, and makes up for some of the error.
    pub behind: usize,
}

impl Study<'_> {
    /// The costs of every level of each trial. At some levels outputs are compared; in between their distance is taken to grow with the readers'
    /// error. A reader that cannot be fitted reads zeros at what goes. `None`: of a trial that nothing reads. Errors where the model cannot be
    /// run.
    pub fn costs(&self, trials: &[Trial], watch: &(dyn Fn(Step<'_>) + Sync)) -> Result<Vec<Option<Vec<Cost>>>> {
        let net = &self.net;
        let last = |t: &Trial| t.levels.last().and_then(|l| self.readers(l));
        let readers: Vec<Option<Vec<NodeId>>> = trials.iter().map(last).collect();
        let mut order: Vec<(Range<usize>, usize)> =
            readers.iter().enumerate().filter_map(|(t, nodes)| Some((self.range(nodes.as_ref()?)?, t))).collect();
        order.sort_by_key(|(range, _)| range.start);
        let mut walk = Walk::new(net, &self.inputs, &self.compared, self.outputs.iter().copied())?;
        let tails = Tails { net, outputs: &self.outputs, truth: &self.truth };
        let (of, mut out) = (order.len(), vec![None; trials.len()]);
        let mut tail = order.first().map(|(range, _)| tails.load(range.end));
        for (done, (range, t)) in order.iter().enumerate() {
            walk.advance(range.start)?;
            let nodes = readers[*t].as_deref().unwrap_or_default();
            let changes: Option<Vec<Change>> = trials[*t].levels.par_iter().map(|l| self.change(nodes, l)).collect();
            let now = tail.take().zip(changes);
            let behind = self.behind(nodes);
            let costs =
                || now.map(|(tail, changes)| costs(&tails, (&walk, range), tail, (&changes, behind))).transpose();
            // What comes behind the next readers is loaded while this runs: loading takes one core.
            let (costs, next) = rayon::join(costs, || order.get(done + 1).map(|(range, _)| tails.load(range.end)));
            tail = next;
            out[*t] = costs?;
            let errors = out[*t].as_ref().and_then(|c| Some([c.first()?.outputs, c.last()?.outputs]));
            watch(Step { stage: "measure", name: &trials[*t].name, done: done + 1, of, errors });
        }
        Ok(out)
    }

    /// What becomes of the readers where so much goes.
    fn change(&self, nodes: &[NodeId], removed: &[Removed]) -> Option<Change> {
        let net = &self.net;
        let both = Both { before: net, after: net, removed };
        let mut all = Change::default();
        for id in nodes.iter().filter(|id| both.reads_removed(net.graph.node(**id))) {
            let (Some(layer), Some(moments)) = (self.layers.get(id), self.moments.get(id)) else {
                all.add(change::of_other(&both, net.graph.node(*id))?);
                continue;
            };
            let kept = both.kept(layer.x[0], net.graph.node(*id), layer.channels()).ok()?;
            all.add(change::of_layer(net, layer, &kept, moments)?);
        }
        Some(all)
    }
}

/// The costs of one trial.
fn costs(
    tails: &Tails<'_>,
    (walk, range): (&Walk<'_>, &Range<usize>),
    mut tail: Tail,
    (changes, behind): (&[Change], usize),
) -> Result<Vec<Cost>> {
    let errors: Vec<f64> = changes.iter().map(Change::error).collect();
    let head = tail.head(walk, range);
    let mut measured: BTreeMap<usize, f64> = BTreeMap::new();
    let mut top = Top::default();
    for level in levels_to_run(changes.len()).into_iter().rev() {
        let count = top.samples(tails.truth.len());
        let each = tails.distances(walk, (&head, &changes[level].given), (&mut tail, count))?;
        let distance = top.distance(each);
        measured.insert(level, distance);
        if distance < NEGLIGIBLE {
            break;
        }
    }
    let points: Vec<(f64, f64)> = measured.iter().map(|(l, d)| (errors[*l], *d)).collect();
    let outputs = |level: usize| measured.get(&level).copied().unwrap_or_else(|| between(&points, errors[level]));
    Ok((0..errors.len()).map(|level| Cost { outputs: outputs(level), readers: errors[level], behind }).collect())
}

/// How far all samples are at the largest level. At others the first half of them is run: as many times as that half is nearer there than at the
/// largest level, all are.
#[derive(Default)]
struct Top(Vec<Apart>);

impl Top {
    /// On how many of so many samples the next level is run.
    fn samples(&self, all: usize) -> usize {
        if self.0.is_empty() { all } else { all.div_ceil(2) }
    }

    /// The distance of all samples, from those that were run.
    fn distance(&mut self, each: Vec<Apart>) -> f64 {
        if self.0.is_empty() {
            self.0 = each;
            return distance(&self.0);
        }
        let half = distance(&self.0[..each.len().min(self.0.len())]);
        // Where the largest level tells nothing, the half speaks for all.
        let scale = if half > 0.0 && half.is_finite() { distance(&self.0) / half } else { 1.0 };
        distance(&each) * scale
    }
}

/// The levels at which outputs are compared: of seven, the second, the fourth and the sixth.
fn levels_to_run(levels: usize) -> Vec<usize> {
    let odd: Vec<usize> = (0..levels).skip(1).step_by(2).take(LEVELS_RUN).collect();
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

    fn apart(errors: &[f64]) -> Vec<Apart> {
        errors.iter().map(|e| vec![[*e, 1.0]]).collect()
    }

    #[test]
    fn half_of_the_samples_tell_what_share_of_the_largest_error_is_left() {
        let mut top = Top::default();
        assert_eq!((top.samples(5), top.distance(apart(&[4.0, 8.0, 6.0, 1.0, 1.0]))), (5, 4.0));
        // The first three are 6 away there, and a quarter of that here.
        assert_eq!((top.samples(5), top.distance(apart(&[1.0, 2.0, 1.5]))), (3, 1.0));
        assert_eq!(top.distance(apart(&[0.0; 3])), 0.0);
        assert_eq!(Top(apart(&[f64::INFINITY; 4])).distance(apart(&[0.5; 2])), 0.5);
        assert_eq!(Top(apart(&[0.0; 4])).distance(apart(&[0.0; 2])), 0.0);
    }

    #[test]
    fn every_second_level_is_run() {
        assert_eq!([levels_to_run(7), levels_to_run(2), levels_to_run(1)], [vec![1, 3, 5], vec![1], vec![0]]);
        assert!(levels_to_run(0).is_empty());
    }
}
