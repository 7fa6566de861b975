//! What contractions are known to make: `b[o] + sum over i of w[o, i] x[i]`, where each term is known or has a zero for a factor.

use super::numbers;
use super::values::At;
use crate::model::Tensor;
use crate::model::constant::movement::broadcast;

/// Multiply-adds beyond which a product of matrices is not looked into.
const MOST: usize = 1 << 28;

/// Conv: a channel of which every weighted input is known, and zero where there is padding.
pub(super) fn conv(at: &At<'_>) -> Option<Tensor> {
    let w = at.weights.get(at.node.input(1)?).filter(|w| w.dims.len() >= 2)?;
    let (filters, per_group) = (w.dims[0], w.dims[1]);
    let rows = filters.checked_div(usize::try_from(at.int("group", 1)).ok()?)?.max(1);
    let bias = bias(at, 2, filters)?;
    let x = at.along(0, 1);
    let padded = is_padded(at);
    let input = |o: usize, j: usize| x.as_ref().and_then(|x| *x.get(o / rows * per_group + j)?);
    let channel = |o: usize| {
        let mut sum = f64::from(bias[o]);
        for j in (0..per_group).filter(|&j| !w.is_zero_at(&[o, j])) {
            match input(o, j) {
                Some(0.0) => {}
                Some(c) if !padded && w.exact => sum += f64::from(c) * w.sum_at(&[o, j]),
                _ => return f32::NAN,
            }
        }
        sum as f32
    };
    at.by_channel(&(0..filters).map(channel).collect::<Vec<_>>())
}

/// ConvTranspose: a channel of which every weighted input is zero.
pub(super) fn conv_transpose(at: &At<'_>) -> Option<Tensor> {
    let w = at.weights.get(at.node.input(1)?).filter(|w| w.dims.len() >= 2)?;
    let group = usize::try_from(at.int("group", 1)).ok().filter(|g| *g > 0)?;
    let (inputs, per_group) = (w.dims[0], w.dims[1]);
    let bias = bias(at, 2, per_group * group)?;
    let x = at.along(0, 1);
    let silent = |i: usize| x.as_ref().is_some_and(|x| x.get(i) == Some(&Some(0.0)));
    let channel = |o: usize| {
        let block = o / per_group.max(1) * (inputs / group)..(o / per_group.max(1) + 1) * (inputs / group);
        let zero = block.into_iter().all(|i| silent(i) || w.is_zero_at(&[i, o % per_group]));
        if zero { bias[o] } else { f32::NAN }
    };
    at.by_channel(&(0..per_group * group).map(channel).collect::<Vec<_>>())
}

/// Gemm: `alpha a b + beta c`.
pub(super) fn gemm(at: &At<'_>) -> Option<Tensor> {
    let dims = at.made_dims(0).filter(|d| d.len() == 2)?.to_vec();
    let (a, b) = (operand(at, 0)?, operand(at, 1)?);
    let flips = |name| at.int(name, 0) != 0;
    let (a, b) = (a.turned(flips("transA"))?, b.turned(flips("transB"))?);
    let product = multiply(&a, &b, dims[0], dims[1])?;
    let (alpha, beta) = (at.float("alpha", 1.0), at.float("beta", 1.0));
    let scaled: Vec<f32> = product.iter().map(|v| alpha * v).collect();
    let product = Tensor::from_floats(dims, &scaled);
    if at.node.input(2).is_none() {
        return Some(product);
    }
    let (product, c) = broadcast(&product, &at.all(2)?)?;
    let sum = numbers(&product)?.iter().zip(numbers(&c)?).map(|(p, c)| p + beta * c).collect::<Vec<_>>();
    Some(Tensor::from_floats(product.dims, &sum))
}

