//! How many units go where groups are tied: grouped convolutions need equally many from each of their blocks, and a layer's width may have to
//! end as a multiple. A small system of integer equations, solved by bounds and search.
//!
//! Units of one group that lie in the same blocks of all partitions form a cell. With `n[c]` units gone of cell `c`, each partition wants
//! `sum over c in block b of weight * n[c] = t` for all its blocks `b`, with one `t` of its own; each width that is cut wants
//! `sum over its groups of weight * n = rest + multiple * m`; and no group may lose more than its quota.
//! Of the solutions near the wanted rate, the first with the largest `t` and `m` is taken, so that the result does not depend on chance.

use std::collections::BTreeMap;

use super::widths::Width;
use crate::couple::{Coupling, Partition};

mod equations;

use equations::{Equation, System};

/// Units of one group in the same blocks.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The group.
    pub group: usize,
    /// Its units, in the order of their numbers.
    pub units: Vec<usize>,
    /// The partitions and blocks that they lie in, with the coordinates of a unit.
    places: Vec<(usize, u32, u32)>,
}

/// What ties the counts of groups to each other.
pub(super) struct Ties<'a> {
    coupling: &'a Coupling,
    widths: Vec<Width>,
}

/// What is wanted of a cluster's cells.
pub(super) struct Want<'a> {
    /// The most that each group may lose, by group number.
    pub quotas: &'a [usize],
    /// The share of the quotas to look near.
    pub share: f64,
    /// The least that each cell loses.
    pub least: &'a [usize],
}

/// Steps in which the rate falls until there is a solution.
const STEPS: usize = 32;

/// Widths that may stay full or not are tried in all ways up to this many.
const MOST_SLEEPERS: usize = 3;

impl<'a> Ties<'a> {
    /// The partitions of the coupling, and these widths.
    pub(super) fn new(coupling: &'a Coupling, widths: Vec<Width>) -> Self {
        Self { coupling, widths }
    }

    /// Groups that are tied to each other or each to itself, by group number.
    pub(super) fn clusters(&self) -> Vec<Vec<usize>> {
        let partitions = self.coupling.partitions.iter().map(|p| p.shares.iter().map(|s| s.group).collect());
        let widths = self.widths.iter().map(|w| w.shares.iter().map(|s| s.0).collect());
        let ties: Vec<Vec<usize>> = partitions.chain(widths).collect();
        let mut of: Vec<usize> = (0..self.coupling.groups.len()).collect();
        for tie in &ties {
            let members: Vec<usize> = tie.iter().map(|&g| of[g]).collect();
            let first = members.iter().copied().min().unwrap_or(0);
            of.iter_mut().filter(|c| members.contains(c)).for_each(|c| *c = first);
        }
        let mut tied: Vec<usize> = ties.into_iter().flatten().collect();
        tied.sort_unstable();
        tied.dedup();
        let mut out = BTreeMap::<usize, Vec<usize>>::new();
        tied.into_iter().for_each(|g| out.entry(of[g]).or_default().push(g));
        out.into_values().collect()
    }

    /// The cells of a cluster, each with how many of its units go. `quotas`: the most that each group may lose, by group number.
    pub(super) fn settle(&self, cluster: &[usize], quotas: &[usize]) -> Vec<(Cell, usize)> {
        let cells = self.cells(cluster);
        let least = vec![0; cells.len()];
        let try_near =
            |step| self.solve(cluster, &cells, &Want { quotas, share: step as f64 / STEPS as f64, least: &least });
        let counts = (1..=STEPS).rev().find_map(try_near).unwrap_or(least.clone());
        cells.into_iter().zip(counts).collect()
    }

