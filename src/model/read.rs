//! Bytes to `Model`: memory-mapped, weights left where they are, external data brought in.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::proto::ModelProto;
use super::unknown::Unknown;
use super::{Model, Origin};
use crate::error::{Error, ErrorKind, Result};

mod external;

use external::External;

impl Model {
    /// Reads a file. Weights stay slices of the mapped file; external data is mapped too, so that the model stands alone.
    ///
    /// Errors where the file cannot be read, is no ONNX model, or lacks its external data.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_with(path, External::beside(path))
    }

    /// Reads a file of which the external data that it calls `name` is still in `data`.
    pub(crate) fn read_pair(path: &Path, name: &str, data: &Path) -> Result<Self> {
        Self::read_with(path, External::with_stand_in(path, name, data))
    }

    /// Reads a model from a stream, as from standard input. Errors, beside what [`Model::read`] errors for, where it has external data:
    /// a stream lies in no folder.
    pub fn read_from(source: &mut impl Read, label: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|e| Error::io(label, &e))?;
        Self::decode_with(bytes.into(), label, External::nowhere())
    }

    /// Decodes a model; `path` serves messages, and its folder holds the external data.
    pub fn decode(bytes: Bytes, path: &Path) -> Result<Self> {
        Self::decode_with(bytes, path, External::beside(path))
    }

    fn read_with(path: &Path, external: External<'_>) -> Result<Self> {
        let mut model = Self::decode_with(map(path)?, path, external)?;
        model.origin.path = Some(path.to_owned());
        Ok(model)
    }

    fn decode_with(bytes: Bytes, path: &Path, mut external: External<'_>) -> Result<Self> {
        let not_onnx = |reason: String| Error::new(ErrorKind::NotOnnx { path: path.to_owned(), reason });
        if bytes.is_empty() {
            return Err(not_onnx("it is empty".into()));
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        let mut file_bytes = bytes.len() as u64;
        let mut proto =
            ModelProto::decode(bytes.clone()).map_err(|e| not_onnx(format!("truncated or of another kind: {e}")))?;
        let whole = proto.encoded_len() == bytes.len();
        let unknown = if whole { None } else { Unknown::of(&bytes).map(Arc::new) };
        let Some(graph) = proto.graph.as_mut() else {
            return Err(not_onnx("it holds no graph".into()));
        };
        if graph.node.is_empty() && graph.output.is_empty() {
            return Err(not_onnx("its graph is empty".into()));
        }
        external.bring_in(graph)?;
        file_bytes += external.bytes();
        let origin = Origin { path: None, data: external.paths(), file_bytes, sha256 };
        Ok(Self { unknown, ..Self::with_origin(proto, origin)? })
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn map(path: &Path) -> Result<Bytes> {
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    let meta = file.metadata().map_err(|e| Error::io(path, &e))?;
    if meta.is_dir() {
        return Err(Error::new(ErrorKind::Io {
            path: path.to_owned(),
            reason: "is a directory, expected an .onnx file".into(),
        }));
    }
    if !meta.is_file() {
        return read_all(file, path);
    }
    if meta.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and private to this process; as for every mapped file, another process that truncates it
    // meanwhile makes reading fail. Outputs are written to a new file and renamed, so this program never does.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, &e))?;
    Ok(Bytes::from_owner(map))
}

/// A pipe or a device cannot be mapped.
fn read_all(mut file: File, path: &Path) -> Result<Bytes> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| Error::io(path, &e))?;
    Ok(bytes.into())
}
