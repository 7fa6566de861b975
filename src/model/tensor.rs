//! Constants as bytes: every ONNX element type, wherever the file keeps the elements, selected along an axis without a decode.

use bytes::Bytes;

use super::proto::{DataType, TensorProto};
use crate::error::{Error, Result};

/// A dense constant: little-endian elements in row-major order. Types narrower than a byte are packed as ONNX packs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Element type.
    pub dtype: DataType,
    /// Dims.
    pub dims: Vec<usize>,
    /// Elements. A slice of the mapped file where nothing was computed.
    pub data: Bytes,
}

/// Bits of one element; `None` for strings and for types of which the width is not fixed.
pub fn element_bits(dtype: DataType) -> Option<usize> {
    use DataType as D;
    Some(match dtype {
        D::Complex128 => 128,
        D::Double | D::Int64 | D::Uint64 | D::Complex64 => 64,
        D::Float | D::Int32 | D::Uint32 => 32,
        D::Float16 | D::Bfloat16 | D::Int16 | D::Uint16 => 16,
        D::Int8 | D::Uint8 | D::Bool | D::Float8e4m3fn | D::Float8e4m3fnuz | D::Float8e5m2 | D::Float8e5m2fnuz => 8,
        D::Float8e8m0 => 8,
        D::Int4 | D::Uint4 | D::Float4e2m1 => 4,
        D::Int2 | D::Uint2 => 2,
        D::String | D::Undefined | D::Float6e2m3 | D::Float6e3m2 => return None,
    })
}

impl Tensor {
    /// The tensor of a message, without a copy where its elements are in `raw_data`.
    ///
    /// Errors where the element type is unknown or the elements do not fill the dims.
    pub fn from_proto(t: &TensorProto) -> Result<Self> {
        let fail = |reason: String| Error::bad_model(format!("tensor '{}': {reason}", t.name()));
        let dtype = DataType::try_from(t.data_type())
            .ok()
            .filter(|d| *d != DataType::Undefined)
            .ok_or_else(|| fail(format!("unknown element type {}", t.data_type())))?;
        let dims = t.dims.iter().map(|&d| usize::try_from(d)).collect::<std::result::Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| fail(format!("negative dims {:?}", t.dims)))?;
        let bits = element_bits(dtype)
            .ok_or_else(|| fail(format!("element type {} has no fixed width", dtype.as_str_name())))?;
        let data = elements(t, dtype);
        let count =
            dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(|| fail("too many elements".into()))?;
        let need = count.checked_mul(bits).ok_or_else(|| fail("too many elements".into()))?.div_ceil(8);
        if data.len() != need {
            return Err(fail(format!(
                "{need} bytes expected for {dims:?} {}, {} found",
                dtype.as_str_name(),
                data.len()
            )));
        }
        Ok(Self { dtype, dims, data })
    }

    /// Integers as an int64 tensor.
    pub fn from_ints(dims: Vec<usize>, values: &[i64]) -> Self {
        Self {
            dtype: DataType::Int64,
            dims,
            data: values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>().into(),
        }
    }

    /// Floats as a float32 tensor.
    pub fn from_floats(dims: Vec<usize>, values: &[f32]) -> Self {
        Self {
            dtype: DataType::Float,
            dims,
            data: values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>().into(),
        }
    }

    /// Floats as a tensor of that type, each rounded to the nearest. `None` where the type is none of floating-point numbers.
    pub fn of_floats(dtype: DataType, dims: Vec<usize>, values: &[f32]) -> Option<Self> {
        let data: Vec<u8> = match dtype {
            DataType::Float => return Some(Self::from_floats(dims, values)),
            DataType::Double => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
            DataType::Float16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
            DataType::Bfloat16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
            _ => return None,
        };
        Some(Self { dtype, dims, data: data.into() })
    }

    /// As a message of that name.
    pub fn to_proto(&self, name: &str) -> TensorProto {
        TensorProto {
            name: Some(name.into()),
            data_type: Some(self.dtype.into()),
            dims: self.dims.iter().map(|&d| d as i64).collect(),
            raw_data: Some(self.data.clone()),
            ..Default::default()
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as integers, if they are integers or booleans.
    pub fn ints(&self) -> Option<Vec<i64>> {
        fn each<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> i64) -> Vec<i64> {
            data.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
        }
        let d = &self.data[..];
        Some(match self.dtype {
            DataType::Int64 => each(d, i64::from_le_bytes),
            DataType::Uint64 => each(d, |b| u64::from_le_bytes(b).min(i64::MAX as u64) as i64),
            DataType::Int32 => each(d, |b| i32::from_le_bytes(b).into()),
            DataType::Uint32 => each(d, |b| u32::from_le_bytes(b).into()),
            DataType::Int16 => each(d, |b| i16::from_le_bytes(b).into()),
            DataType::Uint16 => each(d, |b| u16::from_le_bytes(b).into()),
            DataType::Int8 => each(d, |b: [u8; 1]| i8::from_le_bytes(b).into()),
            DataType::Uint8 | DataType::Bool => each(d, |b: [u8; 1]| b[0].into()),
            _ => return None,
        })
    }

    /// The elements as float32, if they are floating-point numbers.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let d = &self.data[..];
        Some(match self.dtype {
            DataType::Float => d.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            DataType::Double => d.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            DataType::Float16 => d.as_chunks::<2>().0.iter().map(|b| half_to_f32(u16::from_le_bytes(*b))).collect(),
            DataType::Bfloat16 => {
                d.as_chunks::<2>().0.iter().map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)).collect()
            }
            _ => return None,
        })
    }

    /// The slices `index` along `axis`, in that order; repeats are allowed. Errors where an index or the axis is out of range.
    pub fn select(&self, axis: usize, index: &[usize]) -> Result<Self> {
        let length =
            *self.dims.get(axis).ok_or_else(|| Error::internal(format!("no axis {axis} in {:?}", self.dims)))?;
        if let Some(i) = index.iter().find(|&&i| i >= length) {
            return Err(Error::internal(format!("index {i} of axis {axis} in {:?}", self.dims)));
        }
        let bits = element_bits(self.dtype).unwrap_or(8);
        let wide = if bits < 8 { unpack(&self.data, bits, self.len()).into() } else { self.data.clone() };
        let inner = self.dims[axis + 1..].iter().product::<usize>() * bits.max(8) / 8;
        let outer: usize = self.dims[..axis].iter().product();
        let mut out = Vec::with_capacity(outer * index.len() * inner);
        for o in 0..outer {
            for &i in index {
                let at = (o * length + i) * inner;
                out.extend_from_slice(&wide[at..at + inner]);
            }
        }
        let mut dims = self.dims.clone();
        dims[axis] = index.len();
        let data = if bits < 8 { pack(&out, bits) } else { out };
        Ok(Self { dtype: self.dtype, dims, data: data.into() })
    }

    /// The elements of `other` where `takes` is true, and its own elsewhere, by row-major number. `None` where the two, or the list, do not fit
    /// together, or elements are narrower than a byte.
    pub fn blend(&self, other: &Self, takes: &[bool]) -> Option<Self> {
        let width = element_bits(self.dtype).filter(|b| b.is_multiple_of(8))? / 8;
        if (self.dtype, &self.dims) != (other.dtype, &other.dims) || takes.len() != self.len() {
            return None;
        }
        let mut data = self.data.to_vec();
        for (i, _) in takes.iter().enumerate().filter(|t| *t.1) {
            data[i * width..(i + 1) * width].copy_from_slice(&other.data[i * width..(i + 1) * width]);
        }
        Some(Self { data: data.into(), ..self.clone() })
    }

    /// A tensor of that type and those dims of which all bytes are zero. `None` where elements are narrower than a byte.
    pub fn zeros(dtype: DataType, dims: Vec<usize>) -> Option<Self> {
        let width = element_bits(dtype).filter(|b| b.is_multiple_of(8))? / 8;
        let data = vec![0; dims.iter().product::<usize>() * width];
        Some(Self { dtype, dims, data: data.into() })
    }
}

