//! One network through the whole pipeline: random units go, and the file must be right in the eyes of two judges.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::couple::{Coupling, couple};
use secateur::model::proto::tensor_shape_proto::Dimension;
use secateur::model::proto::{DimValue, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto, type_proto};
use secateur::model::{Constants, Dims, Removed, ValueId};
use secateur::plan::{Plan, Prices, Wish, choose};
use secateur::runtime::{Feed, dims};
use secateur::verify::Status;
use secateur::{Model, cost};

use super::net::Net;
use super::second::{Second, second_opinion};
use crate::lossless::what_goes_changes_nothing;
use crate::soft::soft_stands_for;
use crate::support::Analysed;

/// What a trial came to.
pub(super) struct Outcome {
    /// Units that went.
    pub units: usize,
    /// Units that went and changed nothing, once their filters were zero.
    pub free: usize,
    /// What the cut claims.
    pub removed: Vec<Removed>,
    /// Whether the second judge could say anything.
    pub second: bool,
}

/// Tries; panics are failures like others.
pub(super) fn trial(net: &Net, choice: u64) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| attempt(net, choice))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into())).unwrap_or_else(|| "it panicked".into()))
    })
}

fn attempt(net: &Net, choice: u64) -> Result<Outcome, String> {
    let model = again(&if net.open { net.model() } else { with_stored_shapes(net.model()) });
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).map_err(|e| e.to_string())?;
    let plan = random_plan(&coupling, choice);
    let gone = plan.gone(&coupling).map_err(|e| e.to_string())?;
    let (pruned, removed) = known.cut(&coupling, &gone);
    let pruned = again(&Model::new(pruned).map_err(|e| e.to_string())?);
    some_of_everything_stays(&removed)?;
    the_price_is_right(&known, &coupling, &plan, &pruned)?;
    dims_follow(&known, &pruned, &removed, &known.shapes.dims, &known.shapes.feeds)?;
    if let Some(grown) = &known.shapes.grown {
        dims_follow(&known, &pruned, &removed, &grown.dims, &grown.feeds)?;
    }
    soft_stands_for(&known, &coupling, &gone, Some(&plan))?;
    let free = what_goes_changes_nothing(&model, &removed)?;
    let second = second_opinion(&known, &pruned, &removed)?;
    let v = known.judge(pruned.into_proto(), &removed);
    match v.status {
        Status::Passed => Ok(Outcome { units: plan.len(), free, removed, second: second == Second::Agrees }),
        _ => Err(format!("{:?}: {}", v.status, v.reason.unwrap_or_default())),
    }
}

/// What the plan was said to leave is what the file holds; copies of a constant that turn out equal are one.
fn the_price_is_right(known: &Analysed<'_>, coupling: &Coupling, plan: &Plan, pruned: &Model) -> Result<(), String> {
    let mut counts = vec![0; coupling.groups.len()];
    plan.groups.iter().for_each(|g| counts[g.id] = g.remove.len());
    let facts = known.facts();
    let prices = Prices::new(&facts, coupling);
    let graph = pruned.graph().map_err(|e| e.to_string())?;
    let constants = Constants::new(&graph).map_err(|e| e.to_string())?;
    let found = cost::total(&graph, &constants, &dims(pruned, &known.shapes.feeds).map_err(|e| e.to_string())?);
    let said = (prices.macs(&counts), prices.params(&counts));
    let right = said.0 == found.macs && said.1 >= found.params;
    if right { Ok(()) } else { Err(format!("priced at {said:?}, and costs {:?}", (found.macs, found.params))) }
}

