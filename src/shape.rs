//! Dims of every value at the shapes that the user gives, and once more with every open dim larger, so that what holds at one size
//! only is not taken for a law.

use std::collections::HashMap;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Dims, Model};
use crate::runtime::{self, Feed};

mod input;

use input::{Input, inputs, param};

/// The option that gives an input's dims.
const OPTION: &str = "--input-shape";

/// What an open dim grows by: the first axis, and any other, where networks halve sizes up to five times.
const GROWTH: [usize; 2] = [1, 32];

/// Shapes of graph inputs as the user gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputShapes(pub Vec<InputShape>);

/// One of them, written `NAME:1,3,224,224`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputShape {
    /// The input's name.
    pub name: String,
    /// Its dims.
    pub dims: Vec<usize>,
}

/// An axis of a graph input whose length the file leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDim {
    /// The input's name.
    pub input: String,
    /// The axis, from 0.
    pub axis: usize,
    /// The name that the file gives to the length, if any.
    pub name: Option<String>,
}

/// The inputs with every open dim larger, and the dims of all values there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// The inputs, in the order of [`Shapes::feeds`].
    pub feeds: Vec<Feed>,
    /// Dims of all values, by number.
    pub dims: Dims,
}

/// The inputs of a model at definite dims, and what follows for its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes {
    /// The inputs that no initializer fills, in the file's order; without those that nothing reads and whose dims are open.
    pub feeds: Vec<Feed>,
    /// Dims of all values, by number.
    pub dims: Dims,
    /// What the file leaves open.
    pub open: Vec<OpenDim>,
    /// The same, larger; `None` where nothing is open.
    pub grown: Option<Grown>,
}

impl Shapes {
    /// The shapes of `model` at the given ones; an open first axis that is not given has length 1.
    ///
    /// Errors where an input is no tensor, another open dim is not given, or a given shape does not fit the model.
    pub fn of(model: &Model, given: &InputShapes) -> Result<Self> {
        let graph = model.graph()?;
        let inputs = inputs(&graph)?;
        given.check(&inputs)?;
        let lengths = named_lengths(&inputs, given);
        let inputs: Vec<Input<'_>> = inputs.into_iter().filter(|i| i.is_read || i.is_told(given, &lengths)).collect();
        let feeds = inputs.iter().map(|i| i.feed(given, &lengths)).collect::<Result<Vec<_>>>()?;
        let open: Vec<OpenDim> = inputs.iter().zip(&feeds).flat_map(|(i, f)| i.open_dims(f)).collect();
        let dims = runtime::dims(model, &feeds)?;
        let grown = if open.is_empty() { None } else { Some(Grown::of(model, &feeds, &open)?) };
        Ok(Self { feeds, dims, open, grown })
    }
}

impl Grown {
    fn of(model: &Model, feeds: &[Feed], open: &[OpenDim]) -> Result<Self> {
        let mut feeds = feeds.to_vec();
        let mut same: HashMap<(&str, usize), usize> = HashMap::new();
        for o in open {
            let Some(length) = feeds.iter_mut().find(|f| f.name == o.input).and_then(|f| f.dims.get_mut(o.axis)) else {
                continue;
            };
            let larger = *length + GROWTH[o.axis.min(1)];
            *length = o.name.as_deref().map_or(larger, |name| *same.entry((name, *length)).or_insert(larger));
        }
        let dims = runtime::dims(model, &feeds)?;
        Ok(Self { feeds, dims })
    }
}

impl InputShapes {
    /// The dims given for an input.
    pub fn get(&self, name: &str) -> Option<&[usize]> {
        self.0.iter().find(|s| s.name == name).map(|s| s.dims.as_slice())
    }

    fn check(&self, inputs: &[Input<'_>]) -> Result<()> {
        for (k, InputShape { name, dims }) in self.0.iter().enumerate() {
            let Some(input) = inputs.iter().find(|i| i.name == name) else {
                let names: Vec<String> = inputs.iter().map(|i| format!("'{}'", i.name)).collect();
                return Err(bad_option(format!("no input '{name}' to shape; the model has {}", names.join(", "))));
            };
            if self.0[..k].iter().any(|s| s.name == *name) {
                return Err(bad_option(format!("the shape of input '{name}' is given twice")));
            }
            if !input.admits(dims) {
                let (given, declared) = (join(dims), input.written(|_, _| None));
                return Err(bad_option(format!(
                    "{OPTION} {name}:{given} contradicts the model, which declares {declared}"
                )));
            }
        }
        Ok(())
    }
}

impl FromStr for InputShape {
    type Err = Error;

    /// `NAME:1,3,224,224`; the name may hold colons.
    fn from_str(text: &str) -> Result<Self> {
        let fail = || bad_option(format!("'{text}' is no shape of an input; expected NAME:1,3,224,224"));
        let (name, dims) = text.rsplit_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(fail)?;
        let length = |d: &str| d.trim().parse().ok().filter(|&n: &usize| n > 0 && i64::try_from(n).is_ok());
        let dims = dims.split(',').map(length).collect::<Option<Vec<_>>>().ok_or_else(fail)?;
        Ok(Self { name: name.into(), dims })
    }
}

/// The lengths that go by a name: as given, else 1 where it names an open first axis.
fn named_lengths<'m>(inputs: &[Input<'m>], given: &InputShapes) -> HashMap<&'m str, usize> {
    let named =
        |i: &Input<'m>| i.dims.unwrap_or(&[]).iter().enumerate().filter_map(|(axis, d)| Some((axis, param(d)?)));
    let mut lengths = HashMap::new();
    for input in inputs {
        if let Some(dims) = given.get(input.name) {
            named(input).for_each(|(axis, name)| _ = lengths.entry(name).or_insert(dims[axis]));
        }
    }
    for input in inputs {
        named(input).filter(|(axis, _)| *axis == 0).for_each(|(_, name)| _ = lengths.entry(name).or_insert(1));
    }
    lengths
}

fn join(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn bad_option(reason: String) -> Error {
    Error::new(ErrorKind::BadOption(reason))
}

#[cfg(test)]
mod tests;
