//! Tensors and errors between the runtime's terms and ours.

use std::any::Any;
use std::collections::HashMap;

use tract_onnx::prelude::tract_data::prelude::Tensor as TractTensor;
use tract_onnx::prelude::*;

use super::rewrite::origin;
use super::runtime;
use crate::error::Error;
use crate::model::proto::DataType;
use crate::model::{Graph, Node, Tensor};

/// Characters of a message that are shown.
const LONGEST: usize = 320;

/// The element types that both sides have.
const TYPES: [(DataType, DatumType); 12] = [
    (DataType::Bool, DatumType::Bool),
    (DataType::Uint8, DatumType::U8),
    (DataType::Uint16, DatumType::U16),
    (DataType::Uint32, DatumType::U32),
    (DataType::Uint64, DatumType::U64),
    (DataType::Int8, DatumType::I8),
    (DataType::Int16, DatumType::I16),
    (DataType::Int32, DatumType::I32),
    (DataType::Int64, DatumType::I64),
    (DataType::Float16, DatumType::F16),
    (DataType::Float, DatumType::F32),
    (DataType::Double, DatumType::F64),
];

/// Copies a tensor over.
pub(super) fn to_tract(t: &Tensor) -> TractResult<TractTensor> {
    let known = TYPES.iter().find(|(d, _)| *d == t.dtype);
    let (_, dt) =
        known.ok_or_else(|| TractError::msg(format!("tensors of {} are not supported", t.dtype.as_str_name())))?;
    let need = t.dims.iter().product::<usize>() * dt.size_of();
    if t.data.len() != need {
        return Err(TractError::msg(format!("{need} bytes expected for {:?}, {} given", t.dims, t.data.len())));
    }
    // SAFETY: the type is a plain number, and there are as many bytes as its dims need; they are copied, at any alignment.
    unsafe { TractTensor::from_raw_dt(*dt, &t.dims, &t.data) }
}

/// Copies a tensor back. Lengths that tract keeps in a type of its own are int64.
pub(super) fn from_tract(t: &TractTensor) -> TractResult<Tensor> {
    let dt = t.datum_type();
    let plain = if dt == DatumType::TDim { t.cast_to_dt(DatumType::I64)? } else { std::borrow::Cow::Borrowed(t) };
    let dt = plain.datum_type().unquantized();
    let known = TYPES.iter().find(|(_, d)| *d == dt);
    let (dtype, _) = known.ok_or_else(|| TractError::msg(format!("outputs of {dt:?} are not supported")))?;
    let bytes = plain.try_as_plain_ram()?.as_bytes().to_vec();
    Ok(Tensor { dtype: *dtype, dims: plain.shape().to_vec(), data: bytes.into() })
}

/// The names of nodes, by those of their outputs: tract knows a node by its first output.
pub(super) type Makers = HashMap<String, String>;

/// The nodes of a graph by what they make.
pub(super) fn makers(graph: &Graph<'_>) -> Makers {
    let outputs = |n: &Node<'_>| n.outputs.iter().flatten().map(|&o| (graph.name(o).into(), n.name().into())).collect();
    graph.nodes().iter().flat_map::<Vec<_>, _>(outputs).collect()
}

/// tract's chain of reasons in one line, at the node that it names.
pub(super) fn failure(error: &TractError, makers: &Makers) -> Error {
    let mut reasons: Vec<String> = error.chain().map(|e| shorten(&e.to_string(), LONGEST / 2)).collect();
    reasons.dedup();
    let text = reasons.join(": ");
    let node = text.split('"').filter_map(|name| makers.get(origin(name))).next_back();
    let failed = runtime(shorten(&text, LONGEST));
    match node {
        Some(node) => failed.at(node),
        None => failed,
    }
}

/// What a panic said, without the stack that an error may carry in its text.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let reason = text.and_then(|t| t.split("Stack backtrace:").next()).unwrap_or("no reason given");
    shorten(&format!("it panicked: {reason}"), LONGEST)
}

/// One line of at most `longest` characters, cut in the middle.
fn shorten(text: &str, longest: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: Vec<char> = words.join(" ").chars().collect();
    if line.len() <= longest {
        return line.iter().collect();
    }
    let half = longest / 2 - 2;
    let (head, tail) = (&line[..half], &line[line.len() - half..]);
    head.iter().chain(&[' ', '.', '.', ' ']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tensors_survive_the_way_there_and_back() {
        for t in [
            Tensor::from_floats(vec![2, 2], &[1.0, -2.5, 0.0, 4.0]),
            Tensor::from_ints(vec![], &[-7]),
            Tensor { dtype: DataType::Float16, dims: vec![2], data: vec![0, 0x3c, 0, 0xc0].into() },
            Tensor { dtype: DataType::Bool, dims: vec![2], data: vec![1, 0].into() },
            Tensor { dtype: DataType::Float, dims: vec![0, 3], data: Vec::new().into() },
        ] {
            assert_eq!(from_tract(&to_tract(&t).unwrap()).unwrap(), t);
        }
    }

    #[test]
    fn unaligned_elements_are_copied() {
        let bytes = bytes::Bytes::from(vec![9, 0, 0, 0x80, 0x3f]).slice(1..);
        let t = Tensor { dtype: DataType::Float, dims: vec![1], data: bytes };
        assert_eq!(from_tract(&to_tract(&t).unwrap()).unwrap().floats().unwrap(), [1.0]);
    }

    #[test]
    fn what_tract_lacks_is_refused() {
        let t = Tensor { dtype: DataType::Bfloat16, dims: vec![1], data: vec![0, 0].into() };
        assert!(to_tract(&t).unwrap_err().to_string().contains("BFLOAT16"));
    }

    #[test]
    fn messages_are_one_short_line() {
        let error = TractError::msg(format!("inner\n  cause {}", "x".repeat(1000))).context("outer");
        let text = failure(&error, &Makers::new()).to_string();
        assert!(text.contains("outer: inner cause xx") && !text.contains('\n') && text.len() < 400, "{text}");
    }

    #[test]
    fn a_panic_says_its_reason_and_not_its_stack() {
        let panic: Box<dyn Any + Send> = Box::new("no such axis: 4\n\nStack backtrace:\n   0: main".to_owned());
        assert_eq!(panic_text(panic.as_ref()), "it panicked: no such axis: 4");
    }
}