/// The model with the dims of every activation stored beside it.
fn with_stored_shapes(model: Model) -> Model {
    let known = Analysed::new(&model, &[]);
    let activation = |id: &ValueId| !known.constants.is_constant(*id) && known.graph.producer(*id).is_some();
    let info = |id: ValueId| {
        let dim = |&d: &usize| Dimension { value: Some(DimValue::DimValue(d as i64)), denotation: None };
        let shape = TensorShapeProto { dim: known.shapes.dims.get(id)?.iter().map(dim).collect() };
        let tensor = type_proto::Tensor { elem_type: None, shape: Some(shape) };
        let r#type = TypeProto { value: Some(TypeValue::TensorType(tensor)), denotation: None };
        let name = known.graph.name(id).to_owned();
        Some(ValueInfoProto { name: Some(name), r#type: Some(r#type), ..ValueInfoProto::default() })
    };
    let stored = known.graph.value_ids().filter(activation).filter_map(info).collect();
    let mut proto = model.proto().clone();
    proto.graph.as_mut().unwrap().value_info = stored;
    Model::new(proto).unwrap()
}

/// Written and read back.
fn again(model: &Model) -> Model {
    Model::decode(model.encode().into(), "smith".as_ref()).unwrap()
}

/// Random units of random groups: none, one, a share, or all but what has to stay.
fn random_plan(coupling: &Coupling, choice: u64) -> Plan {
    let mut rng = ChaCha8Rng::seed_from_u64(choice);
    let wishes: Vec<Option<Wish>> = coupling.groups.iter().map(|g| wish(g.units.len(), &mut rng)).collect();
    choose(coupling, &wishes)
}

fn wish(units: usize, rng: &mut ChaCha8Rng) -> Option<Wish> {
    let mut order: Vec<usize> = (0..units).collect();
    order.shuffle(rng);
    let most = units.saturating_sub(1);
    let quota = match rng.random_range(0..8) {
        0 => return None,
        1 | 2 => most.min(1),
        3 | 4 => most,
        _ => rng.random_range(0..=most),
    };
    Some(Wish { order, quota })
}

fn some_of_everything_stays(removed: &[Removed]) -> Result<(), String> {
    let empty = removed.iter().find(|r| r.is_empty() || r.kept().is_empty());
    empty.map_or(Ok(()), |r| Err(format!("axis {} of '{}' keeps {} of {}", r.axis, r.value, r.kept().len(), r.length)))
}

/// The dims that follow for the pruned model are those of the original less what the cut claims to remove.
fn dims_follow(
    known: &Analysed<'_>,
    pruned: &Model,
    removed: &[Removed],
    before: &Dims,
    feeds: &[Feed],
) -> Result<(), String> {
    let graph = pruned.graph().map_err(|e| e.to_string())?;
    let after = dims(pruned, feeds).map_err(|e| e.to_string())?;
    let of_use = |id: &ValueId| {
        let value = known.graph.value(*id);
        !known.constants.is_constant(*id) && (value.is_output || !value.readers.is_empty())
    };
    for id in known.graph.value_ids().filter(of_use) {
        let name = known.graph.name(id);
        let (Some(whole), Some(now)) = (before.get(id), graph.find(name)) else { continue };
        let mut expected = whole.to_vec();
        for r in removed.iter().filter(|r| r.value == name) {
            expected[r.axis] = r.kept().len();
        }
        if after.get(now) != Some(&expected) {
            return Err(format!("'{name}' should have dims {expected:?} and has {:?}", after.get(now)));
        }
    }
    stored_shapes_hold(pruned, &after)
}

/// What is stored beside the model is what follows for it.
fn stored_shapes_hold(pruned: &Model, dims: &Dims) -> Result<(), String> {
    let graph = pruned.graph().map_err(|e| e.to_string())?;
    for info in &pruned.graph_proto().value_info {
        let stored: Option<Vec<usize>> = info.dims().and_then(|d| d.iter().map(|d| d.fixed()).collect());
        let now = graph.find(info.name()).and_then(|id| dims.get(id));
        if stored.as_deref() != now {
            return Err(format!("'{}' is stored with dims {stored:?} and has {now:?}", info.name()));
        }
    }
    Ok(())
}
