//! What to measure, to know what groups cost: each alone, at some shares of its units.

use super::choice::Candidates;
use super::limits::bounds;
use super::strand::Strand;
use super::{Choice, Plan};
use crate::couple::{Coupling, Facts};
use crate::error::Result;
use crate::score;

/// Shares are eighths.
const EIGHTHS: usize = 8;

/// A last level that is further than this above the last eighth is measured too.
const BEYOND: f64 = 1.0 / 16.0;

/// Some units of one group, or of groups that are tied together, gone while all others stay.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The group, or all groups that are tied together: sorted.
    pub groups: Vec<usize>,
    /// What goes: the lowest scored units, equally many of each block of a grouped convolution. Only groups that lose units stand in it.
    pub plan: Plan,
}

impl Level {
    /// The share of the units of its groups that goes; `None` where the coupling has no such groups.
    pub fn share(&self, coupling: &Coupling) -> Option<f64> {
        let units = |g: &usize| coupling.groups.get(*g).map(|g| g.units.len());
        let units: usize = self.groups.iter().map(units).sum::<Option<usize>>()?;
        (units > 0).then(|| self.plan.len() as f64 / units as f64)
    }
}

/// What a share of a cost could be split by: for each candidate group, or groups that are tied together, in the order of groups, the plans that take
/// the largest part allowed up to 1/8, 2/8 .. 7/8 of the units, and the last that limits allow where it is far from these. Each plan contains the
/// one before it of the same groups, and is allowed as it stands. Nothing, where the budget is no share of a cost.
///
/// Measured, they make [`super::ErrorCurves::measured`]. Errors as [`super::decide`] does.
pub fn levels_to_measure(facts: &Facts<'_>, coupling: &Coupling, choice: &Choice) -> Result<Vec<Level>> {
    choice.budget.check()?;
    if !choice.budget.is_share() {
        return Ok(Vec::new());
    }
    let (bounds, ties) = (bounds(facts, coupling, choice, choice.budget.most())?, choice.ties(facts, coupling));
    let scores = score::score(facts, coupling, &choice.ranking)?;
    let from = Candidates { coupling, ties: &ties, bounds: &bounds, scores: &scores };
    let strands = Strand::all(coupling, &ties, &bounds);
    Ok(strands.iter().flat_map(|s| of_strand(s).into_iter().map(|l| level(&from, s, l))).collect())
}

fn level(from: &Candidates<'_>, strand: &Strand, level: usize) -> Level {
    let mut plan = from.taking(std::slice::from_ref(strand), std::slice::from_ref(&strand.levels[level]));
    plan.groups.retain(|g| !g.remove.is_empty());
    Level { groups: strand.groups(), plan }
}

/// The levels of a strand that are measured.
fn of_strand(strand: &Strand) -> Vec<usize> {
    let last = strand.levels.len() - 1;
    let up_to = |rate: f64| (1..=last).take_while(|&l| strand.rates[l] <= rate + 1e-9).last();
    let mut levels: Vec<usize> = (1..EIGHTHS).filter_map(|k| up_to(k as f64 / EIGHTHS as f64)).collect();
    levels.dedup();
    let measured = levels.last().map_or(0.0, |&l| strand.rates[l]);
    if last > 0 && strand.rates[last] > measured + BEYOND {
        levels.push(last);
    }
    levels
}
