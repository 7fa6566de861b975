//! Cuts that change nothing: the pruned model against the original without masks. Biases that took up constants are the only numbers of its own
//! that it may have; with the original's in their place it is a cut like others.

use std::collections::HashMap;

use super::form::Form;
use super::judge::{Halt, SAMPLES, does_not_run};
use super::noise::Run;
use super::pairing::{Output, Pairing};
use super::plain::Plain;
use super::twin::Weights;
use super::{Case, Difference, Verification, compare, inputs};
use crate::error::Result;
use crate::model::constant::Known;
use crate::model::removed::Kept;
use crate::model::{Constants, Graph, Model, Node, Removed, Tensor};
use crate::runtime::{Feed, Session};

/// Where the bias of a node stands that may take up constants, by operator.
const BIASES: [(&str, usize); 2] = [("Conv", 2), ("Gemm", 2)];

/// The pruned model with the original's biases, of those that may have taken up constants. Errors where one of the models is malformed.
pub(super) fn unfolded(case: &Case<'_>) -> Result<Model> {
    let (before, after) = (case.original.graph()?, case.pruned.graph()?);
    let (known_before, known_after) = (Constants::new(&before)?, Constants::new(&after)?);
    let makers: HashMap<&str, &Node<'_>> =
        before.nodes().iter().filter_map(|n| Some((before.name(n.output(0)?), n))).collect();
    let mut proto = case.pruned.proto().clone();
    let Some(graph) = proto.graph.as_mut() else { return Ok(case.pruned.clone()) };
    for (i, now) in after.nodes().iter().enumerate() {
        let Some(&then) = now.output(0).and_then(|y| makers.get(after.name(y))) else { continue };
        let Some(&(_, slot)) = BIASES.iter().find(|b| b.0 == now.op() && b.0 == then.op()) else { continue };
        let Some(found) =
            now.input(slot).and_then(|v| known_after.get(v)).filter(|_| loses_inputs(case, &before, then))
        else {
            continue;
        };
        let original = match then.input(slot) {
            None => None,
            Some(v) => match known_before.get(v) {
                Some(known) => Some(kept_of(case, before.name(v), then.name(), known)?),
                None => continue,
            },
        };
        let bytes = found.tensor();
        match original {
            Some(bias) if bias == bytes => {}
            Some(bias) => {
                let name = format!("secateur_unfolded_{i}");
                graph.node[i].input[slot].clone_from(&name);
                graph.initializer.push(bias.to_proto(&name));
            }
            None => graph.node[i].input.truncate(slot),
        }
    }
    Model::new(proto)
}

/// Whether what a node reads first is claimed to lose something.
fn loses_inputs(case: &Case<'_>, before: &Graph<'_>, node: &Node<'_>) -> bool {
    let name = node.input(0).map_or("", |v| before.name(v));
    case.removed.iter().any(|r| r.value == name && !r.is_empty())
}

fn kept_of(case: &Case<'_>, value: &str, reader: &str, known: &Known) -> Result<Tensor> {
    let mine = |r: &&Removed| r.concerns(value, reader) && !r.is_empty();
    let kept: Vec<Kept> = case.removed.iter().filter(mine).map(Removed::kept).collect();
    Kept::select_all(&kept, &known.tensor())
}

/// Compares with the original as it is, at the given inputs and at larger ones; what `unfolded` has of the original is paired already.
pub(super) fn prove(case: &Case<'_>, unfolded: &Model, v: &mut Verification) -> std::result::Result<(), Halt> {
    let outputs = Pairing::new(&Case { pruned: unfolded, ..*case }, Form::Cut)?.map_err(Halt::Wrong)?.compared();
    let plain = Plain::of(case)?;
    let (original, pruned) = plain.as_ref().map_or((case.original, case.pruned), |p| (&p.original, &p.pruned));
    let feeds = plain.as_ref().map_or(case.feeds, |p| &p.feeds);
    let grown = plain.as_ref().map_or(case.grown, |p| p.grown.as_deref());
    let names: Vec<String> = outputs.iter().map(|o| o.value.clone()).collect();
    let mut compared = |feeds: &[Feed], seeds: std::ops::Range<u64>, required: bool| {
        let theirs = match Session::load(original, feeds, &names) {
            Ok(session) => session,
            Err(_) if !required => return Ok(()),
            Err(e) => return Err(Halt::CannotRun(e)),
        };
        let ours = Session::load(pruned, feeds, &names).map_err(|e| does_not_run(pruned, &e))?;
        for seed in seeds {
            let x = inputs::seeded(feeds, case.seed + seed);
            let expected = match theirs.run(&x) {
                Ok(expected) => expected,
                Err(_) if !required => return Ok(()),
                Err(e) => return Err(Halt::CannotRun(e)),
            };
            let found = ours.run(&x).map_err(|e| does_not_run(pruned, &e))?;
            v.samples += 1;
            for ((output, expected), found) in outputs.iter().zip(&expected).zip(&found) {
                let error = compare::error_at(output, expected, found, Form::Cut);
                if error <= case.tolerance {
                    v.max_rel_error = v.max_rel_error.max(error);
                } else if error.is_finite() && error <= allowance(case, (original, feeds, &x), output, expected)? {
                    v.within_noise(&output.value, error);
                } else {
                    v.max_rel_error = v.max_rel_error.max(error);
                    return Err(Halt::Wrong(changed(output, error)));
                }
            }
        }
        Ok(())
    };
    compared(feeds, 0..SAMPLES, true)?;
    grown.map_or(Ok(()), |g| compared(g, SAMPLES..SAMPLES + 1, false))
}

/// The difference that the original's own rounding explains, where a value is beyond the tolerance; none where that is 0.
fn allowance(
    case: &Case<'_>,
    (original, feeds, x): (&Model, &[Feed], &[Tensor]),
    output: &Output,
    expected: &Tensor,
) -> std::result::Result<f64, Halt> {
    if case.tolerance <= 0.0 {
        return Ok(0.0);
    }
    let itself = Case { original, pruned: original, removed: &[], feeds, ..*case };
    let pairing = Pairing::new(&itself, Form::Cut)?.map_err(Halt::Wrong)?;
    let run = Run { weights: &Weights::AsWritten, feeds, x };
    run.allowance(&pairing, case.seed, output, expected).map_err(Halt::CannotRun)
}

fn changed(output: &Output, error: f64) -> Difference {
    Difference {
        node: output.node.clone(),
        value: Some(output.value.clone()),
        reason: format!(
            "'{}' is not the original's, unmasked: it differs by {error:.2e} of its largest magnitude",
            output.value
        ),
    }
}
