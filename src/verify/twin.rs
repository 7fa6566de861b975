//! The twin: the original's structure, every reader with its own copy of each constant, and masks that put zeros where contractions read
//! removed channels.

use std::collections::HashMap;

use super::contractions::summed;
use super::pairing::{Pair, Pairing};
use crate::error::Result;
use crate::model::constant::Known;
use crate::model::proto::{DataType, GraphProto, ModelProto, NodeProto, TensorProto};
use crate::model::{Constants, Model, Removed, Tensor};

/// Tensors by (pair, slot).
pub(super) type BySlot = HashMap<(usize, usize), Tensor>;

/// What the constants of a twin hold.
pub(super) enum Weights<'r> {
    /// The pruned model's values at kept coordinates, the original's elsewhere. As these are equal bit for bit where that was
    /// checked, it is the original's constant; where a healed model differs, its operand says how.
    AsWritten,
    /// These, where there is one.
    Random(&'r BySlot),
}

/// A twin, ready to run.
pub(super) struct Twin<'a> {
    pub model: Model,
    /// What masks were put on, without repeats.
    pub masked: Vec<&'a Removed>,
}

impl<'a> Pairing<'a> {
    /// The twin with those weights.
    pub(super) fn twin(&self, weights: &Weights<'_>) -> Result<Twin<'a>> {
        self.structure(weights, true)
    }

    /// The original with the pruned model's values at the kept coordinates, and no masks.
    pub(super) fn unmasked(&self) -> Result<Model> {
        Ok(self.structure(&Weights::AsWritten, false)?.model)
    }

    fn structure(&self, weights: &Weights<'_>, masking: bool) -> Result<Twin<'a>> {
        let known = Constants::new(&self.before)?;
        let mut graph = self.shell(self.case.original.graph_proto());
        let mut masked: Vec<&'a Removed> = Vec::new();
        let by_node: HashMap<usize, (usize, &Pair)> =
            self.pairs.iter().enumerate().map(|(p, pair)| (pair.before, (p, pair))).collect();
        for (i, node) in self.before.nodes().iter().enumerate().filter(|(_, n)| !known.covers(n)) {
            let mut proto = node.proto.clone();
            let mut given = Vec::new();
            if let Some((p, pair)) = by_node.get(&i) {
                for operand in &pair.operands {
                    let random = match weights {
                        Weights::Random(random) => random.get(&(*p, operand.slot)),
                        Weights::AsWritten => None,
                    };
                    if let Some(tensor) = random.or(operand.healed.as_ref()) {
                        let name = format!("secateur_twin_{i}_{}", operand.slot);
                        let slots = proto.input.len().max(operand.slot + 1);
                        proto.input.resize(slots, String::new());
                        proto.input[operand.slot].clone_from(&name);
                        given.push(tensor.to_proto(&name));
                    }
                }
            }
            for (slot, removed) in self.masks(i, &known).into_iter().filter(|_| masking) {
                let (constants, masking) =
                    mask(&proto.input[slot], &format!("{i}_{slot}"), removed, self.rank(&proto.input[slot]));
                graph.initializer.extend(constants);
                proto.input[slot].clone_from(&masking.output[0]);
                if !masked.contains(&removed) {
                    masked.push(removed);
                }
                graph.node.push(masking);
            }
            graph.initializer.extend(given);
            graph.node.push(proto);
        }
        self.add_known(&mut graph, &known, &self.before);
        Ok(Twin { model: self.wrap(self.case.original.proto(), graph)?, masked })
    }

    /// The pruned model with other constants in some slots.
    pub(super) fn pruned_with(&self, weights: &BySlot) -> Result<Model> {
        let known = Constants::new(&self.after)?;
        let mut graph = self.shell(self.case.pruned.graph_proto());
        let by_node: HashMap<usize, usize> = self.pairs.iter().enumerate().map(|(p, pair)| (pair.after, p)).collect();
        for (i, node) in self.after.nodes().iter().enumerate().filter(|(_, n)| !known.covers(n)) {
            let mut proto = node.proto.clone();
            for slot in 0..proto.input.len() {
                if let Some(tensor) = by_node.get(&i).and_then(|p| weights.get(&(*p, slot))) {
                    let name = format!("secateur_pruned_{i}_{slot}");
                    proto.input[slot].clone_from(&name);
                    graph.initializer.push(tensor.to_proto(&name));
                }
            }
            graph.node.push(proto);
        }
        self.add_known(&mut graph, &known, &self.after);
        self.wrap(self.case.pruned.proto(), graph)
    }

    /// The operands of a node that a mask belongs on: what depends on an input. What constants alone make is never masked.
    fn masks(&self, node: usize, known: &Constants) -> Vec<(usize, &'a Removed)> {
        let node = &self.before.nodes()[node];
        let live = &self.live;
        let rank = |slot: usize| node.input(slot).and_then(|v| self.dims.get(v)).map(<[usize]>::len);
        let ints = |slot: usize| node.input(slot).and_then(|v| known.get(v)).and_then(Known::ints);
        let sums = summed(node.proto, &rank, &ints).into_iter();
        sums.filter_map(|(slot, axis)| {
            let value = node.input(slot).filter(|v| live[v.index()])?;
            Some((slot, self.removed(self.before.name(value), axis)?))
        })
        .collect()
    }

    fn rank(&self, value: &str) -> usize {
        self.before.find(value).and_then(|v| self.dims.get(v)).map_or(0, <[usize]>::len)
    }

    fn shell(&self, graph: &GraphProto) -> GraphProto {
        let filled: Vec<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        let input = graph.input.iter().filter(|i| !filled.contains(&i.name())).cloned().collect();
        GraphProto { name: graph.name.clone(), input, output: graph.output.clone(), ..GraphProto::default() }
    }

    /// All constants of a graph under their own names; those that nothing reads are left behind when it is loaded.
    fn add_known(&self, out: &mut GraphProto, known: &Constants, graph: &crate::model::Graph<'_>) {
        for id in graph.value_ids() {
            let (name, value) = (graph.name(id), graph.value(id));
            let is_read = || out.node.iter().any(|n| n.input.iter().any(|i| i == name));
            match known.get(id) {
                Some(Known::Dense(t)) => out.initializer.push(t.to_proto(name)),
                Some(fill @ Known::Fill { .. }) if value.is_output || value.captured || is_read() => {
                    out.initializer.push(fill.tensor().to_proto(name));
                }
                _ => {}
            }
        }
    }

    fn wrap(&self, model: &ModelProto, graph: GraphProto) -> Result<Model> {
        Model::new(ModelProto {
            ir_version: model.ir_version,
            opset_import: model.opset_import.clone(),
            functions: model.functions.clone(),
            graph: Some(graph),
            ..ModelProto::default()
        })
    }
}

/// What puts zeros at removed coordinates, be there what may, NaN and infinities too: constants and the node that reads them. `unique` tells it
/// from other masks.
fn mask(value: &str, unique: &str, removed: &Removed, rank: usize) -> ([TensorProto; 2], NodeProto) {
    let mut dims = vec![1; rank.max(removed.axis + 1)];
    dims[removed.axis] = removed.length;
    let mut stays = vec![1; removed.length];
    removed.indices.iter().for_each(|&i| stays[i] = 0);
    let unique = format!("{unique}_{}", removed.axis);
    let [name, zero, out] = ["mask", "zero", "masked"].map(|what| format!("secateur_{what}_{unique}"));
    let masking = NodeProto {
        op_type: Some("Where".into()),
        name: Some(out.clone()),
        input: vec![name.clone(), value.to_owned(), zero.clone()],
        output: vec![out],
        ..NodeProto::default()
    };
    let stays = Tensor { dtype: DataType::Bool, dims, data: stays.into() }.to_proto(&name);
    ([stays, Tensor::from_floats(vec![], &[0.0]).to_proto(&zero)], masking)
}
