//! Comparing values: relative to each value's largest magnitude, plus a small absolute term.

use std::collections::HashMap;

use super::form::Form;
use super::pairing::Output;
use crate::model::removed::Kept;
use crate::model::{Removed, Tensor};

/// Added to a value's largest magnitude, so that a value that is all but zero is not measured by itself.
const ABSOLUTE: f64 = 1e-6;

/// How far the pruned model's value is from the kept part of the expected one.
pub(super) fn error_at(output: &Output, expected: &Tensor, found: &Tensor, form: Form) -> f64 {
    match (Kept::select_all(&output.kept, expected), form.compared(&output.kept, found)) {
        (Ok(expected), Ok(found)) => relative_error(&expected, &found, output.floor),
        _ => f64::INFINITY,
    }
}

/// How far the masks move the compared values, in the same measure.
pub(super) fn change(outputs: &[Output], masked: &[Tensor], plain: &[Tensor]) -> f64 {
    let each = outputs.iter().zip(masked).zip(plain).map(|((o, m), p)| {
        match (Kept::select_all(&o.kept, m), Kept::select_all(&o.kept, p)) {
            (Ok(m), Ok(p)) => relative_error(&p, &m, o.floor),
            _ => 0.0,
        }
    });
    each.filter(|e| e.is_finite()).fold(0.0, f64::max)
}

/// The largest difference as a share of the largest magnitude, which counts as `floor` at least; infinite where shapes, types, NaN or infinities disagree.
fn relative_error(expected: &Tensor, found: &Tensor, floor: f64) -> f64 {
    if expected.dims != found.dims || expected.dtype != found.dtype {
        return f64::INFINITY;
    }
    let (Some(a), Some(b)) = (expected.floats(), found.floats()) else {
        return if expected.data == found.data { 0.0 } else { f64::INFINITY };
    };
    let (mut largest, mut difference) = (0f64, 0f64);
    for (x, y) in a.iter().zip(&b) {
        if x.is_finite() && y.is_finite() {
            largest = largest.max(f64::from(x.abs()));
            difference = difference.max((f64::from(*x) - f64::from(*y)).abs());
        } else if !(x == y || (x.is_nan() && y.is_nan())) {
            return f64::INFINITY;
        }
    }
    difference / (largest.max(floor) + ABSOLUTE)
}

/// What the masked channels showed of themselves: one that is zero, or the same as a kept one, cannot show that its mask is right.
pub(super) struct Seen<'a> {
    masked: &'a [&'a Removed],
    /// By mask and channel.
    shown: HashMap<(usize, usize), bool>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(masked: &'a [&'a Removed]) -> Self {
        let channels = masked.iter().enumerate().flat_map(|(m, r)| r.indices.iter().map(move |&i| ((m, i), false)));
        Self { shown: channels.collect(), masked }
    }

    /// Looks at the masked values of one run, in the order of the masks.
    pub(super) fn look(&mut self, values: &[Tensor]) {
        for (m, (removed, tensor)) in self.masked.iter().zip(values).enumerate() {
            let Some(kept) = removed.kept_indices().first().and_then(|&k| channel(tensor, removed.axis, k)) else {
                continue;
            };
            let largest = tensor.floats().unwrap_or_default().iter().fold(0f32, |m, x| m.max(x.abs()));
            for &i in &removed.indices {
                let Some(own) = channel(tensor, removed.axis, i) else { continue };
                let loud = own.iter().any(|x| x.abs() > 1e-5 * largest);
                let distinct = own.iter().zip(&kept).any(|(a, b)| (a - b).abs() > 1e-5 * largest);
                if loud && distinct {
                    self.shown.insert((m, i), true);
                }
            }
        }
    }

    /// Removed channels that never showed.
    pub(super) fn silent(&self) -> usize {
        self.shown.values().filter(|s| !**s).count()
    }
}

fn channel(tensor: &Tensor, axis: usize, i: usize) -> Option<Vec<f32>> {
    tensor.select(axis, &[i]).ok()?.floats()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::removed::Kind;

    fn mask(axis: usize) -> Removed {
        let kind = Kind::Activation;
        Removed { value: "v".into(), kind, axis, length: 2, indices: vec![1], blocks: Vec::new(), readers: Vec::new() }
    }

    /// Row 1 is loud and column 1 is zero: a mask on the columns of this value cannot show that it is right.
    #[test]
    fn a_channel_is_silent_along_the_axis_of_its_mask() {
        let value = Tensor::from_floats(vec![2, 2], &[1.0, 0.0, 2.0, 0.0]);
        let (rows, columns) = (mask(0), mask(1));
        for (masked, silent) in [(vec![&rows], 0), (vec![&columns], 1), (vec![&rows, &columns], 1)] {
            let mut seen = Seen::new(&masked);
            seen.look(&vec![value.clone(); masked.len()]);
            assert_eq!(seen.silent(), silent);
        }
    }
}
