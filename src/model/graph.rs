//! The graph, indexed: values and nodes by number, who makes what and who reads it.

use std::collections::{HashMap, HashSet};

use super::Model;
use super::proto::{DataType, GraphProto, NodeProto, TensorProto, TypeValue};
use crate::error::{Error, Result};

/// A value of a graph, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// A node of a graph, by its position in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl ValueId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A graph input that no initializer fills.
    Input,
    /// The initializer at that position in the file.
    Initializer(usize),
    /// A sparse initializer.
    Sparse,
    /// That output of that node.
    Node(NodeId, usize),
}

/// A named value.
#[derive(Debug, Clone)]
pub struct Value<'m> {
    /// Its name in the file.
    pub name: &'m str,
    /// Where it comes from.
    pub source: Source,
    /// The nodes that read it, and in which input slot.
    pub readers: Vec<(NodeId, usize)>,
    /// Whether it is a graph output.
    pub is_output: bool,
    /// Whether a subgraph of some node reads it.
    pub captured: bool,
}

/// A node with its values by number; `None` is an optional slot left empty.
#[derive(Debug, Clone)]
pub struct Node<'m> {
    /// Its number.
    pub id: NodeId,
    /// The file's content.
    pub proto: &'m NodeProto,
    /// What it reads, by slot.
    pub inputs: Vec<Option<ValueId>>,
    /// What it makes, by slot.
    pub outputs: Vec<Option<ValueId>>,
}

impl<'m> Node<'m> {
    /// The operator's name.
    pub fn op(&self) -> &'m str {
        self.proto.op_type()
    }

    /// Its name, or its first output where it has none.
    pub fn name(&self) -> &'m str {
        node_name(self.proto)
    }

    /// Whether it multiplies and sums: the operators of which the multiply-adds are counted.
    pub fn contracts(&self) -> bool {
        let named = matches!(self.op(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Einsum");
        named && self.proto.in_default_domain()
    }

    /// Whether it gives what it reads another name, or another element type.
    pub(crate) fn renames(&self) -> bool {
        matches!(self.op(), "Identity" | "Cast") && self.proto.in_default_domain()
    }

    /// What it reads in that slot.
    pub fn input(&self, slot: usize) -> Option<ValueId> {
        self.inputs.get(slot).copied().flatten()
    }

    /// What it makes in that slot.
    pub fn output(&self, slot: usize) -> Option<ValueId> {
        self.outputs.get(slot).copied().flatten()
    }
}

/// A node's name, or its first output where it has none.
pub fn node_name(node: &NodeProto) -> &str {
    match node.name() {
        "" => node.output.iter().map(String::as_str).find(|o| !o.is_empty()).unwrap_or(""),
        name => name,
    }
}

/// The indexed main graph of a model.
#[derive(Debug, Clone)]
pub struct Graph<'m> {
    model: &'m Model,
    values: Vec<Value<'m>>,
    nodes: Vec<Node<'m>>,
    by_name: HashMap<&'m str, ValueId>,
}

impl<'m> Graph<'m> {
    /// Indexes the main graph. Errors where a value is made twice, read before it is made, or an output is never made.
    pub fn new(model: &'m Model) -> Result<Self> {
        let proto = model.graph_proto();
        let mut g = Graph { model, values: Vec::new(), nodes: Vec::new(), by_name: HashMap::new() };
        g.add_constants(proto)?;
        for input in &proto.input {
            if !g.by_name.contains_key(input.name()) {
                g.define(input.name(), Source::Input)?;
            }
        }
        for (i, node) in proto.node.iter().enumerate() {
            g.add_node(NodeId(i as u32), node)?;
        }
        for output in &proto.output {
            let id = g
                .find(output.name())
                .ok_or_else(|| Error::bad_model(format!("no node makes the graph output '{}'", output.name())))?;
            g.values[id.index()].is_output = true;
        }
        Ok(g)
    }

    /// The model.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// All nodes, in the file's order, which is topological.
    pub fn nodes(&self) -> &[Node<'m>] {
        &self.nodes
    }

    /// All values.
    pub fn values(&self) -> &[Value<'m>] {
        &self.values
    }

