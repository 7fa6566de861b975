//! How units are ranked: a criterion, and what it may look at.

use std::sync::Arc;

use super::{CRITERIA, Criterion};
use crate::error::{Error, ErrorKind, Result};

/// How units are ranked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// One of [`CRITERIA`], or a program's own.
    pub criterion: &'static dyn Criterion,
    /// The share of the units that goes by smallest norm before distances are looked at: 0 where the criterion knows no such share.
    pub norm_rate: f64,
    /// Seed of what is drawn.
    pub seed: u64,
    /// What samples tell of each group, where they were asked; `None`: of a group of which they tell nothing.
    pub measured: Arc<Vec<Option<Measured>>>,
}

/// What samples tell of the units of a group: one number a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What the layers that read it lose, all units that are lower gone before it: relative squared errors after least squares.
    pub losses: Vec<f64>,
    /// The length of the weights that read it, as a share of what their layers make.
    pub loudness: Vec<f64>,
}

/// A part of a [`Ranking`] that only some criteria look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// [`Ranking::norm_rate`].
    NormRate,
    /// [`Ranking::seed`].
    Seed,
}

impl Default for Ranking {
    fn default() -> Self {
        Self::by(CRITERIA[0])
    }
}

impl Ranking {
    /// By that criterion.
    pub fn by(criterion: &'static dyn Criterion) -> Self {
        Self { criterion, norm_rate: 0.0, seed: 0, measured: Arc::default() }
    }

    /// What was measured of a group.
    pub(super) fn measured_of(&self, group: usize) -> Option<&Measured> {
        self.measured.get(group)?.as_ref()
    }

    /// Whether the criterion looks at that setting.
    pub fn looks_at(&self, setting: Setting) -> bool {
        self.criterion.settings().contains(&setting)
    }

    /// The share that goes by norm, where the criterion looks at it.
    pub fn norm_rate(&self) -> Option<f64> {
        self.looks_at(Setting::NormRate).then_some(self.norm_rate)
    }

    /// The seed, where the criterion looks at it.
    pub fn seed(&self) -> Option<u64> {
        self.looks_at(Setting::Seed).then_some(self.seed)
    }

    /// Errors where the share by norm is none, or the criterion knows no such share.
    pub fn check(&self) -> Result<()> {
        let bad = |reason: String| Err(Error::new(ErrorKind::BadOption(reason)));
        let share = self.norm_rate;
        if !(0.0..1.0).contains(&share) {
            return bad(format!("the norm rate {share} is not at least 0 and below 1, as in --norm-rate 0.1"));
        }
        if share > 0.0 && !self.looks_at(Setting::NormRate) {
            return bad(format!("the criterion '{}' knows no norm rate; norm-then-median does", self.criterion.name()));
        }
        Ok(())
    }

    /// Errors where more would go by norm than goes at all at that pruning rate, and as [`Ranking::check`] does.
    pub fn check_at(&self, rate: f64) -> Result<()> {
        self.check()?;
        if self.norm_rate <= rate {
            return Ok(());
        }
        let reason = format!("the norm rate {} is a part of the rate {rate} and cannot exceed it", self.norm_rate);
        Err(Error::new(ErrorKind::BadOption(reason)))
    }
}

/// `floor(rate * units)`, steady against rounding.
pub(crate) fn share(rate: f64, units: usize) -> usize {
    (rate * units as f64 + 1e-9).floor() as usize
}
