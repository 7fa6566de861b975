//! The cut: one pass that deletes coordinates from constants, writes the integers that count them, and drops what nothing reads any more.
//!
//! Invariant: what the cut does not concern stays as it is in the file, byte for byte.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::couple::payload::Edit;
use crate::couple::{self, Coupling, Facts, Gone};
use crate::error::{Error, Result};
use crate::model::constant::{Known, is_stored};
use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::{AttributeProto, DataType, DimValue, NodeProto, TensorProto, ValueInfoProto};
use crate::model::removed::Kept;
use crate::model::{ModelProto, Node, NodeId, Source, Tensor, ValueId};
use crate::op::{Owner, Slot};

mod sweep;

/// Cuts. Errors where a shape that the model computes would be wrong; couplings made by [`crate::couple::couple`] exclude that.
pub fn cut(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> Result<ModelProto> {
    let edits = coupling.payload_edits(facts, gone)?.map_err(|c| {
        Error::internal(format!("{} {}", facts.graph.node(c.node).op(), c.reason)).at(facts.graph.node(c.node).name())
    })?;
    let mut cutter = Cutter::new(facts);
    cutter.constants(coupling, gone)?;
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
    names: HashSet<String>,
    made: Vec<(ValueId, TensorProto)>,
}

/// What a constant keeps of the axes that shrink, for one set of readers.
type AxisCuts = Vec<Kept>;

impl<'a> Cutter<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let proto = facts.graph.model().proto().clone();
        let names = sweep::all_names(&proto);
        Self { facts, proto, names, made: Vec::new() }
    }

    /// Cuts every constant; where readers want it differently, all but the first get copies.
    fn constants(&mut self, coupling: &Coupling, gone: &Gone) -> Result<()> {
        for (value, by_reader) in cuts_by_reader(self.facts, coupling, gone) {
            let mut variants: BTreeMap<AxisCuts, Vec<Option<NodeId>>> = BTreeMap::new();
            for (reader, cuts) in by_reader {
                variants.entry(cuts).or_default().push(reader);
            }
            let known = self.facts.constants.get(value);
            let known =
                known.ok_or_else(|| Error::internal(format!("'{}' is no constant", self.facts.graph.name(value))))?;
            self.fix_shapes_of(value);
            let shared = variants.len() > 1 || self.in_a_chain(value);
            for (cuts, readers) in variants.into_iter().filter(|v| !v.0.is_empty()) {
                if let (Known::Fill { dims, .. }, false) = (known, shared) {
                    self.refill(value, dims, &cuts);
                    continue;
                }
                let tensor = Kept::select_all(&cuts, &known.tensor())?;
                if shared {
                    self.copy_for(value, &tensor, &readers);
                } else {
                    self.replace(value, &tensor);
                }
            }
        }
        Ok(())
    }

    /// Puts `tensor` in the place of a constant that all readers share.
    fn replace(&mut self, value: ValueId, tensor: &Tensor) {
        let name = self.facts.graph.name(value);
        let Some(graph) = self.proto.graph.as_mut() else { return };
        match self.facts.graph.value(value).source {
            Source::Initializer(i) => {
                let old = &mut graph.initializer[i];
                let doc = old.doc_string.take();
                *old = TensorProto { doc_string: doc, ..tensor.to_proto(name) };
                set_input_dims(&mut graph.input, name, &tensor.dims);
            }
            Source::Node(n, _) if is_stored(self.facts.graph, value) => {
                set_constant(&mut graph.node[n.index()], tensor)
            }
            _ => self.made.push((value, tensor.to_proto(name))),
        }
    }

    /// Gives a ConstantOfShape node a new shape.
    fn refill(&mut self, value: ValueId, dims: &[usize], cuts: &AxisCuts) {
        let mut dims: Vec<i64> = dims.iter().map(|&d| d as i64).collect();
        cuts.iter().for_each(|kept| dims[kept.axis()] = kept.len() as i64);
        let name = self.fresh(&format!("{}_shape", self.facts.graph.name(value)));
        if let Source::Node(n, _) = self.facts.graph.value(value).source
            && let Some(node) = self.node(n)
        {
            node.input = vec![name.clone()];
        }
        self.add_initializer(Tensor::from_ints(vec![dims.len()], &dims).to_proto(&name));
    }

    /// Gives `readers` a constant of their own; `None`: all that compute.
    fn copy_for(&mut self, value: ValueId, tensor: &Tensor, readers: &[Option<NodeId>]) {
        let graph = self.facts.graph;
        let name = self.fresh(graph.name(value));
        for (reader, _) in &graph.value(value).readers {
            let all = readers.contains(&None) && !self.facts.constants.covers(graph.node(*reader));
            if all || readers.contains(&Some(*reader)) {
                self.rename_input(*reader, |input| input == graph.name(value), &name);
            }
        }
        self.add_initializer(tensor.to_proto(&name));
    }

    /// Whether a node that makes another constant reads this one, and needs it whole.
    fn in_a_chain(&self, value: ValueId) -> bool {
        let graph = self.facts.graph;
        let makes = |node: &Node<'_>| self.facts.constants.covers(node) && !is_shape(node);
        graph.value(value).readers.iter().any(|r| makes(graph.node(r.0)))
    }

    /// What the model asks of a constant's shape stays what it was.
    fn fix_shapes_of(&mut self, value: ValueId) {
        let graph = self.facts.graph;
        for node in graph.value(value).readers.iter().map(|r| graph.node(r.0)).filter(|n| is_shape(n)) {
            if let Some((out, known)) = node.output(0).and_then(|out| Some((out, self.facts.constants.get(out)?))) {
                self.made.push((out, known.tensor().to_proto(graph.name(out))));
            }
        }
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

    /// Makes the stored shapes fresh: a dim that was cut becomes its new length; what contradicts the analysis is dropped, and so are the
    /// shapes of constants, which say their own.
    fn value_info(&mut self, coupling: &Coupling, gone: &Gone) {
        let mut lost = HashMap::<ValueId, Vec<(usize, usize, usize)>>::new();
        let mut constants = HashSet::new();
        for (id, axis) in coupling.statements.numbered() {
            let n = gone.of(id).len();
            match axis.owner {
                Owner::Blocks { value, .. } | Owner::Value { value, .. } if self.facts.constants.is_constant(value) => {
                    constants.extend((n > 0).then_some(value));
                }
                Owner::Value { value, reader: None, axis: k } => {
                    lost.entry(value).or_default().push((k, axis.length, axis.length - n));
                }
                _ => {}
            }
        }
        lost.retain(|_, axes| axes.iter().any(|a| a.1 != a.2));
        let graph = self.facts.graph;
        if let Some(proto) = self.proto.graph.as_mut() {
            proto.value_info.retain_mut(|info| match graph.find(info.name()) {
                Some(v) if constants.contains(&v) => false,
                Some(v) => lost.get(&v).is_none_or(|axes| refresh(info, axes)),
                None => true,
            });
        }
    }

    /// Appends the constants that nodes made until now, under their old names, and lets go of these nodes.
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

    fn rename_input(&mut self, id: NodeId, is: impl Fn(&str) -> bool, to: &str) {
        if let Some(node) = self.node(id) {
            node.input.iter_mut().filter(|i| is(i)).for_each(|i| *i = to.to_owned());
        }
    }

    /// With IR 3, initializers are graph inputs too.
    fn add_initializer(&mut self, tensor: TensorProto) {
        let old_ir = self.proto.ir_version.is_some_and(|v| v < 4);
        if let Some(graph) = self.proto.graph.as_mut() {
            if old_ir && graph.input.iter().all(|i| i.name() != tensor.name()) {
                graph.input.push(sweep::input_of(&tensor));
            }
            graph.initializer.push(tensor);
        }
    }

    /// A name that the file does not use, near `base`.
    fn fresh(&mut self, base: &str) -> String {
        let names = &self.names;
        let name = (1u64..).map(|k| format!("{base}_cut{k}")).find(|n| !names.contains(n)).unwrap_or_default();
        self.names.insert(name.clone());
        name
    }
}

