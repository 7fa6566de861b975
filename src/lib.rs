//! secateur prunes ONNX models for real: it finds which channels live and die together, picks the ones that the others can best replace,
//! cuts them out of the graph, and proves the result by running it.
//!
//! The pipeline is the architecture. Each stage is one module, takes what came before by reference and returns a new value:
//!
//! ```text
//! read -> shape -> couple -> score -> plan -> cut -> verify -> report -> write
//! ```
//!
//! ```no_run
//! use secateur::{Model, pipeline::{prune, Destination, PruneOptions}};
//!
//! let model = Model::read("model.onnx".as_ref())?;
//! let report = prune(&model, &PruneOptions::rate(0.3), Destination::File { path: "small.onnx".as_ref(), replace: false })?;
//! println!("{} -> {} MACs", report.before.macs, report.after.macs);
//! # Ok::<(), secateur::Error>(())
//! ```
//!
//! What makes it right: rules only describe how the coordinates of an operator's axes relate ([`op`]); one solver turns the statements into
//! units and groups ([`couple`]); one pass edits ([`cut`]); and a judge that knows nothing of the analysis runs the written file beside
//! the masked original ([`verify`]).

pub mod build;
pub mod cost;
pub mod couple;
pub mod cut;
pub mod error;
pub mod model;
pub mod op;
pub mod pipeline;
pub mod plan;
pub mod report;
pub mod runtime;
pub mod score;
pub mod shape;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
