//! The cut: one pass that deletes coordinates from constants, writes the integers that count them, and drops what nothing reads any more.
//!
//! Invariant: what the cut does not concern stays as it is in the file, byte for byte.

use std::collections::{HashMap, HashSet};

use crate::couple::payload::Edit;
use crate::couple::{Coupling, Facts, Gone};
use crate::error::{Error, Result};
use crate::lossless::Fold;
use crate::model::proto::{DataType, NodeProto, TensorProto};
use crate::model::{ModelProto, NodeId, Source, Tensor, ValueId};
use crate::op::{Owner, Slot};

mod added;
mod constants;
mod soft;
mod sweep;
mod value_info;

pub(crate) use added::{add_initializer, fresh};
pub use soft::soften;
pub(crate) use sweep::{all_names, drop_unread};
pub(crate) use value_info::input_of;

/// Cuts. Errors where a shape that the model computes would be wrong; couplings made by [`crate::couple::couple`] exclude that.
pub fn cut(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> Result<ModelProto> {
    cut_folding(facts, coupling, gone, &[])
}

/// Cuts, and puts new biases where constants are folded into them. Errors as [`cut`] does.
pub fn cut_folding(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone, folds: &[Fold]) -> Result<ModelProto> {
    let edits = coupling.payload_edits(facts, gone)?.map_err(|c| {
        Error::internal(format!("{} {}", facts.graph.node(c.node).op(), c.reason)).at(facts.graph.node(c.node).name())
    })?;
    let mut cutter = Cutter::new(facts);
    cutter.constants(coupling, gone)?;
    cutter.biases(coupling, gone, folds)?;
    cutter.integers(&edits);
    cutter.attributes(coupling, gone);
    cutter.shuffles(coupling, gone);
    cutter.value_info(coupling, gone);
    let mut proto = cutter.finish();
    sweep::drop_unread(facts.graph.model().proto(), &mut proto);
    Ok(proto)
}

/// The model being edited.
struct Cutter<'a> {
    facts: &'a Facts<'a>,
    proto: ModelProto,
    /// Names that the file uses.
    names: HashSet<String>,
    /// Constants that nodes made until now, and the values that they are.
    made: Vec<(ValueId, TensorProto)>,
}

