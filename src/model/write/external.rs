//! Weights in a file of their own beside the model, for models that are too large for one message and whoever wants it so
//! (<https://onnx.ai/onnx/repo-docs/ExternalData.html>).
//!
//! Only initializers move, as in ONNX's own tools: runtimes do not look for attributes elsewhere.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::{data_beside, finish, temporary};
use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::tensor_proto::DataLocation;
use crate::model::proto::{DataType, GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use crate::model::tensor::{Tensor, element_bits};

/// Tensors of fewer bytes stay in the model: runtimes want shapes at hand.
const SMALLEST: usize = 1024;

/// Where tensors begin: at pages, so that they can be mapped.
const PAGE: u64 = 4096;

/// Where large ones begin: at what Windows can map.
const LARGE_PAGE: u64 = 1 << 16;

/// What counts as large.
const LARGE: usize = 1 << 20;

/// The model without its large initializers, and the file that holds them; `None` where it has none.
pub(super) fn move_out(proto: &ModelProto, target: &Path) -> Result<(ModelProto, Option<NamedTempFile>)> {
    let path = data_beside(target);
    let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
        let reason = "a file with external data needs a name in Unicode, for the model holds it".into();
        Error::new(ErrorKind::Io { path: target.to_owned(), reason })
    })?;
    let sink = BufWriter::with_capacity(1 << 16, temporary(target, ".data")?);
    let mut data = Data { sink, length: 0, name };
    let mut light = proto.clone();
    if let Some(graph) = light.graph.as_mut() {
        data.take(graph).map_err(|e| Error::io(&path, &e))?;
    }
    let any = data.length > 0;
    let file = data.sink.into_inner().map_err(|e| Error::io(&path, e.error()))?;
    Ok((light, if any { Some(finish(file, &path)?) } else { None }))
}

/// A data file being written.
struct Data<'n, W: Write> {
    sink: W,
    length: u64,
    name: &'n str,
}

impl<W: Write> Data<'_, W> {
    fn take(&mut self, graph: &mut GraphProto) -> io::Result<()> {
        for tensor in &mut graph.initializer {
            if let Some(bytes) = elements(tensor) {
                self.append(tensor, &bytes)?;
            }
        }
        for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|g| self.take(g))?;
        }
        Ok(())
    }

    /// Writes the elements, and says in the tensor where they are.
    fn append(&mut self, tensor: &mut TensorProto, bytes: &Bytes) -> io::Result<()> {
        let page = if bytes.len() >= LARGE { LARGE_PAGE } else { PAGE };
        let offset = self.length.next_multiple_of(page);
        io::copy(&mut io::Read::take(io::repeat(0), offset - self.length), &mut self.sink)?;
        self.sink.write_all(bytes)?;
        self.length = offset + bytes.len() as u64;
        let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        *tensor = TensorProto {
            name: tensor.name.take(),
            dims: std::mem::take(&mut tensor.dims),
            data_type: tensor.data_type,
            doc_string: tensor.doc_string.take(),
            metadata_props: std::mem::take(&mut tensor.metadata_props),
            data_location: Some(DataLocation::External.into()),
            external_data: vec![
                entry("location", self.name.into()),
                entry("offset", offset.to_string()),
                entry("length", bytes.len().to_string()),
            ],
            ..TensorProto::default()
        };
        Ok(())
    }
}

/// The elements of a tensor that is worth moving: without a copy where they are raw.
fn elements(tensor: &TensorProto) -> Option<Bytes> {
    let bits = element_bits(DataType::try_from(tensor.data_type()).ok()?)?;
    let count = tensor.dims.iter().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))?;
    if count.checked_mul(bits)? / 8 < SMALLEST || tensor.segment.is_some() {
        return None;
    }
    Tensor::from_proto(tensor).ok().map(|t| t.data)
}
