//! The order in which the units of groups that are tied together go: a strand of levels, each of which loses at least what the one before
//! does, and is allowed as it stands.

use super::limits::Bounds;
use super::ties::{Cell, Ties, Want};
use super::wish::quota;
use crate::couple::Coupling;

/// Levels of one cluster, from nothing to all that may go.
#[derive(Debug)]
pub(super) struct Strand {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// What each cell loses, level by level; the first is where the search begins.
    pub levels: Vec<Vec<usize>>,
    /// The rate at which each level is reached.
    pub rates: Vec<f64>,
}

/// Rates tried for groups that are tied together; a group of its own has a level for each unit.
const MOST_RATES: usize = 512;

impl Strand {
    /// The strands of all candidates, in the order of groups.
    pub(super) fn all(coupling: &Coupling, ties: &Ties<'_>, bounds: &Bounds) -> Vec<Self> {
        let clusters = ties.clusters();
        let is_tied = |g: usize| clusters.iter().any(|c| c.contains(&g));
        let free = (0..coupling.groups.len()).filter(|&g| !is_tied(g) && bounds.admits(g));
        let mut out: Vec<Self> = free.map(|g| Self::of_one(coupling, ties, bounds, g)).collect();
        let tied = clusters.iter().filter(|c| c.iter().any(|&g| bounds.admits(g)));
        out.extend(tied.map(|c| Self::of_many(coupling, ties, bounds, c)));
        out.sort_by_key(|s| s.cells.first().map(|c| c.group));
        out
    }

    fn of_one(coupling: &Coupling, ties: &Ties<'_>, bounds: &Bounds, group: usize) -> Self {
        let units = coupling.groups[group].units.len();
        let bound = bounds.of[group];
        let most = quota(bound.map_or(0.0, |b| b.rate.unwrap_or(1.0).min(b.most)), units);
        let first = if bound.is_some_and(|b| b.rate.is_some()) { most } else { 0 };
        let levels: Vec<Vec<usize>> = (first..=most).map(|n| vec![n]).collect();
        let rates = (first..=most).map(|n| if n == first { 0.0 } else { n as f64 / units as f64 }).collect();
        Self { cells: ties.cells(&[group]), levels, rates }
    }

    fn of_many(coupling: &Coupling, ties: &Ties<'_>, bounds: &Bounds, cluster: &[usize]) -> Self {
        let cells = ties.cells(cluster);
        let mut strand = Self { levels: vec![vec![0; cells.len()]], rates: vec![0.0], cells };
        for rate in rates(coupling, bounds, cluster, ties.stride(cluster)) {
            let quotas: Vec<usize> = (0..coupling.groups.len()).map(|g| at_rate(coupling, bounds, g, rate)).collect();
            let least = strand.levels.last().cloned().unwrap_or_default();
            let Some(found) = ties.solve(cluster, &strand.cells, &Want { quotas: &quotas, share: 1.0, least: &least })
            else {
                continue;
            };
            if rate == 0.0 {
                strand.levels[0] = found;
            } else {
                strand.climb(ties, cluster, &found, rate);
            }
        }
        strand
    }

    /// Levels up to that one: where a width ties the groups, on the way group after group, as far as that is allowed.
    fn climb(&mut self, ties: &Ties<'_>, cluster: &[usize], to: &[usize], rate: f64) {
        let mut at = self.levels.last().cloned().unwrap_or_default();
        let mut groups = if ties.round(cluster) { cluster.to_vec() } else { Vec::new() };
        while let Some(group) = groups.pop() {
            let cells = &self.cells;
            let quotas = self.lost(|c| if cells[c].group == group { to[c] } else { at[c] });
            if let Some(next) = ties.solve(cluster, cells, &Want { quotas: &quotas, share: 1.0, least: &at }) {
                at.clone_from(&next);
                self.levels.push(next);
                self.rates.push(rate);
            }
        }
        if at != to {
            self.levels.push(to.to_vec());
            self.rates.push(rate);
        }
    }

    /// The counts that lose less of `group` and as much of all others, as little less as is allowed; `None` where there are none.
    pub(super) fn less(&self, ties: &Ties<'_>, counts: &[usize], group: usize) -> Option<Vec<usize>> {
        let of_group = |c: usize| self.cells[c].group == group;
        let lost: usize = (0..counts.len()).filter(|&c| of_group(c)).map(|c| counts[c]).sum();
        let first: usize = (0..counts.len()).filter(|&c| of_group(c)).map(|c| self.levels[0][c]).sum();
        let cluster: Vec<usize> = self.groups();
        let least: Vec<usize> =
            (0..counts.len()).map(|c| if of_group(c) { self.levels[0][c] } else { counts[c] }).collect();
        (first..lost).rev().find_map(|n| {
            let mut quotas = self.lost(|c| counts[c]);
            quotas[group] = n;
            let want = Want { quotas: &quotas, share: 1.0, least: &least };
            if n > first {
                ties.solve(&cluster, &self.cells, &want)
            } else {
                ties.allows(&cluster, &self.cells, &least).then(|| least.clone())
            }
        })
    }

    /// The share of the units of some of its groups that is gone at a level.
    pub(super) fn share(&self, level: usize, groups: &[usize]) -> f64 {
        let of_groups = || self.cells.iter().zip(&self.levels[level]).filter(|c| groups.contains(&c.0.group));
        let units: usize = of_groups().map(|(cell, _)| cell.units.len()).sum();
        of_groups().map(|(_, n)| n).sum::<usize>() as f64 / units.max(1) as f64
    }

    /// Its groups.
    pub(super) fn groups(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = self.cells.iter().map(|c| c.group).collect();
        groups.dedup();
        groups
    }

    /// What each group loses, by its number, where the cells lose so much.
    fn lost(&self, of_cell: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut out = vec![0; self.cells.iter().map(|c| c.group + 1).max().unwrap_or(0)];
        self.cells.iter().enumerate().for_each(|(c, cell)| out[cell.group] += of_cell(c));
        out
    }
}

/// Rates at which a group of the cluster may lose `stride` more, and 0 for those that have a rate of their own.
fn rates(coupling: &Coupling, bounds: &Bounds, cluster: &[usize], stride: usize) -> Vec<f64> {
    let mut out = vec![0.0];
    for &g in cluster.iter().filter(|&&g| bounds.of[g].is_some_and(|b| b.rate.is_none())) {
        let units = coupling.groups[g].units.len();
        let steps = (1..units).filter(|n| n.is_multiple_of(stride) || n + 1 == units);
        out.extend(steps.map(|n| n as f64 / units as f64));
    }
    out.sort_by(f64::total_cmp);
    out.dedup();
    let stride = out.len().div_ceil(MOST_RATES).max(1);
    let last = out.last().copied();
    let mut some: Vec<f64> = out.iter().copied().step_by(stride).collect();
    some.extend(last.filter(|l| some.last() != Some(l)));
    some
}

/// The most that a group may lose at a rate for all.
fn at_rate(coupling: &Coupling, bounds: &Bounds, group: usize, rate: f64) -> usize {
    let share = bounds.of[group].map_or(0.0, |b| b.rate.unwrap_or(rate).min(b.most));
    quota(share, coupling.groups[group].units.len())
}
