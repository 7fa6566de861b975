//! What tract is handed of a model: the nodes that are needed, constants instead of the chains that make them, and large weights as
//! inputs, so that no weight is encoded, decoded or copied on the way.

use std::collections::HashMap;

use prost::Message;
use tract_onnx::model::ParseResult;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::TypedFact;
use tract_onnx::tract_hir::ops::konst::Const;

use super::convert::to_tract;
use super::rewrite::{Operands, Refusal, rewrite};
use super::{Feed, operator};
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::type_proto::Tensor as TensorType;
use crate::model::proto::{
    DataType, DimValue, GraphProto, ModelProto, NodeProto, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto,
};
use crate::model::tensor::element_bits;
use crate::model::{Constants, Dims, Graph, Known, Node, Source, Tensor, ValueId};

/// Elements beyond which a constant that is no index or length becomes an input.
const SMALL: usize = 64;

/// Which part of the graph is handed over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'v> {
    /// What these values need, element types as they are.
    For(&'v [ValueId]),
    /// All of it, with element types that tract has at the same dims: for dims only.
    Dims,
}

/// A model without its large constants.
#[derive(Debug)]
pub(super) struct Light<'c> {
    /// The model: its inputs are the feeds, in their order, and then `sources`.
    pub(super) proto: ModelProto,
    /// The constants that became inputs.
    pub(super) sources: Vec<(&'c str, &'c Known)>,
    /// The nodes that cannot be handed over, by name; to tract they are of an operator that nobody knows.
    pub(super) refused: Vec<(&'c str, Refusal)>,
}

impl<'c> Light<'c> {
    /// The part of `graph` that `scope` asks for, with its inputs at the feeds' dims; `dims` is what is known of those of values.
    pub(super) fn new(
        graph: &'c Graph<'_>,
        constants: &'c Constants,
        feeds: &[Feed],
        scope: Scope<'_>,
        dims: &Dims,
    ) -> Self {
        let needed = needed(graph, constants, scope);
        let mut proto = GraphProto { name: Some("light".into()), ..Default::default() };
        proto.input = feeds.iter().map(|f| info(&f.name, scope.dtype(f.dtype), &f.dims)).collect();
        if let Scope::Dims = scope {
            let unfed = graph.model().graph_proto().input.iter().filter(|i| is_unfed(graph, feeds, i));
            proto.input.extend(unfed.cloned());
        }
        let mut sources = Vec::new();
        for id in read_constants(graph, constants, &needed) {
            let name = graph.name(id);
            match constants.get(id) {
                Some(k) if is_large(k) || scope.dtype(k.dtype()) != k.dtype() => {
                    proto.input.push(info(name, scope.dtype(k.dtype()), k.dims()));
                    sources.push((name, k));
                }
                Some(k) => proto.initializer.push(k.tensor().to_proto(name)),
                None => proto.initializer.extend(graph.initializer(id).cloned()),
            }
        }
        let mut refused = Vec::new();
        for node in graph.nodes().iter().filter(|n| needed[n.id.index()]) {
            let about = Operands { graph, constants, dims, node };
            if let Err(refusal) = hand_over(&mut proto, &about, scope) {
                refused.push((node.name(), refusal));
            }
        }
        proto.output = outputs(graph, constants, scope).iter().map(|&id| value(graph.name(id))).collect();
        let opset_import = graph.model().proto().opset_import.clone();
        let proto = ModelProto { ir_version: Some(8), opset_import, graph: Some(proto), ..Default::default() };
        Self { proto, sources, refused }
    }

    /// Nodes that could be handed over if more dims were known.
    pub(super) fn waiting(&self) -> usize {
        self.refused.iter().filter(|r| r.1.waits).count()
    }
}

/// Adds a node in a form that tract takes.
fn hand_over(graph: &mut GraphProto, about: &Operands<'_>, scope: Scope<'_>) -> Result<(), Refusal> {
    let node = node(about.node, scope);
    match rewrite(&node, about) {
        Ok(None) => graph.node.push(node),
        Ok(Some(parts)) => {
            graph.initializer.extend(parts.constants.iter().map(|(name, t)| t.to_proto(name)));
            graph.node.extend(parts.nodes);
        }
        Err(refusal) => {
            graph.node.push(operator::hidden(node));
            return Err(refusal);
        }
    }
    Ok(())
}

impl Scope<'_> {
    fn dtype(self, dtype: DataType) -> DataType {
        use DataType as D;
        match (self, dtype) {
            (Self::For(_), d) => d,
            (_, D::Float16 | D::Bfloat16 | D::Double) => D::Float,
            (_, D::Int4 | D::Uint4 | D::Int2 | D::Uint2 | D::Float4e2m1 | D::Float8e8m0) => D::Int8,
            (_, D::Float8e4m3fn | D::Float8e4m3fnuz | D::Float8e5m2 | D::Float8e5m2fnuz) => D::Int8,
            (_, d) => d,
        }
    }
}

