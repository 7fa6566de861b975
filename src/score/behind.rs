//! What BatchNormalization makes of the length of a filter: whether it stands in the file or was folded into the weights, filters can then be
//! compared alike.

use crate::couple::Facts;
use crate::model::{Node, ValueId};

/// By filter, the factor that the BatchNormalization behind the contraction of these weights multiplies what it makes by, `scale / sqrt(var + e)`;
/// `None` where there is none. A ReLU may stand between: it passes factors on.
pub(super) fn factors(facts: &Facts<'_>, weight: ValueId) -> Option<Vec<f64>> {
    let [(node, 1)] = facts.constants.uses(facts.graph, weight)[..] else { return None };
    let mut at = facts.graph.node(node).output(0)?;
    loop {
        let node = sole_reader(facts, at)?;
        match node.op() {
            "BatchNormalization" if node.input(0) == Some(at) => return of_node(facts, node),
            "Identity" | "Dropout" | "Relu" | "LeakyRelu" => {}
            "Add" if node.inputs.iter().flatten().any(|v| facts.constants.is_constant(*v)) => {}
            _ => return None,
        }
        at = node.output(0)?;
    }
}

fn sole_reader<'f>(facts: &'f Facts<'_>, value: ValueId) -> Option<&'f Node<'f>> {
    let v = facts.graph.value(value);
    let [(node, _)] = v.readers.as_slice() else { return None };
    Some(facts.graph.node(*node)).filter(|n| !v.is_output && !v.captured && n.proto.in_default_domain())
}

fn of_node(facts: &Facts<'_>, node: &Node<'_>) -> Option<Vec<f64>> {
    let vector = |slot: usize| facts.constants.get(node.input(slot)?)?.tensor().floats();
    let epsilon = node.proto.attr("epsilon").and_then(|a| a.f).unwrap_or(1e-5);
    let one = |(scale, var): (f32, f32)| f64::from(scale) / f64::from(var + epsilon).sqrt();
    Some(vector(1)?.into_iter().zip(vector(4)?).map(one).collect())
        .filter(|f: &Vec<f64>| f.iter().all(|v| v.is_finite()))
}
