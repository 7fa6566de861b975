//! BatchNormalization of a value without a channel axis: tract reads beyond the end of its dims, and the process would not survive it.

use super::{Answer, Operands, refuse, wait};
use crate::model::Node;

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
    let mut value = about.node.input(0)?;
    for _ in 0..=about.graph.nodes().len() {
        let constant = || about.constants.get(value).map(|k| k.dims());
        if let Some(dims) = about.dims.get(value).or_else(constant) {
            return Some(dims.len() > 1);
        }
        let maker = about.graph.producer(value).filter(|n| n.proto.in_default_domain())?;
        if makes_channels(maker) {
            return Some(true);
        }
        value = maker.input(0).filter(|_| keeps_rank(maker))?;
    }
    None
}

/// Operators that tract gives two axes or more, or does not take at all.
fn makes_channels(node: &Node<'_>) -> bool {
    matches!(node.op(), "Conv" | "ConvTranspose" | "Gemm" | "Flatten" | "GlobalAveragePool" | "GlobalMaxPool")
}

/// Operators of which the output has at least as many axes as the first input.
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
