//! What is done to raw data before the model: `(x * scale - mean) / std`, channel by channel.

use crate::error::{Error, ErrorKind, Result};

/// What is done to raw data before the model takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// What every element is multiplied by.
    pub scale: f64,
    /// What is subtracted then: nothing, one number, or one for each channel.
    pub mean: Vec<f64>,
    /// What is divided by then: nothing, one number, or one for each channel.
    pub std: Vec<f64>,
    /// Where channels stand: in the arrays of a file; of an image folder, in the model's input. `None`: as the input's dims suggest.
    pub layout: Option<Layout>,
    /// How images come to the input's size.
    pub resize: Resize,
    /// The order of an image's channels.
    pub channels: ChannelOrder,
}

/// Where channels stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Before the spatial axes.
    Nchw,
    /// Behind them.
    Nhwc,
}

/// How an image comes to another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resize {
    /// Both sides are scaled, each by its own factor.
    #[default]
    Stretch,
    /// The image is scaled until it fits in, and the rest is filled with grey (114).
    Letterbox,
    /// What is too wide or too high for the size's proportions is cut off, half on each side, and the rest is scaled.
    Crop,
}

/// The order of an image's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

impl Default for Preparation {
    fn default() -> Self {
        Self {
            scale: 1.0,
            mean: Vec::new(),
            std: Vec::new(),
            layout: None,
            resize: Resize::default(),
            channels: ChannelOrder::default(),
        }
    }
}

impl Preparation {
    /// Errors where a number is none that can be computed with.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::new(ErrorKind::BadOption(reason)));
        if !self.scale.is_finite() || self.scale == 0.0 {
            return fail(format!("--scale {} makes nothing of the data; give a number such as 1/255", self.scale));
        }
        if let Some(m) = self.mean.iter().find(|m| !m.is_finite()) {
            return fail(format!("--mean holds {m}, which is no number"));
        }
        if let Some(s) = self.std.iter().find(|s| !s.is_finite() || **s == 0.0) {
            return fail(format!("--std holds {s}, by which nothing can be divided"));
        }
        match (self.mean.len(), self.std.len()) {
            (m, s) if m > 1 && s > 1 && m != s => {
                fail(format!("--mean has {m} numbers and --std {s}: give one for each channel, or one for all"))
            }
            _ => Ok(()),
        }
    }

    /// Whether data stays as it is.
    pub fn is_nothing(&self) -> bool {
        self.scale == 1.0 && self.mean.iter().all(|m| *m == 0.0) && self.std.iter().all(|s| *s == 1.0)
    }

    /// How many channels the numbers are for; `None` where any.
    pub(super) fn channels(&self) -> Option<usize> {
        Some(self.mean.len().max(self.std.len())).filter(|n| *n > 1)
    }

    /// `y[i] = (x[i] * scale - mean[c]) / std[c]` where `c = i / inner % channels`.
    pub(super) fn apply(&self, x: &mut [f64], channels: usize, inner: usize) {
        let of = |v: &[f64], c: usize, none: f64| v.get(c).or(v.first()).copied().unwrap_or(none);
        let inner = inner.max(1);
        for (i, v) in x.iter_mut().enumerate() {
            let c = i / inner % channels.max(1);
            *v = (*v * self.scale - of(&self.mean, c, 0.0)) / of(&self.std, c, 1.0);
        }
    }
}

impl Layout {
    /// Where channels stand in an input: images have 1, 3 or 4 of them.
    pub(super) fn of(dims: &[usize]) -> Self {
        let rest = without_batch(dims);
        let few = |d: Option<&usize>| d.is_some_and(|d| matches!(d, 1 | 3 | 4));
        if rest.len() == 3 && few(rest.last()) && !few(rest.first()) { Self::Nhwc } else { Self::Nchw }
    }
}

/// The dims behind a first one of 1.
pub(super) fn without_batch(dims: &[usize]) -> &[usize] {
    match dims {
        [1, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}
