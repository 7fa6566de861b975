//! Inputs without labels: samples of the user's, images made up, or seeded numbers; and which of them fit and which judge.

use std::ops::Range;

use crate::data::{Samples, Split, split};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;
use crate::runtime::Feed;
use crate::verify;

/// Samples to fit on, unless something else is said.
const FITTED: usize = 512;

/// Generated images that judge.
const JUDGING_IMAGES: usize = 256;

/// Seeded inputs to fit on, and those that judge: more of them say no more of inputs that a network is for.
const SEEDED: [usize; 2] = [128, 64];

/// Seeded inputs on which outputs are compared where nothing is fitted.
const COMPARED: usize = 4;

/// Seeds below are the proof's.
const FIRST_SEED: u64 = 1000;

/// Samples by number, the numbers to fit on and those that judge.
#[derive(Debug)]
pub(super) struct Unlabelled<'a> {
    source: Source<'a>,
    /// To fit on.
    pub fit: Range<usize>,
    /// Never fitted on.
    pub judge: Range<usize>,
}

#[derive(Debug)]
enum Source<'a> {
    Calibration(&'a Samples),
    /// In turn: sample `i` is that of `i` modulo their number.
    Generated(Vec<Samples>),
    Seeded {
        feeds: Vec<Feed>,
        seed: u64,
    },
}

impl<'a> Unlabelled<'a> {
    /// The user's own: the first `samples` of them to fit on.
    pub(super) fn calibration(all: &'a Samples, samples: Option<usize>) -> Self {
        let parts = split(all.len(), samples.unwrap_or(FITTED));
        Self { source: Source::Calibration(all), fit: parts.fit, judge: parts.judge }
    }

    /// The same, if those to fit on are not all one. Errors where they are: nothing can be learned from them.
    pub(super) fn differing(self, all: &Samples) -> Result<Self> {
        if self.fit.len() < 2 {
            return Ok(self);
        }
        let first = all.get(self.fit.start)?;
        for i in self.fit.clone().skip(1) {
            if all.get(i)? != first {
                return Ok(self);
            }
        }
        let reason =
            format!("its first {} samples are all the same: give inputs such as the model sees in use", self.fit.len());
        Err(Error::new(ErrorKind::BadData { path: all.path().to_owned(), reason }))
    }

    /// The user's own, of which none are fitted on and the first `samples` judge.
    pub(super) fn all(all: &'a Samples, samples: Option<usize>) -> Self {
        let judge = 0..samples.unwrap_or(usize::MAX).min(all.len());
        Self { source: Source::Calibration(all), fit: 0..0, judge }
    }

    /// Images made up; `make` makes so many, in each way that takes turns. Errors where it does.
    pub(super) fn generated(samples: Option<usize>, make: impl FnOnce(usize) -> Result<Vec<Samples>>) -> Result<Self> {
        let parts = parts(samples.unwrap_or(FITTED), JUDGING_IMAGES);
        Ok(Self { source: Source::Generated(make(parts.judge.end)?), fit: parts.fit, judge: parts.judge })
    }

    /// Seeded numbers to fit on and to judge by; `make` makes some that are more like data, where it can.
    pub(super) fn seeded(
        feeds: &[Feed],
        samples: Option<usize>,
        seed: u64,
        make: impl FnOnce(usize) -> Result<Vec<Samples>>,
    ) -> Self {
        let parts = parts(samples.unwrap_or(SEEDED[0]), SEEDED[1]);
        let source = make(parts.judge.end);
        let source = source.map_or_else(|_| Source::numbers(feeds, seed), Source::Generated);
        Self { source, fit: parts.fit, judge: parts.judge }
    }

    /// A few seeded numbers, to compare outputs.
    pub(super) fn few(feeds: &[Feed], seed: u64) -> Self {
        Self { source: Source::numbers(feeds, seed), fit: 0..0, judge: 0..COMPARED }
    }

    /// The inputs of sample `i`, as float32 copies of models take them. Errors where it cannot be had.
    pub(super) fn get(&self, i: usize) -> Result<Vec<Tensor>> {
        match &self.source {
            Source::Calibration(samples) => samples.get(i),
            Source::Generated(ways) => {
                let way = ways.get(i % ways.len().max(1)).ok_or_else(|| Error::internal("no samples were made"))?;
                way.get(i)
            }
            Source::Seeded { feeds, seed } => Ok(verify::seeded(feeds, seed.wrapping_add(i as u64))),
        }
    }

    /// Whether they are the user's own.
    pub(super) fn are_the_users(&self) -> bool {
        matches!(self.source, Source::Calibration(_))
    }
}

/// The first samples to fit on, the next ones to judge.
fn parts(fitted: usize, judging: usize) -> Split {
    Split { fit: 0..fitted, judge: fitted..fitted.saturating_add(judging) }
}

impl Source<'_> {
    fn numbers(feeds: &[Feed], seed: u64) -> Self {
        Self::Seeded { feeds: verify::float32_feeds(feeds), seed: seed.wrapping_add(FIRST_SEED) }
    }
}
