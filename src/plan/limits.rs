//! What users set apart: nodes to keep, the only ones to cut, rates of their own, and bounds that hold for all.

use std::collections::BTreeSet;

use super::Choice;
use super::nodes::{matching, matching_or_between};
use crate::couple::{CoupledGroup, Coupling, Facts};
use crate::error::{Error, ErrorKind, Result};
use crate::model::NodeId;
use crate::op::{Owner, Role};

/// What is set apart. Globs are of node names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Nodes that stay as they are: neither what they read nor what they make is cut.
    pub keep: Vec<String>,
    /// The only nodes that lose filters, where any are given: globs, or `a..b` for what lies between two values.
    pub only: Vec<String>,
    /// Rates of their own; the last that fits a group holds.
    pub rate_for: Vec<(String, f64)>,
    /// What the width of every layer that is cut must be a multiple of.
    pub round_to: Option<usize>,
    /// The largest share of its units that a group may lose.
    pub max_rate: Option<f64>,
}

/// What may go of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    /// Its own rate, if it has one.
    pub rate: Option<f64>,
    /// The largest rate.
    pub most: f64,
}

/// What may go of each group, and what a reader should know of it.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// By group number; `None`: it is no candidate.
    pub of: Vec<Option<Bound>>,
    /// Why groups are no candidates, by number.
    pub left: Vec<(usize, &'static str)>,
    /// Remarks.
    pub notes: Vec<String>,
}

/// Why a group is no candidate.
const OUT_OF_SCOPE: &str = "it is part of a residual stream, which is out of scope";
const KEPT: &str = "it is kept, or coupled to what is (--keep)";
const NOT_LISTED: &str = "it is made by layers outside of --only";

/// What a choice allows. `most`: the largest rate where none is given. Errors where a glob matches nothing or a number is out of range.
pub(super) fn bounds(facts: &Facts<'_>, coupling: &Coupling, choice: &Choice, most: f64) -> Result<Bounds> {
    let limits = &choice.limits;
    limits.check()?;
    let mut out = Bounds::default();
    let kept = union(limits.keep.iter().map(|g| matching(facts.graph, g, "--keep")))?;
    let only = union(limits.only.iter().map(|g| matching_or_between(facts.graph, g, "--only")))?;
    let rates = limits.rate_for.iter().map(|(g, r)| Ok((matching(facts.graph, g, "--rate-for")?, *r)));
    let rates: Vec<(BTreeSet<NodeId>, f64)> = rates.collect::<Result<_>>()?;
    for group in &coupling.groups {
        let makers = makers(coupling, group);
        let why = if touches(facts, coupling, group, &kept) {
            Some(KEPT)
        } else if !choice.scope.admits(group) {
            Some(OUT_OF_SCOPE)
        } else if !limits.only.is_empty() && !makers.is_subset(&only) {
            Some(NOT_LISTED)
        } else {
            None
        };
        out.left.extend(why.map(|w| (group.id, w)));
        let rate = rates.iter().rev().find(|r| !r.0.is_disjoint(&makers)).map(|r| r.1);
        let most = limits.max_rate.unwrap_or(most);
        out.of.push(why.is_none().then_some(Bound { rate, most }));
    }
    out.note_coupled(facts, coupling, &kept, KEPT, "--keep keeps, being coupled,");
    out.note_coupled(facts, coupling, &only, NOT_LISTED, "--only leaves whole what is coupled with layers outside:");
    Ok(out)
}

impl Limits {
    fn check(&self) -> Result<()> {
        let bad = |reason: String| Err(Error::new(ErrorKind::BadOption(reason)));
        if let Some((glob, rate)) = self.rate_for.iter().find(|r| !(0.0..1.0).contains(&r.1)) {
            return bad(format!("--rate-for {glob}={rate}: a rate is at least 0 and below 1"));
        }
        match (self.max_rate, self.round_to) {
            (Some(rate), _) if !(rate > 0.0 && rate <= 1.0) => bad(format!("--max-rate {rate} is not between 0 and 1")),
            (_, Some(0)) => bad("--round-to 0: widths are multiples of 1 or more".into()),
            _ => Ok(()),
        }
    }
}

impl Bounds {
    /// Whether the group may lose units.
    pub(super) fn admits(&self, group: usize) -> bool {
        self.of[group].is_some()
    }

    /// Names the layers that nobody named and that share the fate of named ones.
    fn note_coupled(
        &mut self,
        facts: &Facts<'_>,
        coupling: &Coupling,
        named: &BTreeSet<NodeId>,
        why: &str,
        says: &str,
    ) {
        let groups = self.left.iter().filter(|l| l.1 == why).map(|l| makers(coupling, &coupling.groups[l.0]));
        let concerned = groups.filter(|makers| why == KEPT || !makers.is_disjoint(named));
        let others: BTreeSet<NodeId> = concerned.flatten().filter(|n| (why == KEPT) != named.contains(n)).collect();
        if !others.is_empty() {
            let names: Vec<String> = others.iter().map(|n| format!("'{}'", facts.graph.node(*n).name())).collect();
            self.notes.push(format!("{says} {}", listed(&names)));
        }
    }
}

/// The first few, and how many more.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

/// The nodes whose filters make a group's channels.
fn makers(coupling: &Coupling, group: &CoupledGroup) -> BTreeSet<NodeId> {
    let carries = |r: &&crate::op::Assignment| r.role == Role::Filter && group.axes.iter().any(|a| a.0 == r.axis);
    coupling.statements.roles.iter().filter(carries).map(|r| r.node).collect()
}

/// Whether a group runs through what one of these nodes reads or makes.
fn touches(facts: &Facts<'_>, coupling: &Coupling, group: &CoupledGroup, nodes: &BTreeSet<NodeId>) -> bool {
    let at_node = |n: &NodeId, value, reader: Option<NodeId>| {
        let node = facts.graph.node(*n);
        reader.is_none_or(|r| r == *n) && node.inputs.iter().chain(&node.outputs).any(|v| *v == Some(value))
    };
    group.axes.iter().any(|a| {
        let owner = coupling.statements.axes[a.0.index()].owner;
        let reader = if let Owner::Value { reader, .. } = owner { reader } else { None };
        owner.place().is_some_and(|(value, _)| nodes.iter().any(|n| at_node(n, value, reader)))
    })
}

fn union(sets: impl Iterator<Item = Result<BTreeSet<NodeId>>>) -> Result<BTreeSet<NodeId>> {
    Ok(sets.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
