//! One oracle test and more for each operator family: what goes is proved in the runtime, what stays says why.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::couple::couple;
use secateur::plan::Scope;
use secateur::verify::Status;

use crate::oracle::{losses, prune};
use crate::support::{Analysed, network};

mod along;
mod contract;
mod index;
mod normalise;
mod quantize;
mod reference;
mod shape;
mod space;
mod table;

/// Half of every group goes, proved; what each weight's first axis lost.
pub(crate) fn check_at(opset: i64, build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Vec<(String, usize)> {
    prune(&network(opset, build))
}

/// The same for a graph that runs at one batch size only.
pub(crate) fn check_once(build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Vec<(String, usize)> {
    let model = network(17, build);
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (pruned, removed) = known.cut(&coupling, &gone);
    let v = known.judge(pruned, &removed);
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
    losses(&removed)
}

/// Why the stem's filters stay; empty where they may go.
pub(crate) fn reason_at(opset: i64, build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> String {
    let model = network(opset, build);
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let of_stem = coupling.pinned.iter().find(|p| known.graph.node(p.layer).name() == "/stem/Conv");
    of_stem.map_or(String::new(), |p| p.reason.clone())
}

/// A node that keeps its input's dims.
pub(crate) fn same(g: &mut GraphBuilder, op: Op, inputs: &[&Val]) -> Val {
    g.node(op, inputs, &inputs[0].dims.clone())
}
