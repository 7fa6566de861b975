//! Constants that a file gets beside its own, under names that it does not use.

use std::collections::HashSet;

use super::input_of;
use crate::model::ModelProto;
use crate::model::proto::TensorProto;

/// A name that is not among `names`, and is from then on: `base` and a number.
pub(crate) fn fresh(names: &mut HashSet<String>, base: &str) -> String {
    let name = (1u64..).map(|k| format!("{base}{k}")).find(|n| !names.contains(n)).unwrap_or_default();
    names.insert(name.clone());
    name
}

/// Adds an initializer. With IR 3, initializers are graph inputs too.
pub(crate) fn add_initializer(proto: &mut ModelProto, tensor: TensorProto) {
    let is_old = proto.ir_version.is_some_and(|v| v < 4);
    if let Some(graph) = proto.graph.as_mut() {
        if is_old && graph.input.iter().all(|i| i.name() != tensor.name()) {
            graph.input.push(input_of(&tensor));
        }
        graph.initializer.push(tensor);
    }
}
