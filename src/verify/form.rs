//! What a cut did to constants and to shapes: coordinates are gone, or are there and zero.

use super::Difference;
use super::pairing::{Operand, Pair, Pairing};
use crate::error::Result;
use crate::model::attr::from_front;
use crate::model::constant::Known;
use crate::model::removed::Kept;
use crate::model::{Constants, Node, Tensor};

/// What became of removed coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// They are gone.
    Cut,
    /// They are there, and set to zero where weights make or read them.
    Zeroed,
}

impl Form {
    /// The part of a value of the file that is compared.
    pub(super) fn compared(self, kept: &[Kept], found: &Tensor) -> Result<Tensor> {
        match self {
            Self::Cut => Ok(found.clone()),
            Self::Zeroed => Kept::select_all(kept, found),
        }
    }

    /// What the file holds in the place of a constant, if it is right. Errors where the claim does not fit the constant.
    pub(super) fn of_weight(self, kept: &[Kept], op: &str, slot: usize, whole: &Tensor) -> Result<Tensor> {
        match self {
            Self::Cut => Kept::select_all(kept, whole),
            Self::Zeroed if must_be_zero(op, slot) => {
                let lost = Kept::lost(kept, &whole.dims).unwrap_or_default();
                let zeroed = Tensor::zeros(whole.dtype, whole.dims.clone()).and_then(|z| whole.blend(&z, &lost));
                Ok(zeroed.unwrap_or_else(|| whole.clone()))
            }
            Self::Zeroed => Ok(whole.clone()),
        }
    }
}

/// The operands that are zero at removed coordinates; others may be.
fn must_be_zero(op: &str, slot: usize) -> bool {
    matches!(
        (op, slot),
        ("Conv" | "ConvTranspose", 1 | 2)
            | ("Gemm" | "MatMul" | "Einsum", _)
            | ("BatchNormalization" | "InstanceNormalization" | "GroupNormalization", 1 | 2)
    )
}

impl Pairing<'_> {
    /// Pairs the nodes of a file that has the original's structure, node for node.
    pub(super) fn find_same(&mut self, known_before: &Constants, known_after: &Constants) -> Option<Difference> {
        let computes = |known: &Constants, n: &Node<'_>| !known.covers(n);
        let before = self.before.nodes().iter().enumerate().filter(|(_, n)| computes(known_before, n));
        let mut after = self.after.nodes().iter().enumerate().filter(|(_, n)| computes(known_after, n));
        let mut pairs = Vec::new();
        for (i, a) in before {
            let fail = |reason: String| Some(Difference { node: a.name().into(), value: None, reason });
            let Some((j, b)) = after.next() else { return fail("the written model has lost this node".into()) };
            let same_attributes = a.proto.attribute.len() == b.proto.attribute.len()
                && a.proto.attribute.iter().zip(&b.proto.attribute).all(|(x, y)| x.same_bits(y));
            let head = |n: &Node<'_>| (n.name().to_owned(), n.proto.op_type.clone(), n.proto.domain().to_owned());
            if head(a) != head(b) || a.proto.output != b.proto.output || !same_attributes {
                return fail(format!("the written model has another node in its place: '{}'", b.name()));
            }
            match self.same_operands(a, b, known_before, known_after) {
                Ok(operands) => pairs.push(Pair { before: i, after: j, operands }),
                Err(reason) => return fail(reason),
            }
        }
        self.pairs = pairs;
        let more = after.next()?.1;
        Some(Difference { node: more.name().into(), value: None, reason: "the original has no such node".into() })
    }

    fn same_operands(
        &self,
        a: &Node<'_>,
        b: &Node<'_>,
        known_a: &Constants,
        known_b: &Constants,
    ) -> std::result::Result<Vec<Operand>, String> {
        let mut out = Vec::new();
        for slot in 0..a.inputs.len().max(b.inputs.len()) {
            let (x, y) = (a.input(slot), b.input(slot));
            match (x.and_then(|v| known_a.get(v)), y.and_then(|v| known_b.get(v))) {
                (Some(before), Some(after)) => {
                    let value = x.map_or("", |v| self.before.name(v));
                    let kept = self.kept(value, a.name());
                    let points = a.input(2).filter(|_| a.op() == "DequantizeLinear" && slot == 0);
                    let points = points.and_then(|v| known_a.get(v));
                    if !is_zeroed(a, slot, [before, after], &kept, points) {
                        return Err(format!(
                            "its constant in input {slot} ('{value}') is not the original's with zeros at removed coordinates"
                        ));
                    }
                    out.push(Operand { slot, before: before.clone(), kept, healed: None });
                }
                _ if x.map(|v| self.before.name(v)) != y.map(|v| self.after.name(v)) => {
                    return Err(format!("input {slot} reads another value than in the original"));
                }
                _ => {}
            }
        }
        Ok(out)
    }
}

/// Whether `after` is `before`, bit for bit, but for removed coordinates: these are zero, or as they were where the operand need not be zero.
fn is_zeroed(
    node: &Node<'_>,
    slot: usize,
    [before, after]: [&Known; 2],
    kept: &[Kept],
    points: Option<&Known>,
) -> bool {
    if before.dims() != after.dims() || before.dtype() != after.dtype() {
        return false;
    }
    let (a, b) = (before.tensor(), after.tensor());
    if kept.is_empty() {
        return a.data == b.data;
    }
    let Some(lost) = Kept::lost(kept, &a.dims) else { return false };
    let strict = must_be_zero(node.op(), slot);
    let width = a.data.len().checked_div(a.len()).unwrap_or(0);
    if width * a.len() != a.data.len() || width == 0 {
        return a.data == b.data && !strict;
    }
    let is_zero = |f: usize, part: &[u8]| match points {
        None => part.iter().all(|byte| *byte == 0),
        Some(p) => zero_point(&p.tensor(), node, &a, f).is_some_and(|z| z == part),
    };
    let parts = a.data.chunks_exact(width).zip(b.data.chunks_exact(width));
    parts.zip(&lost).enumerate().all(|(f, ((x, y), lost))| match lost {
        false => x == y,
        true => (x == y && !strict) || is_zero(f, y),
    })
}

/// The zero point of an element, by the axis of the node that dequantizes.
fn zero_point(points: &Tensor, node: &Node<'_>, whole: &Tensor, f: usize) -> Option<Vec<u8>> {
    let width = points.data.len().checked_div(points.len())?;
    let axis = from_front(node.proto.attr_int("axis").unwrap_or(1), whole.dims.len());
    let at = match (points.len(), axis) {
        (1, _) => 0,
        (_, Some(k)) => f / whole.dims[k + 1..].iter().product::<usize>().max(1) % whole.dims[k],
        _ => return None,
    };
    points.data.get(at * width..(at + 1) * width).map(<[u8]>::to_vec)
}
