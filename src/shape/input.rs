//! A graph input as the file declares it, against what is given for it.

use std::collections::HashMap;

use super::{InputShapes, OPTION, OpenDim};
use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{DataType, DimValue, TypeValue, ValueInfoProto};
use crate::model::{Graph, Source};
use crate::runtime::Feed;

/// A graph input as the file declares it.
pub(super) struct Input<'m> {
    pub(super) name: &'m str,
    dtype: DataType,
    pub(super) dims: Option<&'m [Dimension]>,
    /// Whether a node or an output needs it.
    pub(super) is_read: bool,
}

impl<'m> Input<'m> {
    fn new(info: &'m ValueInfoProto, is_read: bool) -> Result<Self> {
        let name = info.name();
        let Some(tensor) = info.tensor_type() else {
            let kind = kind(info.r#type.as_ref().and_then(|t| t.value.as_ref()));
            return Err(Error::bad_model(format!("its input '{name}' is {kind}; only tensors can be given")));
        };
        let dtype = DataType::try_from(tensor.elem_type()).ok().filter(|d| *d != DataType::Undefined);
        let unknown =
            || Error::bad_model(format!("its input '{name}' has the unknown element type {}", tensor.elem_type()));
        Ok(Self { name, dtype: dtype.ok_or_else(unknown)?, dims: info.dims(), is_read })
    }

    /// Whether the dims have the declared rank and fixed lengths.
    pub(super) fn admits(&self, dims: &[usize]) -> bool {
        self.dims.is_none_or(|declared| {
            declared.len() == dims.len() && declared.iter().zip(dims).all(|(d, n)| d.fixed().is_none_or(|f| f == *n))
        })
    }

    /// The input at its given or declared dims.
    pub(super) fn feed(&self, given: &InputShapes, lengths: &HashMap<&str, usize>) -> Result<Feed> {
        let dims = self.known_dims(given, lengths).ok_or_else(|| self.open_dim(lengths))?;
        Ok(Feed { name: self.name.into(), dtype: self.dtype, dims })
    }

    /// Whether all its dims are given or declared.
    pub(super) fn is_told(&self, given: &InputShapes, lengths: &HashMap<&str, usize>) -> bool {
        self.known_dims(given, lengths).is_some()
    }

    fn known_dims(&self, given: &InputShapes, lengths: &HashMap<&str, usize>) -> Option<Vec<usize>> {
        let known = |axis: usize, d: &Dimension| length(axis, d, lengths);
        let declared = || self.dims?.iter().enumerate().map(|(axis, d)| known(axis, d)).collect();
        given.get(self.name).map(<[usize]>::to_vec).or_else(declared)
    }

    /// The axes that the file leaves open: all of them where it declares no rank.
    pub(super) fn open_dims(&self, feed: &Feed) -> Vec<OpenDim> {
        let open = |axis: &usize| self.dims.is_none_or(|d| d.get(*axis).is_some_and(|d| d.fixed().is_none()));
        let name = |axis: usize| self.dims.and_then(|d| param(d.get(axis)?)).map(Into::into);
        let axes = (0..feed.dims.len()).filter(open);
        axes.map(|axis| OpenDim { input: self.name.into(), axis, name: name(axis) }).collect()
    }

    /// The error about the dims that must be given.
    fn open_dim(&self, lengths: &HashMap<&str, usize>) -> Error {
        let dims = self.dims.unwrap_or(&[]).iter().enumerate();
        let open = dims.filter(|(axis, d)| length(*axis, d, lengths).is_none());
        let mut names: Vec<String> = open.map(|(axis, d)| param(d).map_or(axis.to_string(), Into::into)).collect();
        if names.is_empty() {
            names.push("0 and all others (no rank is declared)".into());
        }
        let written = self.written(|axis, d| length(axis, d, lengths));
        let hint = format!("{OPTION} {}:{written}", self.name);
        Error::new(ErrorKind::OpenDim { input: self.name.into(), dim: names.join(", "), hint })
    }

    /// The declared dims as the option takes them: numbers where they are known, else names or `?`.
    pub(super) fn written(&self, known: impl Fn(usize, &Dimension) -> Option<usize>) -> String {
        let one = |(axis, d): (usize, &Dimension)| {
            let number = d.fixed().or_else(|| known(axis, d)).map(|n| n.to_string());
            number.unwrap_or_else(|| param(d).unwrap_or("?").into())
        };
        self.dims.map_or("1,..".into(), |d| d.iter().enumerate().map(one).collect::<Vec<_>>().join(","))
    }
}

/// The inputs that no initializer fills, in the file's order.
pub(super) fn inputs<'m>(graph: &Graph<'m>) -> Result<Vec<Input<'m>>> {
    let fed = |i: &'m ValueInfoProto| {
        let value = graph.find(i.name()).map(|id| graph.value(id)).filter(|v| v.source == Source::Input)?;
        Some(Input::new(i, value.is_output || value.captured || !value.readers.is_empty()))
    };
    graph.model().graph_proto().input.iter().filter_map(fed).collect()
}

/// The length of a dim that is not given itself.
fn length(axis: usize, dim: &Dimension, lengths: &HashMap<&str, usize>) -> Option<usize> {
    let named = || param(dim).and_then(|name| lengths.get(name).copied());
    dim.fixed().or_else(named).or((axis == 0).then_some(1))
}

/// The name of an open length; `?` is none.
pub(super) fn param(dim: &Dimension) -> Option<&str> {
    match &dim.value {
        Some(DimValue::DimParam(name)) if !matches!(name.as_str(), "" | "?") => Some(name),
        _ => None,
    }
}

fn kind(value: Option<&TypeValue>) -> &'static str {
    match value {
        Some(TypeValue::SequenceType(_)) => "a sequence",
        Some(TypeValue::MapType(_)) => "a map",
        Some(TypeValue::OptionalType(_)) => "optional",
        Some(TypeValue::SparseTensorType(_)) => "a sparse tensor",
        _ => "of no type",
    }
}
