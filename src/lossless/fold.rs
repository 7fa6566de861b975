//! Constants that go, folded into the biases of what reads them: `b'[o] = b[o] + sum over i of c[i] w[o, i]`, of a Gemm times alpha.

use super::reads::{Read, Verdict};
use super::{Analysis, Places};
use crate::couple::{Coupling, Facts, Gone};
use crate::error::Result;
use crate::model::constant::Known;
use crate::model::proto::DataType;
use crate::model::{Node, NodeId, Tensor};

/// A bias that takes up constants, whole: nothing is cut of it yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// The node.
    pub node: NodeId,
    /// The input slot of its bias.
    pub slot: usize,
    /// The bias, one number for each coordinate of axis 1 of what the node makes.
    pub bias: Tensor,
}

/// The biases that take up what constant channels add, where these go. Errors where a constant is malformed.
pub fn folds(facts: &Facts<'_>, coupling: &Coupling, gone: &Gone) -> Result<Vec<Fold>> {
    let analysis = Analysis::new(facts)?;
    let places = Places::new(coupling);
    let mut out = Vec::new();
    for node in facts.graph.nodes() {
        for read in analysis.reads_of(node) {
            let lost = places.0.get(&(read.value, read.axis)).map_or(&[][..], |&a| gone.of(a));
            let constant = |&i: &usize| match analysis.verdict(&read, i, &|_, _| false) {
                Verdict::Constant(c) => Some((i, c)),
                _ => None,
            };
            let constants: Vec<(usize, f32)> = lost.iter().filter_map(constant).collect();
            if !constants.is_empty()
                && let Some(bias) = analysis.folded(node, &read, &constants)
            {
                out.push(Fold { node: node.id, slot: 2, bias });
            }
        }
    }
    Ok(out)
}

impl Analysis<'_> {
    fn folded(&self, node: &Node<'_>, read: &Read, constants: &[(usize, f32)]) -> Option<Tensor> {
        let known = self.facts.constants.get(node.input(1)?)?;
        let w = self.weights.get(node.input(1)?)?;
        let outputs = *self.facts.dims.get(node.output(0)?)?.get(1)?;
        let bias = node.input(2).and_then(|v| self.facts.constants.get(v)).map(Known::tensor);
        let bias = bias.map_or(Some(vec![0.0]), |b| doubles(&b))?;
        let alpha = f64::from(node.proto.attr("alpha").and_then(|a| a.f).unwrap_or(1.0));
        let transposed = node.proto.attr_int("transB").unwrap_or(0) != 0;
        let weight = |o: usize, i: usize| match node.op() {
            "Conv" => {
                let per_group = w.dims[1];
                let rows = outputs / usize::try_from(node.proto.attr_int("group").unwrap_or(1)).unwrap_or(1).max(1);
                if i / per_group == o / rows.max(1) { w.sum_at(&[o, i % per_group]) } else { 0.0 }
            }
            _ if transposed => alpha * w.sum_at(&[o, i]),
            _ => alpha * w.sum_at(&[i, o]),
        };
        let own = |o: usize| bias.get(o).or_else(|| bias.first().filter(|_| bias.len() == 1)).copied();
        debug_assert_eq!(read.slot, 0);
        let sums = (0..outputs)
            .map(|o| Some(own(o)? + constants.iter().map(|&(i, c)| f64::from(c) * weight(o, i)).sum::<f64>()));
        of_type(known.dtype(), &sums.collect::<Option<Vec<f64>>>()?)
    }
}

fn doubles(t: &Tensor) -> Option<Vec<f64>> {
    match t.dtype {
        DataType::Double => Some(t.data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
        _ => Some(t.floats()?.into_iter().map(f64::from).collect()),
    }
}

fn of_type(dtype: DataType, values: &[f64]) -> Option<Tensor> {
    let dims = vec![values.len()];
    match dtype {
        DataType::Float => Some(Tensor::from_floats(dims, &values.iter().map(|v| *v as f32).collect::<Vec<_>>())),
        DataType::Double => {
            let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            Some(Tensor { dtype, dims, data: data.into() })
        }
        _ => None,
    }
}
