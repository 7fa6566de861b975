//! Fields that the schema does not know, as a newer ONNX or a vendor writes them: found when a model is read, put back when it is written.
//!
//! What is as it was in the file is written with the file's own bytes. A changed node or tensor keeps the unknown fields of its own level;
//! where unknown fields lie deeper within it, nobody can say what they mean now, and the model is not written.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::graph::node_name;
use super::proto::{
    DeviceConfigurationProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto,
    StringStringEntryProto, TensorAnnotation, TensorProto, TrainingInfoProto, ValueInfoProto,
};
use crate::error::{Error, Result};

mod wire;

use wire::{Field, Schema, field_head, fields};

/// Field numbers of the schema that are treated in a way of their own.
const GRAPH: u32 = 7;
const NODE: u32 = 1;
const INITIALIZER: u32 = 5;

/// The unknown fields of a file.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    model: Vec<u8>,
    graph: Vec<u8>,
    parts: BTreeMap<Key, Part>,
}

/// Which message: the level that it belongs to, its field number there, what it is called by.
type Key = (Level, u32, Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Model,
    Graph,
}

/// A message in which something is unknown.
#[derive(Debug)]
struct Part {
    raw: Bytes,
    /// Unknown fields of its own level.
    own: Vec<u8>,
    /// Whether there are others further down.
    deep: bool,
}

/// A model's bytes in pieces, in the order in which they are written.
pub(crate) enum Piece<'m> {
    /// Bytes as they are.
    Bytes(Bytes),
    /// The file's own bytes of a message, and its field number.
    Raw(u32, Bytes),
    /// A node of the main graph, and fields to append to it.
    Node(&'m NodeProto, &'m [u8]),
    /// An initializer of the main graph, and fields to append to it.
    Initializer(&'m TensorProto, &'m [u8]),
}

impl Unknown {
    /// What of a model's bytes the schema does not know; `None`: nothing.
    pub(crate) fn of(bytes: &Bytes) -> Option<Self> {
        let schema = Schema::new();
        let mut unknown = Self::default();
        for field in fields(bytes)? {
            match field.body.clone() {
                _ if !schema.knows("ModelProto", field.number) => unknown.model.extend(&bytes[field.whole]),
                Some(body) if field.number == GRAPH => unknown.add_graph(&schema, &bytes.slice(body))?,
                Some(body) => unknown.add(&schema, Level::Model, &field, bytes.slice(body)),
                None => {}
            }
        }
        let any = !unknown.model.is_empty() || !unknown.graph.is_empty() || !unknown.parts.is_empty();
        any.then_some(unknown)
    }

    fn add_graph(&mut self, schema: &Schema, bytes: &Bytes) -> Option<()> {
        for field in fields(bytes)? {
            match field.body.clone() {
                _ if !schema.knows("GraphProto", field.number) => self.graph.extend(&bytes[field.whole]),
                Some(body) => self.add(schema, Level::Graph, &field, bytes.slice(body)),
                None => {}
            }
        }
        Some(())
    }

    fn add(&mut self, schema: &Schema, level: Level, field: &Field, raw: Bytes) {
        let message = if level == Level::Model { "ModelProto" } else { "GraphProto" };
        let Some(child) = schema.child(message, field.number) else { return };
        let (own, deep) = schema.unknown(child, &raw);
        if !own.is_empty() || deep {
            let own = own.into_iter().flat_map(|r| raw[r].to_vec()).collect();
            self.parts.insert((level, field.number, identity(level, field.number, &raw)), Part { raw, own, deep });
        }
    }

    /// The pieces of a model that `proto` is the known part of. Errors where something that changed holds unknown fields deeper down.
    pub(crate) fn restore<'m>(&'m self, proto: &'m ModelProto) -> Result<Vec<Piece<'m>>> {
        let Some(graph) = proto.graph.as_ref() else { return Ok(Vec::new()) };
        let shell = ModelProto { graph: None, ..proto.clone() };
        let mut model = self.refill(Level::Model, &shell.encode_to_vec())?;
        model.extend(&self.model);
        let bare = GraphProto { node: Vec::new(), initializer: Vec::new(), ..graph.clone() };
        let mut inside = self.refill(Level::Graph, &bare.encode_to_vec())?;
        inside.extend(&self.graph);
        let mut pieces = vec![Piece::Bytes(inside.into())];
        for node in &graph.node {
            let part = self.part(NODE, first(&node.output));
            pieces.push(piece(part, NODE, node, node_name(node), Piece::Node)?);
        }
        for tensor in &graph.initializer {
            let part = self.part(INITIALIZER, tensor.name());
            pieces.push(piece(part, INITIALIZER, tensor, tensor.name(), Piece::Initializer)?);
        }
        let length = pieces.iter().map(Piece::len).sum();
        model.extend(field_head(GRAPH, length));
        pieces.insert(0, Piece::Bytes(model.into()));
        Ok(pieces)
    }

