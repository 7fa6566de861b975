//! What healing writes into a cut model.

use crate::cut::{add_initializer, all_names, drop_unread, fresh};
use crate::error::{Error, Result};
use crate::model::proto::{DataType, TensorProto};
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
    for (edit, place) in edits.iter().zip(places) {
        let tensor = edit.written(place.dtype)?;
        let name = place.own.is_none().then(|| fresh(&mut names, &format!("{}_healed", place.base)));
        if let Some(name) = &name {
            add_initializer(proto, tensor.to_proto(name));
        }
        let Some(graph) = proto.graph.as_mut() else { continue };
        if let Some(name) = name {
            let inputs = &mut graph.node[place.node].input;
            inputs.resize(inputs.len().max(edit.slot + 1), String::new());
            inputs[edit.slot] = name;
        } else if let Some(old) = place.own.and_then(|i| graph.initializer.get_mut(i)) {
            let doc = old.doc_string.take();
            *old = TensorProto { doc_string: doc, ..tensor.to_proto(old.name()) };
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
