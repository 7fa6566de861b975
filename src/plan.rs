//! What goes: a budget over scored groups becomes a plan that people can review.

use std::fmt;

use crate::couple::{CoupledGroup, Coupling, Gone, Partition};
use crate::error::{Error, ErrorKind, Result};

mod authors;
mod budget;
mod choice;
mod curves;
mod greedy;
mod levels;
mod limits;
mod lossless;
mod nodes;
mod price;
mod strand;
mod ties;
mod widths;
mod wish;

pub use choice::{Choice, Decision, decide};
pub use curves::ErrorCurves;
pub use levels::{Level, levels_to_measure};
pub use limits::Limits;
pub use price::Prices;
pub use wish::{Wish, choose};

/// How much is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// The paper's pruning rate: this share of every group's units, rounded down.
    Rate(f64),
    /// At least this share of the multiply-adds, and as little more as single units allow.
    CutFlops(f64),
    /// At least this share of the parameters, and as little more as single units allow.
    CutParams(f64),
    /// All that can go and change nothing.
    Lossless,
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
        let Some(uneven) = self.uneven(coupling) else { return Ok(()) };
        let groups: Vec<String> = uneven.partition.shares.iter().map(|s| s.group.to_string()).collect();
        Err(Error::new(ErrorKind::BadPlan(format!("group {}: {uneven}", groups.join(", ")))))
    }

    /// The first grouped convolution that would lose more from one of its blocks than from another.
    pub fn uneven<'c>(&self, coupling: &'c Coupling) -> Option<Uneven<'c>> {
        coupling.partitions.iter().find_map(|partition| {
            let mut lost = vec![0u32; partition.blocks];
            for share in &partition.shares {
                let planned = self.groups.iter().filter(|p| p.id == share.group).flat_map(|p| &p.remove);
                let blocks = planned.filter_map(|&unit| share.block.get(unit));
                blocks.for_each(|&b| lost[b as usize] += share.weight);
            }
            let block = lost.iter().position(|n| *n != lost[0])?;
            Some(Uneven { partition, block, lost: [lost[0], lost[block]] })
        })
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

/// Blocks of a grouped convolution that would lose unequally many channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uneven<'c> {
    /// The blocks.
    pub partition: &'c Partition,
    /// One that differs from the first.
    pub block: usize,
    /// What the first and that one would lose.
    pub lost: [u32; 2],
}

impl fmt::Display for Uneven<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Partition { blocks, length, .. }, [first, other]) = (self.partition, self.lost);
        write!(
            f,
            "a grouped convolution must lose equally many from each of its {blocks} blocks of {length} channels, \
             but block 0 would lose {first} and block {} would lose {other}",
            self.block
        )
    }
}
