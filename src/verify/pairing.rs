//! Nodes of the two models, paired by the names of what they make; their constants, paired by input slot, must be the original's kept
//! values bit for bit. This, not the outputs, catches a wrong index inside a weight.

use std::collections::{HashMap, HashSet};

use super::contractions::{carries_shape, contracts, rewritable};
use super::form::Form;
use super::{Case, Difference};
use crate::error::Result;
use crate::model::constant::Known;
use crate::model::proto::{AttributeProto, DataType, NodeProto};
use crate::model::removed::Kept;
use crate::model::{Constants, Dims, Graph, Model, Node, Removed, Tensor};
use crate::runtime;

/// A constant operand of a pair of nodes.
#[derive(Debug)]
pub(super) struct Operand {
    /// Which input.
    pub slot: usize,
    /// The original's.
    pub before: Known,
    /// What the cut claims to keep of it.
    pub kept: Vec<Kept>,
    /// The original's with the pruned model's numbers at the kept coordinates, where these differ and may.
    pub healed: Option<Tensor>,
}

impl Operand {
    /// What the twin holds.
    pub(super) fn whole(&self) -> Tensor {
        self.healed.clone().unwrap_or_else(|| self.before.tensor())
    }
}

/// A node of the original and the one that makes the same value in the pruned model.
#[derive(Debug)]
pub(super) struct Pair {
    /// Position in the original.
    pub before: usize,
    /// Position in the pruned model.
    pub after: usize,
    /// Constant operands.
    pub operands: Vec<Operand>,
}

/// A value that is compared, and what is kept of it.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// Its name.
    pub value: String,
    /// The node that makes it.
    pub node: String,
    /// What is kept of it.
    pub kept: Vec<Kept>,
    /// What its largest magnitude counts as at least.
    pub floor: f64,
}

/// Probabilities are of 0 to 1. Where all are small, what is rounding in their logarithms is many times more in them.
const PROBABILITIES: (&[&str], f64) = (&["Sigmoid", "HardSigmoid", "Softmax"], 0.1);

/// The two models side by side.
#[derive(Debug)]
pub(super) struct Pairing<'a> {
    pub case: &'a Case<'a>,
    /// What became of removed coordinates.
    pub form: Form,
    pub before: Graph<'a>,
    pub after: Graph<'a>,
    pub dims: Dims,
    /// Which values of the original depend on an input.
    pub live: Vec<bool>,
    pub pairs: Vec<Pair>,
}

impl<'a> Pairing<'a> {
    /// Pairs, or says what does not match.
    pub(super) fn new(case: &'a Case<'a>, form: Form) -> Result<std::result::Result<Self, Difference>> {
        let (before, after) = (case.original.graph()?, case.pruned.graph()?);
        let (known_before, known_after) = (Constants::new(&before)?, Constants::new(&after)?);
        let dims = runtime::dims(case.original, case.feeds)?;
        let at_dims = known_before.at(&before, &dims)?;
        let live = before.live();
        let mut pairing = Self { case, form, before, after, dims, live, pairs: Vec::new() };
        let differs = pairing.interface_differs().or_else(|| match form {
            Form::Cut => pairing.find_pairs(&[&known_before, &at_dims], &known_after),
            Form::Zeroed => pairing.find_same(&known_before, &known_after),
        });
        if let Some(difference) = differs {
            return Ok(Err(difference));
        }
        Ok(pairing.missing(&known_before).map_or(Ok(pairing), Err))
    }

    /// The outputs of all contractions, and the graph's outputs, in the graph's order.
    pub(super) fn compared(&self) -> Vec<Output> {
        let mut out = Vec::new();
        for pair in &self.pairs {
            let node = &self.before.nodes()[pair.before];
            for (slot, value) in node.outputs.iter().enumerate() {
                let Some(value) = value.map(|v| self.before.value(v)) else { continue };
                if (slot == 0 && contracts(node.proto)) || value.is_output {
                    out.push(Output {
                        value: value.name.into(),
                        node: node.name().into(),
                        kept: self.kept(value.name, ""),
                        floor: if PROBABILITIES.0.contains(&node.op()) { PROBABILITIES.1 } else { 0.0 },
                    });
                }
            }
        }
        out
    }

