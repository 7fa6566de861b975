//! From the stages' own types to the plain data of reports.

use std::collections::{BTreeMap, HashMap};

use super::What;
use crate::cost;
use crate::couple::Coupling;
use crate::error::Result;
use crate::model::removed::Kind;
use crate::model::{Constants, Graph, Model, Removed};
use crate::op;
use crate::plan;
use crate::report as data;
use crate::shape::{InputShapes, Shapes};
use crate::verify;

pub(super) mod inspection;
mod obstacles;

pub(super) use obstacles::obstacles;

/// What a pruning run knows.
pub(super) struct Source<'a> {
    pub graph: &'a Graph<'a>,
    pub coupling: &'a Coupling,
    pub layers: &'a [cost::LayerCost],
    pub plan: &'a plan::Plan,
    pub removed: &'a [Removed],
    pub what: &'a What,
    /// Why groups are no candidates, by number.
    pub left: &'a [(usize, &'static str)],
    pub shapes: &'a InputShapes,
}

/// Costs of two models, side by side.
pub(super) fn costs(before: &Model, after: &Model, shapes: &InputShapes) -> Result<data::Report> {
    let (a, layers_before) = costs_of(before, shapes)?;
    let (b, layers_after) = costs_of(after, shapes)?;
    let mut later: HashMap<&str, &cost::LayerCost> = layers_after.iter().map(|l| (l.node.as_str(), l)).collect();
    let mut layers: Vec<data::LayerChange> =
        layers_before.iter().map(|l| change(l, later.remove(l.node.as_str()))).collect();
    let new = layers_after.iter().filter(|l| later.contains_key(l.node.as_str()));
    layers.extend(new.map(|l| data::LayerChange { before: None, after: Some(layer(l)), ..change(l, None) }));
    Ok(data::Report {
        advice: data::advice::advice(&layers),
        format: "secateur-report/1".into(),
        model: before.label(),
        before: a,
        after: b,
        ops: data::OpCounts { before: op_counts(before), after: op_counts(after) },
        layers,
        verification: None,
        fidelity: None,
        heal: None,
        accuracy: None,
        latency: None,
        gates: Vec::new(),
        exact: true,
        soft: false,
        lossless: None,
        refused: None,
        refused_reason: None,
        obstacles: Vec::new(),
        notes: Vec::new(),
        plan: None,
        times: data::Times::default(),
    })
}

/// Adds what only a pruning run knows: the plan, and for each layer why nothing went.
pub(super) fn fill(report: &mut data::Report, source: &Source<'_>, after: &Model) {
    report.after.file_bytes = Some(after.origin().file_bytes);
    let reasons = obstacles::reasons(source);
    for layer in report.layers.iter_mut().filter(|l| l.channels.is_none_or(|[a, b]| a == b)) {
        layer.reason = reasons.get(layer.node.as_str()).cloned();
    }
    report.obstacles = obstacles(source.graph, source.coupling, source.layers, report.before.macs);
    if source.plan.is_empty() {
        report.notes.push(obstacles::nothing_to_remove(source, &report.obstacles));
    }
    report.plan = Some(planned(source));
}

fn planned(source: &Source<'_>) -> data::Plan {
    let group = |p: &plan::PlannedGroup| {
        let g = source.coupling.groups.get(p.id);
        let (name, units) = g.map_or((String::new(), 0), |g| (g.name.clone(), g.units.len()));
        data::PlannedGroup { id: p.id, name, units, remove: p.remove.clone() }
    };
    data::Plan {
        groups: source.plan.groups.iter().map(group).collect(),
        cuts: source.removed.iter().map(cut).collect(),
        ..source.what.head(&source.graph.model().origin().sha256, source.shapes)
    }
}

fn cut(r: &Removed) -> data::Cut {
    let kind = if r.kind == Kind::Initializer { "initializer" } else { "activation" };
    data::Cut {
        value: r.value.clone(),
        kind: kind.into(),
        axis: r.axis,
        length: r.length,
        remove: r.indices.clone(),
        blocks: r.blocks.clone(),
        readers: r.readers.clone(),
    }
}

/// Costs of a model.
pub(super) fn count_costs(model: &Model, shapes: &InputShapes) -> Result<data::Cost> {
    costs_of(model, shapes).map(|c| c.0)
}

