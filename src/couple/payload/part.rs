//! A shape that a Concat joins from lengths of an open input and from constants: where only the constants are wrong after a cut, these
//! alone are written anew, and what is open stays open.

use super::{Edit, Gone, Payloads, wanted};
use crate::model::constant::Known;
use crate::model::proto::DataType;
use crate::model::{Node, ValueId};
use crate::op::relations::{Meaning, Slot};

impl Payloads<'_> {
    /// New constants for the parts of the Concat that makes `value`, now `now`, so that it is `target`. `None` where a part that is
    /// computed is wrong, or where another reader wants other integers.
    pub(super) fn parts(&self, value: ValueId, now: &[i64], target: &[i64], gone: &Gone) -> Option<Vec<Edit>> {
        let graph = self.facts.graph;
        let concat = graph.producer(value).filter(|n| n.op() == "Concat" && n.proto.in_default_domain())?;
        let agrees = |&(n, slot): &(_, usize)| self.wants(graph.node(n), slot, target, gone);
        let read = graph.value(value);
        if now.len() != target.len() || read.is_output || read.captured || !read.readers.iter().all(agrees) {
            return None;
        }
        let (mut edits, mut at) = (Vec::new(), 0);
        for (slot, part) in concat.inputs.iter().enumerate() {
            let known = self.before.get((*part)?)?;
            let range = at..at + known.dims().first().copied()?;
            at = range.end;
            let (found, ints) = (now.get(range.clone())?, target.get(range)?.to_vec());
            if found != ints {
                self.constant_lengths((*part)?)?;
                edits.push(Edit { node: concat.id, slot: Slot::Input { slot, replaces: None }, ints });
            }
        }
        (at == target.len()).then_some(edits)
    }

    /// Whether a reader, which computes with data, wants just these integers.
    fn wants(&self, reader: &Node<'_>, slot: usize, target: &[i64], gone: &Gone) -> bool {
        let found = self.counts_at(reader.id, slot).filter(|_| !self.before.covers(reader));
        let Some((_, counts)) = found else { return false };
        let amounts = counts.iter().all(|c| c.meaning == Meaning::Amount);
        let ints = reader.input(slot).and_then(|v| self.before.get(v)?.ints());
        amounts && ints.is_some_and(|ints| wanted(&ints, counts, gone) == target)
    }

    fn constant_lengths(&self, part: ValueId) -> Option<&Known> {
        let known = self.facts.constants.get(part)?;
        (self.facts.constants.is_constant(part) && known.dtype() == DataType::Int64).then_some(known)
    }
}
