//! What each operator says about its axes. One family, one file, one line of [`RULES`].
//!
//! Invariant: rules describe, they never edit. An axis that a rule does not mention is pinned, and an operator without a rule pins all that it touches: never wrong, only less pruned.

use crate::model::proto::NodeProto;
use crate::model::{Constants, Graph, Node};

pub mod axes;
pub mod relations;

mod along;
mod batch_norm;
mod concat;
mod conv;
mod conv_transpose;
mod depth_to_space;
mod einsum;
mod elementwise;
mod expand;
mod gather;
mod group_norm;
mod layer_norm;
mod matmul;
mod pad;
mod pool;
mod quantize;
mod reduce;
mod reshape;
mod resize;
mod sample;
mod scatter;
mod slice;
mod softmax;
mod split;
mod tile;
mod transpose;
mod whole;

pub use axes::{Axis, AxisId, AxisTable, Operand, Owner};
pub use relations::{Assignment, Balance, Count, Meaning, Relations, Role, Slot, Statements, Table};

/// The rule of an operator family.
pub trait OpRule: Sync {
    /// The operators of ONNX's default domain that it speaks for.
    fn op_types(&self) -> &'static [&'static str];

    /// What the reference says of the family.
    fn summary(&self) -> Summary;

    /// How the coordinates of the node's axes relate. `Err`: this form of the operator is not understood, and all its axes are pinned.
    fn relate(&self, node: &NodeView<'_>, rel: &mut Relations<'_>) -> Result<(), Unsupported>;

    /// Multiply-adds at the given dims; 0 where the operator is not counted.
    fn macs(&self, _node: &NodeDims<'_>) -> u64 {
        0
    }
}

/// A family in the reference: `docs/operators.md` is made of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What it computes, in index notation.
    pub formula: &'static str,
    /// Which axes can shrink.
    pub shrinks: &'static str,
    /// How the judge looks at it.
    pub judged: &'static str,
}

/// Why a node's axes are all pinned, in words that follow the operator's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(pub String);

impl Unsupported {
    /// With that reason.
    pub fn because<T>(reason: &str) -> Result<T, Self> {
        Err(Self(reason.into()))
    }

    /// Of a node whose operands cannot be what ONNX says of the operator.
    pub fn shapes<T>() -> Result<T, Self> {
        Self::because("has shapes that do not fit together")
    }
}

/// Every family, in the order of the reference.
pub static RULES: &[&dyn OpRule] = &[
    &conv::Conv,
    &conv_transpose::ConvTranspose,
    &matmul::Gemm,
    &matmul::MatMul,
    &einsum::Einsum,
    &batch_norm::BatchNormalization,
    &group_norm::InstanceNormalization,
    &group_norm::GroupNormalization,
    &layer_norm::LayerNormalization,
    &layer_norm::OverAxes,
    &elementwise::Unary,
    &elementwise::Variadic,
    &pool::Pool,
    &reduce::Reduce,
    &softmax::Softmax,
    &along::Along,
    &concat::Concat,
    &split::Split,
    &slice::Slice,
    &gather::Gather,
    &scatter::ByIndex,
    &pad::Pad,
    &reshape::Reshape,
    &transpose::Transpose,
    &depth_to_space::DepthToSpace,
    &resize::Resize,
    &tile::Tile,
    &expand::Expand,
    &expand::ConstantOfShape,
    &sample::Sample,
    &quantize::QuantizeLinear,
    &whole::Whole,
];

/// The operators that are not followed, each with the reason that users are shown: words that follow the operator's name.
pub static NOT_FOLLOWED: &[(&str, &str)] = whole::REASONS;

/// The rule for an operator; `None` where there is none, or where the domain is not ONNX's own.
pub fn rule(node: &NodeProto) -> Option<&'static dyn OpRule> {
    let found = RULES.iter().find(|r| r.op_types().contains(&node.op_type()));
    found.copied().filter(|_| node.in_default_domain())
}