/// The elements' bytes, from `raw_data` or from the typed field that ONNX assigns to the element type.
fn elements(t: &TensorProto, dtype: DataType) -> Bytes {
    if let Some(raw) = &t.raw_data {
        return raw.clone();
    }
    let from_i32 =
        |width: usize| t.int32_data.iter().flat_map(|v| v.to_le_bytes().into_iter().take(width)).collect::<Vec<u8>>();
    let data: Vec<u8> = match dtype {
        DataType::Float | DataType::Complex64 => t.float_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DataType::Double | DataType::Complex128 => t.double_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DataType::Int64 => t.int64_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DataType::Uint64 => t.uint64_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DataType::Uint32 => t.uint64_data.iter().flat_map(|v| (*v as u32).to_le_bytes()).collect(),
        DataType::Int32 => from_i32(4),
        DataType::Int16 | DataType::Uint16 | DataType::Float16 | DataType::Bfloat16 => from_i32(2),
        _ => from_i32(1),
    };
    data.into()
}

fn unpack(data: &[u8], bits: usize, count: usize) -> Vec<u8> {
    let per = 8 / bits;
    (0..count).map(|i| (data[i / per] >> (i % per * bits)) & ((1 << bits) - 1)).collect()
}

fn pack(elements: &[u8], bits: usize) -> Vec<u8> {
    elements.chunks(8 / bits).map(|c| c.iter().enumerate().fold(0, |b, (i, e)| b | e << (i * bits))).collect()
}

/// IEEE 754 binary16 to binary32, exactly.
fn half_to_f32(h: u16) -> f32 {
    let sign = if h >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(h >> 10 & 31), f32::from(h & 1023));
    match exponent {
        0 => sign * fraction * (-24f32).exp2(),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        e => sign * (1.0 + fraction / 1024.0) * ((e - 15) as f32).exp2(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn int4(values: &[u8], dims: Vec<usize>) -> Tensor {
        Tensor { dtype: DataType::Int4, dims, data: pack(values, 4).into() }
    }

    #[test]
    fn select_takes_slices_in_order() {
        let t = Tensor::from_ints(vec![2, 3], &[0, 1, 2, 10, 11, 12]);
        assert_eq!(t.select(1, &[2, 0]).unwrap().ints().unwrap(), [2, 0, 12, 10]);
        assert_eq!(t.select(0, &[1]).unwrap(), Tensor::from_ints(vec![1, 3], &[10, 11, 12]));
    }

    #[test]
    fn select_repacks_types_narrower_than_a_byte() {
        let t = int4(&[1, 2, 3, 4, 5, 6, 7, 8, 9], vec![3, 3]);
        assert_eq!(t.select(1, &[0, 2]).unwrap(), int4(&[1, 3, 4, 6, 7, 9], vec![3, 2]));
    }

    #[test]
    fn halves_are_read_exactly() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0, 0.0)] {
            assert_eq!(half_to_f32(bits), value);
        }
        assert!(half_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn too_few_elements_are_refused() {
        let t = TensorProto { dims: vec![3], data_type: Some(1), float_data: vec![1.0], ..Default::default() };
        assert!(Tensor::from_proto(&t).unwrap_err().to_string().contains("12 bytes expected"));
    }
}