impl<'a> Cutter<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let proto = facts.graph.model().proto().clone();
        let names = sweep::all_names(&proto);
        Self { facts, proto, names, made: Vec::new() }
    }

    /// Gives nodes biases of their own, of which what goes is cut.
    fn biases(&mut self, coupling: &Coupling, gone: &Gone, folds: &[Fold]) -> Result<()> {
        for fold in folds {
            let node = self.facts.graph.node(fold.node);
            let lost = node.output(0).and_then(|y| coupling.statements.axis_of(y, 1)).map_or(&[][..], |a| gone.of(a));
            let kept: Vec<usize> = (0..fold.bias.len()).filter(|o| lost.binary_search(o).is_err()).collect();
            let old = node.input(fold.slot).map(|v| self.facts.graph.name(v).to_owned());
            let name = self.fresh(&old.unwrap_or_else(|| format!("{}_bias", node.name())));
            self.add_initializer(fold.bias.select(0, &kept)?.to_proto(&name));
            if let Some(node) = self.node(fold.node) {
                node.input.resize(node.input.len().max(fold.slot + 1), String::new());
                node.input[fold.slot] = name;
            }
        }
        Ok(())
    }

    /// Writes the integers that count what was cut.
    fn integers(&mut self, edits: &[Edit]) {
        let mut written: HashMap<(Option<ValueId>, Vec<i64>), String> = HashMap::new();
        for edit in edits {
            match edit.slot {
                Slot::Attr(name) => {
                    if let Some(node) = self.node(edit.node) {
                        node.set_ints(name, edit.ints.clone());
                    }
                }
                Slot::Input { slot, replaces } => {
                    let value = self.facts.graph.node(edit.node).input(slot);
                    let key = (value, edit.ints.clone());
                    let name = match written.get(&key) {
                        Some(name) => name.clone(),
                        None => self.add_integers(edit, value),
                    };
                    written.insert(key, name.clone());
                    if let Some(node) = self.node(edit.node) {
                        node.attribute.retain(|a| Some(a.name()) != replaces);
                        node.input.resize(node.input.len().max(slot + 1), String::new());
                        node.input[slot] = name;
                    }
                }
            }
        }
    }

    /// A new constant of integers, of the type and dims of the one that it stands for.
    fn add_integers(&mut self, edit: &Edit, value: Option<ValueId>) -> String {
        let base = value.map_or_else(
            || format!("{}_sizes", self.facts.graph.node(edit.node).name()),
            |v| self.facts.graph.name(v).to_owned(),
        );
        let name = self.fresh(&base);
        let scalar = value.is_some_and(|v| self.facts.dims.get(v).is_some_and(<[usize]>::is_empty));
        let dims = if scalar { Vec::new() } else { vec![edit.ints.len()] };
        let narrow = value.and_then(|v| self.facts.constants.get(v)).is_some_and(|k| k.dtype() == DataType::Int32);
        let mut tensor = Tensor::from_ints(dims, &edit.ints);
        if narrow {
            tensor.dtype = DataType::Int32;
            tensor.data = edit.ints.iter().flat_map(|v| (*v as i32).to_le_bytes()).collect::<Vec<_>>().into();
        }
        self.add_initializer(tensor.to_proto(&name));
        name
    }

    /// Integer attributes that are the length of a virtual axis.
    fn attributes(&mut self, coupling: &Coupling, gone: &Gone) {
        for (id, axis) in coupling.statements.numbered() {
            let lost = gone.of(id).len();
            if let (Owner::Virtual { node, attr: Some(name) }, 1..) = (axis.owner, lost)
                && let Some(node) = self.node(node)
            {
                node.set_int(name, (axis.length - lost) as i64);
            }
        }
    }

    /// Where a shuffled value is cut, a Gather takes the place of the last node; the others are not read any more.
    fn shuffles(&mut self, coupling: &Coupling, gone: &Gone) {
        for shuffle in &coupling.shuffles {
            let of = |value: ValueId, k: usize| coupling.statements.axis_of(value, k).map_or(&[][..], |a| gone.of(a));
            let rank = self.facts.dims.get(shuffle.x).map_or(0, <[usize]>::len);
            if (0..rank).all(|k| of(shuffle.x, k).is_empty()) {
                continue;
            }
            let (lost, lost_after) = (of(shuffle.x, shuffle.axis), of(shuffle.y, shuffle.axis));
            let place = |from: usize| (from - lost.partition_point(|&g| g < from)) as i64;
            let kept = (0..shuffle.index.len()).filter(|i| lost_after.binary_search(i).is_err());
            let index: Vec<i64> = kept.map(|i| place(shuffle.index[i])).collect();
            let name = self.fresh(&format!("{}_order", self.facts.graph.name(shuffle.y)));
            self.add_initializer(Tensor::from_ints(vec![index.len()], &index).to_proto(&name));
            let x = self.facts.graph.name(shuffle.x).to_owned();
            if let Some(node) = self.node(shuffle.nodes[2]) {
                node.op_type = Some("Gather".into());
                node.input = vec![x, name];
                node.attribute.clear();
                node.set_int("axis", shuffle.axis as i64);
            }
        }
    }

    /// Appends the constants that nodes made until now, under the values' names, and lets go of these nodes.
    fn finish(mut self) -> ModelProto {
        for (value, tensor) in std::mem::take(&mut self.made) {
            if let (Source::Node(n, _), Some(node)) =
                (self.facts.graph.value(value).source, self.facts.graph.producer(value))
            {
                debug_assert_eq!(node.outputs.len(), 1);
                if let Some(node) = self.node(n) {
                    node.output.clear();
                }
            }
            self.add_initializer(tensor);
        }
        if let Some(graph) = self.proto.graph.as_mut() {
            graph.node.retain(|n| !n.output.is_empty());
        }
        self.proto
    }

    fn node(&mut self, id: NodeId) -> Option<&mut NodeProto> {
        self.proto.graph.as_mut()?.node.get_mut(id.index())
    }

    fn add_initializer(&mut self, tensor: TensorProto) {
        add_initializer(&mut self.proto, tensor);
    }

    /// A name that the file does not use, near `base`.
    fn fresh(&mut self, base: &str) -> String {
        fresh(&mut self.names, &format!("{base}_cut"))
    }
}