/// For each constant that loses something, what each reader wants of it; `None`: all readers alike.
fn cuts_by_reader(
    facts: &Facts<'_>,
    coupling: &Coupling,
    gone: &Gone,
) -> BTreeMap<ValueId, BTreeMap<Option<NodeId>, AxisCuts>> {
    let mut out = BTreeMap::<ValueId, BTreeMap<Option<NodeId>, AxisCuts>>::new();
    let mut touched = HashSet::new();
    for (id, axis) in coupling.statements.numbered() {
        let (value, reader) = match axis.owner {
            Owner::Value { value, reader, .. } => (value, reader),
            Owner::Blocks { value, .. } => (value, None),
            Owner::Virtual { .. } => continue,
        };
        if !facts.constants.is_constant(value) {
            continue;
        }
        let cuts = out.entry(value).or_default().entry(reader).or_default();
        if let Some((_, removed)) = couple::entry(facts, axis, gone.of(id)) {
            touched.insert(value);
            cuts.push(removed.kept());
        }
    }
    out.retain(|value, _| touched.contains(value));
    out
}

fn is_shape(node: &Node<'_>) -> bool {
    matches!(node.op(), "Shape" | "Size") && node.proto.in_default_domain()
}

fn set_constant(node: &mut NodeProto, tensor: &Tensor) {
    let name = node.attr_tensor("value").map_or(String::new(), |t| t.name().to_owned());
    let attribute = AttributeProto {
        name: Some("value".into()),
        r#type: Some(AttributeType::Tensor.into()),
        t: Some(tensor.to_proto(&name)),
        ..Default::default()
    };
    node.attribute = vec![attribute];
}

/// An initializer that is a graph input too keeps a matching shape there.
fn set_input_dims(inputs: &mut [ValueInfoProto], name: &str, dims: &[usize]) {
    if let Some(input) = inputs.iter_mut().find(|i| i.name() == name)
        && let Some(stored) = sweep::dims_mut(input)
    {
        stored.iter_mut().zip(dims).for_each(|(d, &n)| d.value = Some(DimValue::DimValue(n as i64)));
    }
}

/// Writes new lengths over old ones; false where the stored shape is of another rank or length.
fn refresh(info: &mut ValueInfoProto, axes: &[(usize, usize, usize)]) -> bool {
    let Some(dims) = sweep::dims_mut(info) else { return false };
    dims.len() == axes.len()
        && axes.iter().all(|&(k, old, new)| match dims[k].fixed() {
            Some(n) if n == old => {
                dims[k].value = Some(DimValue::DimValue(new as i64));
                true
            }
            Some(_) => false,
            None => old == new || dims[k].value.is_none(),
        })
}
