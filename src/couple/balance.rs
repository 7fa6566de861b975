//! Grouped convolutions: the units of an axis lie in equal blocks, and every block must lose equally many. That does not couple units, it
//! constrains what may be chosen of them.

use std::collections::BTreeMap;

use super::{CoupledGroup, Unit};
use crate::model::NodeId;
use crate::op::{Balance, Statements};

/// Blocks that lose equally many coordinates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The first node that needs it.
    pub node: NodeId,
    /// Number of blocks.
    pub blocks: usize,
    /// Coordinates of a block; at least one of them stays.
    pub length: usize,
    /// The groups that lie in it.
    pub shares: Vec<Share>,
}

/// A group's part in a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The group.
    pub group: usize,
    /// Coordinates of a unit.
    pub weight: u32,
    /// The block that each unit lies in.
    pub block: Vec<u32>,
}

/// Where the coordinates of a unit lie.
enum Place {
    /// In one block, so many.
    In(u32, u32),
    /// In all blocks alike, so that it is balanced by itself.
    Everywhere,
    /// In some blocks more than in others.
    Uneven,
}

/// The partitions of the groups; of equal ones the first.
pub(super) fn partitions(said: &Statements, groups: &[CoupledGroup]) -> Vec<Partition> {
    let mut seen = BTreeMap::new();
    let mut out: Vec<Partition> = Vec::new();
    for balance in &said.balanced {
        let length = said.length(balance.axis) / balance.blocks.max(1);
        let shares: Vec<Share> = groups.iter().filter_map(|g| share(said, balance, g)).collect();
        let key = (balance.blocks, length, shares.clone());
        if !shares.is_empty() && seen.insert(key, ()).is_none() {
            out.push(Partition { node: balance.node, blocks: balance.blocks, length, shares });
        }
    }
    out
}

/// The first node whose blocks a group's units fill unevenly, so that no choice among them alone is balanced.
pub(super) fn uneven(said: &Statements, group: &CoupledGroup) -> Option<NodeId> {
    let is_uneven = |b: &&Balance| {
        let places: Vec<Place> = group.units.iter().map(|u| place(said, b, u)).collect();
        let everywhere = places.iter().filter(|p| matches!(p, Place::Everywhere)).count();
        let touches = group.axes.iter().any(|a| a.0 == b.axis);
        touches
            && (places.iter().any(|p| matches!(p, Place::Uneven))
                || !matches!(everywhere, n if n == 0 || n == places.len()))
    };
    said.balanced.iter().find(is_uneven).map(|b| b.node)
}

fn share(said: &Statements, balance: &Balance, group: &CoupledGroup) -> Option<Share> {
    group.axes.iter().find(|a| a.0 == balance.axis)?;
    let mut weight = 0;
    let mut block = Vec::with_capacity(group.units.len());
    for unit in &group.units {
        let Place::In(b, w) = place(said, balance, unit) else { return None };
        weight = w;
        block.push(b);
    }
    Some(Share { group: group.id, weight, block })
}

fn place(said: &Statements, balance: &Balance, unit: &Unit) -> Place {
    let length = (said.length(balance.axis) / balance.blocks.max(1)).max(1);
    let mut count = vec![0u32; balance.blocks];
    for (_, i) in unit.coordinates.iter().filter(|c| c.0 == balance.axis) {
        if let Some(n) = count.get_mut(*i as usize / length) {
            *n += 1;
        }
    }
    let filled: Vec<usize> = (0..count.len()).filter(|&b| count[b] > 0).collect();
    match filled.as_slice() {
        [b] => Place::In(*b as u32, count[*b]),
        _ if count.iter().all(|n| *n == count[0]) => Place::Everywhere,
        _ => Place::Uneven,
    }
}
