//! secateur prunes ONNX models for real.

pub mod cost;
pub mod couple;
pub mod cut;
pub mod error;
pub mod model;
pub mod op;
pub mod plan;
pub mod runtime;
pub mod score;
pub mod shape;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
