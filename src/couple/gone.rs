//! What goes, by axis.

use std::collections::HashMap;
use std::ops::Range;

use super::Unit;
use crate::op::AxisId;

/// The coordinates that go when units go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gone {
    by_axis: HashMap<AxisId, Vec<usize>>,
}

impl Gone {
    /// Of these units.
    pub fn new<'u>(units: impl Iterator<Item = &'u Unit>) -> Self {
        let mut gone = Self::default();
        for (axis, i) in units.flat_map(|u| &u.coordinates) {
            gone.by_axis.entry(*axis).or_default().push(*i as usize);
        }
        gone.by_axis.values_mut().for_each(|v| v.sort_unstable());
        gone
    }

    /// Of an axis, sorted.
    pub fn of(&self, axis: AxisId) -> &[usize] {
        self.by_axis.get(&axis).map_or(&[], Vec::as_slice)
    }
    /// How many coordinates of `axis` within `range` stay.
    pub fn kept(&self, axis: AxisId, range: Range<usize>) -> usize {
        range.len() - self.of(axis).iter().filter(|i| range.contains(i)).count()
    }
}