    /// The cells of a cluster.
    pub(super) fn cells(&self, cluster: &[usize]) -> Vec<Cell> {
        let mut out = BTreeMap::<(usize, Vec<(usize, u32, u32)>), Vec<usize>>::new();
        for &group in cluster {
            for unit in 0..self.coupling.groups[group].units.len() {
                let place = |(p, partition): (usize, &Partition)| {
                    let share = partition.shares.iter().find(|s| s.group == group)?;
                    Some((p, share.block[unit], share.weight))
                };
                let places = self.coupling.partitions.iter().enumerate().filter_map(place).collect();
                out.entry((group, places)).or_default().push(unit);
            }
        }
        out.into_iter().map(|((group, places), units)| Cell { group, units, places }).collect()
    }

    /// How many units of each cell go, more than the least in all; `None` where no way was found.
    pub(super) fn solve(&self, cluster: &[usize], cells: &[Cell], want: &Want<'_>) -> Option<Vec<usize>> {
        let lost = |group: usize| (0..cells.len()).any(|c| cells[c].group == group && want.least[c] > 0);
        let sleeper = |w: &&Width| w.rest() > 0 && w.shares.iter().all(|s| !lost(s.0)) && w.touches(cluster);
        let sleepers: Vec<&Width> = self.widths.iter().filter(sleeper).collect();
        let all = (1u32 << sleepers.len().min(31)) - 1;
        let ways: Vec<u32> = if sleepers.len() <= MOST_SLEEPERS { (0..=all).collect() } else { vec![0, all] };
        ways.into_iter().find_map(|asleep| {
            let mut quotas = want.quotas.to_vec();
            let full: Vec<usize> = (0..sleepers.len()).filter(|i| asleep >> i & 1 == 1).collect();
            full.iter().flat_map(|&i| &sleepers[i].shares).for_each(|s| quotas[s.0] = 0);
            let skipped: Vec<&Width> = full.iter().map(|&i| sleepers[i]).collect();
            let found = self.system(cluster, cells, &Want { quotas: &quotas, ..*want }, &skipped).solve()?;
            let counts: Vec<usize> = found[..cells.len()].iter().map(|n| (*n).max(0) as usize).collect();
            (counts.iter().sum::<usize>() > want.least.iter().sum()).then_some(counts)
        })
    }

    /// Whether a width ties groups of the cluster.
    pub(super) fn round(&self, cluster: &[usize]) -> bool {
        self.widths.iter().any(|w| w.touches(cluster))
    }

    /// How many more units are worth another search: where widths end as multiples, most single ones change nothing.
    pub(super) fn stride(&self, cluster: &[usize]) -> usize {
        let multiple = self.widths.iter().find(|w| w.touches(cluster)).map_or(1, |w| w.multiple);
        (multiple / 4).max(1)
    }

    /// Whether the cells may lose just that.
    pub(super) fn allows(&self, cluster: &[usize], cells: &[Cell], counts: &[usize]) -> bool {
        let lost =
            |group: usize| (0..cells.len()).filter(|&c| cells[c].group == group).map(|c| counts[c]).sum::<usize>();
        let fits = |w: &&Width| {
            let gone: usize = w.shares.iter().map(|s| lost(s.0) * s.1 as usize).sum();
            gone == 0 || (w.length - gone).is_multiple_of(w.multiple)
        };
        let even = |(p, partition): (usize, &Partition)| {
            let of_block = |b: u32| {
                let places = (0..cells.len()).flat_map(|c| cells[c].places.iter().map(move |place| (c, place)));
                let here = places.filter(|(_, place)| place.0 == p && place.1 == b);
                here.map(|(c, place)| counts[c] * place.2 as usize).sum::<usize>()
            };
            (1..partition.blocks as u32).all(|b| of_block(b) == of_block(0))
        };
        self.widths.iter().filter(|w| w.touches(cluster)).all(|w| fits(&w))
            && self.coupling.partitions.iter().enumerate().all(even)
    }

