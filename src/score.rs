//! Which units the others can best replace: one score a unit, the lowest go first.
//!
//! A unit's filter is all the weights that make it, flattened together, unscaled. Units whose filter is zero go before all others.

use std::collections::HashSet;
use std::fmt;

use ndarray::Array2;
use rayon::prelude::*;

use crate::couple::{CoupledGroup, Coupling, Facts};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ValueId;
use crate::op::{AxisId, Role};
use crate::parallel::in_order;

mod behind;
mod geometric_median;
mod l1;
mod l2;
mod norm_then_median;
mod random;
mod ranking;
pub mod spread;
mod surgeon;
mod surgeon_and_median;
mod weights;

pub(crate) use ranking::share;
pub use ranking::{Measured, Ranking, Setting};
pub(crate) use surgeon::OptimalBrainSurgeon;
pub(crate) use surgeon_and_median::SurgeonAndMedian;

/// A way to score the units of a group. A new one is a file beside the others and a line of [`CRITERIA`]; a program may bring its own
/// in [`Ranking::criterion`].
pub trait Criterion: Sync {
    /// Its name in options and plans.
    fn name(&self) -> &'static str;

    /// What it makes of a unit, in half a sentence.
    fn summary(&self) -> &'static str;

    /// What of a [`Ranking`] it looks at.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Whether it looks at what is measured on samples, which stands in [`Ranking::measured`].
    fn is_measured(&self) -> bool {
        false
    }

    /// Whether it sees filters as long as BatchNormalization makes them, where one stands behind them; otherwise they are as they are stored.
    fn sees_normalized(&self) -> bool {
        false
    }

    /// One score a unit. Lower goes first, ties by index; units that are zero go before all others whatever their score.
    fn scores(&self, units: &Units<'_>) -> Vec<f64>;
}

impl fmt::Debug for dyn Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn Criterion {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// The units of a group, as a criterion sees them.
#[derive(Debug, Clone, Copy)]
pub struct Units<'a> {
    /// The group.
    pub group: &'a CoupledGroup,
    /// A row a unit: all the weights that make it, of every layer that writes into it: `filters[[unit, weight]]`; see
    /// [`Criterion::sees_normalized`].
    pub filters: &'a Array2<f64>,
    /// The L2 norm of each row, as it is stored.
    pub norms: &'a [f64],
    /// What samples tell of the group, if they were asked.
    pub measured: Option<&'a Measured>,
    /// What the criterion may look at.
    pub ranking: &'a Ranking,
}

/// Every criterion; the first is the default.
pub static CRITERIA: &[&dyn Criterion] = &[
    &geometric_median::GeometricMedian,
    &norm_then_median::NormThenMedian,
    &surgeon::OptimalBrainSurgeon,
    &surgeon_and_median::SurgeonAndMedian,
    &l1::L1,
    &l2::L2,
    &random::Random,
];

/// The criterion of that name. Errors where there is none.
pub fn criterion(name: &str) -> Result<&'static dyn Criterion> {
    CRITERIA.iter().copied().find(|c| c.name() == name).ok_or_else(|| {
        let names: Vec<&str> = CRITERIA.iter().map(|c| c.name()).collect();
        let reason = format!("there is no criterion '{name}'; there is: {}", names.join(", "));
        Error::new(ErrorKind::BadOption(reason))
    })
}

/// The scores of a group's units.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// One a unit; lower goes first.
    pub scores: Vec<f64>,
    /// The L2 norm of each unit's filter.
    pub norms: Vec<f64>,
}

impl Scores {
    /// Units in the order in which they go: zero filters, then by score, ties by index.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        let key = |i: usize| (self.norms[i] != 0.0, self.scores[i]);
        order.sort_by(|&a, &b| key(a).0.cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1)).then(a.cmp(&b)));
        order
    }
}

/// Scores every group. Errors where the ranking does not fit its criterion, or a weight is NaN or infinite, naming it.
pub fn score(facts: &Facts<'_>, coupling: &Coupling, ranking: &Ranking) -> Result<Vec<Scores>> {
    ranking.check()?;
    let groups = coupling.groups.par_iter();
    in_order(groups.map(|group| {
        let stored = filters(facts, coupling, group)?;
        let norms = lengths(&stored);
        if !ranking.criterion.sees_normalized() {
            return score_group((group, &stored, &norms), ranking);
        }
        let normalized = rows_of(facts, coupling, group, &|weight| behind::factors(facts, weight))?;
        score_group((group, &normalized, &norms), ranking)
    }))
}

