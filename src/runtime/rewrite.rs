//! Nodes in a form that tract takes. Each rule answers one thing that it lacks, refuses, or computes otherwise than ONNX says, and puts nodes
//! of the same meaning in its place; what has none is refused with a reason.
//!
//! Invariant: the outputs of a node keep their names, and what stands between has names that hold the first of them.

use crate::model::proto::NodeProto;
use crate::model::{Constants, Dims, Graph, Known, Node, Tensor};

mod axes;
mod channels;
mod math;
mod pad;
mod recurrent;
mod resample;

/// What stands between the name of a node's output and the number of a value that was put before it.
const BETWEEN: &str = ".secateur";

/// Nodes that stand for one, and the constants that they read.
#[derive(Debug, Default)]
pub(super) struct Parts {
    base: String,
    pub(super) nodes: Vec<NodeProto>,
    pub(super) constants: Vec<(String, Tensor)>,
}

/// Why a node cannot be handed over.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether it could be, if the dims of its operands were known.
    pub(super) waits: bool,
}

/// `None`: the node is fine as it is.
type Answer = Result<Option<Parts>, Refusal>;

/// A node and what is known of what it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) constants: &'a Constants,
    pub(super) dims: &'a Dims,
    pub(super) node: &'a Node<'a>,
}

/// What to hand over instead of `node`, which is the one that `about` tells of, under tract's names.
pub(super) fn rewrite(node: &NodeProto, about: &Operands<'_>) -> Answer {
    match node.op_type() {
        "Squeeze" => axes::squeeze(node, about),
        "Slice" => axes::slice(node, about),
        "Einsum" => axes::einsum(node, about),
        "Pad" => pad::pad(node, about),
        "Resize" => Ok(resample::resize(node, about)),
        "Upsample" => resample::upsample(node, about),
        "ConvTranspose" => resample::conv_transpose(node, about),
        "ConstantOfShape" => Ok(math::constant_of_shape(node)),
        "Celu" => Ok(math::celu(node)),
        "Swish" => Ok(math::swish(node)),
        "MatMul" => Ok(math::dot(node, about)),
        "BatchNormalization" if is_training(node) => refuse("it is in training mode"),
        "BatchNormalization" => channels::batch_normalization(about),
        "LSTM" | "GRU" | "RNN" => recurrent::reverse(node, about),
        "GlobalLpPool" => math::global_lp_pool(node, about),
        "SpaceToDepth" if node.attr_str("mode").is_some_and(|m| m != "DCR") => refuse("only its mode DCR is computed"),
        _ => Ok(None),
    }
}

/// The output of the node in the file that a name in the rewritten graph belongs to.
pub(super) fn origin(name: &str) -> &str {
    name.split_once(BETWEEN).map_or(name, |n| n.0)
}

/// Whether a BatchNormalization takes its statistics from the batch.
fn is_training(node: &NodeProto) -> bool {
    node.attr_int("training_mode").unwrap_or(0) != 0 || node.output.iter().skip(1).any(|o| !o.is_empty())
}

fn refuse<T>(reason: &str) -> Result<T, Refusal> {
    Err(Refusal { reason: reason.into(), waits: false })
}

fn wait<T>(slot: usize) -> Result<T, Refusal> {
    Err(Refusal { reason: format!("the dims of its input {slot} are not known"), waits: true })
}

impl<'a> Operands<'a> {
    fn opset(&self) -> i64 {
        self.graph.model().opset()
    }

    fn has(&self, slot: usize) -> bool {
        self.node.input(slot).is_some()
    }

    fn known(&self, slot: usize) -> Option<&'a Known> {
        self.constants.get(self.node.input(slot)?)
    }

    fn ints(&self, slot: usize) -> Option<Vec<i64>> {
        self.known(slot)?.ints()
    }

    fn dims(&self, slot: usize) -> Result<&'a [usize], Refusal> {
        let known = || self.dims.get(self.node.input(slot)?).or_else(|| self.known(slot).map(Known::dims));
        known().map_or_else(|| wait(slot), Ok)
    }

    fn rank(&self, slot: usize) -> Result<i64, Refusal> {
        self.dims(slot).map(|d| d.len() as i64)
    }
}

impl Parts {
    fn before(node: &NodeProto) -> Self {
        Self { base: node.name().to_owned(), ..Self::default() }
    }

    /// The node in another form, on its own.
    fn only(node: NodeProto) -> Option<Self> {
        Some(Self { nodes: vec![node], ..Self::default() })
    }

    fn name(&self) -> String {
        format!("{}{BETWEEN}{}", self.base, self.nodes.len() + self.constants.len())
    }

    /// A constant; its name.
    fn constant(&mut self, tensor: Tensor) -> String {
        let name = self.name();
        self.constants.push((name.clone(), tensor));
        name
    }

    /// A node; the name of what it makes.
    fn add(&mut self, op: &str, inputs: &[&str], set: impl FnOnce(&mut NodeProto)) -> String {
        let name = self.name();
        self.put(op, inputs, name.clone(), set);
        name
    }

    /// The node that makes what the rewritten one made.
    fn end(mut self, op: &str, inputs: &[&str], set: impl FnOnce(&mut NodeProto)) -> Option<Self> {
        let name = self.base.clone();
        self.put(op, inputs, name, set);
        Some(self)
    }

    fn put(&mut self, op: &str, inputs: &[&str], output: String, set: impl FnOnce(&mut NodeProto)) {
        let mut node = NodeProto {
            op_type: Some(op.into()),
            name: Some(output.clone()),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![output],
            ..NodeProto::default()
        };
        set(&mut node);
        self.nodes.push(node);
    }
}

/// Integers as a constant list.
fn list(values: &[i64]) -> Tensor {
    Tensor::from_ints(vec![values.len()], values)
}

fn float(value: f32) -> Tensor {
    Tensor::from_floats(vec![], &[value])
}

/// A floating-point attribute.
fn attr_float(node: &NodeProto, name: &str) -> Option<f32> {
    node.attr(name).and_then(|a| a.f)
}

#[cfg(test)]
mod tests;
