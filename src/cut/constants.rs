//! Constants that lose coordinates: in their place where all readers agree, as copies where they do not.

use std::collections::{BTreeMap, HashSet};

use super::{Cutter, value_info};
use crate::couple::{self, Coupling, Facts, Gone};
use crate::error::{Error, Result};
use crate::model::constant::{Known, is_stored};
use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::{AttributeProto, DimValue, NodeProto, TensorProto, ValueInfoProto};
use crate::model::removed::Kept;
use crate::model::{Node, NodeId, Source, Tensor, ValueId};
use crate::op::Owner;

/// What a constant keeps of the axes that shrink, for one set of readers.
type AxisCuts = Vec<Kept>;

impl Cutter<'_> {
    /// Cuts every constant; where readers want it differently, all but the first get copies.
    pub(super) fn constants(&mut self, coupling: &Coupling, gone: &Gone) -> Result<()> {
        for (value, by_reader) in cuts_by_reader(self.facts, coupling, gone) {
            let mut variants: BTreeMap<AxisCuts, Vec<Option<NodeId>>> = BTreeMap::new();
            for (reader, cuts) in by_reader {
                variants.entry(cuts).or_default().push(reader);
            }
            let known = self.facts.constants.get(value);
            let known =
                known.ok_or_else(|| Error::internal(format!("'{}' is no constant", self.facts.graph.name(value))))?;
            self.fix_shapes_of(value);
            // What it is another name of is cut likewise.
            if self.facts.constants.is_other_name(self.facts.graph, value) {
                continue;
            }
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
    pub(super) fn replace(&mut self, value: ValueId, tensor: &Tensor) {
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
            let node = graph.node(*reader);
            let all = readers.contains(&None) && (!self.facts.constants.covers(node) || self.renames(node));
            if all || readers.contains(&Some(*reader)) {
                let inputs = self.node(*reader).into_iter().flat_map(|n| &mut n.input);
                inputs.filter(|i| *i == graph.name(value)).for_each(|i| i.clone_from(&name));
            }
        }
        self.add_initializer(tensor.to_proto(&name));
    }

    /// Whether a node that makes another constant reads this one, and needs it whole.
    pub(super) fn in_a_chain(&self, value: ValueId) -> bool {
        let graph = self.facts.graph;
        let makes = |node: &Node<'_>| self.facts.constants.covers(node) && !is_shape(node) && !self.renames(node);
        graph.value(value).readers.iter().any(|r| makes(graph.node(r.0)))
    }

    /// Whether a node gives a matrix another name.
    fn renames(&self, node: &Node<'_>) -> bool {
        self.facts.constants.is_alias(self.facts.graph, node)
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
        && let Some(stored) = value_info::dims_mut(input)
    {
        stored.iter_mut().zip(dims).for_each(|(d, &n)| d.value = Some(DimValue::DimValue(n as i64)));
    }
}
