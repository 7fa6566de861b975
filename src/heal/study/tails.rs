//! The rest of a network behind changed readers, and how far its outputs are from what they were.

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::prelude::*;

use super::distance::{Apart, apart};
use crate::error::Result;
use crate::heal::network::{Given, Network, Segment};
use crate::heal::walk::Walk;
use crate::model::proto::DataType;
use crate::model::{Tensor, ValueId};
use crate::parallel::in_order;
use crate::runtime::Session;

/// Runs what comes behind, on some samples.
pub(super) struct Tails<'n> {
    pub net: &'n Network<'n>,
    pub outputs: &'n [ValueId],
    /// What the original makes of each sample.
    pub truth: &'n [Vec<Tensor>],
}

/// All nodes from one on that the outputs need.
pub(super) struct Tail {
    segment: Segment,
    /// Prepared to run, for values like these.
    loaded: Option<(Session, Vec<Tensor>)>,
}

impl Tail {
    /// What runs before it from the first reader on.
    pub(super) fn head<'n>(&self, walk: &Walk<'n>, range: &Range<usize>) -> Segment {
        let makes = self.segment.reads.iter().copied().filter(|v| walk.get(*v).is_err()).collect();
        walk.net.segment(range.clone(), &makes)
    }
}

impl Tails<'_> {
    /// All nodes from that one on, loaded where the dims of what they read are known.
    pub(super) fn load(&self, from: usize) -> Tail {
        let outputs: BTreeSet<ValueId> = self.outputs.iter().copied().collect();
        let segment = self.net.segment(from..self.net.graph.nodes().len(), &outputs);
        let floats = |dims: &[usize]| empty(DataType::Float, dims);
        let like: Option<Vec<Tensor>> = segment.reads.iter().map(|v| self.net.dims.get(*v).map(floats)).collect();
        let session = |like: &Vec<Tensor>| self.session(&segment, like).ok();
        let loaded = like.and_then(|like| Some((session(&like)?, like)));
        Tail { segment, loaded }
    }

    fn session(&self, segment: &Segment, like: &[Tensor]) -> Result<Session> {
        self.net.load(segment, &Given::new(), &like.iter().collect::<Vec<_>>())
    }

    /// How far the outputs of the first so many samples are, where the head runs with what is given. Errors where either does not run.
    pub(super) fn distances(
        &self,
        walk: &Walk<'_>,
        (head, given): (&Segment, &Given),
        (tail, count): (&mut Tail, usize),
    ) -> Result<Vec<Apart>> {
        let made = walk.run(head, given)?;
        let value = |v: ValueId, i: usize| match head.makes.iter().position(|m| *m == v) {
            Some(k) => Ok(made[k][i].clone()),
            None => walk.get(v).map(|all| all[i].clone()),
        };
        let reads = |i: usize| tail.segment.reads.iter().map(|v| value(*v, i)).collect::<Result<Vec<_>>>();
        let first: Vec<Tensor> = reads(0)?.iter().map(|t| empty(t.dtype, &t.dims)).collect();
        let loaded = match tail.loaded.take().filter(|(_, like)| *like == first) {
            Some(loaded) => loaded,
            None => (self.session(&tail.segment, &first)?, first),
        };
        let one = |i: usize| {
            let outputs = loaded.0.run(&reads(i)?)?;
            let in_order = |v: &ValueId| tail.segment.makes.iter().position(|m| m == v).map(|k| outputs[k].clone());
            let made: Vec<Tensor> = self.outputs.iter().filter_map(in_order).collect();
            Ok(apart(&self.truth[i], &made))
        };
        let each = in_order((0..self.truth.len().min(count)).into_par_iter().map(one))?;
        tail.loaded = Some(loaded);
        Ok(each)
    }
}

/// A tensor of that type and those dims, without elements.
fn empty(dtype: DataType, dims: &[usize]) -> Tensor {
    Tensor { dtype, dims: dims.to_vec(), data: Default::default() }
}
