//! Bytes to `Model`: memory-mapped, weights left where they are, external data brought in.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::proto::tensor_proto::DataLocation;
use super::proto::{GraphProto, ModelProto, TensorProto};
use super::{Model, Origin};
use crate::error::{Error, ErrorKind, Result};

impl Model {
    /// Reads a file. Weights stay slices of the mapped file; external data is mapped too, so that the model stands alone.
    ///
    /// Errors where the file cannot be read, is no ONNX model, or lacks its external data.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = map(path)?;
        let mut model = Self::decode(bytes, path)?;
        model.origin.path = Some(path.to_owned());
        Ok(model)
    }

    /// Reads a model from a stream, as from standard input. External data is looked for in the current folder.
    pub fn read_from(source: &mut impl Read, label: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|e| Error::io(label, &e))?;
        Self::decode(bytes.into(), label)
    }

    /// Decodes a model; `path` serves messages, and its folder holds the external data.
    pub fn decode(bytes: Bytes, path: &Path) -> Result<Self> {
        let not_onnx = |reason: String| Error::new(ErrorKind::NotOnnx { path: path.to_owned(), reason });
        if bytes.is_empty() {
            return Err(not_onnx("it is empty".into()));
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        let mut file_bytes = bytes.len() as u64;
        let mut proto =
            ModelProto::decode(bytes).map_err(|e| not_onnx(format!("truncated or of another kind: {e}")))?;
        let Some(graph) = proto.graph.as_mut() else {
            return Err(not_onnx("it holds no graph".into()));
        };
        if graph.node.is_empty() && graph.output.is_empty() {
            return Err(not_onnx("its graph is empty".into()));
        }
        let mut external = External { dir: path.parent().unwrap_or(Path::new("")), files: HashMap::new() };
        external.bring_in(graph)?;
        file_bytes += external.files.values().map(|b| b.len() as u64).sum::<u64>();
        Self::with_origin(proto, Origin { path: None, file_bytes, sha256 })
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
    if meta.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and private to this process; as for every mapped file, another process that truncates it
    // meanwhile makes reading fail. Outputs are written to a new file and renamed, so this program never does.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, &e))?;
    Ok(Bytes::from_owner(map))
}

/// The files that hold external data, each mapped once.
struct External<'p> {
    dir: &'p Path,
    files: HashMap<PathBuf, Bytes>,
}

impl External<'_> {
    fn bring_in(&mut self, graph: &mut GraphProto) -> Result<()> {
        graph.initializer.iter_mut().try_for_each(|t| self.resolve(t))?;
        for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
            attribute.t.iter_mut().chain(&mut attribute.tensors).try_for_each(|t| self.resolve(t))?;
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|g| self.bring_in(g))?;
        }
        Ok(())
    }

    fn resolve(&mut self, t: &mut TensorProto) -> Result<()> {
        if t.data_location() != DataLocation::External {
            return Ok(());
        }
        let get = |key: &str| t.external_data.iter().find(|e| e.key() == key).map(|e| e.value().to_owned());
        let fail = |reason: String| Error::bad_model(format!("external data of tensor '{}': {reason}", t.name()));
        let location = get("location").ok_or_else(|| fail("no location given".into()))?;
        let number = |key: &str| {
            get(key).map(|v| v.parse::<usize>().map_err(|_| fail(format!("{key} '{v}' is no number")))).transpose()
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let relative = Path::new(&location);
        if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return Err(fail(format!("'{location}' lies outside of the model's folder")));
        }
        let path = self.dir.join(relative);
        if !self.files.contains_key(&path) {
            let bytes = map(&path).map_err(|e| fail(format!("{e}; put the file beside the model")))?;
            self.files.insert(path.clone(), bytes);
        }
        let file = &self.files[&path];
        let end = length.map_or(Some(file.len()), |n| offset.checked_add(n));
        let end = end.filter(|&e| e <= file.len() && offset <= e).ok_or_else(|| {
            fail(format!("{} ends at byte {}, before what the tensor needs", path.display(), file.len()))
        })?;
        t.raw_data = Some(file.slice(offset..end));
        t.external_data.clear();
        t.data_location = None;
        Ok(())
    }
}
