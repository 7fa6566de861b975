//! What is written and not yet in its place: a model, and the data that belongs to it.
//!
//! Invariant: at no moment does a model stand beside data that is not its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::{data_beside, temporary};
use crate::error::{Error, Result};
use crate::model::Model;

/// A model written beside its target, not yet in its place.
#[derive(Debug)]
pub struct Pending {
    pub(super) model: NamedTempFile,
    pub(super) data: Option<NamedTempFile>,
    pub(super) target: PathBuf,
}

impl Pending {
    /// The temporary file.
    pub fn path(&self) -> &Path {
        self.model.path()
    }

    /// What was written, read again.
    pub fn read(&self) -> Result<Model> {
        let place = data_beside(&self.target);
        match (&self.data, place.file_name().and_then(|n| n.to_str())) {
            (Some(data), Some(name)) => Model::read_pair(self.path(), name, data.path()),
            _ => Model::read(self.path()),
        }
    }

    /// Puts the files in their places, all or none; `replace`: also where something is there already.
    pub fn commit(self, replace: bool) -> Result<()> {
        let Self { model, data, target } = self;
        let Some(data) = data else {
            return put(model, &target, replace).map_err(|e| Error::io(&target, &e));
        };
        let place = data_beside(&target);
        // The old model goes first, so that it never stands beside the new data.
        let old_model = Aside::take(&target, replace)?;
        let old_data = Aside::take(&place, replace)?;
        put(data, &place, false).map_err(|e| Error::io(&place, &e))?;
        if let Err(e) = put(model, &target, false) {
            let _ = fs::remove_file(&place);
            return Err(Error::io(&target, &e));
        }
        old_data.drop_for_good();
        old_model.drop_for_good();
        Ok(())
    }
}

fn put(file: NamedTempFile, place: &Path, replace: bool) -> io::Result<()> {
    let done = if replace { file.persist(place) } else { file.persist_noclobber(place) };
    done.map(|_| ()).map_err(|e| e.error)
}

/// A file that was moved out of the way. It goes back unless it is dropped for good.
struct Aside {
    place: PathBuf,
    at: Option<TempPath>,
}

impl Aside {
    /// Takes away what stands in `place`. Errors where something does and must not be replaced.
    fn take(place: &Path, replace: bool) -> Result<Self> {
        let mut aside = Self { place: place.to_owned(), at: None };
        if place.symlink_metadata().is_err() {
            return Ok(aside);
        }
        if !replace {
            return Err(Error::io(place, &io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        let spot = temporary(place, ".old")?.into_temp_path();
        fs::rename(place, &spot).map_err(|e| Error::io(place, &e))?;
        aside.at = Some(spot);
        Ok(aside)
    }

    fn drop_for_good(mut self) {
        drop(self.at.take());
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(spot) = self.at.take() {
            let _ = fs::rename(&spot, &self.place);
            let _ = spot.keep();
        }
    }
}