/// The length of the axis of a contraction's output on which its filters lie; `None` where the output has too few axes.
pub fn filters(op_type: &str, output: &[usize]) -> Option<usize> {
    match op_type {
        "Conv" | "ConvTranspose" => output.get(1).copied(),
        _ => output.last().copied(),
    }
}

/// Dims of what a node reads and makes, by slot; `None` where empty or unknown.
#[derive(Debug, Clone)]
pub struct NodeDims<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Dims of its inputs.
    pub inputs: Vec<Option<&'a [usize]>>,
    /// Dims of its outputs.
    pub outputs: Vec<Option<&'a [usize]>>,
}

impl NodeDims<'_> {
    /// Elements of an output; 0 where unknown.
    pub fn output_len(&self, slot: usize) -> u64 {
        self.outputs.get(slot).copied().flatten().map_or(0, |d| d.iter().product::<usize>() as u64)
    }

    /// Dims of an input; empty where unknown.
    pub fn input(&self, slot: usize) -> &[usize] {
        self.inputs.get(slot).copied().flatten().unwrap_or(&[])
    }
}

/// A node as its rule sees it.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// The graph.
    pub graph: &'a Graph<'a>,
    /// The node.
    pub node: &'a Node<'a>,
    /// The axes of all values.
    pub table: &'a AxisTable<'a>,
    /// What is known of values.
    pub known: &'a Constants,
}

impl<'a> NodeView<'a> {
    /// The operator's name.
    pub fn op(&self) -> &'a str {
        self.node.op()
    }

    /// Version of the default operator set.
    pub fn opset(&self) -> i64 {
        self.graph.model().opset()
    }

    /// What stands in that input slot; `None` where it is empty.
    pub fn input(&self, slot: usize) -> Option<Operand<'a>> {
        self.node.input(slot).and_then(|v| self.table.operand(v, self.node.id))
    }

    /// What stands in that output slot; `None` where it is empty.
    pub fn output(&self, slot: usize) -> Option<Operand<'a>> {
        self.node.output(slot).and_then(|v| self.table.operand(v, self.node.id))
    }

    /// An input that must be there. Errors where it is not, or its dims are not known.
    pub fn need(&self, slot: usize) -> Result<Operand<'a>, Unsupported> {
        self.input(slot).ok_or_else(|| Unsupported(format!("has no input {slot} of known shape")))
    }

    /// The first output, which must be there. Errors where it is not, or its dims are not known.
    pub fn made(&self) -> Result<Operand<'a>, Unsupported> {
        self.output(0).ok_or_else(|| Unsupported("has no output of known shape".into()))
    }

    /// All operands.
    pub fn operands(&self) -> impl Iterator<Item = Operand<'a>> + use<'a> {
        let view = *self;
        self.node
            .inputs
            .iter()
            .chain(&self.node.outputs)
            .flatten()
            .filter_map(move |&v| view.table.operand(v, view.node.id))
    }

    /// The integers in an input slot, where they are known.
    pub fn ints(&self, slot: usize) -> Option<Vec<i64>> {
        self.known.get(self.node.input(slot)?)?.ints()
    }

    /// The axis of `x` that an attribute means. Errors where `x` has no such axis.
    pub fn axis(&self, x: &Operand<'_>, name: &str, default: i64) -> Result<usize, Unsupported> {
        x.from_front(self.attr_int(name, default))
    }

    /// An integer attribute or its default.
    pub fn attr_int(&self, name: &str, default: i64) -> i64 {
        self.node.proto.attr_int(name).unwrap_or(default)
    }

    /// A list that stood in an attribute before it became an input, and where it stands.
    pub fn ints_at(&self, attr: &'static str, slot: usize) -> Option<(Vec<i64>, Slot)> {
        let attribute = self.node.proto.attr_ints(attr).map(|v| (v.to_vec(), Slot::Attr(attr)));
        attribute.or_else(|| self.ints(slot).map(|v| (v, Slot::Input { slot, replaces: None })))
    }
}
