//! Outputs over many samples, stacked and saved for other tools: an `.npz` that appears whole or not at all.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{NpzWriter, WriteNpzError};

use super::bad;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;

/// One output of every sample: the first axis counts the samples, in the place of a first axis of length 1 or before the others.
#[derive(Debug, Clone)]
pub struct Stacked {
    name: String,
    dims: Option<Vec<usize>>,
    samples: usize,
    elements: Elements,
}

#[derive(Debug, Clone)]
enum Elements {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Stacked {
    /// Nothing of the output of that name.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), dims: None, samples: 0, elements: Elements::Floats(Vec::new()) }
    }

    /// Adds a sample's output: floating-point numbers as float32, all others as int64. Errors where it has other dims than those before.
    pub fn push(&mut self, output: &Tensor) -> Result<()> {
        let floating = output.dtype.is_float();
        if *self.dims.get_or_insert_with(|| output.dims.clone()) != output.dims {
            let (a, b) = (self.dims.clone().unwrap_or_default(), &output.dims);
            return Err(
                self.fail(&format!("has dims {a:?} for one sample and {b:?} for another, which no array holds"))
            );
        }
        if self.samples == 0 && !floating {
            self.elements = Elements::Integers(Vec::new());
        }
        let done = match &mut self.elements {
            Elements::Floats(all) => output.floats().map(|v| all.extend(v)),
            Elements::Integers(all) => output.ints().map(|v| all.extend(v)),
        };
        done.ok_or_else(|| self.fail(&format!("is {}, which is not saved", output.dtype.as_str_name())))?;
        self.samples += 1;
        Ok(())
    }

    fn fail(&self, reason: &str) -> Error {
        Error::new(ErrorKind::BadOption(format!("--dump-outputs: output '{}' {reason}", self.name)))
    }

    fn shape(&self) -> IxDyn {
        let dims = self.dims.as_deref().unwrap_or_default();
        let rest = dims.strip_prefix(&[1]).unwrap_or(dims);
        IxDyn(&[&[self.samples], rest].concat())
    }
}

/// Writes arrays to an `.npz`. Errors where the file cannot be written or two arrays have one name.
pub fn save(path: &Path, arrays: &[Stacked]) -> Result<()> {
    let names: BTreeSet<&str> = arrays.iter().map(|a| a.name.as_str()).collect();
    if names.len() != arrays.len() {
        return Err(bad(path, "two outputs have one name"));
    }
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    write(std::io::BufWriter::new(file.as_file_mut()), arrays)
        .map_err(|e| bad(path, format!("cannot be written: {e}")))?;
    file.flush().map_err(io)?;
    file.persist(path).map(|_| ()).map_err(|e| io(e.error))
}

fn write(out: impl Write + std::io::Seek, arrays: &[Stacked]) -> std::result::Result<(), WriteNpzError> {
    let mut npz = NpzWriter::new(out);
    for array in arrays {
        // As many elements as the dims of every sample have: `push` has seen to it.
        let name = array.name.as_str();
        match &array.elements {
            Elements::Floats(v) => ArrayD::from_shape_vec(array.shape(), v.clone()).map(|a| npz.add_array(name, &a)),
            Elements::Integers(v) => ArrayD::from_shape_vec(array.shape(), v.clone()).map(|a| npz.add_array(name, &a)),
        }
        .unwrap_or(Ok(()))?;
    }
    npz.finish().map(|_| ())
}