/// MatMul of matrices, and of stacks of which one is a matrix or both are alike.
pub(super) fn matmul(at: &At<'_>) -> Option<Tensor> {
    let dims = at.made_dims(0)?.to_vec();
    let (a, b) = (operand(at, 0)?, operand(at, 1)?);
    let (ra, rb) = (a.dims.len(), b.dims.len());
    if ra < 2 || rb < 2 || (ra > 2 && rb > 2 && a.dims[..ra - 2] != b.dims[..rb - 2]) {
        return None;
    }
    let (m, n) = (a.dims[ra - 2], b.dims[rb - 1]);
    let stack: usize = dims[..dims.len().checked_sub(2)?].iter().product();
    let mut out = Vec::new();
    for s in 0..stack {
        out.extend(multiply(&a.matrix(s), &b.matrix(s), m, n)?);
    }
    (out.len() == dims.iter().product::<usize>()).then(|| Tensor::from_floats(dims, &out))
}

/// A matrix, or a stack of them; no elements where nothing of it is known.
struct Operand {
    dims: Vec<usize>,
    data: Vec<f32>,
    exact: bool,
}

fn operand(at: &At<'_>, slot: usize) -> Option<Operand> {
    let value = at.node.input(slot)?;
    if let Some(w) = at.weights.get(value) {
        return Some(Operand { dims: w.dims.clone(), data: w.data.clone(), exact: w.exact });
    }
    let dims = at.facts.dims.get(value)?.to_vec();
    let data = at.some(slot).and_then(|t| numbers(&t)).unwrap_or_default();
    Some(Operand { dims, data, exact: true })
}

impl Operand {
    /// The `s`-th of its matrices; itself where it is one.
    fn matrix(&self, s: usize) -> Self {
        let rank = self.dims.len();
        let size = self.dims[rank - 2] * self.dims[rank - 1];
        let first = if rank > 2 { s * size } else { 0 };
        let data = self.data.get(first..first + size).unwrap_or(&[]).to_vec();
        Self { dims: self.dims[rank - 2..].to_vec(), data, exact: self.exact }
    }

    /// Transposed, if it is to be.
    fn turned(self, turn: bool) -> Option<Self> {
        let [m, n] = self.dims[..] else { return None };
        if !turn {
            return Some(self);
        }
        let at = |f: usize| self.data[f % m * n + f / m];
        let data = if self.data.is_empty() { Vec::new() } else { (0..m * n).map(at).collect() };
        Some(Self { dims: vec![n, m], data, exact: self.exact })
    }
}

/// The product of two matrices, NaN where it is not known; `None` where it is too large, or nothing of it is known.
fn multiply(a: &Operand, b: &Operand, m: usize, n: usize) -> Option<Vec<f32>> {
    let k = *a.dims.get(1)?;
    if (a.data.is_empty() && b.data.is_empty()) || m.checked_mul(n)?.checked_mul(k)? > MOST {
        return None;
    }
    if (a.dims[0], b.dims[0], b.dims[1]) != (m, k, n) {
        return None;
    }
    let of = |o: &Operand, f: usize| o.data.get(f).copied().unwrap_or(f32::NAN);
    let exact = a.exact && b.exact;
    let term = |i: usize, j: usize, l: usize| match (of(a, i * k + l), of(b, l * n + j)) {
        (0.0, _) | (_, 0.0) => 0.0,
        (x, y) if exact => f64::from(x) * f64::from(y),
        _ => f64::NAN,
    };
    let element = |f: usize| {
        let mut sum = 0.0;
        for l in 0..k {
            sum += term(f / n, f % n, l);
            if sum.is_nan() {
                break;
            }
        }
        sum as f32
    };
    Some((0..m * n).map(element).collect())
}

/// The bias in a slot, zeros where there is none; `None` where it is no constant vector of that length.
fn bias(at: &At<'_>, slot: usize, length: usize) -> Option<Vec<f32>> {
    match at.node.input(slot) {
        None => Some(vec![0.0; length]),
        Some(v) => {
            let b = at.weights.get(v).filter(|b| b.data.len() == length)?;
            // Of a bias that is not known exactly, zeros are.
            Some(b.data.iter().map(|&v| if b.exact || v == 0.0 { v } else { f32::NAN }).collect())
        }
    }
}

/// Whether a convolution reads beyond its input.
pub(super) fn is_padded(at: &At<'_>) -> bool {
    match at.node.proto.attr_str("auto_pad") {
        Some("VALID") => false,
        None | Some("" | "NOTSET") => at.node.proto.attr_ints("pads").is_some_and(|p| p.iter().any(|p| *p != 0)),
        _ => true,
    }
}
