//! From what the analysis found to what `inspect` says.

use super::obstacles::prunable;
use super::{layer, obstacles, total};
use crate::cost;
use crate::couple::{CoupledGroup, Coupling, Facts, Pinned};
use crate::op::AxisId;
use crate::report as data;
use crate::score::spread::{LARGE_DEVIATION, NEAR_ZERO, Spread};

/// What `inspect` says.
pub(in crate::pipeline) fn inspection(
    facts: &Facts<'_>,
    coupling: &Coupling,
    lengths: &[Vec<f64>],
) -> data::Inspection {
    let model = facts.graph.model();
    let layers = cost::layers(facts.graph, facts.constants, facts.dims);
    let costs = total(model, &cost::total(facts.graph, facts.constants, facts.dims));
    let obstacles = obstacles(facts.graph, coupling, &layers, costs.macs);
    let groups: Vec<data::Group> =
        coupling.groups.iter().zip(lengths).map(|(g, n)| group(facts, coupling, g, n)).collect();
    data::Inspection {
        format: "secateur-inspect/1".into(),
        model: model.label(),
        layers: layers.iter().map(|l| data::Layer { node: l.node.clone(), op: l.op.clone(), cost: layer(l) }).collect(),
        cost: costs,
        norm_verdict: verdict(&groups),
        groups,
        obstacles,
        times: data::Times::default(),
        nodes: facts.graph.nodes().len(),
        prunable_share: prunable(coupling, &layers),
        pinned: coupling.pinned.iter().map(|p| pinned(facts, coupling, p)).collect(),
    }
}

fn group(facts: &Facts<'_>, coupling: &Coupling, g: &CoupledGroup, lengths: &[f64]) -> data::Group {
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
        norms: norms(&Spread::of(lengths)),
    }
}

fn norms(s: &Spread) -> data::Norms {
    data::Norms {
        min: s.min,
        max: s.max,
        mean: s.mean,
        std: s.std,
        deviation: s.deviation,
        distance: s.distance,
        histogram: s.histogram.to_vec(),
        wide: s.is_wide(),
        near_zero: s.reaches_zero(),
    }
}

fn verdict(groups: &[data::Group]) -> data::NormVerdict {
    let count = |holds: fn(&data::Norms) -> bool| groups.iter().filter(|g| holds(&g.norms)).count();
    data::NormVerdict {
        groups: groups.len(),
        wide: count(|n| n.wide),
        near_zero: count(|n| n.near_zero),
        both: count(|n| n.wide && n.near_zero),
        large_deviation: LARGE_DEVIATION,
        near_zero_share: NEAR_ZERO,
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
