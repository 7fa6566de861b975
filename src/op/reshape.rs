//! Reshape, Flatten, Squeeze, Unsqueeze: the elements in the same row-major order under other dims
//! (<https://onnx.ai/onnx/operators/onnx__Reshape.html> and its relatives). Axes fall into blocks of equal product; within a block each
//! axis is a product of common factors, and what has none stays whole.

use super::{AxisId, NodeView, OpRule, Operand, Relations, Summary, Unsupported};

/// All operators that only change dims.
pub(super) struct Reshape;

impl OpRule for Reshape {
    fn op_types(&self) -> &'static [&'static str] {
        &["Flatten", "Reshape", "Squeeze", "Unsqueeze"]
    }

    fn summary(&self) -> Summary {
        Summary {
            formula: "the same elements in the same row-major order",
            shrinks: "every axis that is a product of common factors; the shape follows",
            judged: "by what reads it",
        }
    }

    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported> {
        let (x, y) = (node.need(0)?, node.made()?);
        let count = |o: &Operand<'_>| o.dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        if count(&x).is_none() || count(&x) != count(&y) {
            return Unsupported::shapes();
        }
        let linked = same_elements(rel, &x, &y);
        if node.op() == "Reshape" {
            target(node, rel, &x, &y, &linked)?;
        }
        Ok(())
    }
}

/// The integers of the target shape: a positive one counts its axis, 0 and -1 follow by themselves.
fn target(
    node: &NodeView<'_>,
    rel: &mut Relations<'_>,
    x: &Operand<'_>,
    y: &Operand<'_>,
    linked: &[(AxisId, AxisId)],
) -> Result<(), Unsupported> {
    let (shape, slot) =
        node.ints_at("shape", 1).ok_or_else(|| Unsupported("has a shape that is computed from data".into()))?;
    let copies = node.attr_int("allowzero", 0) == 0;
    for (k, &s) in shape.iter().enumerate().take(y.rank()) {
        if s > 0 {
            rel.count_all((slot, k), y.axis(k));
        } else if s == 0 && copies && !(k < x.rank() && linked.contains(&(x.axis(k), y.axis(k)))) && y.dims[k] > 1 {
            rel.pin(y.axis(k), "it copies the length of an axis that this one is not");
            if k < x.rank() {
                rel.pin(x.axis(k), "another axis copies its length");
            }
        }
    }
    Ok(())
}

/// An axis and its length.
type Part = (AxisId, usize);

/// Relates the axes of two values that hold the same elements in the same order; returns the pairs that are one and the same.
fn same_elements(rel: &mut Relations<'_>, x: &Operand<'_>, y: &Operand<'_>) -> Vec<(AxisId, AxisId)> {
    let long = |o: &Operand<'_>| o.axes().zip(o.dims.iter().copied()).filter(|p| p.1 != 1).collect::<Vec<Part>>();
    x.axes().chain(y.axes()).for_each(|a| rel.free(a));
    let mut linked = Vec::new();
    for (xs, ys) in blocks(&long(x), &long(y)) {
        match (xs.as_slice(), ys.as_slice()) {
            ([a], [b]) => {
                rel.link(a.0, b.0);
                linked.push((a.0, b.0));
            }
            ([a], parts) => rel.product(a.0, &ids(parts)),
            (parts, [b]) => rel.product(b.0, &ids(parts)),
            _ => refine(rel, &xs, &ys),
        }
    }
    linked
}

fn ids(parts: &[Part]) -> Vec<AxisId> {
    parts.iter().map(|p| p.0).collect()
}

/// The shortest runs of axes on both sides that have equal products, from the front.
fn blocks(xs: &[Part], ys: &[Part]) -> Vec<(Vec<Part>, Vec<Part>)> {
    let (mut out, mut i, mut j) = (Vec::new(), 0, 0);
    while i < xs.len() && j < ys.len() {
        let (from_i, from_j) = (i, j);
        let (mut a, mut b) = (xs[i].1, ys[j].1);
        (i, j) = (i + 1, j + 1);
        while a != b {
            if a < b && i < xs.len() {
                a *= xs[i].1;
                i += 1;
            } else if b < a && j < ys.len() {
                b *= ys[j].1;
                j += 1;
            } else {
                (i, j) = (xs.len(), ys.len());
                break;
            }
        }
        out.push((xs[from_i..i].to_vec(), ys[from_j..j].to_vec()));
    }
    out
}

/// Many axes to many: each is a product of the factors between the common boundaries, where these divide one another.
fn refine(rel: &mut Relations<'_>, xs: &[Part], ys: &[Part]) {
    let ends = |parts: &[Part]| {
        parts
            .iter()
            .scan(1, |p, a| {
                *p *= a.1;
                Some(*p)
            })
            .collect::<Vec<usize>>()
    };
    let mut bounds = [vec![1], ends(xs), ends(ys)].concat();
    bounds.sort_unstable();
    bounds.dedup();
    if bounds.windows(2).any(|w| w[1] % w[0] != 0) {
        for part in xs.iter().chain(ys) {
            rel.pin(part.0, "it rearranges axes that have no common factors");
        }
        return;
    }
    let factors: Vec<(usize, AxisId)> = bounds.windows(2).map(|w| (w[1], rel.factor(w[1] / w[0]))).collect();
    for parts in [xs, ys] {
        let mut start = 1;
        for (part, end) in parts.iter().zip(ends(parts)) {
            let own: Vec<AxisId> = factors.iter().filter(|f| f.0 > start && f.0 <= end).map(|f| f.1).collect();
            rel.product(part.0, &own);
            start = end;
        }
    }
}
