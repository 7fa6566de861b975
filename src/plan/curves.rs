//! What it costs to take units from groups, measured: by group, or by groups that are tied together, at some shares of their units.
//!
//! Between measured shares the cost is linear, and beyond the last it goes on as steeply as before it. Of a group that was not measured, a share
//! is taken to cost what it costs on average over what was: such groups go down with the others, neither first nor last.

use std::collections::BTreeMap;

use super::Level;
use super::strand::Strand;
use crate::couple::Coupling;
use crate::error::{Error, Result};

/// Shares of units with their costs, from no cost of none, both rising.
type Curve = Vec<(f64, f64)>;

/// What groups cost by the share of their units that is gone, in whatever unit costs are measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ErrorCurves {
    of: BTreeMap<Vec<usize>, Curve>,
}

impl ErrorCurves {
    /// The curves of measured levels, `costs[i]` being what `levels[i]` costs. Errors where there are not as many costs as levels, or a level is
    /// none of this coupling.
    pub fn measured(coupling: &Coupling, levels: &[Level], costs: &[f64]) -> Result<Self> {
        if levels.len() != costs.len() {
            return Err(Error::internal(format!("{} costs for {} levels", costs.len(), levels.len())));
        }
        let mut points = BTreeMap::<&[usize], Curve>::new();
        for (level, cost) in levels.iter().zip(costs) {
            let share = level.share(coupling).ok_or_else(|| Error::internal("a level of another model"))?;
            points.entry(&level.groups).or_default().push((share, *cost));
        }
        let mut out = Self::default();
        points.into_iter().for_each(|(groups, points)| out.insert(groups, points));
        Ok(out)
    }

    /// Sets the curve of a group, or of groups (sorted) that are tied together: pairs of a share of all their units and its cost, in any order. It
    /// begins at no cost for no share and is made non-decreasing: a share costs at least what smaller ones do. A cost that is infinite, or no
    /// number, says that so much should go last; a share outside of 0 to 1 is left out.
    pub fn insert(&mut self, groups: &[usize], mut points: Vec<(f64, f64)>) {
        points.retain(|p| p.0 > 0.0 && p.0 <= 1.0);
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut curve = vec![(0.0, 0.0f64)];
        for (share, cost) in points {
            let (before, least) = curve.last().copied().unwrap_or_default();
            let cost = if cost.is_nan() { f64::INFINITY } else { cost.max(least) };
            match curve.last_mut().filter(|_| share <= before) {
                Some(last) => last.1 = cost,
                None => curve.push((share, cost)),
            }
        }
        if curve.len() > 1 {
            self.of.insert(groups.to_vec(), curve);
        }
    }

    /// Whether no group was measured.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// What it costs to take that share of the units of a group, or of groups that are tied together: with measured costs `c[k]` at shares `f[k]`,
    /// `c[k] + (c[k+1] - c[k]) (f - f[k]) / (f[k+1] - f[k])` for `f[k] <= f <= f[k+1]`; without a curve the mean over what has one.
    pub fn cost(&self, groups: &[usize], share: f64) -> f64 {
        self.of.get(groups).map_or_else(|| self.mean(share), |curve| on(curve, share))
    }

    /// Levels of a strand between which cost is linear, with their costs: the first, the last, and for each measured share the last level that
    /// takes no more. Where tied groups were not measured together, what each of them costs alone is added up.
    pub(super) fn knots(&self, strand: &Strand) -> Vec<(usize, f64)> {
        let groups = strand.groups();
        let parts: Vec<&[usize]> =
            if self.of.contains_key(&groups) { vec![&groups] } else { groups.chunks(1).collect() };
        let all: Vec<usize> = (0..strand.levels.len()).collect();
        let mut levels = vec![0, all.len() - 1];
        for part in &parts {
            let up_to = |share: f64| all.partition_point(|&l| strand.share(l, part) <= share + 1e-9).checked_sub(1);
            levels.extend(self.shares(part).into_iter().filter_map(up_to));
        }
        levels.sort_unstable();
        levels.dedup();
        let cost = |level: usize| parts.iter().map(|part| self.cost(part, strand.share(level, part))).sum();
        levels.into_iter().map(|level| (level, cost(level))).collect()
    }

    /// The shares at which they were measured; where they were not, those of all.
    fn shares(&self, groups: &[usize]) -> Vec<f64> {
        let of_all = || self.of.values().flatten().map(|p| p.0).collect();
        let mut out: Vec<f64> = self.of.get(groups).map_or_else(of_all, |c| c.iter().map(|p| p.0).collect());
        out.sort_by(f64::total_cmp);
        out.dedup();
        out
    }

    /// The mean over the finite costs of a share; infinite where there are none.
    fn mean(&self, share: f64) -> f64 {
        let costs: Vec<f64> = self.of.values().map(|curve| on(curve, share)).filter(|c| c.is_finite()).collect();
        if costs.is_empty() { f64::INFINITY } else { costs.iter().sum::<f64>() / costs.len() as f64 }
    }
}

/// The curve at a share; it has two points or more, the first at 0.
fn on(curve: &[(f64, f64)], share: f64) -> f64 {
    if share <= 0.0 {
        return 0.0;
    }
    let right = curve.partition_point(|p| p.0 < share).clamp(1, curve.len() - 1);
    let (from, to) = (curve[right - 1], curve[right]);
    if share == to.0 || to.1.is_infinite() {
        return to.1;
    }
    from.1 + (to.1 - from.1) * (share - from.0) / (to.0 - from.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(points: &[(usize, &[(f64, f64)])]) -> ErrorCurves {
        let mut out = ErrorCurves::default();
        points.iter().for_each(|(g, p)| out.insert(&[*g], p.to_vec()));
        out
    }

    #[test]
    fn costs_are_linear_between_what_was_measured_and_go_on_beyond() {
        let c = curves(&[(3, &[(0.5, 4.0), (0.25, 1.0)])]);
        let shares = [0.0, 0.125, 0.25, 0.375, 0.5, 0.75];
        assert_eq!(shares.map(|s| c.cost(&[3], s)), [0.0, 0.5, 1.0, 2.5, 4.0, 7.0]);
    }

    #[test]
    fn costs_never_fall() {
        let c = curves(&[(0, &[(0.25, 2.0), (0.5, 1.0), (0.75, 3.0)]), (1, &[(0.5, -1.0)])]);
        assert_eq!([0.25, 0.5, 0.625, 0.75].map(|s| c.cost(&[0], s)), [2.0, 2.0, 2.5, 3.0]);
        assert_eq!(c.cost(&[1], 0.5), 0.0);
    }

    #[test]
    fn what_was_not_measured_costs_the_mean() {
        let c = curves(&[(0, &[(0.5, 1.0)]), (1, &[(0.5, 3.0)])]);
        assert_eq!([c.cost(&[2], 0.5), c.cost(&[2], 0.25)], [2.0, 1.0]);
        assert_eq!(c.shares(&[2]), [0.0, 0.5]);
        assert!(ErrorCurves::default().cost(&[0], 0.5).is_infinite());
    }

    #[test]
    fn what_is_no_number_costs_without_end() {
        let c = curves(&[(0, &[(0.25, 1.0), (0.5, f64::NAN)]), (1, &[(0.0, 9.0), (1.5, 2.0), (f64::NAN, 2.0)])]);
        assert_eq!([c.cost(&[0], 0.25), c.cost(&[0], 0.3), c.cost(&[0], 0.9)], [1.0, f64::INFINITY, f64::INFINITY]);
        assert!(c.of.len() == 1, "no usable point is no curve");
    }
}
