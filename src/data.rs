//! Samples that users bring: arrays (`.npy`, `.npz`) and folders of images, made into a model's inputs one sample at a time.
//!
//! Invariant: a file is decoded once and stays in its own element type, images are decoded as they are asked for, and no more than one
//! prepared sample exists for each thread that asks. Errors name the file, the array and what to do.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;
use crate::model::proto::DataType;

mod array;
mod arrays;
mod fit;
mod images;
mod prepare;
mod save;
mod split;

pub use prepare::{ChannelOrder, Layout, Preparation, Resize};
pub use save::{Stacked, save};
pub use split::{JUDGING, Split, split};

use arrays::Arrays;
use images::Images;

/// An input of a model, as samples have to fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its element type. Samples of floating-point inputs are float32, whatever the width: so compute the copies that they are run in.
    pub dtype: DataType,
    /// The dims of one run.
    pub dims: Vec<usize>,
}

/// Samples for a model, with labels where they have some.
#[derive(Debug)]
pub struct Samples {
    path: PathBuf,
    source: Source,
    labels: Option<Vec<usize>>,
}

#[derive(Debug)]
enum Source {
    Arrays(Arrays),
    Images(Images),
}

impl Samples {
    /// Opens `.npy`, `.npz` (arrays named as the inputs, or `x` for the only one; labels in `y`), or a folder: of images, or of class folders
    /// with images, numbered from 0 by name.
    ///
    /// Errors where the file cannot be read, holds no samples, or does not fit the inputs.
    pub fn open(path: &Path, inputs: &[Input], preparation: &Preparation) -> Result<Self> {
        preparation.check()?;
        if path.is_dir() {
            let (images, labels) = Images::open(path, inputs, preparation)?;
            return Ok(Self { path: path.to_owned(), source: Source::Images(images), labels });
        }
        let (arrays, labels) = Arrays::open(path, inputs, preparation)?;
        Ok(Self { path: path.to_owned(), source: Source::Arrays(arrays), labels })
    }

    /// How many there are; at least one.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Arrays(a) => a.len(),
            Source::Images(i) => i.len(),
        }
    }

    /// Never: what holds no samples is not opened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of each sample.
    pub fn labels(&self) -> Option<&[usize]> {
        self.labels.as_deref()
    }

    /// The class of each sample. Errors where there are no labels.
    pub fn labelled(&self) -> Result<&[usize]> {
        let what = match self.source {
            Source::Arrays(_) => "has no labels: an .npz with the samples and their classes as array 'y' is needed",
            Source::Images(_) => "has no labels: a folder of class folders is needed",
        };
        self.labels().ok_or_else(|| bad(&self.path, what))
    }

    /// How many class folders there are, where classes are folders.
    pub fn class_folders(&self) -> Option<usize> {
        match &self.source {
            Source::Arrays(_) => None,
            Source::Images(i) => i.classes(),
        }
    }

    /// Where they come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The inputs of sample `i`, in the model's order. Errors where it cannot be decoded, holds NaN or does not fit the element type.
    pub fn get(&self, i: usize) -> Result<Vec<Tensor>> {
        match &self.source {
            Source::Arrays(a) => a.get(i),
            Source::Images(s) => s.get(i).map(|t| vec![t]),
        }
        .map_err(|e| match e.kind {
            ErrorKind::BadData { .. } | ErrorKind::Io { .. } => e,
            _ => bad(&self.path, format!("sample {i}: {e}")),
        })
    }
}

/// Data that cannot be used.
fn bad(path: &Path, reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadData { path: path.to_owned(), reason: reason.into() })
}
