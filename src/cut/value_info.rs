//! The shapes that a file stores of its values, once coordinates are gone.

use std::collections::{HashMap, HashSet};

use super::Cutter;
use crate::couple::{Coupling, Gone};
use crate::model::ValueId;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{DimValue, TensorProto, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto, type_proto};
use crate::op::Owner;

/// The length of an axis of a value before and after.
#[derive(Debug, Clone, Copy)]
struct Change {
    axis: usize,
    before: usize,
    after: usize,
}

impl Cutter<'_> {
    /// Makes the stored shapes fresh: a dim that was cut becomes its new length; what contradicts the analysis is dropped, and so are the
    /// shapes of constants, which say their own.
    pub(super) fn value_info(&mut self, coupling: &Coupling, gone: &Gone) {
        let mut lost = HashMap::<ValueId, Vec<Change>>::new();
        let mut constants = HashSet::new();
        for (id, axis) in coupling.statements.numbered() {
            let n = gone.of(id).len();
            match axis.owner {
                Owner::Blocks { value, .. } | Owner::Value { value, .. } if self.facts.constants.is_constant(value) => {
                    constants.extend((n > 0).then_some(value));
                }
                Owner::Value { value, reader: None, axis: k } => {
                    lost.entry(value).or_default().push(Change {
                        axis: k,
                        before: axis.length,
                        after: axis.length - n,
                    });
                }
                _ => {}
            }
        }
        lost.retain(|_, axes| axes.iter().any(|a| a.before != a.after));
        let graph = self.facts.graph;
        if let Some(proto) = self.proto.graph.as_mut() {
            proto.value_info.retain_mut(|info| match graph.find(info.name()) {
                Some(v) if constants.contains(&v) => false,
                Some(v) => lost.get(&v).is_none_or(|axes| refresh(info, axes)),
                None => true,
            });
        }
    }
}

/// Writes new lengths over old ones; false where the stored shape is of another rank or length.
fn refresh(info: &mut ValueInfoProto, axes: &[Change]) -> bool {
    let Some(dims) = dims_mut(info) else { return false };
    dims.len() == axes.len()
        && axes.iter().all(|c| match dims[c.axis].fixed() {
            Some(n) if n == c.before => {
                dims[c.axis].value = Some(DimValue::DimValue(c.after as i64));
                true
            }
            Some(_) => false,
            None => c.before == c.after || dims[c.axis].value.is_none(),
        })
}

/// The stored dims of a tensor value.
pub(super) fn dims_mut(info: &mut ValueInfoProto) -> Option<&mut Vec<Dimension>> {
    match info.r#type.as_mut()?.value.as_mut()? {
        TypeValue::TensorType(t) => t.shape.as_mut().map(|s| &mut s.dim),
        _ => None,
    }
}

/// The graph input that declares an initializer, as IR 3 wants it.
pub(crate) fn input_of(tensor: &TensorProto) -> ValueInfoProto {
    let dim = |&n: &i64| Dimension { value: Some(DimValue::DimValue(n)), denotation: None };
    let shape = TensorShapeProto { dim: tensor.dims.iter().map(dim).collect() };
    let value = TypeValue::TensorType(type_proto::Tensor { elem_type: tensor.data_type, shape: Some(shape) });
    ValueInfoProto {
        name: tensor.name.clone(),
        r#type: Some(TypeProto { value: Some(value), denotation: None }),
        ..Default::default()
    }
}
