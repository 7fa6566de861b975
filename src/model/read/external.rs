//! External data brought in: weights that lie in files beside the model become slices of these files, mapped once each
//! (<https://onnx.ai/onnx/repo-docs/ExternalData.html>).
//!
//! Invariant: only regular files in the model's folder, or below it, are opened.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use super::map;
use crate::error::{Error, Result};
use crate::model::proto::tensor_proto::DataLocation;
use crate::model::proto::{DataType, GraphProto, TensorProto};
use crate::model::tensor::element_bits;

/// Where external data is looked for, and what was found.
#[derive(Debug, Default)]
pub(super) struct External<'p> {
    /// The model's folder; `None` for a model that came through a pipe.
    dir: Option<&'p Path>,
    /// A file that still has another name than the one that the model calls it by.
    stand_in: Option<(&'p str, &'p Path)>,
    files: BTreeMap<PathBuf, Bytes>,
}

impl<'p> External<'p> {
    /// In the folder of `model`.
    pub(super) fn beside(model: &'p Path) -> Self {
        Self { dir: Some(model.parent().unwrap_or(Path::new(""))), ..Self::default() }
    }

    /// In the folder of `model`, but what it calls `name` is `data`.
    pub(super) fn with_stand_in(model: &'p Path, name: &'p str, data: &'p Path) -> Self {
        Self { stand_in: Some((name, data)), ..Self::beside(model) }
    }

    /// Nowhere.
    pub(super) fn nowhere() -> Self {
        Self::default()
    }

    /// Resolves every tensor of the graph and its subgraphs.
    pub(super) fn bring_in(&mut self, graph: &mut GraphProto) -> Result<()> {
        graph.initializer.iter_mut().try_for_each(|t| self.resolve(t))?;
        for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
            attribute.t.iter_mut().chain(&mut attribute.tensors).try_for_each(|t| self.resolve(t))?;
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|g| self.bring_in(g))?;
        }
        Ok(())
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|b| b.len() as u64).sum()
    }

    /// The files, by name.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.files.keys().cloned().collect()
    }

    fn resolve(&mut self, t: &mut TensorProto) -> Result<()> {
        if t.data_location() != DataLocation::External {
            return Ok(());
        }
        let fail = |reason: String| Error::bad_model(format!("external data of tensor '{}': {reason}", t.name()));
        let get = |key: &str| t.external_data.iter().find(|e| e.key() == key).map(|e| e.value());
        let number = |key: &str| {
            get(key).map(|v| v.parse::<usize>().map_err(|_| fail(format!("{key} '{v}' is no number")))).transpose()
        };
        let location = get("location").filter(|l| !l.is_empty()).ok_or_else(|| fail("no location given".into()))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?.or_else(|| size(t)));
        let path = self.path(location).map_err(&fail)?;
        let file = self.file(&path).map_err(&fail)?;
        let end = length.map_or(Some(file.len()), |n| offset.checked_add(n));
        let end = end.filter(|&e| e <= file.len() && offset <= e).ok_or_else(|| {
            fail(format!("{} ends at byte {}, before what the tensor needs", path.display(), file.len()))
        })?;
        t.raw_data = Some(file.slice(offset..end));
        t.external_data.clear();
        t.data_location = None;
        Ok(())
    }

    fn path(&self, location: &str) -> std::result::Result<PathBuf, String> {
        if let Some((_, path)) = self.stand_in.filter(|(name, _)| *name == location) {
            return Ok(path.to_owned());
        }
        let Some(dir) = self.dir else {
            return Err(format!("'{location}' cannot be found for a model that is piped in; name the model's file"));
        };
        let relative = Path::new(location);
        if relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            Ok(dir.join(relative))
        } else {
            Err(format!("'{location}' lies outside of the model's folder"))
        }
    }

    fn file(&mut self, path: &Path) -> std::result::Result<Bytes, String> {
        if let Some(bytes) = self.files.get(path) {
            return Ok(bytes.clone());
        }
        match path.metadata() {
            Ok(meta) if !meta.is_file() => return Err(format!("{} is no regular file", path.display())),
            _ => {}
        }
        let bytes = map(path).map_err(|e| format!("{e}; put the file beside the model"))?;
        self.files.insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

/// The bytes that a tensor's elements take, where that can be told.
fn size(t: &TensorProto) -> Option<usize> {
    let bits = element_bits(DataType::try_from(t.data_type()).ok()?)?;
    let dims = t.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>()?;
    let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
    Some(count.checked_mul(bits)?.div_ceil(8))
}
