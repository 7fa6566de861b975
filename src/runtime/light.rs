//! A model made light for tract: constants known, their nodes dropped, large weights as inputs that become constants later.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::konst::Const;

use super::{Feed, types};
use crate::model::constant::Known;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{
    DimValue, GraphProto, ModelProto, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto, type_proto,
};
use crate::model::{Constants, Model, Tensor as Constant};

/// Constants of more elements than this go in as inputs.
const LARGE: usize = 64;

/// A light model and the weights that it left behind.
pub(super) struct Light<'f> {
    proto: ModelProto,
    feeds: &'f [Feed],
    weights: HashMap<String, Known>,
}

impl<'f> Light<'f> {
    pub(super) fn new(model: &Model, feeds: &'f [Feed]) -> TractResult<Self> {
        let graph = model.graph()?;
        let constants = Constants::new(&graph)?;
        let source = model.graph_proto();
        let captured: HashSet<&str> = graph.values().iter().filter(|v| v.captured).map(|v| v.name).collect();
        let mut light =
            GraphProto { name: source.name.clone(), output: source.output.clone(), ..GraphProto::default() };
        let mut weights = HashMap::new();
        light.input = feeds.iter().map(|f| input(&f.name, f.dtype.into(), &f.dims)).collect();
        light.node = graph.nodes().iter().filter(|n| !constants.covers(n)).map(|n| n.proto.clone()).collect();
        let read: HashSet<&str> = light
            .node
            .iter()
            .flat_map(|n| &n.input)
            .map(String::as_str)
            .chain(source.output.iter().map(|o| o.name()))
            .collect();
        for id in graph.value_ids() {
            let name = graph.name(id);
            let Some(known) = constants.get(id).filter(|_| read.contains(name) || captured.contains(name)) else {
                continue;
            };
            let large = known.dims().iter().product::<usize>() > LARGE
                && types::datum(known.dtype()).is_some()
                && !captured.contains(name);
            if large {
                light.input.push(input(name, known.dtype().into(), known.dims()));
                weights.insert(name.to_owned(), known.clone());
            } else {
                light.initializer.push(known.tensor().to_proto(name));
            }
        }
        let opset_import = model.proto().opset_import.clone();
        let functions = model.proto().functions.clone();
        let proto = ModelProto {
            ir_version: model.proto().ir_version,
            opset_import,
            functions,
            graph: Some(light),
            ..ModelProto::default()
        };
        Ok(Self { proto, feeds, weights })
    }

    /// The model in tract's form, and where each ONNX value is in it.
    pub(super) fn parse(&self) -> TractResult<(InferenceModel, HashMap<String, OutletId>)> {
        let theirs = tract_onnx::pb::ModelProto::decode(&*self.proto.encode_to_vec())?;
        let parsed = tract_onnx::onnx().with_ignore_value_info(true).parse(&theirs, None)?;
        let (mut model, outlets) = (parsed.model, parsed.outlets_by_name);
        let no_facts: Vec<OutletId> = model.output_outlets()?.to_vec();
        for outlet in no_facts {
            model.set_outlet_fact(outlet, InferenceFact::default())?;
        }
        for feed in self.feeds {
            let dtype =
                types::datum(feed.dtype).with_context(|| format!("input {} has a type it does not know", feed.name))?;
            model.set_outlet_fact(outlets[&feed.name], InferenceFact::dt_shape(dtype, &feed.dims))?;
        }
        Ok((model, outlets))
    }

    /// Puts the weights into the place of the inputs that stand for them.
    pub(super) fn restore_constants(
        &self,
        model: &mut InferenceModel,
        outlets: &HashMap<String, OutletId>,
    ) -> TractResult<()> {
        for (name, known) in &self.weights {
            let outlet = outlets[name];
            let tensor = types::to_tract(&Constant::clone(&known.tensor()))?.into_arc_tensor();
            let fact: InferenceFact = TypedFact::try_from(tensor.clone())?.into();
            model.node_mut(outlet.node).op = Box::new(Const::new(tensor)?);
            model.set_outlet_fact(outlet, fact)?;
        }
        Ok(())
    }
}

fn input(name: &str, elem_type: i32, dims: &[usize]) -> ValueInfoProto {
    let dim = |&n: &usize| Dimension { value: Some(DimValue::DimValue(n as i64)), denotation: None };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let value = TypeValue::TensorType(type_proto::Tensor { elem_type: Some(elem_type), shape: Some(shape) });
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { value: Some(value), denotation: None }),
        ..Default::default()
    }
}
