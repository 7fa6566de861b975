//! Which numbers a contraction multiplies with its weights: rows of a matrix, one for each place of its output.
//!
//! A row of a convolution is the zero-padded patch `u[i * K + k] = x[i, p * stride + k * dilation - pad]`, `i` a channel, `k` one of `K` kernel
//! places; of Gemm and MatMul, whose channels are last, it is the last axis.

use crate::model::proto::NodeProto;

/// Where the channels of a value stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    /// `[batch, channels, places..]`.
    Second,
    /// `[places.., channels]`.
    Last,
}

/// A value's channels and places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plane {
    batch: usize,
    pub channels: usize,
    places: usize,
}

impl Plane {
    /// Of a value of those dims. `None` where it has no such axis.
    pub(super) fn new(dims: &[usize], at: Channels) -> Option<Self> {
        Some(match at {
            Channels::Second => {
                Self { batch: *dims.first()?, channels: *dims.get(1)?, places: dims[2..].iter().product() }
            }
            Channels::Last => {
                let (channels, leading) = dims.split_last()?;
                Self { batch: leading.iter().product(), channels: *channels, places: 1 }
            }
        })
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.places
    }

    /// Copies some channels at a place.
    pub(super) fn copy(&self, x: &[f32], row: usize, channels: &[usize], to: &mut [f32]) {
        let (batch, place) = (row / self.places, row % self.places);
        let start = batch * self.channels * self.places + place;
        to.iter_mut().zip(channels).for_each(|(to, c)| *to = x[start + c * self.places]);
    }
}

/// How a kernel slides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    input: Vec<usize>,
    output: Vec<usize>,
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    /// Pads at the beginning of each axis.
    pads: Vec<i64>,
}

impl Window {
    /// Of a Conv; all dims are of the places alone. `None` where its attributes do not fit them.
    pub(super) fn new(node: &NodeProto, input: &[usize], kernel: &[usize], output: &[usize]) -> Option<Self> {
        let n = input.len();
        let of = |name: &str| match node.attr_ints(name) {
            Some(v) => v.iter().map(|&v| usize::try_from(v).ok()).collect::<Option<Vec<_>>>(),
            None => Some(vec![1; n]),
        };
        let (strides, dilations) = (of("strides")?, of("dilations")?);
        if [kernel.len(), output.len(), strides.len(), dilations.len()].iter().any(|l| *l != n) {
            return None;
        }
        let total = |k: usize| {
            let covered = (output[k].max(1) - 1) * strides[k] + (kernel[k].max(1) - 1) * dilations[k] + 1;
            covered.saturating_sub(input[k]) as i64
        };
        let pads = match node.attr_str("auto_pad") {
            Some("SAME_UPPER") => (0..n).map(|k| total(k) / 2).collect(),
            Some("SAME_LOWER") => (0..n).map(|k| total(k) - total(k) / 2).collect(),
            Some("VALID") => vec![0; n],
            _ => node.attr_ints("pads").map_or(vec![0; n], |p| p.iter().copied().take(n).collect()),
        };
        (pads.len() == n).then(|| Self {
            input: input.to_vec(),
            output: output.to_vec(),
            kernel: kernel.to_vec(),
            strides,
            dilations,
            pads,
        })
    }

    /// How many places the kernel has.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// For a place of the output, the place of the input under each tap; `None` where that is padding.
    fn taps_at(&self, place: usize, taps: &mut Vec<Option<usize>>) {
        let at = digits(place, &self.output);
        taps.clear();
        taps.extend((0..self.taps()).map(|tap| {
            let tap = digits(tap, &self.kernel);
            let mut place = 0;
            for k in 0..self.input.len() {
                let i = (at[k] * self.strides[k] + tap[k] * self.dilations[k]) as i64 - self.pads[k];
                place = place * self.input[k] + usize::try_from(i).ok().filter(|i| *i < self.input[k])?;
            }
            Some(place)
        }));
    }

    /// Copies the patches of `rows`, one after the other, of some channels.
    pub(super) fn copy(&self, x: &[f32], (plane, channels): (&Plane, &[usize]), rows: &[usize], to: &mut [f32]) {
        let places: usize = self.output.iter().product();
        let (width, mut taps) = (self.taps(), Vec::new());
        for (&row, to) in rows.iter().zip(to.chunks_mut((channels.len() * width).max(1))) {
            self.taps_at(row % places, &mut taps);
            let start = row / places * plane.channels * plane.places;
            for (c, to) in channels.iter().zip(to.chunks_mut(width)) {
                let x = &x[start + c * plane.places..];
                to.iter_mut().zip(&taps).for_each(|(to, tap)| *to = tap.map_or(0.0, |i| x[i]));
            }
        }
    }
}

/// A row-major number's digits.
fn digits(mut n: usize, dims: &[usize]) -> Vec<usize> {
    let mut out = vec![0; dims.len()];
    for (digit, &d) in out.iter_mut().zip(dims).rev() {
        *digit = n % d.max(1);
        n /= d.max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(ints: &[(&str, &[i64])]) -> NodeProto {
        let mut node = NodeProto::default();
        ints.iter().for_each(|(name, v)| node.set_ints(name, v.to_vec()));
        node
    }

    #[test]
    fn a_patch_is_padded_strided_and_dilated() {
        let node = node(&[("strides", &[2]), ("dilations", &[2]), ("pads", &[1, 1])]);
        let window = Window::new(&node, &[5], &[2], &[3]).unwrap();
        let plane = Plane::new(&[1, 2, 5], Channels::Second).unwrap();
        let x: Vec<f32> = (1..=10).map(|v| v as f32).collect();
        let mut to = vec![0.0; 12];
        window.copy(&x, (&plane, &[0, 1]), &[0, 1, 2], &mut to);
        assert_eq!(to, [0.0, 2.0, 0.0, 7.0, 2.0, 4.0, 7.0, 9.0, 4.0, 0.0, 9.0, 0.0]);
        window.copy(&x, (&plane, &[1]), &[1], &mut to[..2]);
        assert_eq!(to[..2], [7.0, 9.0]);
    }

    #[test]
    fn channels_are_picked_at_a_place() {
        let plane = Plane::new(&[1, 3, 2], Channels::Second).unwrap();
        let x = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let mut to = [0.0; 2];
        plane.copy(&x, 1, &[2, 0], &mut to);
        assert_eq!((to, plane.rows()), ([21.0, 1.0], 2));
        let plane = Plane::new(&[2, 3], Channels::Last).unwrap();
        plane.copy(&x, 1, &[2, 0], &mut to);
        assert_eq!((to, plane.rows()), ([21.0, 11.0], 2));
    }
}
