//! The range of numbers that a network was trained on, as its first BatchNormalization remembers it: which preparation suits images that are made
//! up, and whether samples are far from it.

use rayon::prelude::*;

use crate::data::{Input, Preparation, Samples};
use crate::error::Result;
use crate::model::{Constants, Graph, Model, Node, Tensor, ValueId};
use crate::parallel::in_order;
use crate::runtime::{Feed, Session};
use crate::verify;

/// Samples that are looked at.
const LOOKED_AT: usize = 16;

/// From so many times the standard deviation on, or so many deviations away, samples are said to be far from what a network was trained on.
const FAR: [f64; 2] = [10.0, 4.0];

/// Without a BatchNormalization, preparations that are no further than that from the nearest cannot be told apart: a factor of ten in the squares
/// that the first contraction makes.
const UNTOLD: f64 = std::f64::consts::LN_10;

/// What images are usually brought to, with how it is said in options. The first is none.
fn usual() -> [(Preparation, &'static str); 4] {
    let of = |scale: f64, mean: &[f64], std: &[f64]| Preparation {
        scale,
        mean: mean.to_vec(),
        std: std.to_vec(),
        ..Preparation::default()
    };
    [
        (of(1.0, &[], &[]), "--scale 1"),
        (of(1.0 / 255.0, &[], &[]), "--scale 1/255"),
        (of(1.0 / 127.5, &[1.0], &[]), "--scale 1/127.5 --mean 1"),
        (
            of(1.0 / 255.0, &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
            "--scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        ),
    ]
}

/// A preparation, and how it is said in options.
pub(super) type Said = (Preparation, &'static str);

/// Where a network shows what range it was trained on: what its first BatchNormalization reads, with the mean and the variance that this expects
/// of each channel; without one, what its first contraction makes, of which no more is known than that it is neither huge nor tiny.
struct Probe {
    value: String,
    expects: Option<[Vec<f64>; 2]>,
}

/// Mean and variance of each channel.
type Channels = [Vec<f64>; 2];

/// Preparations for images that are made up, of all inputs that take images: the one that the network's BatchNormalization tells, or else all that
/// may be it, the likeliest first; none where the network does not tell. Errors where images cannot be made.
pub(super) fn suited(
    model: &Model,
    feeds: &[Feed],
    inputs: &[Input],
    layout: &Preparation,
    seed: u64,
) -> Result<Vec<Said>> {
    let images: Vec<&Input> = inputs.iter().filter(|i| i.takes_images(layout.layout)).collect();
    if images.iter().any(|i| !i.dtype.is_float()) {
        return Ok(Vec::new());
    }
    let model = verify::float32(model)?;
    let feeds = verify::float32_feeds(feeds);
    let images: Vec<&str> = images.into_iter().map(|i| i.name.as_str()).collect();
    let Some(probe) = Probe::of(&model, &images)? else { return Ok(Vec::new()) };
    let mut all: Vec<(f64, Said)> = Vec::new();
    for (one, said) in usual() {
        let how = Preparation { scale: one.scale, mean: one.mean, std: one.std, ..layout.clone() };
        // What is for three channels does not fit one.
        let Ok(samples) = Samples::generated(inputs, &how, LOOKED_AT, seed) else { continue };
        let Ok(seen) = probe.sees(&model, &feeds, LOOKED_AT, &|i| samples.get(i)) else { return Ok(Vec::new()) };
        all.push((probe.off(&seen), (how, said)));
    }
    all.retain(|(off, _)| off.is_finite());
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let nearest = all.first().map_or(0.0, |best| best.0);
    let many = if probe.expects.is_some() { 1 } else { all.partition_point(|(off, _)| off - nearest < UNTOLD) };
    Ok(all.into_iter().take(many).map(|(_, said)| said).collect())
}

/// Why samples are unlike what the network was trained on; `None` where they are not, or it does not tell.
pub(super) fn is_far(
    model: &Model,
    feeds: &[Feed],
    count: usize,
    get: &(dyn Fn(usize) -> Result<Vec<Tensor>> + Sync),
) -> Option<String> {
    let model = verify::float32(model).ok()?;
    let all: Vec<&str> = feeds.iter().map(|f| f.name.as_str()).collect();
    let probe = Probe::of(&model, &all).ok()??;
    let expected = probe.expects.as_ref()?;
    let seen = probe.sees(&model, &verify::float32_feeds(feeds), count.min(LOOKED_AT), get).ok()?;
    if expected.iter().chain(&seen).any(|v| v.len() != seen[0].len()) {
        return None;
    }
    let pairs = || expected[1].iter().zip(&seen[1]).filter(|(e, _)| **e > 0.0);
    let log = pairs().map(|(e, s)| (s.max(1e-12) / e).ln()).sum::<f64>() / pairs().count().max(1) as f64;
    let ratio = (0.5 * log).exp();
    let shift = |c: usize| (seen[0][c] - expected[0][c]).abs() / expected[1][c].max(1e-12).sqrt();
    let shift = (0..seen[0].len()).map(shift).sum::<f64>() / seen[0].len().max(1) as f64;
    let what = match () {
        () if !(1.0 / FAR[0]..=FAR[0]).contains(&ratio) => format!("they vary {ratio:.3} times as much as"),
        () if shift > FAR[1] => format!("they lie {shift:.1} standard deviations from what"),
        () => return None,
    };
    let name = &probe.value;
    Some(format!(
        "the samples are unlike what the network was trained on: at '{name}' {what} its BatchNormalization expects; see --scale, --mean, --std"
    ))
}

impl Probe {
    /// The first place that one of these inputs reaches.
    fn of(model: &Model, inputs: &[&str]) -> Result<Option<Self>> {
        let graph = model.graph()?;
        let constants = Constants::new(&graph)?;
        let reached = graph.reached(|v| inputs.contains(&graph.name(v)), |_| false);
        let is_fed = |v: ValueId| reached[v.index()] && constants.get(v).is_none();
        let normalized = |n: &Node<'_>| {
            let x = n.input(0).filter(|v| n.op() == "BatchNormalization" && is_fed(*v))?;
            let floats = |slot: usize| constants.get(n.input(slot)?)?.tensor().floats();
            let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<f64>>();
            Some(Self { value: named(&graph, x), expects: Some([wide(floats(3)?), wide(floats(4)?)]) })
        };
        let contracted = |n: &Node<'_>| {
            let fed = n.contracts() && n.input(0).is_some_and(is_fed);
            let y = n.output(0).filter(|_| fed)?;
            Some(Self { value: named(&graph, y), expects: None })
        };
        Ok(graph.nodes().iter().find_map(normalized).or_else(|| graph.nodes().iter().find_map(contracted)))
    }

    /// Mean and variance of each channel over some samples. Errors where the model does not run, or a sample cannot be had.
    fn sees(
        &self,
        model: &Model,
        feeds: &[Feed],
        count: usize,
        get: &(dyn Fn(usize) -> Result<Vec<Tensor>> + Sync),
    ) -> Result<Channels> {
        let session = Session::load(model, feeds, std::slice::from_ref(&self.value))?;
        let made = (0..count).into_par_iter().map(|i| Ok(session.run(&get(i)?)?.swap_remove(0)));
        let made = in_order(made)?;
        let channels = made.first().and_then(|t| t.dims.get(1)).copied().unwrap_or(1).max(1);
        let mut sums = vec![[0.0f64; 3]; channels];
        for t in &made {
            let inner = t.dims.iter().skip(2).product::<usize>().max(1);
            for (i, v) in t.floats().unwrap_or_default().iter().enumerate() {
                let v = f64::from(*v);
                let sum = &mut sums[i / inner % channels];
                *sum = [sum[0] + 1.0, sum[1] + v, sum[2] + v * v];
            }
        }
        let mean = |s: &[f64; 3]| s[1] / s[0].max(1.0);
        let variance = |s: &[f64; 3]| (s[2] / s[0].max(1.0) - mean(s) * mean(s)).max(0.0);
        Ok([sums.iter().map(mean).collect(), sums.iter().map(variance).collect()])
    }

    /// How far that is from what is expected: twice the Kullback-Leibler divergence of two normal distributions, the mean over the channels;
    /// where nothing is known, of the square from 1, by its logarithm.
    fn off(&self, [mean, variance]: &Channels) -> f64 {
        let n = mean.len().max(1) as f64;
        match &self.expects {
            Some([m, v]) if m.len() == mean.len() && v.len() == mean.len() => {
                let of = |c: usize| {
                    let ratio = variance[c].max(1e-12) / v[c].max(1e-12);
                    (mean[c] - m[c]).powi(2) / v[c].max(1e-12) + ratio - 1.0 - ratio.ln()
                };
                (0..mean.len()).map(of).sum::<f64>() / n
            }
            _ => (mean.iter().zip(variance).map(|(m, v)| m * m + v).sum::<f64>() / n).max(1e-12).ln().abs(),
        }
    }
}

fn named(graph: &Graph<'_>, value: ValueId) -> String {
    graph.name(value).to_owned()
}

#[cfg(test)]
mod tests;