    /// What the cut claims to keep of a value, as `reader` sees it.
    pub(super) fn kept(&self, value: &str, reader: &str) -> Vec<Kept> {
        let mine = |r: &&Removed| r.concerns(value, reader) && !r.is_empty();
        self.case.removed.iter().filter(mine).map(Removed::kept).collect()
    }

    /// What the cut claims to remove of a value's axis.
    pub(super) fn removed(&self, value: &str, axis: usize) -> Option<&'a Removed> {
        self.case.removed.iter().find(|r| r.value == value && r.axis == axis && !r.indices.is_empty())
    }

    fn interface_differs(&self) -> Option<Difference> {
        let (a, b) = (self.case.original.graph_proto(), self.case.pruned.graph_proto());
        let fed = |g: &crate::model::proto::GraphProto| {
            let filled: HashSet<&str> = g.initializer.iter().map(|t| t.name()).collect();
            g.input.iter().filter(|i| !filled.contains(i.name())).cloned().collect::<Vec<_>>()
        };
        let reason = if fed(a) != fed(b) || a.output != b.output {
            "the graph's inputs or outputs have changed".into()
        } else {
            self.meaning_differs()?
        };
        Some(Difference { node: a.name().into(), value: None, reason })
    }

    /// Another version of an operator set, or another body of a local function, may mean something else by the same nodes.
    fn meaning_differs(&self) -> Option<String> {
        let (original, pruned) = (self.case.original, self.case.pruned);
        if original.proto().functions != pruned.proto().functions {
            return Some("the model's local functions have changed".into());
        }
        let mut domains = pruned.graph_proto().node.iter().map(NodeProto::domain);
        let other = domains.find(|d| original.opset_of(d) != pruned.opset_of(d))?;
        let version = |m: &Model| m.opset_of(other).map_or("none".into(), |v| v.to_string());
        let name = if other.is_empty() { "ai.onnx" } else { other };
        Some(format!("the version of {name} has changed from {} to {}", version(original), version(pruned)))
    }

    /// `known_before`: from the file alone, and with the dims that the original has here.
    fn find_pairs(&mut self, known_before: &[&Constants; 2], known_after: &Constants) -> Option<Difference> {
        let makers: HashMap<&str, usize> = self
            .before
            .nodes()
            .iter()
            .enumerate()
            .flat_map(|(i, n)| n.proto.output.iter().map(move |o| (o.as_str(), i)))
            .collect();
        for (after, node) in self.after.nodes().iter().enumerate().filter(|(_, n)| !known_after.covers(n)) {
            let fail = |reason: &str| Some(Difference { node: node.name().into(), value: None, reason: reason.into() });
            let Some(&i) = node.proto.output.iter().find(|o| !o.is_empty()).and_then(|o| makers.get(o.as_str())) else {
                return fail("the original has no node that makes this value");
            };
            let original = &self.before.nodes()[i];
            if (original.op(), node.op()) == ("Reshape", "Gather") {
                if let Some(reason) = self.shuffle_differs(original, node, known_after) {
                    return fail(reason);
                }
                self.pairs.push(Pair { before: i, after, operands: Vec::new() });
                continue;
            }
            if let Some(reason) = node_differs(original.proto, node.proto) {
                return fail(&reason);
            }
            match self.operands(original, node, known_before, known_after) {
                Ok(operands) => self.pairs.push(Pair { before: i, after, operands }),
                Err(reason) => return fail(&reason),
            }
        }
        None
    }

    fn operands(
        &self,
        a: &Node<'_>,
        b: &Node<'_>,
        [known_a, at_dims]: &[&Constants; 2],
        known_b: &Constants,
    ) -> std::result::Result<Vec<Operand>, String> {
        let mut out = Vec::new();
        for slot in 0..a.inputs.len().max(b.inputs.len()) {
            let shape = carries_shape(a.op(), slot);
            let (x, y) = (a.input(slot), b.input(slot));
            let (before, after) = (x.and_then(|v| known_a.get(v)), y.and_then(|v| known_b.get(v)));
            match (before, after) {
                (Some(before), Some(after)) => {
                    let value = x.map_or("", |v| self.before.name(v));
                    let kept = self.kept(value, a.name());
                    let same = same_bits(before, after, &kept)?;
                    let recomputed = shape && are_lengths(before) && are_lengths(after);
                    let healed = if same { None } else { self.healed(a, slot, (before, after), &kept)? };
                    if !(same || recomputed || healed.is_some()) {
                        return Err(format!(
                            "its constant in input {slot} ('{value}') does not hold the original's kept values"
                        ));
                    }
                    out.push(Operand { slot, before: before.clone(), kept, healed });
                }
                (None, Some(after)) if x.is_none() && self.may_add_a_bias(a, slot) => {
                    out.push(self.added_bias(a, slot, after)?);
                }
                (None, Some(after)) if shape && are_lengths(after) => {}
                // A number of the original's dims, written down as it was: the run at larger inputs shows where it was an open one.
                (None, Some(after)) if are_lengths(after) && x.and_then(|v| at_dims.get(v)) == Some(after) => {}
                _ if x.map(|v| self.before.name(v)) != y.map(|v| self.after.name(v)) => {
                    return Err(format!("input {slot} reads another value than in the original"));
                }
                _ => {}
            }
        }
        Ok(out)
    }

    /// A contraction or an output that the pruned model has lost, though the original's outputs depend on it.
    fn missing(&self, known: &Constants) -> Option<Difference> {
        let there: HashSet<usize> = self.pairs.iter().map(|p| p.before).collect();
        let lost = |n: &&Node<'_>| {
            contracts(n.proto) && !known.covers(n) && !there.contains(&n.id.index()) && self.is_needed(n)
        };
        let node = self.before.nodes().iter().find(lost)?;
        Some(Difference { node: node.name().into(), value: None, reason: "the pruned model has lost this node".into() })
    }

    fn is_needed(&self, node: &Node<'_>) -> bool {
        let mut open = vec![node.id];
        let mut seen = HashSet::new();
        while let Some(id) = open.pop() {
            for value in self.before.node(id).outputs.iter().flatten().map(|v| self.before.value(*v)) {
                if value.is_output {
                    return true;
                }
                open.extend(value.readers.iter().map(|r| r.0).filter(|r| seen.insert(*r)));
            }
        }
        false
    }
}

