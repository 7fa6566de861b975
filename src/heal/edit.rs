//! What healing writes into a cut model.

use crate::cut::{add_initializer, all_names, drop_unread, fresh};
use crate::error::{Error, Result};
use crate::model::proto::{DataType, TensorProto};
use crate::model::{Constants, Graph, Known, Model, ModelProto, NodeId, Tensor, ValueId};

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
    let value = node.input(slot).map(|v| behind_names(graph, v));
    let stored = &graph.model().graph_proto().initializer;
    let is_like = |t: &TensorProto| {
        let dims = t.dims.iter().map(|&d| d as usize).eq(edit.tensor.dims.iter().copied());
        dims && DataType::try_from(t.data_type()).is_ok_and(DataType::is_float)
    };
    let alone = value.filter(|v| is_alone(graph, *v, &slots));
    let own = alone.and_then(|v| stored.iter().position(|t| t.name() == graph.name(v) && is_like(t)));
    let like = own.and(value).or(node.input(slot)).or(node.input(1)).and_then(|v| dtype_of(graph, known, v));
    let dtype = like.ok_or_else(|| Error::internal("the type of its weights is not known").at(node.name()))?;
    let base = value.map_or_else(|| format!("{}_bias", node.name()), |v| graph.name(v).to_owned());
    let slots = slots.into_iter().map(|(node, slot)| (node.index(), slot)).collect();
    Ok(Place { slots, own, dtype, base })
}

/// The element type of a constant, or of what a Cast makes in a way that is not followed.
fn dtype_of(graph: &Graph<'_>, known: &Constants, value: ValueId) -> Option<DataType> {
    let cast = || {
        let node = graph.producer(value).filter(|n| n.op() == "Cast")?;
        DataType::try_from(i32::try_from(node.proto.attr_int("to")?).ok()?).ok()
    };
    known.get(value).map(Known::dtype).or_else(cast)
}

/// What a value is another name of, or another type.
fn behind_names(graph: &Graph<'_>, value: ValueId) -> ValueId {
    let before = |at: &ValueId| graph.producer(*at).filter(|n| n.renames()).and_then(|n| n.input(0));
    std::iter::successors(Some(value), before).last().unwrap_or(value)
}

/// Whether a value is read in those slots, by whatever name, and nowhere else.
fn is_alone(graph: &Graph<'_>, id: ValueId, slots: &[(NodeId, usize)]) -> bool {
    let value = graph.value(id);
    let is_ours = |r: &(NodeId, usize)| {
        let node = graph.node(r.0);
        slots.contains(r) || (node.renames() && node.output(0).is_some_and(|o| is_alone(graph, o, slots)))
    };
    !value.is_output && !value.captured && value.readers.iter().all(is_ours)
}
