//! What goes: a budget over scored groups becomes a plan that people can review.

use crate::couple::{CoupledGroup, Coupling, Facts, Gone};
use crate::error::{Error, ErrorKind, Result};
use crate::score::{self, Ranking, Scores};

mod balance;

/// How much is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// The paper's pruning rate: this share of every group's units, rounded down.
    Rate(f64),
}

/// How to decide what goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// How much.
    pub budget: Budget,
    /// Of which groups.
    pub scope: Scope,
    /// In which order.
    pub ranking: Ranking,
    /// Whether groups may lose units of which the removal changes a statistic; the proof sets them aside.
    pub allow_inexact: bool,
}

impl Choice {
    /// The defaults, at that pruning rate.
    pub fn rate(rate: f64) -> Self {
        Self { budget: Budget::Rate(rate), scope: Scope::All, ranking: Ranking::default(), allow_inexact: false }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What goes.
    pub plan: Plan,
    /// What a reader should know of how it came about.
    pub notes: Vec<String>,
}

/// Decides. Errors where an option does not fit, or a weight is NaN or infinite.
pub fn decide(facts: &Facts<'_>, coupling: &Coupling, choice: &Choice) -> Result<Decision> {
    let scores = score::score(facts, coupling, &choice.ranking)?;
    Ok(Decision { plan: plan(coupling, &scores, choice.budget, choice.scope)?, notes: Vec::new() })
}

/// Which groups may lose units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Every group.
    #[default]
    All,
    /// All but those that run through a residual stream.
    Inner,
}

impl Scope {
    /// Its name in options and plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Inner => "inner",
        }
    }

    /// Whether the group may lose units.
    pub fn admits(self, group: &CoupledGroup) -> bool {
        self == Self::All || !group.residual
    }
}

/// The units that go, by group. Groups that are out of scope do not stand in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// One a candidate group.
    pub groups: Vec<PlannedGroup>,
}

/// What one group loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedGroup {
    /// The group's position in the coupling.
    pub id: usize,
    /// Positions of the units that go: sorted.
    pub remove: Vec<usize>,
}

/// What is wanted of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Its units in the order in which they go.
    pub order: Vec<usize>,
    /// The most that may go.
    pub quota: usize,
}

/// Decides. Errors where the rate is not between 0 and 1.
pub fn plan(coupling: &Coupling, scores: &[Scores], budget: Budget, scope: Scope) -> Result<Plan> {
    let Budget::Rate(rate) = budget;
    if !(rate > 0.0 && rate < 1.0) {
        return Err(Error::new(ErrorKind::BadOption(format!("the rate {rate} is not between 0 and 1, as in 0.3"))));
    }
    let wish = |(group, scores): (&CoupledGroup, &Scores)| {
        scope.admits(group).then(|| Wish { order: scores.order(), quota: quota(rate, group.units.len()) })
    };
    Ok(choose(coupling, &coupling.groups.iter().zip(scores).map(wish).collect::<Vec<_>>()))
}

/// What goes, given a wish for each group; a group without one is no candidate and loses nothing.
///
/// Where grouped convolutions want equally many from each of their blocks, a group may lose fewer than its quota.
pub fn choose(coupling: &Coupling, wishes: &[Option<Wish>]) -> Plan {
    let quotas: Vec<usize> = wishes.iter().map(|w| w.as_ref().map_or(0, |w| w.quota)).collect();
    let mut remove: Vec<Vec<usize>> = wishes
        .iter()
        .map(|w| w.as_ref().map_or(Vec::new(), |w| w.order.iter().copied().take(w.quota).collect()))
        .collect();
    for cluster in balance::clusters(coupling) {
        cluster.iter().for_each(|&g| remove[g].clear());
        for (cell, count) in balance::settle(coupling, &cluster, &quotas) {
            let order = wishes[cell.group].iter().flat_map(|w| &w.order);
            remove[cell.group].extend(order.filter(|u| cell.units.contains(u)).take(count));
        }
    }
    remove.iter_mut().for_each(|r| r.sort_unstable());
    let candidates = remove.into_iter().enumerate().filter(|(id, _)| wishes[*id].is_some());
    Plan { groups: candidates.map(|(id, remove)| PlannedGroup { id, remove }).collect() }
}

/// `floor(rate * units)`, steady against rounding; at least one unit stays.
fn quota(rate: f64, units: usize) -> usize {
    ((rate * units as f64 + 1e-9).floor() as usize).min(units.saturating_sub(1))
}

impl Plan {
    /// The coordinates that go. Errors where the plan names a group or a unit that is not there or names it twice, empties a group, or takes
    /// more from one block of a grouped convolution than from another.
    pub fn gone(&self, coupling: &Coupling) -> Result<Gone> {
        let mut units = Vec::new();
        for planned in &self.groups {
            let fail = |reason: String| Error::new(ErrorKind::BadPlan(format!("group {}: {reason}", planned.id)));
            let group = coupling.groups.get(planned.id).ok_or_else(|| fail("there is no such group".into()))?;
            if planned.remove.len() >= group.units.len() {
                return Err(fail("it would lose all its units".into()));
            }
            let alike = |p: &&PlannedGroup| p.id == planned.id;
            if self.groups.iter().filter(alike).count() > 1 || !planned.remove.is_sorted_by(|a, b| a < b) {
                return Err(fail("it stands twice in the plan, or its units are not sorted or not different".into()));
            }
            for &i in &planned.remove {
                units.push(group.units.get(i).ok_or_else(|| fail(format!("there is no unit {i}")))?);
            }
        }
        self.check_balance(coupling)?;
        Ok(Gone::new(units.into_iter()))
    }

    fn check_balance(&self, coupling: &Coupling) -> Result<()> {
        for partition in &coupling.partitions {
            let mut lost = vec![0u32; partition.blocks];
            for share in &partition.shares {
                let planned = self.groups.iter().filter(|p| p.id == share.group).flat_map(|p| &p.remove);
                planned.for_each(|&unit| lost[share.block[unit] as usize] += share.weight);
            }
            let Some(b) = lost.iter().position(|n| *n != lost[0]) else { continue };
            let groups: Vec<String> = partition.shares.iter().map(|s| s.group.to_string()).collect();
            return Err(Error::new(ErrorKind::BadPlan(format!(
                "group {}: a grouped convolution must lose equally many from each of its {} blocks of {} channels, \
                 but block 0 would lose {} and block {b} would lose {}",
                groups.join(", "),
                partition.blocks,
                partition.length,
                lost[0],
                lost[b]
            ))));
        }
        Ok(())
    }

    /// Number of units that go.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|g| g.remove.len()).sum()
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::quota;

    #[test]
    fn quotas_round_down_and_leave_one() {
        assert_eq!([quota(0.3, 10), quota(0.3, 16), quota(0.7, 10), quota(0.99, 2), quota(0.5, 1)], [3, 4, 7, 1, 0]);
    }
}
