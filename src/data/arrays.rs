//! Samples in `.npy` and `.npz`: the first axis counts them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray_npy::{NpzReader, ReadNpzError};

use super::array::{Array, Member};
use super::fit::{Fit, join};
use super::prepare::Preparation;
use super::{Input, bad};
use crate::error::{Error, Result};
use crate::model::Tensor;

/// The arrays that fill the inputs, in the model's order.
#[derive(Debug)]
pub(super) struct Arrays {
    inputs: Vec<(Fit, Array)>,
    len: usize,
}

impl Arrays {
    /// Reads the arrays that the inputs need, and the labels `y` where there are some.
    pub(super) fn open(path: &Path, inputs: &[Input], how: &Preparation) -> Result<(Self, Option<Vec<usize>>)> {
        let mut file = Archive::open(path)?;
        let mut filled: Vec<(Fit, Array)> = Vec::new();
        for input in inputs {
            let (name, array) = file.array_for(input, inputs.len() == 1)?;
            let [_, dims @ ..] = array.dims() else {
                return Err(bad(
                    path,
                    format!("array '{name}' is a single number; its first axis must be the samples"),
                ));
            };
            let what = format!("array '{name}' ({})", join(array.dims()));
            let fit = Fit::new(input, dims, how, inputs.len() == 1, &what).map_err(|reason| bad(path, reason))?;
            filled.push((fit, array));
        }
        let lengths: Vec<usize> = filled.iter().map(|(_, a)| a.dims()[0]).collect();
        let len = *lengths.first().ok_or_else(|| bad(path, "the model has no inputs to fill"))?;
        if let Some((k, other)) = lengths.iter().enumerate().find(|(_, n)| **n != len) {
            let (a, b) = (&inputs[0].name, &inputs[k].name);
            return Err(bad(path, format!("input '{a}' has {len} samples and '{b}' {other}: give as many of each")));
        }
        if len == 0 {
            return Err(bad(path, "holds no samples"));
        }
        let labels = file.labels(len)?;
        Ok((Self { inputs: filled, len }, labels))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The inputs of sample `i`.
    pub(super) fn get(&self, i: usize) -> Result<Vec<Tensor>> {
        if i >= self.len {
            return Err(Error::internal(format!("sample {i} of {}", self.len)));
        }
        self.inputs.iter().map(|(fit, array)| fit.tensor(array.slice(i, fit.order.as_deref()))).collect()
    }
}

/// A file of one array, or of several with names.
struct Archive<'p> {
    path: &'p Path,
    members: Option<Members>,
}

/// The arrays of an archive, and their names.
struct Members {
    reader: NpzReader<BufReader<File>>,
    names: Vec<String>,
}

impl<'p> Archive<'p> {
    fn open(path: &'p Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, &e))?;
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("npy") => Ok(Self { path, members: None }),
            Some("npz") => {
                let no_npz = |e: ReadNpzError| bad(path, format!("is no .npz ({e}): save it with numpy.savez"));
                let mut reader = NpzReader::new(BufReader::new(file)).map_err(no_npz)?;
                let names = reader.names().map_err(no_npz)?;
                Ok(Self { path, members: Some(Members { reader, names }) })
            }
            _ => Err(bad(path, "is neither .npy, .npz nor a folder of images")),
        }
    }

    fn read(&mut self, name: &str) -> Result<Array> {
        match &mut self.members {
            None => Array::read(&mut self.path).map_err(|e| bad(self.path, e)),
            Some(members) => Array::read(&mut Member { path: self.path, archive: &mut members.reader, name })
                .map_err(|e| bad(self.path, format!("array '{name}': {e}"))),
        }
    }

    /// The array that fills an input: that of its name, else `x` for the only one.
    fn array_for(&mut self, input: &Input, alone: bool) -> Result<(String, Array)> {
        let Some(Members { names, .. }) = &self.members else {
            let reason = "holds one array, and the model has several inputs: give an .npz with an array for each";
            return if alone { Ok(("x".into(), self.read("")?)) } else { Err(bad(self.path, reason)) };
        };
        let has = |n: &str| names.iter().any(|name| name == n);
        let name = [input.name.as_str(), "x"].into_iter().take(if alone { 2 } else { 1 }).find(|n| has(n));
        let Some(name) = name else {
            let there: Vec<String> = names.iter().map(|n| format!("'{n}'")).collect();
            let call = if alone { format!("'{}' or 'x'", input.name) } else { format!("'{}'", input.name) };
            return Err(bad(
                self.path,
                format!("no array for input '{}': call it {call}; there are {}", input.name, there.join(", ")),
            ));
        };
        let name = name.to_owned();
        let array = self.read(&name)?;
        Ok((name, array))
    }

    /// The classes, where there are some for `len` samples.
    fn labels(&mut self, len: usize) -> Result<Option<Vec<usize>>> {
        if self.members.as_ref().is_none_or(|m| m.names.iter().all(|n| n != "y")) {
            return Ok(None);
        }
        let array = self.read("y")?;
        let whole = |v: &f64| Some(*v as usize).filter(|_| v.fract() == 0.0 && (0.0..1e9).contains(v));
        let dims = join(array.dims());
        if array.dims().iter().product::<usize>() != array.dims().first().copied().unwrap_or(1) {
            return Err(bad(self.path, format!("array 'y' ({dims}) must hold one class number for each sample")));
        }
        let numbers = array.numbers();
        if numbers.len() != len {
            return Err(bad(self.path, format!("array 'y' has {} labels for {len} samples", numbers.len())));
        }
        match numbers.iter().position(|v| whole(v).is_none()) {
            Some(i) => Err(bad(self.path, format!("array 'y': label {} of sample {i} is no class number", numbers[i]))),
            None => Ok(Some(numbers.iter().filter_map(whole).collect())),
        }
    }
}
