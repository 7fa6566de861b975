//! The judge's own reading of an Einsum's equation: which axes of which operands it sums over.

use crate::model::proto::NodeProto;

/// The operands' axes of which the label is not in the output; nothing where the equation is not plain.
pub(super) fn summed(node: &NodeProto) -> Vec<(usize, usize)> {
    let text: String = node.attr_str("equation").unwrap_or("").split_whitespace().collect();
    let (operands, output) = text.split_once("->").unwrap_or((&text, ""));
    let once = |c: char| operands.matches(c).count() == 1;
    let is_kept = |c: char| if text.contains("->") { output.contains(c) } else { once(c) };
    let mut out = Vec::new();
    for (slot, labels) in operands.split(',').enumerate() {
        out.extend(labels.chars().enumerate().filter(|(_, c)| !is_kept(*c)).map(|(axis, _)| (slot, axis)));
    }
    if text.contains('.') { Vec::new() } else { out }
}
