//! Operators that move elements and compute nothing: one index formula each, for every element type of a byte and more.

use crate::model::attr::from_front;
use crate::model::tensor::{Tensor, element_bits};

/// Elements that a computed constant may have, beyond which it stays unknown.
pub(super) const LARGEST: usize = 1 << 28;

/// The bounds of a Slice.
pub(super) struct Bounds {
    pub(super) starts: Vec<i64>,
    pub(super) ends: Vec<i64>,
    pub(super) axes: Option<Vec<i64>>,
    pub(super) steps: Option<Vec<i64>>,
}

fn with_dims(x: &Tensor, dims: Vec<usize>) -> Option<Tensor> {
    (count(&dims) == Some(x.len())).then(|| Tensor { dims, ..x.clone() })
}

/// The number of elements, where a constant may have so many.
fn count(dims: &[usize]) -> Option<usize> {
    dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= LARGEST)
}

/// The tensor of those dims of which the element at an index is the element of `x` at the index that `from` gives.
fn by_index(x: &Tensor, dims: Vec<usize>, from: impl Fn(&[usize], &mut [usize])) -> Option<Tensor> {
    let width = element_bits(x.dtype).filter(|b| *b >= 8)? / 8;
    let count = count(&dims)?;
    let mut out = Vec::with_capacity(count * width);
    let (mut at, mut source) = (vec![0; dims.len()], vec![0; x.dims.len()]);
    for _ in 0..count {
        from(&at, &mut source);
        let flat = source.iter().zip(&x.dims).fold(0, |f, (i, d)| f * d + i);
        out.extend_from_slice(x.data.get(flat * width..(flat + 1) * width)?);
        for k in (0..dims.len()).rev() {
            at[k] += 1;
            if at[k] < dims[k] {
                break;
            }
            at[k] = 0;
        }
    }
    Some(Tensor { dtype: x.dtype, dims, data: out.into() })
}

pub(crate) fn reshape(x: &Tensor, shape: &[i64], allow_zero: bool) -> Option<Tensor> {
    let mut dims = Vec::with_capacity(shape.len());
    for (k, &s) in shape.iter().enumerate() {
        dims.push(match s {
            0 if !allow_zero => *x.dims.get(k)?,
            -1 => 1,
            s => usize::try_from(s).ok()?,
        });
    }
    if let Some(k) = shape.iter().position(|&s| s == -1) {
        let rest: usize = dims.iter().product();
        dims[k] = x.len().checked_div(rest)?;
    }
    with_dims(x, dims)
}

pub(super) fn unsqueeze(x: &Tensor, axes: &[i64]) -> Option<Tensor> {
    let rank = x.dims.len() + axes.len();
    let new = axes.iter().map(|&a| from_front(a, rank)).collect::<Option<Vec<_>>>()?;
    let mut old = x.dims.iter();
    let dims =
        (0..rank).map(|k| if new.contains(&k) { Some(1) } else { old.next().copied() }).collect::<Option<Vec<_>>>()?;
    with_dims(x, dims)
}

pub(super) fn squeeze(x: &Tensor, axes: Option<&[i64]>) -> Option<Tensor> {
    let rank = x.dims.len();
    let gone = match axes {
        Some(axes) => axes.iter().map(|&a| from_front(a, rank)).collect::<Option<Vec<_>>>()?,
        None => (0..rank).filter(|&k| x.dims[k] == 1).collect(),
    };
    with_dims(x, (0..rank).filter(|k| !gone.contains(k)).map(|k| x.dims[k]).collect())
}

pub(super) fn flatten(x: &Tensor, axis: i64) -> Option<Tensor> {
    let rank = x.dims.len();
    let a = if axis == rank as i64 { rank } else { from_front(axis, rank)? };
    with_dims(x, vec![x.dims[..a].iter().product(), x.dims[a..].iter().product()])
}

pub(crate) fn transpose(x: &Tensor, perm: Option<&[i64]>) -> Option<Tensor> {
    let rank = x.dims.len();
    let perm: Vec<usize> = match perm {
        Some(p) => p.iter().map(|&a| from_front(a, rank)).collect::<Option<_>>()?,
        None => (0..rank).rev().collect(),
    };
    if perm.len() != rank {
        return None;
    }
    let dims = perm.iter().map(|&k| x.dims[k]).collect();
    by_index(x, dims, |at, from| perm.iter().zip(at).for_each(|(&k, &i)| from[k] = i))
}

