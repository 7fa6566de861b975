//! Axes as tract counts them: from the front, in ascending order, all of them named.

use super::{Answer, Operands, Parts, Refusal, list, refuse};
use crate::model::proto::NodeProto;

/// Squeeze (<https://onnx.ai/onnx/operators/onnx__Squeeze.html>): tract takes its axes away one after the other, from the last on.
pub(super) fn squeeze(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let attribute = node.attr_ints("axes").map(<[i64]>::to_vec);
    let as_attribute = about.opset() < 13;
    if attribute.is_none() && !about.has(1) {
        if !as_attribute {
            return Ok(None);
        }
        let ones = about.dims(0)?.iter().zip(0..).filter(|(d, _)| **d == 1).map(|(_, k)| k).collect();
        let mut node = node.clone();
        node.set_ints("axes", ones);
        return Ok(Parts::only(node));
    }
    let Some(axes) = attribute.or_else(|| about.ints(1)) else { return Ok(None) };
    let mut sorted = axes.clone();
    if axes.iter().any(|a| *a < 0) && axes.iter().any(|a| *a >= 0) {
        let rank = about.rank(0)?;
        sorted.iter_mut().filter(|a| **a < 0).for_each(|a| *a += rank);
    }
    sorted.sort_unstable();
    if sorted == axes {
        return Ok(None);
    }
    let mut node = node.clone();
    if as_attribute {
        node.set_ints("axes", sorted);
        return Ok(Parts::only(node));
    }
    let mut parts = Parts::before(&node);
    let axes = parts.constant(list(&sorted));
    Ok(parts.end("Squeeze", &[&node.input[0], &axes], |_| {}))
}

/// Slice before its bounds became inputs (<https://onnx.ai/onnx/operators/onnx__Slice.html>): which axes must be said, from the front.
pub(super) fn slice(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let Some(starts) = node.attr_ints("starts").filter(|_| about.opset() < 10) else { return Ok(None) };
    let mut axes = node.attr_ints("axes").map_or_else(|| (0..starts.len() as i64).collect(), <[i64]>::to_vec);
    if axes.iter().any(|a| *a < 0) {
        let rank = about.rank(0)?;
        axes.iter_mut().filter(|a| **a < 0).for_each(|a| *a += rank);
    }
    let mut node = node.clone();
    node.set_ints("axes", axes);
    Ok(Parts::only(node))
}

/// Einsum (<https://onnx.ai/onnx/operators/onnx__Einsum.html>): axes that the equation leaves to an ellipsis get letters.
pub(super) fn einsum(node: &NodeProto, about: &Operands<'_>) -> Answer {
    let Some(equation) = node.attr_str("equation").filter(|e| e.contains("...")) else { return Ok(None) };
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (Some((inputs, output)), false) = (equation.split_once("->"), node.input.is_empty()) else {
        return refuse("its equation has an ellipsis and no output");
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    let mut hidden = Vec::new();
    for (slot, term) in terms.iter().enumerate() {
        let named = term.chars().filter(char::is_ascii_alphabetic).count();
        hidden.push(if term.contains("...") { hidden_axes(about, slot, named)? } else { 0 });
    }
    let longest = hidden.iter().copied().max().unwrap_or(0);
    let free: Vec<char> = ('a'..='z').chain('A'..='Z').filter(|c| !equation.contains(*c)).take(longest).collect();
    if free.len() < longest {
        return refuse("its equation has no letters left for the ellipsis");
    }
    let letters = |n: usize| free[longest - n..].iter().collect::<String>();
    let terms: Vec<String> = terms.iter().zip(&hidden).map(|(t, n)| t.replace("...", &letters(*n))).collect();
    let equation = format!("{}->{}", terms.join(","), output.replace("...", &letters(longest)));
    let mut node = node.clone();
    if let Some(a) = node.attribute.iter_mut().find(|a| a.name() == "equation") {
        a.s = Some(equation.into_bytes().into());
    }
    Ok(Parts::only(node))
}

fn hidden_axes(about: &Operands<'_>, slot: usize, named: usize) -> Result<usize, Refusal> {
    let rank = about.dims(slot)?.len();
    rank.checked_sub(named).map_or_else(|| refuse("its equation names more axes than its operand has"), Ok)
}
