//! Samples that users bring: arrays (`.npy`, `.npz`) and folders of images, made into a model's inputs one sample at a time; and samples that
//! are generated where users bring none.
//!
//! Invariant: a file is decoded once and stays in its own element type, images are decoded or made as they are asked for, and no more than one
//! prepared sample exists for each thread that asks. Errors name the file, the array and what to do.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;
use crate::model::proto::DataType;

mod array;
mod arrays;
mod fit;
mod generated;
mod images;
mod leaves;
mod noise;
mod prepare;
mod save;
mod split;

pub use generated::is_image_like;
pub use prepare::{ChannelOrder, Layout, Preparation, Resize};
pub use save::{Stacked, save};
pub use split::{JUDGING, Split, split};

use arrays::Arrays;
use generated::Generated;
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
    /// Of integers: how many of them, from 0, it takes, where that is known; those that are made up are such.
    pub below: Option<usize>,
}

/// What stands for the path of samples that come from no file.
const GENERATED: &str = "generated samples";

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
    Generated(Generated),
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

    /// Makes `count` samples without data: for inputs that take images (as [`is_image_like`] has it, each input by itself) images of dead leaves,
    /// some with writing, raw from 0 to 255 and then prepared as images in files are; for other floating-point inputs `1/f` noise with a few tones
    /// along the longest axis, of zero mean and unit variance, to which the preparation does not apply; for integers 0 and 1, for uint8 any byte.
    ///
    /// Whether a model wants 0 to 255, 0 to 1 or normalized numbers is not guessed: without a scale, a mean or a std it gets 0 to 255.
    /// Sample `i` follows from `seed` and `i` alone. Errors where the preparation does not fit, or an input takes what no sample can be.
    pub fn generated(inputs: &[Input], preparation: &Preparation, count: usize, seed: u64) -> Result<Self> {
        preparation.check()?;
        let generated = Generated::new(inputs, preparation, count, seed)?;
        Ok(Self { path: PathBuf::from(GENERATED), source: Source::Generated(generated), labels: None })
    }

    /// How many there are; at least one.
    pub fn len(&self) -> usize {
        match &self.source {
            Source::Arrays(a) => a.len(),
            Source::Images(i) => i.len(),
            Source::Generated(g) => g.len(),
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
            Source::Generated(_) => "have no labels: real data is needed",
        };
        self.labels().ok_or_else(|| bad(&self.path, what))
    }

    /// How many class folders there are, where classes are folders.
    pub fn class_folders(&self) -> Option<usize> {
        match &self.source {
            Source::Arrays(_) | Source::Generated(_) => None,
            Source::Images(i) => i.classes(),
        }
    }

    /// Where they come from; `generated samples` where from nowhere.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The inputs of sample `i`, in the model's order. Errors where it cannot be decoded, holds NaN or does not fit the element type.
    pub fn get(&self, i: usize) -> Result<Vec<Tensor>> {
        match &self.source {
            Source::Arrays(a) => a.get(i),
            Source::Images(s) => s.get(i).map(|t| vec![t]),
            Source::Generated(g) => g.get(i),
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
