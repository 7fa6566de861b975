//! Our constants to tract's tensors and back: the same bytes, the same types.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::model::Tensor as Constant;
use crate::model::proto::DataType;

/// Tract's name for an element type; `None` where it has none.
pub(super) fn datum(dtype: DataType) -> Option<DatumType> {
    Some(match dtype {
        DataType::Float => f32::datum_type(),
        DataType::Double => f64::datum_type(),
        DataType::Float16 => f16::datum_type(),
        DataType::Int64 => i64::datum_type(),
        DataType::Int32 => i32::datum_type(),
        DataType::Int16 => i16::datum_type(),
        DataType::Int8 => i8::datum_type(),
        DataType::Uint64 => u64::datum_type(),
        DataType::Uint32 => u32::datum_type(),
        DataType::Uint16 => u16::datum_type(),
        DataType::Uint8 => u8::datum_type(),
        DataType::Bool => bool::datum_type(),
        _ => return None,
    })
}

pub(super) fn to_tract(t: &Constant) -> TractResult<Tensor> {
    let dtype = datum(t.dtype).with_context(|| format!("no element type {}", t.dtype.as_str_name()))?;
    // SAFETY: `Constant` holds exactly the elements of its dims, in the same little-endian layout, and every byte pattern that a model
    // stores is a value of these types but for booleans, which are 0 and 1 by ONNX's definition.
    unsafe { Tensor::from_raw_dt(dtype, &t.dims, &t.data) }
}

pub(super) fn from_tract(t: &Tensor) -> TractResult<Constant> {
    let kinds = [
        DataType::Float,
        DataType::Double,
        DataType::Float16,
        DataType::Int64,
        DataType::Int32,
        DataType::Int16,
        DataType::Int8,
        DataType::Uint64,
        DataType::Uint32,
        DataType::Uint16,
        DataType::Uint8,
        DataType::Bool,
    ];
    let plain = t.datum_type().unquantized();
    let Some(dtype) = kinds.into_iter().find(|k| datum(*k) == Some(plain)) else {
        return from_tract(&t.cast_to_dt(i64::datum_type())?.into_owned());
    };
    Ok(Constant { dtype, dims: t.shape().to_vec(), data: bytes::Bytes::copy_from_slice(t.as_bytes()) })
}
