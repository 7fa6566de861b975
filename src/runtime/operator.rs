//! What tract has of operators. It looks at their names only, hence those of other domains than its own are hidden from it.

use super::runtime;
use crate::error::Result;
use crate::model::Graph;
use crate::model::proto::{ModelProto, NodeProto};

/// The operator that stands for one that tract does not have.
pub(super) const UNKNOWN: &str = "?";

/// Operators of `com.microsoft` that tract has, and that ONNX does not mean otherwise.
const CONTRIBUTED: [&str; 11] = [
    "BiasGelu",
    "FastGelu",
    "GatherBlockQuantized",
    "Gelu",
    "GroupQueryAttention",
    "MatMulNBits",
    "MultiHeadAttention",
    "QuickGelu",
    "RotaryEmbedding",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
];

/// Errors at the first node of which tract does not have the operator.
pub(super) fn check(light: &ModelProto, graph: &Graph<'_>) -> Result<()> {
    let table = tract_onnx::onnx().op_register.0;
    let mut nodes = light.graph.iter().flat_map(|g| &g.node);
    let Some(lacking) = nodes.find(|n| !table.contains_key(n.op_type())) else { return Ok(()) };
    let node = graph.find(lacking.name()).and_then(|id| graph.producer(id));
    let (name, proto) = node.map_or((lacking.name(), lacking), |n| (n.name(), n.proto));
    let domain = if proto.in_default_domain() { "" } else { proto.domain() };
    let operator = [domain, proto.op_type()].join(if domain.is_empty() { "" } else { "." });
    Err(runtime(format!("it does not have the operator {operator}")).at(name))
}

/// A node under a name that is its own: its first output's. tract does not look at domains, hence what is not its own is hidden.
pub(super) fn own(node: &NodeProto) -> NodeProto {
    let mut node = node.clone();
    node.name = node.output.iter().find(|o| !o.is_empty()).cloned();
    let contributed = node.domain() == "com.microsoft" && CONTRIBUTED.contains(&node.op_type());
    if !(node.in_default_domain() || node.domain() == "ai.onnx.ml" || contributed) {
        node.op_type = Some(UNKNOWN.into());
    }
    node
}

/// A node as one of an operator that nobody knows.
pub(super) fn hidden(mut node: NodeProto) -> NodeProto {
    node.op_type = Some(UNKNOWN.into());
    node.output.retain(|o| !o.is_empty());
    node.attribute.clear();
    node
}
