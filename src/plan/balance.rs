//! How many units go where grouped convolutions need equally many from each of their blocks: a small system of integer equations, solved
//! by bounds and search.
//!
//! Units of one group that lie in the same blocks of all partitions form a cell. With `n[c]` units gone of cell `c`, each partition wants
//! `sum over c in block b of weight * n[c] = t` for all its blocks `b`, with one `t` of its own; and no group may lose more than its quota.
//! Of the solutions near the wanted rate, the first with the largest `t` is taken, so that the result does not depend on chance.

use std::collections::BTreeMap;

use crate::couple::Coupling;

mod equations;

use equations::{Equation, System};

/// Units of one group in the same blocks.
#[derive(Debug)]
pub(super) struct Cell {
    /// The group.
    pub group: usize,
    /// Its units, in the order of their numbers.
    pub units: Vec<usize>,
    /// The partitions and blocks that they lie in, with the coordinates of a unit.
    places: Vec<(usize, u32, u32)>,
}

/// Steps in which the rate falls until there is a solution.
const STEPS: usize = 32;

/// Groups that some partition holds together, by group number.
pub(super) fn clusters(coupling: &Coupling) -> Vec<Vec<usize>> {
    let mut of: Vec<usize> = (0..coupling.groups.len()).collect();
    for partition in &coupling.partitions {
        let members: Vec<usize> = partition.shares.iter().map(|s| of[s.group]).collect();
        let first = members.iter().copied().min().unwrap_or(0);
        of.iter_mut().filter(|c| members.contains(c)).for_each(|c| *c = first);
    }
    let held = |g: &usize| coupling.partitions.iter().any(|p| p.shares.iter().any(|s| s.group == *g));
    let mut out = BTreeMap::<usize, Vec<usize>>::new();
    (0..of.len()).filter(held).for_each(|g| out.entry(of[g]).or_default().push(g));
    out.into_values().collect()
}

/// The cells of a cluster, each with how many of its units go. `quotas`: the most that each group may lose, by group number.
pub(super) fn settle(coupling: &Coupling, cluster: &[usize], quotas: &[usize]) -> Vec<(Cell, usize)> {
    let cells = cells(coupling, cluster);
    let wanted = |cell: &Cell| {
        let units = coupling.groups[cell.group].units.len().max(1) as f64;
        quotas[cell.group] as f64 / units * cell.units.len() as f64
    };
    let solution = (1..=STEPS).rev().find_map(|step| {
        let share = step as f64 / STEPS as f64;
        let found = system(coupling, cluster, &cells, quotas, &|c| share * wanted(c)).solve()?;
        found[..cells.len()].iter().any(|n| *n > 0).then_some(found)
    });
    let counts = solution.unwrap_or_else(|| vec![0; cells.len()]);
    cells.into_iter().zip(counts).map(|(c, n)| (c, n.max(0) as usize)).collect()
}

fn cells(coupling: &Coupling, cluster: &[usize]) -> Vec<Cell> {
    let mut out = BTreeMap::<(usize, Vec<(usize, u32, u32)>), Vec<usize>>::new();
    for &group in cluster {
        for unit in 0..coupling.groups[group].units.len() {
            let place = |(p, partition): (usize, &crate::couple::Partition)| {
                let share = partition.shares.iter().find(|s| s.group == group)?;
                Some((p, share.block[unit], share.weight))
            };
            let places = coupling.partitions.iter().enumerate().filter_map(place).collect();
            out.entry((group, places)).or_default().push(unit);
        }
    }
    out.into_iter().map(|((group, places), units)| Cell { group, units, places }).collect()
}

/// The equations near a wanted number for each cell. Unknowns: the cells, then each partition's `t`.
fn system(
    coupling: &Coupling,
    cluster: &[usize],
    cells: &[Cell],
    quotas: &[usize],
    wanted: &dyn Fn(&Cell) -> f64,
) -> System {
    let mut system = System::default();
    for cell in cells {
        let near = wanted(cell);
        let (low, high) =
            if quotas[cell.group] == 0 { (0, 0) } else { (near.floor() as i64 - 2, near.ceil() as i64 + 1) };
        system.unknown(low.max(0), high.min(cell.units.len() as i64));
    }
    for (p, partition) in coupling.partitions.iter().enumerate() {
        if !partition.shares.iter().any(|s| cluster.contains(&s.group)) {
            continue;
        }
        let t = system.unknown(0, partition.length as i64 - 1);
        for block in 0..partition.blocks as u32 {
            let term = |(c, cell): (usize, &Cell)| {
                let place = cell.places.iter().find(|place| place.0 == p && place.1 == block)?;
                Some((c, i64::from(place.2)))
            };
            let mut terms: Vec<(usize, i64)> = cells.iter().enumerate().filter_map(term).collect();
            terms.push((t, -1));
            system.equations.push(Equation { terms, least: 0, most: 0 });
        }
    }
    for &group in cluster {
        let terms = cells.iter().enumerate().filter(|(_, c)| c.group == group).map(|(c, _)| (c, 1)).collect();
        let most = quotas[group].min(coupling.groups[group].units.len().saturating_sub(1)) as i64;
        system.equations.push(Equation { terms, least: 0, most });
    }
    system
}
