//! Healing: accuracy kept, without labels and without training. What reads cut channels is fitted again, so that it makes of what is left what
//! the original makes of all.
//!
//! Invariant: healing changes numbers only: the weights and biases of contractions, and BatchNormalization's means. Shapes and structure stay,
//! but for a bias where there was none.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Model, Removed, Tensor};
use crate::runtime::Feed;

mod behind;
mod edit;
mod fit;
mod fold;
mod layer;
mod memory;
mod network;
mod order;
mod prior;
mod reconstruct;
mod rows;
mod sequence;
mod shared;
mod study;
mod transposed;
mod walk;
mod window;

pub use edit::{Edit, apply};
pub use study::{Cost, Heard, Study, Trial};

/// A way to heal. A new one is a file beside the others and a line of [`METHODS`].
pub trait Method: Sync {
    /// Its name in options and files.
    fn name(&self) -> &'static str;

    /// What it does, in half a sentence.
    fn summary(&self) -> &'static str;

    /// What the cut model should hold instead of what it holds. Errors where a model cannot be run or is malformed.
    fn heal(&self, case: &Case<'_>) -> Result<Healed>;
}

impl std::fmt::Debug for dyn Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn Method {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// Every method, the weakest first.
pub static METHODS: &[&dyn Method] = &[&fold::Fold, &reconstruct::Reconstruct];

/// The method of that name. Errors where there is none.
pub fn method(name: &str) -> Result<&'static dyn Method> {
    METHODS.iter().copied().find(|m| m.name() == name).ok_or_else(|| {
        let names: Vec<&str> = METHODS.iter().map(|m| m.name()).collect();
        Error::new(ErrorKind::BadOption(format!("there is no healing '{name}'; there is: none, {}", names.join(", "))))
    })
}

/// A cut model that is to be healed. Both models compute in float32.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The model before.
    pub original: &'a Model,
    /// The cut model: the original's values at the kept coordinates.
    pub cut: &'a Model,
    /// What was removed.
    pub removed: &'a [Removed],
    /// The inputs of one run.
    pub feeds: &'a [Feed],
    /// Which samples to fit on.
    pub fit: &'a Range<usize>,
    /// The inputs of a sample.
    pub get: Get<'a>,
    /// The fewest rows that a layer is fitted on, where there are as many: [`ROWS`], or fewer where a rough result will do.
    pub rows: usize,
    /// Hears of every layer as it is done.
    pub watch: &'a (dyn Fn(Step<'_>) + Sync),
}

/// Rows that a layer is fitted on, where its columns do not want more.
pub const ROWS: usize = 32_768;

/// A sample's inputs, by number.
pub type Get<'a> = &'a (dyn Fn(usize) -> Result<Vec<Tensor>> + Sync);

/// How far healing is.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is being done: `rank`, `measure`, `rehearse`, `heal`.
    pub stage: &'static str,
    /// The layer, or the group, that is done.
    pub name: &'a str,
    /// How many are done.
    pub done: usize,
    /// Of how many.
    pub of: usize,
    /// Of a layer, its error before and after, as [`LayerError`] measures it; of a group, what its first and its last level cost.
    pub errors: Option<[f64; 2]>,
}

/// What healing came to.
#[derive(Debug, Clone, Default)]
pub struct Healed {
    /// What the cut model should hold.
    pub edits: Vec<Edit>,
    /// Every contraction that was looked at, in the order in which they were: the graph's, but that those of one weight come together.
    pub layers: Vec<LayerError>,
}

/// How far a layer's values are from the original's, on samples that it was not fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerError {
    /// The node.
    pub node: String,
    /// With the weights that it had, fed by the layers healed before it: `sum |y - y'|^2 / sum |y - mean y|^2` at what was fitted to, `y` the
    /// original's; NaN where it was left alone.
    pub before: f64,
    /// The same with the weights that it has now; NaN likewise.
    pub after: f64,
    /// What became of it: `refit`, `folded`, `kept`.
    pub outcome: &'static str,
    /// Why it was left alone.
    pub skipped: Option<String>,
}

impl LayerError {
    fn skipped(node: &str, reason: String) -> Self {
        Self { node: node.into(), before: f64::NAN, after: f64::NAN, outcome: "kept", skipped: Some(reason) }
    }
}
