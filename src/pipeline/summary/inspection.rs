//! From what the analysis found to what `inspect` says.

use super::obstacles::prunable;
use super::{layer, obstacles, total};
use crate::cost;
use crate::couple::{CoupledGroup, Coupling, Facts, Pinned};
use crate::op::AxisId;
use crate::report as data;

/// What `inspect` says.
pub(in crate::pipeline) fn inspection(facts: &Facts<'_>, coupling: &Coupling, norms: &[Vec<f64>]) -> data::Inspection {
    let model = facts.graph.model();
    let layers = cost::layers(facts.graph, facts.constants, facts.dims);
    let costs = total(model, &cost::total(facts.graph, facts.constants, facts.dims));
    let obstacles = obstacles(facts.graph, coupling, &layers, costs.macs);
    data::Inspection {
        format: "secateur-inspect/1".into(),
        model: model.label(),
        layers: layers.iter().map(|l| data::Layer { node: l.node.clone(), op: l.op.clone(), cost: layer(l) }).collect(),
        cost: costs,
        groups: coupling.groups.iter().zip(norms).map(|(g, n)| group(facts, coupling, g, n)).collect(),
        obstacles,
        times: data::Times::default(),
        nodes: facts.graph.nodes().len(),
        prunable_share: prunable(coupling, &layers),
        pinned: coupling.pinned.iter().map(|p| pinned(facts, coupling, p)).collect(),
    }
}

fn group(facts: &Facts<'_>, coupling: &Coupling, g: &CoupledGroup, norms: &[f64]) -> data::Group {
    let axis = |&(id, per_unit): &(AxisId, u32)| {
        let (value, axis) = coupling.statements.axes[id.index()].owner.place()?;
        Some(data::GroupAxis { value: facts.graph.name(value).into(), axis, per_unit })
    };
    data::Group {
        id: g.id,
        name: g.name.clone(),
        units: g.units.len(),
        exact: g.exact,
        scope: if g.residual { "residual" } else { "inner" }.into(),
        axes: g.axes.iter().filter_map(axis).collect(),
        norms: spread(norms),
    }
}

fn spread(all: &[f64]) -> data::Norms {
    let n = all.len().max(1) as f64;
    let mean = all.iter().sum::<f64>() / n;
    let variance = all.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    data::Norms {
        min: all.iter().copied().reduce(f64::min).unwrap_or(0.0),
        max: all.iter().copied().reduce(f64::max).unwrap_or(0.0),
        mean,
        std: variance.sqrt(),
    }
}

fn pinned(facts: &Facts<'_>, coupling: &Coupling, p: &Pinned) -> data::Pinned {
    let place = coupling.statements.axes[p.axis.index()].owner.place();
    let (value, axis) = place.map_or(("", 0), |(value, axis)| (facts.graph.name(value), axis));
    data::Pinned {
        value: value.into(),
        axis,
        layer: facts.graph.node(p.layer).name().into(),
        node: p.node.map_or("", |n| facts.graph.node(n).name()).into(),
        reason: p.reason.clone(),
    }
}
