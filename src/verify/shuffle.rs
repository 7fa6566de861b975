//! A Gather that stands for a channel shuffle: it must pick what Reshape, Transpose and Reshape would, of what is kept.

use super::pairing::Pairing;
use crate::model::constant::movement::{reshape, transpose};
use crate::model::removed::Kept;
use crate::model::{Constants, Node, Tensor};

impl Pairing<'_> {
    /// What is wrong with `gather` in the place of the original's `last` of three nodes.
    ///
    /// Every element is given a number of its own, and both ways to shuffle are walked with it.
    pub(super) fn shuffle_differs(
        &self,
        last: &Node<'_>,
        gather: &Node<'_>,
        known: &Constants,
    ) -> Option<&'static str> {
        let walk = || {
            let turn = self.before.producer(last.input(0)?).filter(|n| n.op() == "Transpose")?;
            let first = self.before.producer(turn.input(0)?).filter(|n| n.op() == "Reshape")?;
            let x = first.input(0)?;
            if self.after.name(gather.input(0)?) != self.before.name(x) {
                return None;
            }
            let shape = |v| self.dims.get(v).map(|d| d.iter().map(|&n| n as i64).collect::<Vec<i64>>());
            let dims = self.dims.get(x)?.to_vec();
            let count: usize = dims.iter().product();
            let numbered = Tensor::from_ints(dims, &(0..count as i64).collect::<Vec<_>>());
            let split = reshape(&numbered, &shape(first.output(0)?)?, false)?;
            let shuffled = reshape(&transpose(&split, turn.proto.attr_ints("perm"))?, &shape(last.output(0)?)?, false)?;
            let index = known.get(gather.input(1)?)?.ints()?;
            let index: Vec<usize> = index.into_iter().map(|i| usize::try_from(i).ok()).collect::<Option<_>>()?;
            let axis = usize::try_from(gather.proto.attr_int("axis").unwrap_or(0)).ok()?;
            let kept = |v| self.kept(self.before.name(v), "");
            let found = Kept::select_all(&kept(x), &numbered).ok()?.select(axis, &index).ok()?;
            let expected = Kept::select_all(&kept(last.output(0)?), &shuffled).ok()?;
            Some(found == expected)
        };
        match walk() {
            Some(true) => None,
            Some(false) => Some("it gathers other channels than the original shuffles"),
            None => Some("it takes the place of nodes that are no channel shuffle"),
        }
    }
}
