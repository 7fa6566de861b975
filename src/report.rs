//! What a run has to say, as plain serialisable data: the field names are the contract with users. Text is made from it, never beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub mod advice;
mod heal;
pub mod html;
pub mod inspection;
mod measured;
mod plan_file;
mod sides;
pub mod text;
mod times;

pub use heal::{Heal, HealScore, HealedLayer};
pub use inspection::{Group, GroupAxis, Inspection, NormVerdict, Norms, Obstacle, Outcome, Pinned};
pub use measured::{Accuracy, GateOutcome, Latency, wilson};
pub use plan_file::PlanFile;
pub use times::{Clock, Times};

/// Costs of a network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Parameters.
    pub params: u64,
    /// Multiply-adds; the pruning papers call one a FLOP.
    pub macs: u64,
    /// Bytes of the parameters.
    pub weight_bytes: u64,
    /// Bytes of the file, external data included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// The most bytes of activations alive at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_activation_bytes: Option<u64>,
    /// Layers of which the multiply-adds are not known and not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncounted_layers: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Costs of a layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerCost {
    /// Multiply-adds.
    pub macs: u64,
    /// Parameters.
    pub params: u64,
    /// Dims of its output.
    pub output_shape: Vec<usize>,
    /// Bytes that it moves: its weights, and the activations that it reads and writes, as float32.
    #[serde(default)]
    pub moved_bytes: u64,
}

/// A layer of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Its costs.
    #[serde(flatten)]
    pub cost: LayerCost,
}

/// A layer before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerChange {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Before; `None` where it is new.
    pub before: Option<LayerCost>,
    /// After; `None` where it is gone.
    pub after: Option<LayerCost>,
    /// Filters before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<[usize; 2]>,
    /// Why none of its filters went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The budget of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// A pruning rate.
    Rate(f64),
    /// A share of the multiply-adds.
    CutFlops(f64),
    /// A share of the parameters.
    CutParams(f64),
    /// All that can go and change nothing.
    Lossless(bool),
}

/// What was set apart of a plan; for the reader: what goes is said by the groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Nodes that stay as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// The only nodes that lose filters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Nodes with rates of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_for: Vec<(String, f64)>,
    /// What widths are multiples of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_to: Option<usize>,
    /// The largest share that a group may lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<f64>,
}

/// What a group loses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGroup {
    /// Its number.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Its units.
    pub units: usize,
    /// The units that go.
    pub remove: Vec<usize>,
}

/// What one axis of one value loses, in the original's coordinates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The value.
    pub value: String,
    /// `initializer` or `activation`.
    pub kind: String,
    /// The axis.
    pub axis: usize,
    /// Its length in the original.
    pub length: usize,
    /// What goes; empty where `blocks` says it.
    pub remove: Vec<usize>,
    /// What each block of rows of a grouped convolution's weight loses of this axis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Vec<usize>>,
    /// The nodes that read it so, where readers differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<String>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `secateur-plan/1`.
    pub format: String,
    /// SHA-256 of the model's file.
    pub model_sha256: String,
    /// How units were ranked.
    pub criterion: String,
    /// The share that went by norm, where the criterion knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_rate: Option<f64>,
    /// The seed, where the criterion draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which groups were candidates.
    pub scope: String,
    /// How much was asked for.
    pub budget: Budget,
    /// What was set apart.
    #[serde(flatten)]
    pub limits: Limits,
    /// Whether groups were candidates of which the removal changes a statistic.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_inexact: bool,
    /// Dims of inputs that were given: the groups follow from them too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// What each candidate group loses.
    pub groups: Vec<PlannedGroup>,
    /// What that means for every value.
    #[serde(default)]
    pub cuts: Vec<Cut>,
}

