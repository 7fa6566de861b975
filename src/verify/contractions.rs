//! The judge's own tables: which axis of which operand an operator sums over, and which operands are integers that carry shape.
//! That the analysis has its own is deliberate.

use super::einsum;
use crate::model::proto::NodeProto;

/// The operands that a node sums over, each with the axis, given the operands' ranks and the integers that are known of them.
pub(super) fn summed(
    node: &NodeProto,
    rank: &dyn Fn(usize) -> Option<usize>,
    ints: &dyn Fn(usize) -> Option<Vec<i64>>,
) -> Vec<(usize, usize)> {
    let flag = |name| node.attr_int(name).unwrap_or(0) != 0;
    let last = |slot: usize| rank(slot).and_then(|r| r.checked_sub(1)).map(|k| (slot, k));
    let before_last = |slot: usize| rank(slot).map(|r| (slot, r.saturating_sub(2)));
    match node.op_type() {
        "Conv" | "ConvTranspose" => vec![(0, 1)],
        "Gemm" => vec![(0, usize::from(!flag("transA"))), (1, usize::from(flag("transB")))],
        "MatMul" => last(0).into_iter().chain(before_last(1)).collect(),
        "ReduceSum" | "ReduceSumSquare" | "ReduceL1" | "ReduceL2" => {
            let rank = rank(0).unwrap_or(0);
            let axes = node.attr_ints("axes").map(<[i64]>::to_vec).or_else(|| ints(1)).unwrap_or_default();
            let reduced = |k: &usize| axes.is_empty() || axes.iter().any(|a| a.rem_euclid(rank as i64) == *k as i64);
            (0..rank).filter(reduced).map(|k| (0, k)).collect()
        }
        "Einsum" => einsum::summed(node),
        _ => Vec::new(),
    }
}

/// Whether the node's first output is compared.
pub(super) fn contracts(node: &NodeProto) -> bool {
    matches!(
        node.op_type(),
        "Conv"
            | "ConvTranspose"
            | "Gemm"
            | "MatMul"
            | "Einsum"
            | "ReduceSum"
            | "ReduceSumSquare"
            | "ReduceL1"
            | "ReduceL2"
    )
}

/// Whether the operand is made of integers that may be recomputed by a cut.
pub(super) fn carries_shape(op: &str, slot: usize) -> bool {
    matches!(
        (op, slot),
        ("Reshape" | "Pad" | "Split" | "Expand" | "Tile" | "Gather", 1)
            | ("Slice", 1 | 2)
            | ("Resize", 3)
            | ("ConstantOfShape", 0)
            | ("Concat", _)
    )
}

/// Attributes that a cut may rewrite.
pub(super) fn rewritable(op: &str, attribute: &str) -> bool {
    matches!(
        (op, attribute),
        ("Conv" | "ConvTranspose", "group")
            | ("Split", "split" | "num_outputs")
            | ("Slice", "starts" | "ends")
            | ("Pad", "pads")
            | ("Reshape", "shape")
            | ("GroupNormalization", "num_groups")
    )
}

/// The operands of which a healed model may hold other numbers than the original: the weights and the bias of a contraction, and the mean of
/// a BatchNormalization. Nothing else may change, be it a scale, a variance or the statistics of another normalisation.
///
/// | operator | operands |
/// |---|---|
/// | Conv, ConvTranspose | 1 (weights), 2 (bias, which may also be new) |
/// | Gemm | 0 and 1 (weights), 2 (bias, which may also be new) |
/// | MatMul | 0 and 1 (weights) |
/// | Einsum | all (weights) |
/// | BatchNormalization | 3 (mean) |
/// | Add, after one of the contractions | the constant one, where it is a vector (bias) |
pub(super) fn healable(op: &str, slot: usize) -> bool {
    matches!(
        (op, slot),
        ("Conv" | "ConvTranspose" | "Gemm", 1 | 2)
            | ("Gemm" | "MatMul", 0)
            | ("MatMul", 1)
            | ("Einsum", _)
            | ("BatchNormalization", 3)
    )
}

/// Where a contraction takes a bias, and along which axis of its output that lies.
pub(super) fn bias(op: &str) -> Option<(usize, usize)> {
    matches!(op, "Conv" | "ConvTranspose" | "Gemm").then_some((2, 1))
}

/// How a random weight in that slot should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Normal, scaled by its fan-in.
    Weight,
    /// Between 0.5 and 1.5.
    Positive,
    /// Small, around 0.
    Offset,
}

/// The operands that the proof of the structure may fill with random numbers.
pub(super) fn weight(op: &str, slot: usize) -> Option<Look> {
    match (op, slot) {
        ("Conv" | "ConvTranspose" | "Gemm", 1) | ("MatMul" | "Gemm", 0) | ("MatMul", 1) | ("Einsum", _) => {
            Some(Look::Weight)
        }
        ("Conv" | "ConvTranspose" | "Gemm", 2) | ("BatchNormalization", 2 | 3) => Some(Look::Offset),
        ("InstanceNormalization" | "GroupNormalization" | "LayerNormalization", 2) => Some(Look::Offset),
        ("BatchNormalization", 1 | 4) | ("PRelu", 1) => Some(Look::Positive),
        ("InstanceNormalization" | "GroupNormalization" | "LayerNormalization", 1) => Some(Look::Positive),
        _ => None,
    }
}