fn costs_of(model: &Model, shapes: &InputShapes) -> Result<(data::Cost, Vec<cost::LayerCost>)> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let dims = Shapes::of(model, shapes)?.dims;
    Ok((total(model, &cost::total(&graph, &constants, &dims)), cost::layers(&graph, &constants, &dims)))
}

fn total(model: &Model, c: &cost::Cost) -> data::Cost {
    data::Cost {
        params: c.params,
        macs: c.macs,
        weight_bytes: c.weight_bytes,
        file_bytes: Some(model.origin().file_bytes).filter(|b| *b > 0),
        peak_activation_bytes: Some(c.peak_activation_bytes),
        uncounted_layers: c.uncounted,
    }
}

fn layer(l: &cost::LayerCost) -> data::LayerCost {
    data::LayerCost {
        macs: l.cost.macs,
        params: l.cost.params,
        output_shape: l.output_shape.clone(),
        moved_bytes: l.moved_bytes,
    }
}

fn change(before: &cost::LayerCost, after: Option<&cost::LayerCost>) -> data::LayerChange {
    let channels = |l: &cost::LayerCost| op::filters(&l.op, &l.output_shape);
    data::LayerChange {
        node: before.node.clone(),
        op: before.op.clone(),
        before: Some(layer(before)),
        after: after.map(layer),
        channels: after.and_then(|a| Some([channels(before)?, channels(a)?])),
        reason: None,
    }
}

fn op_counts(model: &Model) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for node in &model.graph_proto().node {
        *out.entry(node.op_type().to_owned()).or_insert(0) += 1;
    }
    out
}

/// The proof's outcome.
pub(super) fn verification(v: &verify::Verification, tolerance: f64) -> data::Verification {
    let status = match v.status {
        verify::Status::Passed => "passed",
        verify::Status::Failed => "failed",
        verify::Status::Unverified => "unverified",
    };
    let first = v.first_difference.as_ref().map(|d| data::FirstDifference {
        node: d.node.clone(),
        value: d.value.clone(),
        reason: d.reason.clone(),
    });
    data::Verification {
        status: status.into(),
        reason: v.reason.clone(),
        first_difference: first,
        compared: v.compared,
        max_rel_error: Some(v.max_rel_error).filter(|e| e.is_finite()),
        tolerance,
        samples: v.samples,
        sensitivity: v.sensitivity,
        notes: v.notes.clone(),
    }
}

/// A proof that was not asked for.
pub(super) fn skipped(tolerance: f64) -> data::Verification {
    data::Verification {
        status: "skipped".into(),
        reason: None,
        first_difference: None,
        compared: 0,
        max_rel_error: None,
        tolerance,
        samples: 0,
        sensitivity: 0.0,
        notes: Vec::new(),
    }
}

/// Agreement of outputs on `inputs`; the head carries the worst of each figure over the outputs.
pub(super) fn fidelity(f: &verify::Fidelity, inputs: &str) -> data::Fidelity {
    let one = |o: &verify::OutputFidelity| data::OutputFidelity {
        name: o.name.clone(),
        top1_agreement: o.top1_agreement,
        kl: o.kl,
        cosine: o.cosine,
        sqnr_db: Some(o.sqnr_db).filter(|s| s.is_finite()),
        // JSON has no infinity.
        max_abs_error: o.max_abs_error.min(f64::MAX),
        kl_worst: o.worst.kl,
        cosine_worst: o.worst.cosine,
        sqnr_db_worst: Some(o.worst.sqnr_db).filter(|s| s.is_finite()),
    };
    let outputs: Vec<data::OutputFidelity> = f.outputs.iter().map(one).collect();
    let decibels = f.outputs.iter().map(|o| o.sqnr_db).min_by(f64::total_cmp);
    data::Fidelity {
        samples: f.samples,
        inputs: inputs.into(),
        top1_agreement: outputs.iter().filter_map(|o| o.top1_agreement).min_by(f64::total_cmp),
        kl: outputs.iter().filter_map(|o| o.kl).max_by(f64::total_cmp),
        cosine: outputs.iter().map(|o| o.cosine).min_by(f64::total_cmp).unwrap_or_default(),
        sqnr_db: decibels.filter(|s| s.is_finite()),
        max_abs_error: outputs.iter().map(|o| o.max_abs_error).max_by(f64::total_cmp).unwrap_or_default(),
        outputs,
    }
}