fn score_group((group, filters, norms): (&CoupledGroup, &Array2<f64>, &[f64]), ranking: &Ranking) -> Result<Scores> {
    let measured = ranking.measured_of(group.id);
    let scores = ranking.criterion.scores(&Units { group, filters, norms, measured, ranking });
    if scores.len() != norms.len() || scores.iter().any(|s| s.is_nan()) {
        let (name, n, units) = (ranking.criterion.name(), scores.len(), norms.len());
        let reason = format!("the criterion '{name}' gave {n} scores for {units} units, or one that is no number");
        return Err(Error::new(ErrorKind::BadOption(reason)).at(&group.name));
    }
    Ok(Scores { scores, norms: norms.to_vec() })
}

/// The L2 norm of each unit's filter, by group. Errors where a weight is NaN or infinite, naming it.
pub fn norms(facts: &Facts<'_>, coupling: &Coupling) -> Result<Vec<Vec<f64>>> {
    in_order(coupling.groups.par_iter().map(|group| Ok(lengths(&filters(facts, coupling, group)?))))
}

fn lengths(filters: &Array2<f64>) -> Vec<f64> {
    filters.rows().into_iter().map(|r| r.dot(&r).sqrt()).collect()
}

/// The filters of a group's units, a row each: slices of every constant along its filter axis, in the order of axes.
pub fn filters(facts: &Facts<'_>, coupling: &Coupling, group: &CoupledGroup) -> Result<Array2<f64>> {
    rows_of(facts, coupling, group, &|_| None)
}

/// The same, each slice times the factor that its weights have for it.
fn rows_of(
    facts: &Facts<'_>,
    coupling: &Coupling,
    group: &CoupledGroup,
    factors: &dyn Fn(ValueId) -> Option<Vec<f64>>,
) -> Result<Array2<f64>> {
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); group.units.len()];
    for (axis, value, k) in filter_axes(facts, coupling, group) {
        let Some(known) = facts.constants.get(value) else { continue };
        let tensor = known.tensor();
        let Some(data) = weights::floats(facts, value, &tensor) else { continue };
        if let Some(bad) = data.iter().find(|v| !v.is_finite()) {
            let reader = facts.graph.value(value).readers.first().map_or("", |r| facts.graph.node(r.0).name());
            let name = facts.graph.name(value);
            return Err(
                Error::bad_model(format!("the weight '{name}' holds {bad}: its filters cannot be compared")).at(reader)
            );
        }
        let factors = factors(value).filter(|f| f.len() == tensor.dims[k]);
        let factor = |i: usize| factors.as_ref().map_or(1.0, |f| f[i]);
        let inner: usize = tensor.dims[k + 1..].iter().product();
        let outer: usize = tensor.dims[..k].iter().product();
        for (row, unit) in rows.iter_mut().zip(&group.units) {
            for &(_, i) in unit.coordinates.iter().filter(|c| c.0 == axis) {
                for o in 0..outer {
                    let at = (o * tensor.dims[k] + i as usize) * inner;
                    row.extend(data[at..at + inner].iter().map(|v| f64::from(*v) * factor(i as usize)));
                }
            }
        }
    }
    let width = rows.first().map_or(0, Vec::len);
    Array2::from_shape_vec((rows.len(), width), rows.concat()).map_err(|e| Error::internal(e.to_string()))
}

/// The group's filter axes of constants: the axis, the value, and which axis of it. A matrix of several names stands once.
pub(crate) fn filter_axes(
    facts: &Facts<'_>,
    coupling: &Coupling,
    group: &CoupledGroup,
) -> Vec<(AxisId, ValueId, usize)> {
    let filters = coupling.statements.roles.iter().filter(|r| r.role == Role::Filter);
    let filters: HashSet<AxisId> = filters.map(|r| r.axis).collect();
    let of_constant = |axis: AxisId| {
        let (value, k) = coupling.statements.axes[axis.index()].owner.place()?;
        facts.constants.is_constant(value).then_some((axis, value, k))
    };
    let mut seen = HashSet::new();
    let mut first = |(_, value, k): &(AxisId, ValueId, usize)| match facts.constants.is_matrix(*value) {
        true => seen.insert(facts.constants.root(facts.graph, *value, *k)),
        false => true,
    };
    let axes = group.axes.iter().map(|a| a.0).filter(|a| filters.contains(a));
    axes.filter_map(of_constant).filter(|a| first(a)).collect()
}
