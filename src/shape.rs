//! Dims of every value, at the shapes that the user gives for what the file leaves open.

use std::collections::HashMap;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{DataType, DimValue, ValueInfoProto};
use crate::model::{Dims, Model};
use crate::runtime::{self, Feed};

/// Shapes given for graph inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputShapes(pub Vec<InputShape>);

/// `NAME:1,3,224,224`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputShape {
    /// The graph input.
    pub name: String,
    /// Its dims.
    pub dims: Vec<usize>,
}

impl FromStr for InputShape {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("'{s}' is not NAME:DIMS, as in input:1,3,224,224");
        let (name, dims) = s.rsplit_once(':').ok_or_else(wrong)?;
        let dims: Option<Vec<usize>> = dims.split(',').map(|d| d.trim().parse().ok().filter(|n| *n > 0)).collect();
        Ok(Self { name: name.into(), dims: dims.ok_or_else(wrong)? })
    }
}

/// Dims of every value, at the given inputs and at larger ones.
#[derive(Debug, Clone)]
pub struct Shapes {
    /// The graph inputs as they are fed.
    pub feeds: Vec<Feed>,
    /// Dims at these.
    pub dims: Dims,
    /// The same where every dim that the file leaves open is larger: the first axis by 1, others by 32. `None` where nothing is open.
    pub grown: Option<Grown>,
}

/// The inputs with larger open dims.
#[derive(Debug, Clone)]
pub struct Grown {
    /// The graph inputs.
    pub feeds: Vec<Feed>,
    /// Dims at these.
    pub dims: Dims,
}

impl Shapes {
    /// Finds the dims. Errors where an input is no tensor, leaves a dim open that is not given, or contradicts what is given.
    pub fn of(model: &Model, given: &InputShapes) -> Result<Self> {
        let inputs = inputs(model)?;
        if let Some(unknown) = given.0.iter().find(|g| inputs.iter().all(|i| i.name() != g.name)) {
            let names: Vec<&str> = inputs.iter().map(|i| i.name()).collect();
            let reason =
                format!("--input-shape names '{}', the model's inputs are: {}", unknown.name, names.join(", "));
            return Err(Error::new(ErrorKind::BadOption(reason)));
        }
        let named = named_dims(&inputs, given);
        let feeds = inputs.iter().map(|i| feed(i, given, &named)).collect::<Result<Vec<_>>>()?;
        let dims = runtime::dims(model, &feeds)?;
        let larger: Vec<Feed> = inputs.iter().zip(&feeds).map(|(i, f)| grow(i, f)).collect();
        let grown =
            if larger == feeds { None } else { Some(Grown { dims: runtime::dims(model, &larger)?, feeds: larger }) };
        Ok(Self { feeds, dims, grown })
    }
}

/// Graph inputs that no initializer fills. Errors where one is no tensor.
fn inputs(model: &Model) -> Result<Vec<&ValueInfoProto>> {
    let graph = model.graph_proto();
    let filled = |v: &&ValueInfoProto| graph.initializer.iter().all(|t| t.name() != v.name());
    let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(filled).collect();
    match inputs.iter().find(|i| i.dims().is_none()) {
        Some(i) => Err(Error::bad_model(format!("input '{}' is no tensor of known rank", i.name()))),
        None => Ok(inputs),
    }
}

/// Named dims that some given shape fixes.
fn named_dims(inputs: &[&ValueInfoProto], given: &InputShapes) -> HashMap<String, usize> {
    let mut out = HashMap::new();
    for g in &given.0 {
        let dims = inputs.iter().find(|i| i.name() == g.name).and_then(|i| i.dims()).unwrap_or(&[]);
        for (dim, &n) in dims.iter().zip(&g.dims) {
            if let Some(DimValue::DimParam(name)) = &dim.value {
                out.insert(name.clone(), n);
            }
        }
    }
    out
}

fn feed(input: &ValueInfoProto, given: &InputShapes, named: &HashMap<String, usize>) -> Result<Feed> {
    let declared = input.dims().unwrap_or(&[]);
    let dtype = input.tensor_type().and_then(|t| DataType::try_from(t.elem_type()).ok()).unwrap_or(DataType::Undefined);
    let dims = match given.0.iter().find(|g| g.name == input.name()) {
        Some(g) => checked(input, declared, &g.dims)?,
        None => declared.iter().enumerate().map(|(k, d)| default_dim(input, k, d, named)).collect::<Result<_>>()?,
    };
    Ok(Feed { name: input.name().into(), dtype, dims })
}

fn checked(input: &ValueInfoProto, declared: &[Dimension], given: &[usize]) -> Result<Vec<usize>> {
    let fits =
        declared.len() == given.len() && declared.iter().zip(given).all(|(d, &n)| d.fixed().is_none_or(|f| f == n));
    if fits {
        return Ok(given.to_vec());
    }
    let reason = format!("--input-shape gives '{}' {given:?}, the model declares {}", input.name(), pattern(declared));
    Err(Error::new(ErrorKind::BadOption(reason)))
}

fn default_dim(input: &ValueInfoProto, k: usize, dim: &Dimension, named: &HashMap<String, usize>) -> Result<usize> {
    let name = match &dim.value {
        Some(DimValue::DimParam(name)) if !name.is_empty() => Some(name),
        _ => None,
    };
    if let Some(n) = dim.fixed().or_else(|| name.and_then(|n| named.get(n).copied())) {
        return Ok(n);
    }
    if k == 0 {
        return Ok(1);
    }
    let dims = input.dims().unwrap_or(&[]);
    Err(Error::new(ErrorKind::OpenDim {
        input: input.name().into(),
        dim: name.map_or_else(|| format!("{k}"), |n| format!("{k} ('{n}')")),
        hint: format!("--input-shape {}:{} with numbers for what is not one", input.name(), pattern(dims)),
    }))
}

/// Dims as an option's value; open ones by name or `?`.
fn pattern(dims: &[Dimension]) -> String {
    let one = |(k, d): (usize, &Dimension)| match (&d.value, d.fixed()) {
        (_, Some(n)) => n.to_string(),
        _ if k == 0 => "1".into(),
        (Some(DimValue::DimParam(name)), _) if !name.is_empty() => name.clone(),
        _ => "?".into(),
    };
    dims.iter().enumerate().map(one).collect::<Vec<_>>().join(",")
}

fn grow(input: &ValueInfoProto, feed: &Feed) -> Feed {
    let declared = input.dims().unwrap_or(&[]);
    let larger = |(k, (&n, d)): (usize, (&usize, &Dimension))| match d.fixed() {
        Some(n) => n,
        None => n + if k == 0 { 1 } else { 32 },
    };
    Feed { dims: feed.dims.iter().zip(declared).enumerate().map(larger).collect(), ..feed.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_input_shape_is_split_at_the_last_colon() {
        let shape: InputShape = "input:0:1,224,224,3".parse().unwrap();
        assert_eq!(shape, InputShape { name: "input:0".into(), dims: vec![1, 224, 224, 3] });
        assert!("x:1,-3".parse::<InputShape>().is_err());
    }
}