pub(crate) fn concat(parts: &[&Tensor], axis: i64) -> Option<Tensor> {
    let first = parts.first()?;
    let a = from_front(axis, first.dims.len())?;
    let width = element_bits(first.dtype).filter(|b| *b >= 8)? / 8;
    let same = |t: &Tensor| {
        t.dtype == first.dtype
            && t.dims.len() == first.dims.len()
            && t.dims.iter().zip(&first.dims).enumerate().all(|(k, (p, q))| k == a || p == q)
    };
    if !parts.iter().all(|t| same(t)) {
        return None;
    }
    let outer: usize = first.dims[..a].iter().product();
    let mut out = Vec::new();
    for o in 0..outer {
        for t in parts {
            let n = t.dims[a..].iter().product::<usize>() * width;
            out.extend_from_slice(&t.data[o * n..(o + 1) * n]);
        }
    }
    let mut dims = first.dims.clone();
    dims[a] = parts.iter().map(|t| t.dims[a]).sum();
    Some(Tensor { dtype: first.dtype, dims, data: out.into() })
}

pub(super) fn slice(x: &Tensor, bounds: &Bounds) -> Option<Tensor> {
    let rank = x.dims.len();
    let mut range: Vec<(i64, i64, usize)> = x.dims.iter().map(|&d| (0, 1, d)).collect();
    for k in 0..bounds.starts.len() {
        let axis = bounds.axes.as_ref().map_or(Some(k), |a| from_front(*a.get(k)?, rank))?;
        let step = bounds.steps.as_ref().map_or(Some(1), |s| s.get(k).copied())?;
        let length = *x.dims.get(axis)? as i64;
        let (start, count) = slice_range(*bounds.starts.get(k)?, *bounds.ends.get(k)?, step, length)?;
        range[axis] = (start, step, count);
    }
    let dims = range.iter().map(|r| r.2).collect();
    by_index(x, dims, |at, from| {
        for (k, (start, step, _)) in range.iter().enumerate() {
            from[k] = (start + step * at[k] as i64) as usize;
        }
    })
}

/// Where an ONNX Slice starts along an axis of that length, and how many coordinates it takes.
pub(crate) fn slice_range(start: i64, end: i64, step: i64, length: i64) -> Option<(i64, usize)> {
    let from_end = |v: i64| if v < 0 { v.saturating_add(length) } else { v };
    if step == 0 {
        return None;
    }
    let (start, end) = if step > 0 {
        (from_end(start).clamp(0, length), from_end(end).clamp(0, length))
    } else {
        (from_end(start).clamp(-1, length - 1), from_end(end).clamp(-1, length - 1))
    };
    let span = if step > 0 { end - start } else { start - end };
    let stride = i64::try_from(step.unsigned_abs()).ok()?;
    let count = if span <= 0 { 0 } else { (span - 1) / stride + 1 };
    Some((start, usize::try_from(count).ok()?))
}

pub(super) fn gather(x: &Tensor, index: &Tensor, axis: i64) -> Option<Tensor> {
    let a = from_front(axis, x.dims.len())?;
    let index_of = index.ints()?.into_iter().map(|i| from_front(i, x.dims[a])).collect::<Option<Vec<_>>>()?;
    let mut out = x.select(a, &index_of).ok()?;
    out.dims.splice(a..=a, index.dims.iter().copied());
    Some(out)
}

pub(super) fn expand(x: &Tensor, shape: &[i64]) -> Option<Tensor> {
    let target = shape.iter().map(|&s| usize::try_from(s).ok()).collect::<Option<Vec<_>>>()?;
    let dims = joint_dims(&x.dims, &target)?;
    stretch(x, dims)
}

/// Both operands at the dims they broadcast to.
pub(crate) fn broadcast(a: &Tensor, b: &Tensor) -> Option<(Tensor, Tensor)> {
    let dims = joint_dims(&a.dims, &b.dims)?;
    Some((stretch(a, dims.clone())?, stretch(b, dims)?))
}

fn joint_dims(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |d: &[usize], k: usize| (k + d.len()).checked_sub(rank).map_or(1, |k| d[k]);
    (0..rank)
        .map(|k| match (at(a, k), at(b, k)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

fn stretch(x: &Tensor, dims: Vec<usize>) -> Option<Tensor> {
    if dims == x.dims {
        return Some(x.clone());
    }
    let skip = dims.len() - x.dims.len();
    let own = x.dims.clone();
    by_index(x, dims, |at, from| {
        for (k, d) in own.iter().enumerate() {
            from[k] = if *d == 1 { 0 } else { at[k + skip] };
        }
    })
}