/// Whether a constant is of a type that lengths and positions have.
fn are_lengths(known: &Known) -> bool {
    matches!(known.dtype(), DataType::Int32 | DataType::Int64)
}

/// Whether `after` is `before` at the kept coordinates. `Err`: the claim does not fit the constant.
fn same_bits(before: &Known, after: &Known, kept: &[Kept]) -> std::result::Result<bool, String> {
    let mut dims = before.dims().to_vec();
    for k in kept {
        *dims.get_mut(k.axis()).ok_or("the cut names an axis that a constant does not have")? = k.len();
    }
    if dims != after.dims() || before.dtype() != after.dtype() {
        return Ok(false);
    }
    if let (Known::Fill { element: a, .. }, Known::Fill { element: b, .. }) = (before, after) {
        return Ok(a == b);
    }
    Ok(Kept::select_all(kept, &before.tensor()).map_err(|e| e.to_string())?.data == after.tensor().data)
}

/// What is different in two nodes, their operands aside.
fn node_differs(a: &NodeProto, b: &NodeProto) -> Option<String> {
    if (a.op_type(), a.domain(), &a.output) != (b.op_type(), b.domain(), &b.output) {
        return Some("it is another operator, or makes other values, than in the original".into());
    }
    let fixed = |n: &NodeProto| {
        let mut out: Vec<AttributeProto> =
            n.attribute.iter().filter(|x| !rewritable(n.op_type(), x.name())).cloned().collect();
        out.sort_by(|x, y| x.name().cmp(y.name()));
        out
    };
    let (x, y) = (fixed(a), fixed(b));
    let differs = |i: &usize| !x.get(*i).zip(y.get(*i)).is_some_and(|(x, y)| x.same_bits(y));
    let first = (0..x.len().max(y.len())).find(differs)?;
    let name = x.get(first).or(y.get(first)).map_or("", |a| a.name());
    Some(format!("its attributes have changed, '{name}' first"))
}
