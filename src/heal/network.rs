//! A model as healing sees it: its graph, what is known of it at the given inputs, and stretches of it as models of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::cut::input_of;
use crate::error::Result;
use crate::model::proto::{GraphProto, NodeProto, ValueInfoProto};
use crate::model::{Constants, Dims, Graph, Model, ModelProto, Node, NodeId, Tensor, ValueId};
use crate::runtime::{self, Feed, Session};

/// What stands in input slots instead of what the file has there.
pub(super) type Given = BTreeMap<(NodeId, usize), Instead>;

/// What a node reads instead of what the file says.
#[derive(Debug, Clone)]
pub(super) enum Instead {
    /// A constant.
    Constant(Tensor),
    /// What the file says, times that.
    Times(Tensor),
}

/// A model at given inputs.
pub(super) struct Network<'m> {
    pub graph: Graph<'m>,
    pub known: Constants,
    pub dims: Dims,
    /// Whether a value depends on an input.
    live: Vec<bool>,
}

/// Nodes of a network that are run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// The nodes, in the graph's order.
    pub nodes: Vec<NodeId>,
    /// What they read of what is held.
    pub reads: Vec<ValueId>,
    /// What they are run for.
    pub makes: Vec<ValueId>,
}

impl<'m> Network<'m> {
    /// Errors where the model is malformed.
    pub(super) fn new(model: &'m Model, feeds: &[Feed]) -> Result<Self> {
        let graph = model.graph()?;
        let dims = runtime::dims(model, feeds)?;
        let known = Constants::new(&graph)?.at(&graph, &dims)?;
        Ok(Self { live: graph.live(), graph, known, dims })
    }

    /// The elements of a constant, if they are floating-point numbers.
    pub(super) fn floats(&self, value: ValueId) -> Option<Vec<f32>> {
        self.known.get(value)?.tensor().floats()
    }

    /// The only node that reads a value, if nothing else looks at it.
    pub(super) fn sole_reader(&self, value: ValueId) -> Option<&Node<'m>> {
        let v = self.graph.value(value);
        match v.readers.as_slice() {
            [(node, _)] if !v.is_output && !v.captured => Some(self.graph.node(*node)),
            _ => None,
        }
    }

    /// Whether a value is the same whatever the inputs are, as what dequantizes stored weights. Every segment makes such ones for itself.
    pub(super) fn is_fixed(&self, value: ValueId) -> bool {
        !self.live[value.index()]
    }

    /// What of the range is needed for `makes`, and what that reads.
    pub(super) fn segment(&self, range: Range<usize>, makes: &BTreeSet<ValueId>) -> Segment {
        let mut needed = BTreeSet::new();
        let mut reads = BTreeSet::new();
        let mut open: Vec<ValueId> = makes.iter().copied().collect();
        while let Some(value) = open.pop() {
            if self.known.get(value).is_some() {
                continue;
            }
            let runs = |n: &&Node<'m>| range.contains(&n.id.index()) || self.is_fixed(value);
            match self.graph.producer(value).filter(runs) {
                Some(node) => {
                    if needed.insert(node.id) {
                        open.extend(self.graph.reads(node));
                    }
                }
                None => {
                    reads.insert(value);
                }
            }
        }
        Segment {
            nodes: needed.into_iter().collect(),
            reads: reads.into_iter().collect(),
            makes: makes.iter().copied().collect(),
        }
    }

    /// Prepares a segment to run, with what is `given` instead of what its nodes read. `like`: a tensor of each value that it reads.
    pub(super) fn load(&self, segment: &Segment, given: &Given, like: &[&Tensor]) -> Result<Session> {
        let model = Model::new(self.model(segment, given, like))?;
        let feed = |(v, t): (&ValueId, &&Tensor)| Feed {
            name: self.graph.name(*v).to_owned(),
            dtype: t.dtype,
            dims: t.dims.clone(),
        };
        let feeds: Vec<Feed> = segment.reads.iter().zip(like).map(feed).collect();
        let outputs: Vec<String> = segment.makes.iter().map(|v| self.graph.name(*v).to_owned()).collect();
        Session::load(&model, &feeds, &outputs)
    }

    fn model(&self, segment: &Segment, given: &Given, like: &[&Tensor]) -> ModelProto {
        let mut graph = GraphProto { name: Some("segment".into()), ..Default::default() };
        let mut constants = BTreeSet::new();
        for &id in &segment.nodes {
            let node = self.graph.node(id);
            constants.extend(self.graph.reads(node).filter(|v| self.known.get(*v).is_some()));
            let mut proto = node.proto.clone();
            for (&(_, slot), instead) in given.range((id, 0)..=(id, usize::MAX)) {
                let name = format!("secateur_heal_{}_{slot}", id.index());
                proto.input.resize(proto.input.len().max(slot + 1), String::new());
                let read = std::mem::replace(&mut proto.input[slot], name.clone());
                match instead {
                    Instead::Constant(tensor) => graph.initializer.push(tensor.to_proto(&name)),
                    Instead::Times(tensor) => {
                        let factor = format!("{name}_factor");
                        graph.initializer.push(tensor.to_proto(&factor));
                        graph.node.push(product([read, factor], name));
                    }
                }
            }
            graph.node.push(proto);
        }
        let known = constants.into_iter().filter_map(|v| Some((v, self.known.get(v)?)));
        graph.initializer.extend(known.map(|(v, k)| k.tensor().to_proto(self.graph.name(v))));
        graph.input = segment
            .reads
            .iter()
            .zip(like)
            .map(|(v, t)| input_of(&Tensor { data: Default::default(), ..(*t).clone() }.to_proto(self.graph.name(*v))))
            .collect();
        graph.output = segment.makes.iter().map(|v| named(self.graph.name(*v))).collect();
        let whole = self.graph.model().proto();
        ModelProto {
            ir_version: whole.ir_version,
            opset_import: whole.opset_import.clone(),
            functions: whole.functions.clone(),
            graph: Some(graph),
            ..Default::default()
        }
    }
}

fn product(of: [String; 2], name: String) -> NodeProto {
    NodeProto { op_type: Some("Mul".into()), input: of.into(), output: vec![name], ..Default::default() }
}

fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), ..Default::default() }
}