    /// The equations near what is wanted. Unknowns: the cells, then each partition's `t` and each width's `m`.
    fn system(&self, cluster: &[usize], cells: &[Cell], want: &Want<'_>, skipped: &[&Width]) -> System {
        let mut system = System::default();
        let around = self.widths.first().map_or(0, |w| w.multiple) as i64;
        for (cell, &least) in cells.iter().zip(want.least) {
            let near = self.near(cell, want);
            let (low, high) = match want.quotas[cell.group] {
                0 => (0, 0),
                _ => (near.floor() as i64 - 2 - around, near.ceil() as i64 + 1 + around),
            };
            let high = high.min(cell.units.len() as i64);
            system.unknown(low.clamp(least as i64, high.max(least as i64)), high.max(least as i64));
        }
        let of = |group: usize, weight: i64| {
            cells.iter().enumerate().filter(move |(_, c)| c.group == group).map(move |(c, _)| (c, weight))
        };
        for &group in cluster {
            let most = want.quotas[group].min(self.coupling.groups[group].units.len().saturating_sub(1)) as i64;
            system.equations.push(Equation { terms: of(group, 1).collect(), least: 0, most });
        }
        let mut sums = Sums::default();
        for (p, partition) in self.coupling.partitions.iter().enumerate() {
            if partition.shares.iter().any(|s| cluster.contains(&s.group)) {
                blocks(&mut system, &mut sums, cells, p, partition);
            }
        }
        for width in self.widths.iter().filter(|w| w.touches(cluster) && !skipped.contains(w)) {
            let m = system.unknown(0, (width.length / width.multiple) as i64);
            let mut terms: Vec<(usize, i64)> = width.shares.iter().flat_map(|s| of(s.0, i64::from(s.1))).collect();
            let (multiple, rest) = (width.multiple as i64, width.rest() as i64);
            sums.link(&mut system, &terms, Sum { unknown: m, factor: multiple, rest });
            terms.push((m, -multiple));
            system.equations.push(Equation { terms, least: rest, most: rest });
        }
        system
    }

    fn near(&self, cell: &Cell, want: &Want<'_>) -> f64 {
        let units = self.coupling.groups[cell.group].units.len().max(1) as f64;
        want.share * want.quotas[cell.group] as f64 / units * cell.units.len() as f64
    }
}

/// What cells lose in all: `factor * unknown + rest`.
#[derive(Clone, Copy)]
struct Sum {
    unknown: usize,
    factor: i64,
    rest: i64,
}

/// Sums by their terms. Partitions and widths of the same cells lose the same in all: said outright, one fixes the other at once, while bounds
/// of many single cells say little of their sum.
#[derive(Default)]
struct Sums(BTreeMap<BTreeMap<usize, i64>, Sum>);

impl Sums {
    /// Adds the equation with the first sum of the same terms.
    fn link(&mut self, system: &mut System, terms: &[(usize, i64)], sum: Sum) {
        let mut key = BTreeMap::new();
        terms.iter().for_each(|&(cell, weight)| *key.entry(cell).or_insert(0) += weight);
        let first = *self.0.entry(key).or_insert(sum);
        if first.unknown != sum.unknown {
            let rest = sum.rest - first.rest;
            let terms = vec![(first.unknown, first.factor), (sum.unknown, -sum.factor)];
            system.equations.push(Equation { terms, least: rest, most: rest });
        }
    }
}

/// Each block of a partition loses `t`.
fn blocks(system: &mut System, sums: &mut Sums, cells: &[Cell], p: usize, partition: &Partition) {
    let t = system.unknown(0, partition.length as i64 - 1);
    let mut all = Vec::new();
    for block in 0..partition.blocks as u32 {
        let term = |(c, cell): (usize, &Cell)| {
            let place = cell.places.iter().find(|place| place.0 == p && place.1 == block)?;
            Some((c, i64::from(place.2)))
        };
        let mut terms: Vec<(usize, i64)> = cells.iter().enumerate().filter_map(term).collect();
        all.extend_from_slice(&terms);
        terms.push((t, -1));
        system.equations.push(Equation { terms, least: 0, most: 0 });
    }
    sums.link(system, &all, Sum { unknown: t, factor: partition.blocks as i64, rest: 0 });
}