    /// All values with their numbers.
    pub fn value_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node<'m> {
        &self.nodes[id.index()]
    }

    /// A value.
    pub fn value(&self, id: ValueId) -> &Value<'m> {
        &self.values[id.index()]
    }

    /// A value's name.
    pub fn name(&self, id: ValueId) -> &'m str {
        self.values[id.index()].name
    }

    /// The value of that name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.by_name.get(name).copied()
    }

    /// The node that makes the value.
    pub fn producer(&self, id: ValueId) -> Option<&Node<'m>> {
        match self.value(id).source {
            Source::Node(n, _) => Some(self.node(n)),
            _ => None,
        }
    }

    /// Which values depend on a graph input, by number: through operands, or through what a subgraph reads.
    pub fn live(&self) -> Vec<bool> {
        self.reached(|v| self.value(v).source == Source::Input, |node| is_random(node.op()))
    }

    /// What a node depends on, what its subgraphs capture included.
    pub(crate) fn reads(&self, node: &Node<'m>) -> impl Iterator<Item = ValueId> {
        let captured = captured_names(node.proto).into_iter().filter_map(|n| self.find(n));
        node.inputs.iter().flatten().copied().chain(captured)
    }

    /// Which values are among `from`, made by one of `also`, or depend on such ones, by number.
    pub(crate) fn reached(&self, from: impl Fn(ValueId) -> bool, also: impl Fn(&Node<'m>) -> bool) -> Vec<bool> {
        let mut reached: Vec<bool> = self.value_ids().map(from).collect();
        for node in &self.nodes {
            if self.reads(node).any(|v| reached[v.index()]) || also(node) {
                node.outputs.iter().flatten().for_each(|o| reached[o.index()] = true);
            }
        }
        reached
    }

    /// The initializer behind a value, if it is one.
    pub fn initializer(&self, id: ValueId) -> Option<&'m TensorProto> {
        match self.value(id).source {
            Source::Initializer(i) => self.model.graph_proto().initializer.get(i),
            _ => None,
        }
    }

    /// The element type that the file declares for a value, where it does.
    pub(crate) fn declared_type(&self, id: ValueId) -> Option<DataType> {
        let (name, proto) = (self.name(id), self.model.graph_proto());
        let info = proto.input.iter().chain(&proto.value_info).chain(&proto.output).find(|v| v.name() == name)?;
        match info.r#type.as_ref()?.value.as_ref()? {
            TypeValue::TensorType(t) => DataType::try_from(t.elem_type?).ok(),
            _ => None,
        }
    }

    fn add_constants(&mut self, proto: &'m GraphProto) -> Result<()> {
        for (i, t) in proto.initializer.iter().enumerate() {
            self.define(t.name(), Source::Initializer(i))?;
        }
        for t in &proto.sparse_initializer {
            self.define(t.values.as_ref().map_or("", |v| v.name()), Source::Sparse)?;
        }
        Ok(())
    }

    fn add_node(&mut self, id: NodeId, proto: &'m NodeProto) -> Result<()> {
        let mut inputs = Vec::with_capacity(proto.input.len());
        for (slot, name) in proto.input.iter().enumerate() {
            inputs.push(if name.is_empty() { None } else { Some(self.read(name, id, slot, proto)?) });
        }
        for name in captured_names(proto) {
            if let Some(v) = self.find(name) {
                self.values[v.index()].captured = true;
            }
        }
        let mut outputs = Vec::with_capacity(proto.output.len());
        for (slot, name) in proto.output.iter().enumerate() {
            outputs.push(if name.is_empty() { None } else { Some(self.define(name, Source::Node(id, slot))?) });
        }
        self.nodes.push(Node { id, proto, inputs, outputs });
        Ok(())
    }

    fn read(&mut self, name: &str, id: NodeId, slot: usize, proto: &NodeProto) -> Result<ValueId> {
        let v = self.find(name).ok_or_else(|| {
            Error::bad_model(format!("it reads '{name}', which nothing before it makes")).at(node_name(proto))
        })?;
        self.values[v.index()].readers.push((id, slot));
        Ok(v)
    }

    fn define(&mut self, name: &'m str, source: Source) -> Result<ValueId> {
        let id = ValueId(self.values.len() as u32);
        if self.by_name.insert(name, id).is_some() {
            return Err(Error::bad_model(format!("the value '{name}' is made twice")));
        }
        self.values.push(Value { name, source, readers: Vec::new(), is_output: false, captured: false });
        Ok(id)
    }
}

/// Operators that make another value in each run.
fn is_random(op: &str) -> bool {
    matches!(
        op,
        "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike"
    )
}

/// Names that the subgraphs of a node read from outside.
fn captured_names(node: &NodeProto) -> Vec<&str> {
    fn walk<'p>(graph: &'p GraphProto, outer: &HashSet<&'p str>, found: &mut Vec<&'p str>) {
        let mut inside = outer.clone();
        inside.extend(graph.input.iter().map(|v| v.name()));
        inside.extend(graph.initializer.iter().map(|t| t.name()));
        for node in &graph.node {
            found.extend(node.input.iter().map(String::as_str).filter(|n| !n.is_empty() && !inside.contains(n)));
            node.subgraphs().for_each(|g| walk(g, &inside, found));
            inside.extend(node.output.iter().map(String::as_str));
        }
        found.extend(graph.output.iter().map(|v| v.name()).filter(|n| !inside.contains(n)));
    }
    let mut found = Vec::new();
    node.subgraphs().for_each(|g| walk(g, &HashSet::new(), &mut found));
    found
}
