//! An ONNX model in ONNX's own terms: the file's content, and an indexed view of its graph.
//!
//! Invariant: `Model` is the file. Reading loses nothing, and what no stage edits is written back as it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod attr;
pub mod constant;
pub mod graph;
pub mod proto;
pub mod read;
pub mod removed;
pub mod tensor;
mod unknown;
pub mod write;

pub use constant::{Constants, Dims, Known};
pub use graph::{Graph, Node, NodeId, Source, Value, ValueId};
pub use proto::ModelProto;
pub use removed::Removed;
pub use tensor::Tensor;

use crate::error::{Error, Result};
use proto::GraphProto;
use unknown::Unknown;

/// A decoded model and where it came from.
#[derive(Debug, Clone)]
pub struct Model {
    proto: ModelProto,
    origin: Origin,
    unknown: Option<Arc<Unknown>>,
}

/// Where a model came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file, where there was one.
    pub path: Option<PathBuf>,
    /// The files that held external data.
    pub data: Vec<PathBuf>,
    /// Size in bytes, external data included.
    pub file_bytes: u64,
    /// SHA-256 of the file, in hexadecimal, without its external data.
    pub sha256: String,
}

impl Model {
    /// A model made in memory. Errors where it has no graph.
    pub fn new(proto: ModelProto) -> Result<Self> {
        Self::with_origin(proto, Origin::default())
    }

    /// A model with its origin. Errors where it has no graph.
    pub fn with_origin(proto: ModelProto, origin: Origin) -> Result<Self> {
        if proto.graph.is_none() {
            return Err(Error::bad_model("it has no graph"));
        }
        Ok(Self { proto, origin, unknown: None })
    }

    /// The same file with another content: what of it the schema does not know stays with it.
    pub fn edited(&self, proto: ModelProto) -> Self {
        Self { proto, origin: Origin::default(), unknown: self.unknown.clone() }
    }

    /// The file's content.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The file's content, given away.
    pub fn into_proto(self) -> ModelProto {
        self.proto
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The main graph.
    pub fn graph_proto(&self) -> &GraphProto {
        static EMPTY: GraphProto = proto::empty_graph();
        self.proto.graph.as_ref().unwrap_or(&EMPTY)
    }

    /// The main graph, indexed. Errors where names clash or are undefined.
    pub fn graph(&self) -> Result<Graph<'_>> {
        Graph::new(self)
    }

    /// Version of the default operator set.
    pub fn opset(&self) -> i64 {
        self.opset_of("").unwrap_or(1)
    }

    /// Version of the operator set of `domain`, if it is imported.
    pub fn opset_of(&self, domain: &str) -> Option<i64> {
        let default = |d: &str| d.is_empty() || d == "ai.onnx";
        let same = |d: &str| d == domain || (default(d) && default(domain));
        self.proto.opset_import.iter().find(|o| same(o.domain())).map(|o| o.version())
    }

    /// A name for messages: the file's path, or "the model".
    pub fn label(&self) -> String {
        self.origin.path.as_deref().map_or_else(|| "the model".into(), |p: &Path| p.display().to_string())
    }
}