/// Hands the model over. The runtime's own messages differ from ours, hence the bytes between them.
pub(super) fn parse(proto: &ModelProto) -> TractResult<ParseResult> {
    let proto = tract_onnx::pb::ModelProto::decode(proto.encode_to_vec().as_slice())?;
    tract_onnx::onnx().with_ignore_value_info(true).parse(&proto, None)
}

/// Puts the constants in the place of the inputs that stand for them.
pub(super) fn fill(
    model: &mut InferenceModel,
    outlets: &HashMap<String, OutletId>,
    sources: &[(&str, &Known)],
) -> TractResult<()> {
    for (name, known) in sources {
        let Some(&outlet) = outlets.get(*name) else { continue };
        let tensor = to_tract(&known.tensor())?.into_arc_tensor();
        let fact = TypedFact::try_from(tensor.clone())?;
        model.node_mut(outlet.node).op = Box::new(Const::new(tensor)?);
        model.set_outlet_fact(outlet, fact.into())?;
    }
    Ok(())
}

/// Which nodes are handed over, by number.
fn needed(graph: &Graph<'_>, constants: &Constants, scope: Scope<'_>) -> Vec<bool> {
    let Scope::For(wanted) = scope else {
        return graph.nodes().iter().map(|n| !constants.covers(n)).collect();
    };
    let mut needed = vec![false; graph.nodes().len()];
    let mut open: Vec<ValueId> =
        graph.value_ids().filter(|&v| graph.value(v).captured).chain(wanted.iter().copied()).collect();
    while let Some(id) = open.pop() {
        if let Some(node) = graph.producer(id).filter(|n| !needed[n.id.index()] && constants.get(id).is_none()) {
            needed[node.id.index()] = true;
            open.extend(node.inputs.iter().flatten());
        }
    }
    needed
}

/// The constants that the needed nodes read, in the order of their numbers.
fn read_constants(graph: &Graph<'_>, constants: &Constants, needed: &[bool]) -> Vec<ValueId> {
    let is_read = |v: &ValueId| {
        let value = graph.value(*v);
        value.captured || value.readers.iter().any(|(n, _)| needed[n.index()])
    };
    let is_constant =
        |v: &ValueId| constants.get(*v).is_some() || matches!(graph.value(*v).source, Source::Initializer(_));
    graph.value_ids().filter(is_constant).filter(is_read).collect()
}

fn outputs(graph: &Graph<'_>, constants: &Constants, scope: Scope<'_>) -> Vec<ValueId> {
    match scope {
        Scope::For(wanted) => wanted.to_vec(),
        Scope::Dims => {
            let computed = |v: &ValueId| constants.get(*v).is_none() && graph.producer(*v).is_some();
            graph.value_ids().filter(|&v| graph.value(v).is_output).filter(computed).collect()
        }
    }
}

fn is_large(known: &Known) -> bool {
    let counts = matches!(known.dtype(), DataType::Int32 | DataType::Int64 | DataType::Bool);
    !counts && known.dims().iter().product::<usize>() > SMALL
}

fn is_unfed(graph: &Graph<'_>, feeds: &[Feed], input: &ValueInfoProto) -> bool {
    let source = graph.find(input.name()).map(|id| graph.value(id).source);
    source == Some(Source::Input) && feeds.iter().all(|f| f.name != input.name())
}

/// A node whose attributes have element types of the scope.
fn node(node: &Node<'_>, scope: Scope<'_>) -> NodeProto {
    let mut node = operator::own(node.proto);
    for a in &mut node.attribute {
        if let (Some(i), "to" | "dtype") = (a.i, a.name()) {
            a.i = Some(DataType::try_from(i as i32).map_or(i, |d| i32::from(scope.dtype(d)).into()));
        }
        if let Some(t) =
            a.t.as_ref().and_then(|t| Tensor::from_proto(t).ok()).filter(|t| scope.dtype(t.dtype) != t.dtype)
        {
            let dtype = scope.dtype(t.dtype);
            let zeros = vec![0; t.len() * element_bits(dtype).unwrap_or(8) / 8];
            a.t = Some(Tensor { dtype, data: zeros.into(), ..t }.to_proto(""));
        }
    }
    node
}

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), ..Default::default() }
}

pub(super) fn info(name: &str, dtype: DataType, dims: &[usize]) -> ValueInfoProto {
    let dim =
        dims.iter().map(|&d| Dimension { value: Some(DimValue::DimValue(d as i64)), ..Default::default() }).collect();
    let tensor = TensorType { elem_type: Some(dtype.into()), shape: Some(TensorShapeProto { dim }) };
    let r#type = TypeProto { value: Some(TypeValue::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { r#type: Some(r#type), ..value(name) }
}
