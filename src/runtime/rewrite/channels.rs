//! BatchNormalization of a value without a channel axis: tract reads beyond the end of its dims, and the process would not survive it.

use std::collections::HashMap;

use super::{Answer, Operands, refuse, wait};
use crate::model::{Node, ValueId};

/// Values that are looked at before the dims are waited for.
const MOST_VALUES: usize = 1000;

/// Handed over as it is where its input has channels.
pub(super) fn batch_normalization(about: &Operands<'_>) -> Answer {
    match has_channels(about) {
        Some(true) => Ok(None),
        Some(false) => refuse("its input has no axis of channels"),
        None => wait(0),
    }
}

/// Whether the first input has two axes or more: by its dims, or by what it is made from with as many.
fn has_channels(about: &Operands<'_>) -> Option<bool> {
    has_two_axes(about, about.node.input(0)?, &mut HashMap::new())
}

/// Whether a value has two axes or more; `found`: what is known of others.
fn has_two_axes(about: &Operands<'_>, value: ValueId, found: &mut HashMap<ValueId, Option<bool>>) -> Option<bool> {
    let constant = || about.constants.get(value).map(|k| k.dims());
    if let Some(dims) = about.dims.get(value).or_else(constant) {
        return Some(dims.len() > 1);
    }
    if let Some(known) = found.get(&value) {
        return *known;
    }
    if found.len() >= MOST_VALUES {
        return None;
    }
    found.insert(value, None);
    let answer = of_maker(about, value, found);
    found.insert(value, answer);
    answer
}

fn of_maker(about: &Operands<'_>, value: ValueId, found: &mut HashMap<ValueId, Option<bool>>) -> Option<bool> {
    let maker = about.graph.producer(value).filter(|n| n.proto.in_default_domain())?;
    if makes_channels(maker) {
        return Some(true);
    }
    let operands = if broadcasts(maker) { maker.inputs.len() } else { usize::from(keeps_rank(maker)) };
    let mut answer = (operands > 0).then_some(false);
    for operand in maker.inputs.iter().take(operands) {
        match operand.and_then(|v| has_two_axes(about, v, found)) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// Operators that have as many axes as the operand that has the most.
fn broadcasts(node: &Node<'_>) -> bool {
    matches!(node.op(), "Add" | "Div" | "Mul" | "Sub" | "Sum")
}

/// Operators that tract gives two axes or more, or does not take at all.
fn makes_channels(node: &Node<'_>) -> bool {
    matches!(node.op(), "Conv" | "ConvTranspose" | "Gemm" | "Flatten" | "GlobalAveragePool" | "GlobalMaxPool")
}

/// Operators of which the output has as many axes as the first input, or as the operand that has the most.
fn keeps_rank(node: &Node<'_>) -> bool {
    matches!(
        node.op(),
        "Add"
            | "AveragePool"
            | "BatchNormalization"
            | "Cast"
            | "Clip"
            | "Concat"
            | "DequantizeLinear"
            | "Div"
            | "Dropout"
            | "Elu"
            | "Erf"
            | "HardSigmoid"
            | "HardSwish"
            | "Identity"
            | "LeakyRelu"
            | "MaxPool"
            | "Mul"
            | "PRelu"
            | "Pad"
            | "QuantizeLinear"
            | "Relu"
            | "Resize"
            | "Sigmoid"
            | "Slice"
            | "Split"
            | "Sub"
            | "Sum"
            | "Tanh"
            | "Transpose"
            | "Upsample"
    )
}
