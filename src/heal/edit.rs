//! What healing writes into a cut model.

use crate::cut::{add_initializer, all_names, drop_unread, fresh};
use crate::error::{Error, Result};
use crate::model::proto::{DataType, TensorProto};
use crate::model::{Constants, Graph, Model, ModelProto, NodeId, Tensor, ValueId};

/// Another constant in an input slot of a node, or of several that share it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Each node's first output, which names it in every copy of the model, and the input slot, filled or not.
    pub slots: Vec<(String, usize)>,
    /// The constant, in float32; it is written in the type of the one that it replaces, or of the node's weights.
    pub tensor: Tensor,
}

/// Where an edit goes.
struct Place {
    /// Numbers of the nodes, and the slots.
    slots: Vec<(usize, usize)>,
    /// The stored initializer that only these slots read.
    own: Option<usize>,
    /// The element type to write.
    dtype: DataType,
    /// A name to begin a new one with.
    base: String,
}

/// Writes the edits into a model of any floating-point type: into the initializer that only its slots read, else as a new one. What nothing reads
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
            for (node, slot) in place.slots {
                let inputs = &mut graph.node[node].input;
                inputs.resize(inputs.len().max(slot + 1), String::new());
                inputs[slot].clone_from(&name);
            }
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
            let (output, slot) = self.slots.first().cloned().unwrap_or_default();
            let dtype = dtype.as_str_name();
            Error::internal(format!("what healing found for input {slot} does not fit {dtype}")).at(&output)
        })
    }
}

fn places(model: &Model, edits: &[Edit]) -> Result<Vec<Place>> {
    let graph = model.graph()?;
    let known = Constants::new(&graph)?;
    edits.iter().map(|edit| place(&graph, &known, edit)).collect()
}

fn place(graph: &Graph<'_>, known: &Constants, edit: &Edit) -> Result<Place> {
    let unfit = |output: &str| Error::internal(format!("no node makes '{output}'"));
    let node = |(output, slot): &(String, usize)| {
        let node = graph.find(output).and_then(|v| graph.producer(v)).ok_or_else(|| unfit(output))?;
        Ok((node.id, *slot))
    };
    let slots = edit.slots.iter().map(node).collect::<Result<Vec<(NodeId, usize)>>>()?;
    let (id, slot) = *slots.first().ok_or_else(|| unfit(""))?;
    let node = graph.node(id);
    let value = node.input(slot).map(|v| known.same_as(graph, v));
    let like = value.or(node.input(1)).and_then(|v| known.get(v)).ok_or_else(|| unfit(node.name()))?;
    let alone = |v: &ValueId| is_alone(graph, known, *v, &slots);
    let stored = &graph.model().graph_proto().initializer;
    let own = value.filter(alone).and_then(|v| stored.iter().position(|t| t.name() == graph.name(v)));
    let own = own.filter(|&i| stored[i].dims.iter().map(|&d| d as usize).eq(edit.tensor.dims.iter().copied()));
    let base = value.map_or_else(|| format!("{}_bias", node.name()), |v| graph.name(v).to_owned());
    let slots = slots.into_iter().map(|(node, slot)| (node.index(), slot)).collect();
    Ok(Place { slots, own, dtype: like.dtype(), base })
}

/// Whether a constant is read in those slots, by whatever name, and nowhere else.
fn is_alone(graph: &Graph<'_>, known: &Constants, id: ValueId, slots: &[(NodeId, usize)]) -> bool {
    let names = known.names(graph, id);
    let renames = |node: NodeId| known.is_alias(graph, graph.node(node));
    names.iter().map(|name| graph.value(*name)).all(|value| {
        let read = value.readers.iter().all(|r| slots.contains(r) || renames(r.0));
        read && !value.is_output && !value.captured
    })
}
