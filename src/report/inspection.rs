//! What a model costs, what can go and what cannot, as plain data.

use serde::{Deserialize, Serialize};

use super::{Cost, Layer, Times};

/// An axis of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAxis {
    /// The value.
    pub value: String,
    /// Which axis.
    pub axis: usize,
    /// Coordinates that a unit has in it.
    pub per_unit: u32,
}

/// The distribution of filter norms.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Norms {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// `std / mean`.
    #[serde(default)]
    pub deviation: f64,
    /// `min / mean`: the distance of the smallest from zero.
    #[serde(default)]
    pub distance: f64,
    /// How many norms lie in each of ten equal parts of 0 to the largest.
    #[serde(default)]
    pub histogram: Vec<usize>,
    /// Whether the norms deviate so much that they tell filters apart.
    #[serde(default)]
    pub wide: bool,
    /// Whether the smallest is near zero.
    #[serde(default)]
    pub near_zero: bool,
}

/// In how many groups the two conditions of a norm criterion hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NormVerdict {
    /// Groups.
    pub groups: usize,
    /// Those whose norms deviate much.
    pub wide: usize,
    /// Those whose smallest norm is near zero.
    pub near_zero: usize,
    /// Those of which both are true.
    pub both: usize,
    /// From which `std / mean` on norms deviate much.
    pub large_deviation: f64,
    /// Up to which `min / mean` the smallest is near zero.
    pub near_zero_share: f64,
}

/// A coupled group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its number.
    pub id: usize,
    /// The first node whose filters make it.
    pub name: String,
    /// Units.
    pub units: usize,
    /// Whether removing a unit equals masking it.
    pub exact: bool,
    /// `inner` or `residual`.
    pub scope: String,
    /// Its axes.
    pub axes: Vec<GroupAxis>,
    /// Its filters' norms.
    pub norms: Norms,
}

/// An axis that stays whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pinned {
    /// The weight.
    pub value: String,
    /// Its filter axis.
    pub axis: usize,
    /// The layer whose filters stay.
    pub layer: String,
    /// The node that holds them; empty where it is the graph's interface.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// Something that keeps channels: a node, or the graph's interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Obstacle {
    /// The node; empty where it is the graph's interface, or several nodes of one kind.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it keeps them.
    pub reason: String,
    /// The layers whose channels it keeps, some or all of them.
    pub layers: Vec<String>,
    /// How many channels; 0 where the layers have no filters.
    pub channels: usize,
    /// Multiply-adds that lie in these channels.
    pub macs: u64,
    /// Their share of the model's.
    pub macs_share: f64,
}

/// What `inspect` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// `secateur-inspect/1`.
    pub format: String,
    /// The model.
    pub model: String,
    /// Costs.
    pub cost: Cost,
    /// Contractions, in the graph's order.
    pub layers: Vec<Layer>,
    /// What can go.
    pub groups: Vec<Group>,
    /// Whether a norm criterion's conditions hold in them.
    #[serde(default)]
    pub norm_verdict: NormVerdict,
    /// Filter axes that stay whole.
    pub pinned: Vec<Pinned>,
    /// What keeps channels, by multiply-adds.
    #[serde(default)]
    pub obstacles: Vec<Obstacle>,
    /// Nodes of the main graph.
    #[serde(default)]
    pub nodes: usize,
    /// The share of the multiply-adds that lie in filters that can go.
    #[serde(default)]
    pub prunable_share: f64,
    /// How long the stages took.
    #[serde(skip)]
    pub times: Times,
}

/// One model of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It was inspected.
    Inspected(Box<Inspection>),
    /// It could not be.
    Failed {
        /// The model.
        model: String,
        /// Why not.
        error: String,
    },
}
