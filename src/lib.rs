//! secateur prunes ONNX models for real.

pub mod error;
pub mod model;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
