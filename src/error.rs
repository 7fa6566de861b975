//! The library's one error type: what went wrong, at which node, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, and the node where it did, if it was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The node concerned: its name, or its first output.
    pub node: Option<String>,
}

/// The kinds of failure, each with what its message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The bytes are no ONNX model.
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// The file is ONNX, and yet the model makes no sense.
    BadModel(String),
    /// A dimension is unknown and must be given.
    OpenDim {
        /// The graph input.
        input: String,
        /// The dimension, named or by position.
        dim: String,
        /// What to pass to fix it.
        hint: String,
    },
    /// An option's value does not fit the model.
    BadOption(String),
    /// The runtime cannot load or run the model.
    Runtime(String),
    /// Samples cannot be used.
    BadData {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A plan does not fit the model.
    BadPlan(String),
    /// A budget is out of reach.
    Unreachable {
        /// The budget, and how far the model can be cut.
        what: String,
        /// What stands in the way, where that is known.
        obstacle: Option<String>,
    },
    /// An entry of a plan does not fit the model.
    PlanEntry {
        /// Where it stands, as `groups[2].remove[1]`.
        place: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The analysis contradicts itself: a fault of this program.
    Internal(String),
}

impl Error {
    /// An error of the given kind, at no node in particular.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, node: None }
    }

    /// A model that makes no sense.
    pub fn bad_model(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadModel(reason.into()))
    }

    /// A contradiction within the analysis.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal(reason.into()))
    }

    /// A failed system call on `path`.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io { path: path.to_owned(), reason: error.to_string() })
    }

    /// The same error, at `node`.
    pub fn at(mut self, node: impl Into<String>) -> Self {
        self.node.get_or_insert_with(|| node.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.node {
            write!(f, "node '{node}': ")?;
        }
        match &self.kind {
            ErrorKind::Io { path, reason } | ErrorKind::BadData { path, reason } => {
                write!(f, "{}: {reason}", path.display())
            }
            ErrorKind::NotOnnx { path, reason } => {
                write!(f, "{}: not an ONNX model ({reason}); expected a file exported as .onnx", path.display())
            }
            ErrorKind::BadModel(reason) => write!(f, "the model is not valid: {reason}"),
            ErrorKind::OpenDim { input, dim, hint } => {
                write!(f, "input '{input}' leaves dimension {dim} open: fix it with {hint}")
            }
            ErrorKind::PlanEntry { place, reason } => write!(f, "the plan's {place}: {reason}"),
            ErrorKind::BadOption(reason) | ErrorKind::BadPlan(reason) => f.write_str(reason),
            ErrorKind::Unreachable { what, obstacle } => {
                let obstacle = obstacle.as_ref().map(|o| format!("; what stands in the way: {o}")).unwrap_or_default();
                write!(f, "{what}{obstacle}")
            }
            ErrorKind::Runtime(reason) => write!(f, "the runtime (tract) cannot run the model: {reason}"),
            ErrorKind::Internal(reason) => write!(f, "internal error: {reason}; please report it with the model"),
        }
    }
}

impl std::error::Error for Error {}
