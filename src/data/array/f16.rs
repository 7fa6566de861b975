//! Half-precision elements, which the reader of arrays does not know.

use std::io::Read;

use ndarray_npy::{ReadDataError, ReadableElement};
use py_literal::Value;

/// A float16.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct F16(half::f16);

impl F16 {
    /// The number, exactly.
    pub(super) fn number(self) -> f64 {
        self.0.to_f64()
    }
}

impl ReadableElement for F16 {
    fn read_to_end_exact_vec<R: Read>(reader: R, dtype: &Value, len: usize) -> Result<Vec<Self>, ReadDataError> {
        let number: fn([u8; 2]) -> half::f16 = match dtype {
            Value::String(d) if d == ">f2" => half::f16::from_be_bytes,
            Value::String(d) if d.trim_start_matches(['<', '=', '|']) == "f2" => half::f16::from_le_bytes,
            other => return Err(ReadDataError::WrongDescriptor(other.clone())),
        };
        let wanted = len.saturating_mul(2);
        let mut bytes = Vec::new();
        reader.take((wanted as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(ReadDataError::Io)?;
        match bytes.len() {
            n if n < wanted => Err(ReadDataError::MissingData),
            n if n > wanted => Err(ReadDataError::ExtraBytes(n - wanted)),
            _ => Ok(bytes.chunks_exact(2).map(|b| Self(number([b[0], b[1]]))).collect()),
        }
    }
}
