//! Dims of every value, from what each source knows: constants, the feeds, tract's analysis of the model without its weights, and last
//! what the file declares.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::model::ParseResult;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::InferenceFact;

use super::Feed;
use super::light::{self, Light, Scope};
use super::limits;
use super::operator::{UNKNOWN, hidden};
use crate::error::Result;
use crate::model::proto::ModelProto;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::{Constants, Dims, Graph, Model};

/// Dims of every value that can be told at the given inputs, by number; nothing is computed. A value of which a dim is 0 stays
/// unknown. Errors only where the graph, a size or an initializer is malformed: what tract cannot tell is left open.
pub fn dims(model: &Model, feeds: &[Feed]) -> Result<Dims> {
    let graph = model.graph()?;
    limits::check(&graph)?;
    let constants = Constants::new(&graph)?;
    let mut dims = given(&graph, &constants, feeds);
    let told = spread(&graph, &constants, feeds, &mut dims);
    let declared = declared(&graph, feeds, &dims);
    if let Some(mut parsed) = told.filter(|_| adds(&declared, &dims)) {
        let before = stumbles(&mut parsed.model);
        hint(&graph, &mut parsed, &declared, &dims);
        analyse(&mut parsed.model);
        if stumbles(&mut parsed.model).iter().any(|n| !before.contains(n)) {
            return Ok(dims);
        }
        merge(&mut dims, facts(&graph, &parsed));
    }
    merge(&mut dims, declared);
    Ok(dims)
}

/// Adds what tract tells, as often as that lets it take more nodes; gives the last model.
fn spread(graph: &Graph<'_>, constants: &Constants, feeds: &[Feed], dims: &mut Dims) -> Option<ParseResult> {
    let mut waiting = usize::MAX;
    let mut last = None;
    loop {
        let mut light = Light::new(graph, constants, feeds, Scope::Dims, dims);
        let still = light.waiting();
        if still >= waiting {
            return last;
        }
        let mut parsed = parse(&mut light.proto)?;
        analyse(&mut parsed.model);
        merge(dims, facts(graph, &parsed));
        if still == 0 {
            return Some(parsed);
        }
        (waiting, last) = (still, Some(parsed));
    }
}

/// What the feeds and the constants say.
pub(super) fn given(graph: &Graph<'_>, constants: &Constants, feeds: &[Feed]) -> Dims {
    let mut dims = Dims(graph.value_ids().map(|id| constants.get(id).map(|k| k.dims().to_vec())).collect());
    for feed in feeds {
        if let Some(id) = graph.find(&feed.name) {
            dims.0[id.index()].get_or_insert_with(|| feed.dims.clone());
        }
    }
    dims
}

/// What the file declares, where it is fixed; nothing where it was declared for other inputs than the feeds, or contradicts what is known.
fn declared(graph: &Graph<'_>, feeds: &[Feed], known: &Dims) -> Dims {
    let proto = graph.model().graph_proto();
    let mut dims = Dims(vec![None; graph.values().len()]);
    if feeds.iter().any(|f| !is_as_declared(graph, f)) {
        return dims;
    }
    for info in proto.value_info.iter().chain(&proto.output) {
        let fixed = info.dims().and_then(|d| d.iter().map(|d| d.fixed()).collect::<Option<Vec<_>>>());
        if let (Some(id), Some(fixed)) = (graph.find(info.name()), fixed) {
            if known.get(id).is_some_and(|k| k != fixed) {
                return Dims(vec![None; graph.values().len()]);
            }
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

/// The nodes whose operands contradict each other, or that make nothing of operands that are all known.
fn stumbles(model: &mut InferenceModel) -> Vec<usize> {
    let all = 0..model.nodes.len();
    all.filter(|&n| !matches!(catch_unwind(AssertUnwindSafe(|| follows(model, n))), Ok(Ok(true)))).collect()
}

/// Whether the dims that a node makes follow from those that it reads, as far as these are known.
fn follows(model: &mut InferenceModel, n: usize) -> TractResult<bool> {
    let owned = |facts: TVec<&InferenceFact>| facts.into_iter().cloned().collect::<TVec<InferenceFact>>();
    let (inputs, outputs) = model.node_facts(n).map(|(i, o)| (owned(i), owned(o)))?;
    let outlets = model.node(n).op.observe_outlets(model, model.node(n))?;
    let observed = owned(outlets.iter().map(|o| model.outlet_fact(*o)).collect::<TractResult<_>>()?);
    let op = &mut model.node_mut(n).op;
    let told = op.infer(inputs.iter().collect(), outputs.iter().collect(), observed.iter().collect())?;
    let known = |facts: &[InferenceFact]| facts.iter().all(|f| matches!(f.shape.as_concrete_finite(), Ok(Some(_))));
    Ok(known(&told.1) || !known(&told.0))
}

/// Whether the file declares dims of a value of which nothing is known.
fn adds(declared: &Dims, dims: &Dims) -> bool {
    declared.0.iter().zip(&dims.0).any(|(d, known)| d.is_some() && known.is_none())
}

/// Tells tract what the file declares of values that tract says nothing about.
fn hint(graph: &Graph<'_>, parsed: &mut ParseResult, declared: &Dims, dims: &Dims) {
    for id in graph.value_ids().filter(|&v| dims.get(v).is_none()) {
        if let (Some(&outlet), Some(d)) = (parsed.outlets_by_name.get(graph.name(id)), declared.get(id)) {
            let fact = parsed.model.outlet_fact(outlet).cloned().unwrap_or_default();
            let _ = parsed.model.set_outlet_fact(outlet, fact.with_shape(InferenceFact::shape(d).shape));
        }
    }
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
        *node = hidden(std::mem::take(node));
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
