//! The language between plan, cut and verify: which coordinates of which axis of which value go.

use serde::{Deserialize, Serialize};

/// Where a value comes from, as far as a cut is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any constant: stored, or made by nodes.
    Initializer,
    /// Everything that depends on an input.
    Activation,
}

/// The coordinates that one axis of one value loses, in the original model's own coordinates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Removed {
    /// The value's name in the original model.
    pub value: String,
    /// Constant or activation.
    pub kind: Kind,
    /// The axis, from 0.
    pub axis: usize,
    /// The axis's length in the original model.
    pub length: usize,
    /// What goes: sorted, without repeats.
    #[serde(rename = "remove")]
    pub indices: Vec<usize>,
    /// Which nodes read it so; empty where all readers agree. A constant that is cut differently for different readers has one entry for each cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<String>,
}

impl Removed {
    /// What stays: sorted.
    pub fn kept(&self) -> Vec<usize> {
        let mut gone = self.indices.iter().copied().peekable();
        (0..self.length).filter(|i| gone.next_if_eq(i).is_none()).collect()
    }

    /// Whether this entry is about what `node` reads.
    pub fn concerns(&self, value: &str, node: &str) -> bool {
        self.value == value && (self.readers.is_empty() || self.readers.iter().any(|r| r == node))
    }
}
