//! One walk through the graph, forward: of every element of every activation, whether it is a known number whatever the input.
//!
//! Invariant: NaN stands for what is not known, so that arithmetic keeps it so.

use std::collections::HashMap;

use super::reads::contracted;
use super::weights::Weights;
use super::{contract, numbers, pointwise, spread};
use crate::couple::Facts;
use crate::model::{Constants, Node, Tensor, ValueId};

/// What is known of the values that contractions read: for each axis that is summed over, the number that all elements at a coordinate are.
#[derive(Default)]
pub(super) struct Values {
    read: HashMap<(ValueId, usize), Vec<Option<f32>>>,
}

/// A node, and what is known where it stands.
pub(super) struct At<'a> {
    pub node: &'a Node<'a>,
    pub facts: &'a Facts<'a>,
    pub known: &'a Constants,
    pub weights: &'a Weights<'a>,
    pub tensors: &'a HashMap<ValueId, Tensor>,
}

impl Values {
    pub(super) fn of(facts: &Facts<'_>, known: &Constants, weights: &Weights<'_>) -> Self {
        let mut tensors = HashMap::<ValueId, Tensor>::new();
        let mut values = Self { read: HashMap::new() };
        for node in facts.graph.nodes().iter().filter(|n| !known.covers(n)) {
            let at = At { node, facts, known, weights, tensors: &tensors };
            for (slot, axis) in contracted(&at) {
                if let Some((value, tensor)) = node.input(slot).and_then(|v| Some((v, tensors.get(&v)?))) {
                    values.read.entry((value, axis)).or_insert_with(|| along(tensor, axis));
                }
            }
            let made = made(&at);
            for (output, tensor) in node.outputs.iter().zip(made) {
                let fits = |v: ValueId, t: &Tensor| facts.dims.get(v) == Some(&t.dims[..]) && is_any_known(t);
                if let (Some(output), Some(tensor)) = (output, tensor)
                    && fits(*output, &tensor)
                {
                    tensors.insert(*output, tensor);
                }
            }
            for input in node.inputs.iter().flatten() {
                if facts.graph.value(*input).readers.last().is_some_and(|r| r.0 == node.id) {
                    tensors.remove(input);
                }
            }
        }
        values
    }

    /// The number that all elements at a coordinate of a value's axis are.
    pub(super) fn at(&self, value: ValueId, axis: usize, i: usize) -> Option<f32> {
        self.read.get(&(value, axis))?.get(i).copied().flatten()
    }
}

impl At<'_> {
    /// The dims of an output.
    pub(super) fn made_dims(&self, slot: usize) -> Option<&[usize]> {
        self.facts.dims.get(self.node.output(slot)?)
    }

    /// The numbers in an input slot, NaN where they are not known; `None` where none is.
    pub(super) fn some(&self, slot: usize) -> Option<Tensor> {
        let value = self.node.input(slot)?;
        if let Some(tensor) = self.tensors.get(&value) {
            return Some(tensor.clone());
        }
        let constant = self.facts.constants.get(value).filter(|_| self.facts.constants.is_constant(value))?.tensor();
        Some(Tensor::from_floats(constant.dims.clone(), &constant.floats()?))
    }

    /// The same, all of it NaN where nothing is known; `None` where the dims are not known.
    pub(super) fn all(&self, slot: usize) -> Option<Tensor> {
        self.some(slot).or_else(|| {
            let dims = self.facts.dims.get(self.node.input(slot)?)?;
            Some(Tensor::from_floats(dims.to_vec(), &vec![f32::NAN; dims.iter().product()]))
        })
    }

    /// For each coordinate of an axis of an input, the number that all elements there are.
    pub(super) fn along(&self, slot: usize, axis: usize) -> Option<Vec<Option<f32>>> {
        self.some(slot).map(|t| along(&t, axis))
    }

    /// A constant vector in an input slot.
    pub(super) fn vector(&self, slot: usize) -> Option<Vec<f32>> {
        self.facts.constants.get(self.node.input(slot)?)?.tensor().floats()
    }

    /// A float attribute, or its default.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.node.proto.attr(name).and_then(|a| a.f).unwrap_or(default)
    }

    /// An integer attribute, or its default.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.node.proto.attr_int(name).unwrap_or(default)
    }

    /// Integers in an input slot.
    pub(super) fn ints(&self, slot: usize) -> Option<Vec<i64>> {
        self.known.get(self.node.input(slot)?)?.ints()
    }

    /// An output with a number for each coordinate of axis 1.
    pub(super) fn by_channel(&self, channels: &[f32]) -> Option<Tensor> {
        let dims = self.made_dims(0).filter(|d| d.len() >= 2 && d[1] == channels.len())?;
        let inner = dims[2..].iter().product::<usize>().max(1);
        let count: usize = dims.iter().product();
        let data: Vec<f32> = (0..count).map(|f| channels[f / inner % channels.len()]).collect();
        Some(Tensor::from_floats(dims.to_vec(), &data))
    }
}

/// What is known of a node's outputs.
fn made(at: &At<'_>) -> Vec<Option<Tensor>> {
    if !at.node.proto.in_default_domain() {
        return Vec::new();
    }
    match at.node.op() {
        "Conv" => vec![contract::conv(at)],
        "ConvTranspose" => vec![contract::conv_transpose(at)],
        "Gemm" => vec![contract::gemm(at)],
        "MatMul" => vec![contract::matmul(at)],
        "Split" => spread::split(at),
        op if pointwise::speaks_for(op) => vec![pointwise::made(at)],
        _ => vec![spread::made(at)],
    }
}

/// For each coordinate of an axis, the number that all elements there are.
pub(super) fn along(t: &Tensor, axis: usize) -> Vec<Option<f32>> {
    let Some((values, length)) = numbers(t).and_then(|v| Some((v, *t.dims.get(axis)?))) else { return Vec::new() };
    let inner = t.dims[axis + 1..].iter().product::<usize>().max(1);
    let mut out: Vec<Option<f32>> = vec![None; length];
    let mut differs = vec![false; length];
    for (f, v) in values.iter().enumerate() {
        let i = f / inner % length.max(1);
        match out[i] {
            _ if v.is_nan() => differs[i] = true,
            Some(c) if c != *v => differs[i] = true,
            _ => out[i] = Some(*v),
        }
    }
    out.into_iter().zip(differs).map(|(c, differs)| c.filter(|_| !differs)).collect()
}

fn is_any_known(t: &Tensor) -> bool {
    t.floats().is_some_and(|v| v.iter().any(|v| !v.is_nan()))
}
