//! Dims of every value, from what each source knows: constants, the feeds, tract's analysis of the model without its weights, and last
//! what the file declares.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::model::ParseResult;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::InferenceFact;

use super::Feed;
use super::light::{self, Light, Scope};
use super::operator::UNKNOWN;
use crate::error::Result;
use crate::model::proto::ModelProto;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::{Constants, Dims, Graph, Model};

/// Dims of every value that can be told at the given inputs, by number; nothing is computed. A value of which a dim is 0 stays
/// unknown. Errors only where the graph or an initializer is malformed: what tract cannot tell is left open.
pub fn dims(model: &Model, feeds: &[Feed]) -> Result<Dims> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let mut dims = given(&graph, &constants, feeds);
    let declared = declared(&graph, feeds);
    let mut light = Light::new(&graph, &constants, feeds, Scope::Dims);
    if let Some(mut parsed) = parse(&mut light.proto) {
        analyse(&mut parsed.model);
        merge(&mut dims, facts(&graph, &parsed));
        if hint(&graph, &mut parsed, &declared, &dims) {
            analyse(&mut parsed.model);
            merge(&mut dims, facts(&graph, &parsed));
        }
    }
    merge(&mut dims, declared);
    Ok(dims)
}

/// What the feeds and the constants say.
fn given(graph: &Graph<'_>, constants: &Constants, feeds: &[Feed]) -> Dims {
    let mut dims = Dims(graph.value_ids().map(|id| constants.get(id).map(|k| k.dims().to_vec())).collect());
    for feed in feeds {
        if let Some(id) = graph.find(&feed.name) {
            dims.0[id.index()].get_or_insert_with(|| feed.dims.clone());
        }
    }
    dims
}

/// What the file declares, where it is fixed and was declared for inputs like the feeds; empty otherwise.
fn declared(graph: &Graph<'_>, feeds: &[Feed]) -> Dims {
    let proto = graph.model().graph_proto();
    let mut dims = Dims(vec![None; graph.values().len()]);
    if feeds.iter().any(|f| !is_as_declared(graph, f)) {
        return dims;
    }
    for info in proto.value_info.iter().chain(&proto.output) {
        let fixed = info.dims().and_then(|d| d.iter().map(|d| d.fixed()).collect::<Option<Vec<_>>>());
        if let (Some(id), Some(fixed)) = (graph.find(info.name()), fixed) {
            dims.0[id.index()] = Some(fixed);
        }
    }
    dims
}

/// Whether each dim is the declared one; an open first one counts as 1, which exporters run with.
fn is_as_declared(graph: &Graph<'_>, feed: &Feed) -> bool {
    let input = graph.model().graph_proto().input.iter().find(|i| i.name() == feed.name);
    let Some(declared) = input.and_then(|i| i.dims()) else { return false };
    let same = |(axis, (d, &n)): (usize, (&Dimension, &usize))| match d.fixed() {
        Some(fixed) => fixed == n,
        None => axis == 0 && n == 1,
    };
    declared.len() == feed.dims.len() && declared.iter().zip(&feed.dims).enumerate().all(same)
}

/// Spreads what is known. It goes on after an error and may end in a panic: the facts found until then hold, and nothing else counts.
fn analyse(model: &mut InferenceModel) {
    let _ = catch_unwind(AssertUnwindSafe(|| model.analyse(true)));
}

/// Tells tract what the file declares of values that tract says nothing about; gives whether there are any.
fn hint(graph: &Graph<'_>, parsed: &mut ParseResult, declared: &Dims, dims: &Dims) -> bool {
    let mut any = false;
    for id in graph.value_ids().filter(|&v| dims.get(v).is_none()) {
        if let (Some(&outlet), Some(d)) = (parsed.outlets_by_name.get(graph.name(id)), declared.get(id)) {
            let fact = parsed.model.outlet_fact(outlet).cloned().unwrap_or_default();
            any |= parsed.model.set_outlet_fact(outlet, fact.with_shape(InferenceFact::shape(d).shape)).is_ok();
        }
    }
    any
}

/// Parses the model; an operator that tract refuses becomes one that it does not know, so that the others keep their dims.
fn parse(proto: &mut ModelProto) -> Option<ParseResult> {
    for _ in 0..=proto.graph.as_ref()?.node.len() {
        let error = match catch_unwind(AssertUnwindSafe(|| light::parse(proto))).ok()? {
            Ok(parsed) => return Some(parsed),
            Err(e) => e,
        };
        let text = error.chain().map(ToString::to_string).find(|r| r.starts_with("Building node "))?;
        let name = text.strip_prefix("Building node ")?.rsplit_once(" (")?.0;
        let node = proto.graph.as_mut()?.node.iter_mut().find(|n| n.name() == name && n.op_type() != UNKNOWN)?;
        node.op_type = Some(UNKNOWN.into());
        node.output.retain(|o| !o.is_empty());
        node.attribute.clear();
    }
    None
}

/// The dims that are concrete. tract gives a dim of 0 where arithmetic on lengths went wrong, hence such values are left out.
fn facts(graph: &Graph<'_>, parsed: &ParseResult) -> Dims {
    let of = |id| {
        let outlet = *parsed.outlets_by_name.get(graph.name(id))?;
        let dims = parsed.model.outlet_fact(outlet).ok()?.shape.as_concrete_finite().ok()??;
        (!dims.contains(&0)).then(|| dims.to_vec())
    };
    Dims(graph.value_ids().map(of).collect())
}

/// Fills what is unknown in `dims` from `other`.
fn merge(dims: &mut Dims, other: Dims) {
    for (known, new) in dims.0.iter_mut().zip(other.0) {
        if known.is_none() {
            *known = new;
        }
    }
}
