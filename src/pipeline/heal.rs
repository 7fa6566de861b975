//! Whether a cut model is healed, and how.

use std::fmt;
use std::sync::Arc;

use super::{Form, PruneOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::heal::{self, Method, Step};

mod run;

pub(super) use run::{Healing, Outcome};

/// Whether a cut model is healed, and how.
#[derive(Debug, Clone, Default)]
pub struct Heal {
    /// How.
    pub how: How,
    /// Hears of every layer as it is done.
    pub watcher: Watcher,
}

/// How a cut model is healed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum How {
    /// Not at all: the kept values are the original's, bit for bit.
    #[default]
    None,
    /// As the data allows: `reconstruct` on calibration samples; without any, `reconstruct` on generated images where the model's input takes
    /// images, else `fold`. What is soft, lossless or not cut at all is not healed.
    Auto,
    /// By this method.
    With(&'static dyn Method),
}

/// The data that healing goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// Samples of the user's.
    Calibration,
    /// Images made up.
    Generated,
    /// Seeded numbers.
    Seeded,
}

impl Basis {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calibration => "calibration",
            Self::Generated => "generated",
            Self::Seeded => "seeded",
        }
    }
}

impl How {
    /// By that name: `none`, or a method's. Errors where there is no such method.
    pub fn named(name: &str) -> Result<Self> {
        if name == Self::None.name() { Ok(Self::None) } else { heal::method(name).map(Self::With) }
    }

    /// Its name: `none`, `auto`, or the method's.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::With(method) => method.name(),
        }
    }

    /// The methods to try, one after the other until one helps: the one that was asked for, then those that are weaker.
    pub(super) fn methods(self, basis: Basis) -> Result<Vec<&'static dyn Method>> {
        let first = match (self, basis) {
            (Self::None, _) => return Ok(Vec::new()),
            (Self::With(method), _) => method,
            (Self::Auto, Basis::Seeded) => heal::method("fold")?,
            (Self::Auto, _) => heal::method("reconstruct")?,
        };
        let weaker = heal::METHODS.iter().position(|m| *m == first).unwrap_or(0);
        Ok([first].into_iter().chain(heal::METHODS[..weaker].iter().rev().copied()).collect())
    }

    /// Errors where a method is asked for and there is nothing that it could do.
    pub(super) fn check(self, options: &PruneOptions) -> Result<()> {
        let Self::With(method) = self else { return Ok(()) };
        let what = match options.form {
            Form::Soft => "soft pruning keeps the structure, to be trained on",
            Form::Hard if options.what.is_lossless() => "a lossless cut changes nothing",
            Form::Hard => return Ok(()),
        };
        let reason = format!("{what}: there is nothing to heal by {}; leave one of them out", method.name());
        Err(Error::new(ErrorKind::BadOption(reason)))
    }
}

/// Hears of every layer as it is done; by default nobody.
#[derive(Clone, Default)]
pub struct Watcher(Option<Hearer>);

type Hearer = Arc<dyn Fn(&Step<'_>) + Send + Sync>;

impl Watcher {
    /// One that does that.
    pub fn new(hear: impl Fn(&Step<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Tells it.
    pub(super) fn hears(&self, step: Step<'_>) {
        if let Some(hear) = &self.0 {
            hear(&step);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watcher(..)" } else { "Watcher(nobody)" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(how: How, basis: Basis) -> Vec<&'static str> {
        how.methods(basis).unwrap().iter().map(|m| m.name()).collect()
    }

    #[test]
    fn the_default_is_the_strongest_that_the_data_allows() {
        assert_eq!(names(How::Auto, Basis::Calibration), ["reconstruct", "fold"]);
        assert_eq!(names(How::Auto, Basis::Generated), ["reconstruct", "fold"]);
        assert_eq!(names(How::Auto, Basis::Seeded), ["fold"]);
        assert!(names(How::None, Basis::Calibration).is_empty());
        assert_eq!(names(How::named("fold").unwrap(), Basis::Calibration), ["fold"]);
    }

    #[test]
    fn what_is_no_method_is_told_all() {
        let error = How::named("pray").unwrap_err().to_string();
        assert!(["'pray'", "none", "fold", "reconstruct"].iter().all(|w| error.contains(w)), "{error}");
        assert_eq!(How::named("none").unwrap(), How::None);
    }
}
