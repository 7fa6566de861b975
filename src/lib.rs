//! secateur prunes ONNX models for real.

pub mod cost;
pub mod couple;
pub mod error;
pub mod model;
pub mod op;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
