//! What stands for models in another arithmetic while they are proved: copies of both that compute in float32, without quantization.
//!
//! Invariant: the same is done to both models, so that a difference between the copies is one between the models. That the constants of
//! the files themselves agree is proved before.

use super::Case;
use crate::error::Result;
use crate::model::Model;
use crate::runtime::Feed;

mod dequantize;
mod float32;

/// Both models of a case, and its inputs, in float32.
#[derive(Debug)]
pub(super) struct Plain {
    pub original: Model,
    pub pruned: Model,
    pub feeds: Vec<Feed>,
    pub grown: Option<Vec<Feed>>,
    /// Whether quantization was taken out.
    pub quantized: bool,
    /// Whether floating-point numbers of other types were.
    pub converted: bool,
}

impl Plain {
    /// The copies; `None` where the original computes in float32 as it is. Errors where a constant is malformed.
    pub(super) fn of(case: &Case<'_>) -> Result<Option<Self>> {
        let quantized = dequantize::is_quantized(case.original);
        let converted = float32::is_of_other_type(case.original);
        if !quantized && !converted {
            return Ok(None);
        }
        let copy = |m: &Model| if quantized { dequantize::copy(m).and_then(|m| float32(&m)) } else { float32(m) };
        Ok(Some(Self {
            original: copy(case.original)?,
            pruned: copy(case.pruned)?,
            feeds: feeds(case.feeds),
            grown: case.grown.map(feeds),
            quantized,
            converted,
        }))
    }

    /// What a reader of the proof should know.
    pub(super) fn note(&self) -> String {
        let what = match (self.quantized, self.converted) {
            (true, true) => "in float32, and without quantization",
            (true, false) => "without quantization",
            _ => "in float32",
        };
        format!("proved on copies of both models that compute {what}; their stored constants were compared as they are")
    }
}

/// A copy in which every floating-point number is a float32. Errors where a constant is malformed.
pub fn float32(model: &Model) -> Result<Model> {
    if float32::is_of_other_type(model) { float32::copy(model) } else { Ok(model.clone()) }
}

/// The inputs of such a copy.
pub fn feeds(feeds: &[Feed]) -> Vec<Feed> {
    feeds.iter().map(|f| Feed { dtype: float32::dtype(f.dtype), ..f.clone() }).collect()
}
