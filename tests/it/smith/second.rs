//! A second judge, which shares nothing with the first: instead of masking what contractions read, it zeroes the weights that read it,
//! and compares the outputs of the graph.

use std::collections::HashMap;

use secateur::Model;
use secateur::model::{Node, Removed, Tensor};
use secateur::runtime::{Feed, Session};

use crate::support::Analysed;

/// Largest difference allowed, relative to each output's largest magnitude.
const TOLERANCE: f32 = 1e-4;

/// Outputs that are all smaller are measured against this: they are what is left of sums of numbers around 1 that cancel.
const SMALL: f32 = 1e-2;

/// Inputs at each size.
const RUNS: usize = 3;

/// What the second judge has to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Second {
    /// The outputs agree.
    Agrees,
    /// Somewhere no weight reads what is removed: a product of two activations, or a sum.
    Silent,
}

/// Compares the outputs of the original, its readers' weights zeroed, with those of the pruned model.
pub(super) fn second_opinion(known: &Analysed<'_>, pruned: &Model, removed: &[Removed]) -> Result<Second, String> {
    let Some(zeroed) = zeroed(known, removed) else { return Ok(Second::Silent) };
    let sizes = [Some(&known.shapes.feeds), known.shapes.grown.as_ref().map(|g| &g.feeds)];
    for feeds in sizes.into_iter().flatten() {
        let inputs: Vec<Vec<Tensor>> = (0..RUNS).map(|k| feeds.iter().map(|f| input(f, k)).collect()).collect();
        let (a, b) = (outputs(&zeroed, feeds, &inputs)?, outputs(pruned, feeds, &inputs)?);
        for ((name, a), (_, b)) in a.iter().zip(&b) {
            let error = difference(a, b);
            if error > TOLERANCE {
                return Err(format!("second judge: the output '{name}' differs by {error:.2e}"));
            }
        }
    }
    Ok(Second::Agrees)
}

/// The original with zeros in every weight where it reads what is removed; `None` where something else than a weight does.
fn zeroed(known: &Analysed<'_>, removed: &[Removed]) -> Option<Model> {
    let lost: HashMap<(&str, usize), &[usize]> =
        removed.iter().map(|r| ((r.value.as_str(), r.axis), r.indices.as_slice())).collect();
    let mut proto = known.model.proto().clone();
    let graph = proto.graph.as_mut()?;
    for node in known.graph.nodes().iter().filter(|n| !known.constants.covers(n)) {
        for read in reads(known, node) {
            let value = known.graph.name(node.input(read.slot)?);
            let Some(gone) = lost.get(&(value, read.axis)) else { continue };
            let weight = known.constants.get(node.input(read.weight?.0)?)?.tensor();
            let name = format!("zeroed_{}_{}", node.id.index(), read.slot);
            graph.initializer.push(zero(&weight, read.weight?, gone).to_proto(&name));
            graph.node[node.id.index()].input[read.weight?.0] = name;
        }
    }
    Model::new(proto).ok()
}

/// An operand that a node sums over.
struct Read {
    slot: usize,
    axis: usize,
    /// The weight that multiplies it, its axis, and in how many groups; `None` where there is none.
    weight: Option<(usize, usize, usize)>,
}

fn reads(known: &Analysed<'_>, node: &Node<'_>) -> Vec<Read> {
    let flag = |name: &str| usize::from(node.proto.attr_int(name) == Some(1));
    let rank = |slot: usize| node.input(slot).and_then(|v| known.shapes.dims.get(v)).map_or(0, <[usize]>::len);
    let constant = |slot: usize| node.input(slot).is_some_and(|v| known.constants.is_constant(v));
    let read = |slot, axis, weight| vec![Read { slot, axis, weight }];
    match node.op() {
        "Conv" => read(0, 1, Some((1, 1, node.proto.attr_int("group").unwrap_or(1) as usize))),
        "ConvTranspose" => read(0, 1, Some((1, 0, 1))),
        "Einsum" => einsum(node),
        "Gemm" => read(0, 1 - flag("transA"), Some((1, flag("transB"), 1))),
        "MatMul" => {
            let (a, b) = (rank(0) - 1, rank(1).saturating_sub(2));
            match (constant(0), constant(1)) {
                (false, true) => read(0, a, Some((1, b, 1))),
                (true, false) => read(1, b, Some((0, a, 1))),
                _ => [read(0, a, None), read(1, b, None)].into_iter().flatten().collect(),
            }
        }
        op if op.starts_with("Reduce") => (0..rank(0)).map(|axis| Read { slot: 0, axis, weight: None }).collect(),
        _ => Vec::new(),
    }
}

