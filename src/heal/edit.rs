//! What healing writes into a cut model.

use std::collections::HashSet;

use crate::cut::{all_names, drop_unread, input_of};
use crate::error::{Error, Result};
use crate::model::proto::{DataType, GraphProto, TensorProto};
use crate::model::{Constants, Model, ModelProto, Tensor};

/// Another constant in an input slot of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The node's first output, which names it in every copy of the model.
    pub output: String,
    /// The input slot, filled or not.
    pub slot: usize,
    /// The constant, in float32; it is written in the type of the one that it replaces, or of the node's weights.
    pub tensor: Tensor,
}

/// Where an edit goes.
struct Place {
    /// Number of the node.
    node: usize,
    /// The stored initializer that only this slot reads.
    own: Option<usize>,
    /// The element type to write.
    dtype: DataType,
    /// A name to begin a new one with.
    base: String,
}

/// Writes the edits into a model of any floating-point type: into the initializer that a slot reads alone, else as a new one. What nothing reads
/// any more goes. Errors where an edit does not fit the model, or a number is beyond what its type holds.
pub fn apply(proto: &mut ModelProto, edits: &[Edit]) -> Result<()> {
    let before = proto.clone();
    let model = Model::new(before.clone())?;
    let places = places(&model, edits)?;
    let mut names = all_names(proto);
    let is_old = proto.ir_version.is_some_and(|v| v < 4);
    let Some(graph) = proto.graph.as_mut() else { return Ok(()) };
    for (edit, place) in edits.iter().zip(places) {
        let tensor = edit.written(place.dtype)?;
        match place.own {
            Some(i) => {
                let old = &mut graph.initializer[i];
                let doc = old.doc_string.take();
                *old = TensorProto { doc_string: doc, ..tensor.to_proto(old.name()) };
            }
            None => {
                let name = fresh(&mut names, &place.base);
                add(graph, tensor.to_proto(&name), is_old);
                let inputs = &mut graph.node[place.node].input;
                inputs.resize(inputs.len().max(edit.slot + 1), String::new());
                inputs[edit.slot] = name;
            }
        }
    }
    drop_unread(&before, proto);
    Ok(())
}

impl Edit {
    fn written(&self, dtype: DataType) -> Result<Tensor> {
        let floats = self.tensor.floats().unwrap_or_default();
        let made = Tensor::of_floats(dtype, self.tensor.dims.clone(), &floats);
        let fits = |t: &Tensor| t.floats().is_some_and(|f| f.iter().all(|v| v.is_finite()));
        made.filter(fits).ok_or_else(|| {
            let (slot, dtype) = (self.slot, dtype.as_str_name());
            Error::internal(format!("what healing found for input {slot} does not fit {dtype}")).at(&self.output)
        })
    }
}

fn places(model: &Model, edits: &[Edit]) -> Result<Vec<Place>> {
    let graph = model.graph()?;
    let known = Constants::new(&graph)?;
    let stored = &model.graph_proto().initializer;
    let of = |edit: &Edit| {
        let unfit = || Error::internal(format!("no node makes '{}'", edit.output));
        let node = graph.find(&edit.output).and_then(|v| graph.producer(v)).ok_or_else(unfit)?;
        let value = node.input(edit.slot);
        let like = value.or(node.input(1)).and_then(|v| known.get(v)).ok_or_else(unfit)?;
        let alone = |v| {
            let value = graph.value(v);
            value.readers.len() == 1 && !value.is_output && !value.captured
        };
        let own = value.filter(|v| alone(*v)).and_then(|v| stored.iter().position(|t| t.name() == graph.name(v)));
        let own = own.filter(|&i| stored[i].dims.iter().map(|&d| d as usize).eq(edit.tensor.dims.iter().copied()));
        let base = value.map_or_else(|| format!("{}_bias", node.name()), |v| graph.name(v).to_owned());
        Ok(Place { node: node.id.index(), own, dtype: like.dtype(), base })
    };
    edits.iter().map(of).collect()
}

/// A name that the file does not use, near `base`.
fn fresh(names: &mut HashSet<String>, base: &str) -> String {
    let name = (1u64..).map(|k| format!("{base}_healed{k}")).find(|n| !names.contains(n)).unwrap_or_default();
    names.insert(name.clone());
    name
}

/// With IR 3, initializers are graph inputs too.
fn add(graph: &mut GraphProto, tensor: TensorProto, is_old: bool) {
    if is_old {
        graph.input.push(input_of(&tensor));
    }
    graph.initializer.push(tensor);
}