/// How the proof ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// `passed`, `failed`, `unverified` or `skipped`.
    pub status: String,
    /// Why, where it did not pass.
    pub reason: Option<String>,
    /// Where the models first differ.
    pub first_difference: Option<FirstDifference>,
    /// Values compared in each run.
    pub compared: usize,
    /// Largest difference, relative to its value's largest magnitude; `null` where it is not finite.
    pub max_rel_error: Option<f64>,
    /// What was allowed.
    pub tolerance: f64,
    /// Runs.
    pub samples: usize,
    /// How much the masks change what was compared.
    pub sensitivity: f64,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where two models first differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstDifference {
    /// The node.
    pub node: String,
    /// The value compared.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Agreement with the untouched original: of each figure the worst over the outputs, then each output's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Samples.
    pub samples: usize,
    /// `calibration`, `generated` (images) or `random` (numbers): which inputs these were.
    #[serde(default)]
    pub inputs: String,
    /// Share of samples with the same top-1; of a map of probabilities, of its places in all samples.
    pub top1_agreement: Option<f64>,
    /// Mean of `KL(softmax(a) || softmax(b))`, in nats, where there is a top-1; of probabilities, of these themselves.
    pub kl: Option<f64>,
    /// Cosine of all elements: `a . b / (|a| |b|)`.
    pub cosine: f64,
    /// Signal over difference, `10 log10(|a|^2 / |a - b|^2)`, in decibels; `null` where it is infinite: nothing differs and
    /// `max_abs_error` is 0, or an output is no number.
    pub sqnr_db: Option<f64>,
    /// Largest difference: `max |a - b|`.
    pub max_abs_error: f64,
    /// Each output.
    pub outputs: Vec<OutputFidelity>,
}

/// Agreement of one output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputFidelity {
    /// The output.
    pub name: String,
    /// Share of samples with the same top-1; of a map of probabilities, of its places in all samples.
    pub top1_agreement: Option<f64>,
    /// Mean of `KL(softmax(a) || softmax(b))`, in nats, where there is a top-1; of probabilities, of these themselves.
    pub kl: Option<f64>,
    /// Cosine of all elements: `a . b / (|a| |b|)`.
    pub cosine: f64,
    /// Signal over difference, `10 log10(|a|^2 / |a - b|^2)`, in decibels; `null` where it is infinite: nothing differs and
    /// `max_abs_error` is 0, or an output is no number.
    pub sqnr_db: Option<f64>,
    /// Largest difference: `max |a - b|`.
    pub max_abs_error: f64,
    /// The largest KL divergence of a sample, where there is a top-1.
    #[serde(default)]
    pub kl_worst: Option<f64>,
    /// The smallest cosine of a sample.
    #[serde(default)]
    pub cosine_worst: f64,
    /// The smallest signal over difference of a sample, in decibels; `null` where it is infinite.
    #[serde(default)]
    pub sqnr_db_worst: Option<f64>,
}

impl OutputFidelity {
    /// `sqnr_db`, infinite where nothing differs, and minus infinity where an output is no number.
    pub fn decibels(&self) -> f64 {
        self.sqnr_db.unwrap_or(if self.max_abs_error == 0.0 { f64::INFINITY } else { f64::NEG_INFINITY })
    }
}

/// Units of a group that changed nothing, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LosslessGroup {
    /// Its number.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Units that are zero.
    pub zero: Vec<usize>,
    /// Units that are constant, and were folded into biases.
    pub constant: Vec<usize>,
    /// Units that nothing reads.
    pub unread: Vec<usize>,
}

/// How often each operator occurs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpCounts {
    /// In the model before.
    pub before: BTreeMap<String, usize>,
    /// In the model after.
    pub after: BTreeMap<String, usize>,
}

/// What `prune` and `compare` say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `secateur-report/1`.
    pub format: String,
    /// The model before.
    pub model: String,
    /// Costs before.
    pub before: Cost,
    /// Costs after.
    pub after: Cost,
    /// Operators.
    pub ops: OpCounts,
    /// Contractions, in the graph's order.
    pub layers: Vec<LayerChange>,
    /// The proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// Agreement with the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<Fidelity>,
    /// What healing came to, where a model was cut here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal: Option<Heal>,
    /// On labelled samples, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// In the runtime, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// What had to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateOutcome>,
    /// Whether every cut equals masking.
    pub exact: bool,
    /// Whether the channels were set to zero, and stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
    /// Which units went for which reason, where only that went which changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lossless: Option<Vec<LosslessGroup>>,
    /// `verification`, `gate` or `unverified`, where the model was withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why it was withheld.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_reason: Option<String>,
    /// What keeps channels in the model before, by multiply-adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<Obstacle>,
    /// Where the cut will not pay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<String>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// How long the stages took.
    #[serde(skip)]
    pub times: Times,
}
