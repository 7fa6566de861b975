//! Arrays as NumPy saves them, kept in their own element type.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use ndarray::{ArrayD, Axis, IxDyn};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement};

mod f16;
mod member;

use f16::F16;

/// An array of one of the element types that are read.
#[derive(Debug)]
pub(super) enum Array {
    Bool(ArrayD<bool>),
    I8(ArrayD<i8>),
    U8(ArrayD<u8>),
    I16(ArrayD<i16>),
    U16(ArrayD<u16>),
    I32(ArrayD<i32>),
    U32(ArrayD<u32>),
    I64(ArrayD<i64>),
    U64(ArrayD<u64>),
    F16(ArrayD<F16>),
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
}

/// Runs `$body` for whichever array it is.
macro_rules! each {
    ($array:expr, $a:ident => $body:expr) => {
        match $array {
            Array::Bool($a) => $body,
            Array::I8($a) => $body,
            Array::U8($a) => $body,
            Array::I16($a) => $body,
            Array::U16($a) => $body,
            Array::I32($a) => $body,
            Array::U32($a) => $body,
            Array::I64($a) => $body,
            Array::U64($a) => $body,
            Array::F16($a) => $body,
            Array::F32($a) => $body,
            Array::F64($a) => $body,
        }
    };
}

/// A number that a float64 holds, or nearly so.
trait Number: Copy {
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($t:ty => |$v:ident| $f:expr),* $(,)?) => {
        $(impl Number for $t { fn number(self) -> f64 { let $v = self; $f } })*
    };
}

numbers!(
    bool => |v| f64::from(u8::from(v)), i8 => |v| v.into(), u8 => |v| v.into(), i16 => |v| v.into(), u16 => |v| v.into(),
    i32 => |v| v.into(), u32 => |v| v.into(), F16 => |v| v.number(), i64 => |v| v as f64, u64 => |v| v as f64, f32 => |v| v.into(), f64 => |v| v,
);

/// Where an array is read from, as often as it takes.
pub(super) trait Source {
    /// Reads it as that type.
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, Unread>;
}

/// Why an array was not read.
pub(super) enum Unread {
    /// Its elements are of the type that is described so.
    Type(String),
    /// Another reason.
    Other(String),
}

impl From<ReadNpyError> for Unread {
    fn from(e: ReadNpyError) -> Self {
        match e {
            ReadNpyError::WrongDescriptor(d) => Self::Type(d.to_string()),
            e => Self::Other(e.to_string()),
        }
    }
}

impl Source for &Path {
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, Unread> {
        let other = |e: std::io::Error| Unread::Other(e.to_string());
        let mut file = File::open(&**self).map_err(other)?;
        let bytes = file.metadata().map_err(other)?.len();
        let mut head = Vec::new();
        file.by_ref().take(HEADER).read_to_end(&mut head).and_then(|_| file.rewind()).map_err(other)?;
        if claimed(&head).is_some_and(|n| n > bytes) {
            return Err(Unread::Other(TRUNCATED.into()));
        }
        Ok(ArrayD::read_npy(BufReader::new(file))?)
    }
}

/// Bytes at the start of a file in which its shape is written.
const HEADER: u64 = 1 << 10;

/// The elements that the header of a `.npy` says to follow; what is said is reserved before it is read, so that it must not be believed.
fn claimed(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head);
    let shape = text.split_once("'shape':")?.1.split_once('(')?.1.split_once(')')?.0;
    let dims = shape.split(',').map(str::trim).filter(|d| !d.is_empty());
    dims.map(|d| d.trim_end_matches('L').parse::<u64>().ok()).try_fold(1u64, |n, d| Some(n.saturating_mul(d?)))
}

const TRUNCATED: &str = "is truncated: it has fewer elements than its header says";

/// An array of an archive.
pub(super) struct Member<'a> {
    pub path: &'a Path,
    pub archive: &'a mut NpzReader<BufReader<File>>,
    pub name: &'a str,
}

impl Source for Member<'_> {
    fn read<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, Unread> {
        let mut file = File::open(self.path).map_err(|e| Unread::Other(e.to_string()))?;
        let start = member::start(&mut file, self.name, HEADER);
        if start.is_some_and(|s| claimed(&s.head).is_some_and(|n| n > s.at_most)) {
            return Err(Unread::Other(TRUNCATED.into()));
        }
        self.archive.by_name(self.name).map_err(|e| match e {
            ReadNpzError::Npy(e) => e.into(),
            ReadNpzError::Zip(e) => Unread::Other(e.to_string()),
        })
    }
}

impl Array {
    /// Reads an array. Errors say why not, in words.
    pub(super) fn read(from: &mut impl Source) -> Result<Self, String> {
        // One byte an element: where the array has another type, this attempt ends before it reserves memory.
        let descriptor = match from.read() {
            Ok(array) => return Ok(Self::I8(array)),
            Err(Unread::Type(descriptor)) => descriptor,
            Err(Unread::Other(reason)) => return Err(reason),
        };
        let name = descriptor.trim_matches(['\'', '"']);
        let known = match name.trim_start_matches(['<', '>', '|', '=']) {
            "b1" | "?" => from.read().map(Self::Bool),
            "u1" | "B" => from.read().map(Self::U8),
            "i2" => from.read().map(Self::I16),
            "u2" => from.read().map(Self::U16),
            "i4" => from.read().map(Self::I32),
            "u4" => from.read().map(Self::U32),
            "i8" => from.read().map(Self::I64),
            "u8" => from.read().map(Self::U64),
            "f2" => from.read().map(Self::F16),
            "f4" => from.read().map(Self::F32),
            "f8" => from.read().map(Self::F64),
            _ => Err(Unread::Type(name.into())),
        };
        known.map_err(|e| match e {
            Unread::Type(name) => format!("elements of type {name} are not read: save numbers, as float32 or uint8"),
            Unread::Other(reason) => reason,
        })
    }

    /// Its dims.
    pub(super) fn dims(&self) -> &[usize] {
        each!(self, a => a.shape())
    }

    /// All elements, in row-major order.
    pub(super) fn numbers(&self) -> Vec<f64> {
        each!(self, a => a.iter().map(|v| v.number()).collect())
    }

    /// The elements of slice `i` of the first axis in row-major order, its axes permuted first where `order` says so.
    pub(super) fn slice(&self, i: usize, order: Option<&[usize]>) -> Vec<f64> {
        each!(self, a => {
            let slice = a.index_axis(Axis(0), i);
            match order {
                Some(order) => slice.permuted_axes(IxDyn(order)).iter().map(|v| v.number()).collect(),
                None => slice.iter().map(|v| v.number()).collect(),
            }
        })
    }
}