/// An Einsum's operands with what it sums over; the second operand is a weight where it is a matrix.
fn einsum(node: &Node<'_>) -> Vec<Read> {
    let (operands, output) = node.proto.attr_str("equation").and_then(|e| e.split_once("->")).unwrap();
    let operands: Vec<&str> = operands.split(',').collect();
    let matrix = operands[1].len() == 2;
    let of = |(slot, labels): (usize, &&str)| {
        let weight = |c: char| Some((1, operands[1].find(c)?, 1)).filter(|_| matrix);
        let summed = labels.char_indices().filter(|(_, c)| !output.contains(*c));
        summed.map(|(axis, c)| Read { slot, axis, weight: weight(c) }).collect::<Vec<_>>()
    };
    operands.iter().enumerate().filter(|o| o.0 == 0 || !matrix).flat_map(of).collect()
}

/// The weight with zeros where it multiplies input channels that are gone; in groups, block `b` of axis 0 reads block `b` of the input.
fn zero(weight: &Tensor, (_, axis, groups): (usize, usize, usize), gone: &[usize]) -> Tensor {
    let mut values = weight.floats().unwrap();
    let inner: usize = weight.dims[axis + 1..].iter().product();
    let (length, rows) = (weight.dims[axis], weight.dims[0] / groups);
    for (at, value) in values.iter_mut().enumerate() {
        let i = at / inner % length;
        let row = at / weight.dims[1..].iter().product::<usize>();
        let block = if groups > 1 { row / rows } else { 0 };
        if gone.contains(&(block * length + i)) {
            *value = 0.0;
        }
    }
    Tensor::from_floats(weight.dims.clone(), &values)
}

/// Every output with what it is in each run.
fn outputs(model: &Model, feeds: &[Feed], inputs: &[Vec<Tensor>]) -> Result<Vec<(String, Vec<Tensor>)>, String> {
    let names: Vec<String> = model.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
    let session = Session::load(model, feeds, &names).map_err(|e| e.to_string())?;
    let runs =
        inputs.iter().map(|x| session.run(x)).collect::<secateur::Result<Vec<_>>>().map_err(|e| e.to_string())?;
    Ok(names.into_iter().enumerate().map(|(k, name)| (name, runs.iter().map(|r| r[k].clone()).collect())).collect())
}

/// Waves of no common period.
fn input(feed: &Feed, phase: usize) -> Tensor {
    let n = feed.dims.iter().product::<usize>();
    let values: Vec<f32> =
        (0..n).map(|i| ((i * i) as f32 * 0.37 + i as f32 * 1.7 + phase as f32).sin() * 1.5).collect();
    Tensor::from_floats(feed.dims.clone(), &values)
}

/// The largest difference as a share of the largest magnitude in any run, so that a number that happens to be near zero in one of them
/// is not measured by itself; NaN and infinities are equal to themselves.
fn difference(a: &[Tensor], b: &[Tensor]) -> f32 {
    if a.iter().zip(b).any(|(x, y)| x.dims != y.dims || x.dtype != y.dtype) {
        return f32::INFINITY;
    }
    let floats = |runs: &[Tensor]| runs.iter().flat_map(|t| t.floats().unwrap()).collect::<Vec<f32>>();
    let (x, y) = (floats(a), floats(b));
    let largest = x.iter().filter(|v| v.is_finite()).fold(SMALL, |m, v| m.max(v.abs()));
    let apart = |(p, q): (&f32, &f32)| match p == q || (p.is_nan() && q.is_nan()) {
        true => 0.0,
        false => (p - q).abs() / largest,
    };
    x.iter().zip(&y).map(apart).fold(0.0, |m, e| if e.is_nan() { f32::INFINITY } else { m.max(e) })
}