    fn part(&self, number: u32, name: &str) -> Option<&Part> {
        self.parts.get(&(Level::Graph, number, name.as_bytes().to_vec()))
    }

    /// The fields of an encoded message, those that have unknown parts with them.
    fn refill(&self, level: Level, encoded: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(encoded.len());
        for field in fields(encoded).unwrap_or_default() {
            let body = field.body.clone().map(|b| &encoded[b]);
            let part = body.and_then(|b| self.parts.get(&(level, field.number, identity(level, field.number, b))));
            let (Some(body), Some(part)) = (body, part) else {
                out.extend(&encoded[field.whole]);
                continue;
            };
            let whole = if recode(level, field.number, &part.raw).is_some_and(|r| r == body) {
                part.raw.to_vec()
            } else if part.deep {
                return Err(lost(&String::from_utf8_lossy(&identity(level, field.number, body))));
            } else {
                [body, &part.own].concat()
            };
            out.extend(field_head(field.number, whole.len()));
            out.extend(whole);
        }
        Ok(out)
    }
}

impl Piece<'_> {
    /// Bytes that it takes, with its head.
    pub(crate) fn len(&self) -> usize {
        self.head().len() + self.body()
    }

    /// Tag and length, where they are not in the bytes.
    pub(crate) fn head(&self) -> Vec<u8> {
        match self {
            Self::Bytes(_) => Vec::new(),
            Self::Raw(number, _) => field_head(*number, self.body()),
            Self::Node(..) => field_head(NODE, self.body()),
            Self::Initializer(..) => field_head(INITIALIZER, self.body()),
        }
    }

    fn body(&self) -> usize {
        match self {
            Self::Bytes(b) | Self::Raw(_, b) => b.len(),
            Self::Node(m, own) => m.encoded_len() + own.len(),
            Self::Initializer(m, own) => m.encoded_len() + own.len(),
        }
    }
}

/// A message that a cut may have changed: the file's bytes where it did not, else with its own unknown fields.
fn piece<'m, M: Message + Default + PartialEq>(
    part: Option<&'m Part>,
    number: u32,
    message: &'m M,
    name: &str,
    make: impl Fn(&'m M, &'m [u8]) -> Piece<'m>,
) -> Result<Piece<'m>> {
    match part {
        None => Ok(make(message, &[])),
        Some(part) if M::decode(part.raw.clone()).is_ok_and(|m| m == *message) => {
            Ok(Piece::Raw(number, part.raw.clone()))
        }
        Some(part) if part.deep => Err(lost(name)),
        Some(part) => Ok(make(message, &part.own)),
    }
}

fn lost(name: &str) -> Error {
    let what = "it changes, and holds fields that this version of ONNX does not know; what they mean would be lost";
    Error::bad_model(format!("'{name}': {what}"))
}

fn first(names: &[String]) -> &str {
    names.iter().map(String::as_str).find(|n| !n.is_empty()).unwrap_or("")
}

/// What a message is called by within its field: a node by its first output, others by name, domain, key, or all that is known of them.
fn identity(level: Level, number: u32, bytes: &[u8]) -> Vec<u8> {
    let by = match (level, number) {
        (Level::Graph, NODE) => 2,
        (Level::Graph, INITIALIZER) => 8,
        (Level::Graph, 15) | (Level::Model, 20) => {
            return recode(level, number, &Bytes::copy_from_slice(bytes)).unwrap_or_default();
        }
        _ => 1,
    };
    let named = fields(bytes).unwrap_or_default().into_iter().filter(|f| f.number == by);
    named.filter_map(|f| f.body).map(|b| bytes[b].to_vec()).find(|n| !n.is_empty()).unwrap_or_default()
}

/// A message as the schema alone would write it.
fn recode(level: Level, number: u32, raw: &Bytes) -> Option<Vec<u8>> {
    fn by<M: Message + Default>(raw: &Bytes) -> Option<Vec<u8>> {
        M::decode(raw.clone()).ok().map(|m| m.encode_to_vec())
    }
    match (level, number) {
        (Level::Model, 8) => by::<OperatorSetIdProto>(raw),
        (Level::Model, 20) => by::<TrainingInfoProto>(raw),
        (Level::Model, 25) => by::<FunctionProto>(raw),
        (Level::Model, 26) => by::<DeviceConfigurationProto>(raw),
        (Level::Graph, 11..=13) => by::<ValueInfoProto>(raw),
        (Level::Graph, 14) => by::<TensorAnnotation>(raw),
        (Level::Graph, 15) => by::<SparseTensorProto>(raw),
        (Level::Model, 14) | (Level::Graph, 16) => by::<StringStringEntryProto>(raw),
        _ => None,
    }
}
