//! How the FPGM paper counts, applied to a graph: what each convolution costs, times the share that the paper lets it keep.
//!
//! `r = 1 - rate` itself, no integer widths. A convolution keeps `r` of its filters, except that the one of a shortcut keeps all; it keeps
//! `r` of its inputs where these come straight from another convolution, and all of them where they come from a stream, that is from an Add
//! or the image. The last convolution of a block is counted with fewer filters although the stream that it feeds is counted whole: this is
//! the paper's convention, and no graph that runs.

use secateur::couple::Facts;
use secateur::model::{Constants, Model, Node, NodeId};
use secateur::shape::{InputShapes, Shapes};
use secateur::{Result, cost};

/// Multiply-adds of all convolutions; the classifier is not counted.
pub(super) struct Count {
    /// Before.
    pub(super) before: f64,
    /// After.
    pub(super) after: f64,
}

impl Count {
    /// How much is gone, in percent.
    pub(super) fn drop(&self) -> f64 {
        100.0 * (1.0 - self.after / self.before)
    }
}

/// Counts as the paper does, where the k-th convolution loses `rate(k)` of its filters.
pub(super) fn count(model: &Model, rate: impl Fn(usize) -> f64) -> Result<Count> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let dims = Shapes::of(model, &InputShapes::default())?.dims;
    let facts = Facts { graph: &graph, constants: &constants, dims: &dims, grown: None, inexact: false };
    let layers = cost::layers(&graph, &constants, &dims);
    let convs: Vec<&cost::LayerCost> = layers.iter().filter(|l| l.op == "Conv").collect();
    let kept = |conv: NodeId| 1.0 - convs.iter().position(|c| c.id == conv).map_or(0.0, &rate);
    let mut sum = Count { before: 0.0, after: 0.0 };
    for conv in &convs {
        let node = graph.node(conv.id);
        let inputs = writer(&facts, node).map_or(1.0, kept);
        let filters = if is_shortcut(&facts, node) { 1.0 } else { kept(conv.id) };
        sum.before += conv.cost.macs as f64;
        sum.after += conv.cost.macs as f64 * inputs * filters;
    }
    Ok(sum)
}

/// The convolution that a convolution's input comes from, through normalisation, activation and pooling; `None`: it comes from a stream.
fn writer(facts: &Facts<'_>, conv: &Node<'_>) -> Option<NodeId> {
    let mut at = conv;
    loop {
        at = facts.graph.producer(at.input(0)?)?;
        match at.op() {
            "Conv" => return Some(at.id),
            "BatchNormalization" | "Relu" | "MaxPool" => {}
            _ => return None,
        }
    }
}

/// Whether a convolution is a shortcut's: it reads what the block's first one reads too, and its output is added, normalised.
fn is_shortcut(facts: &Facts<'_>, conv: &Node<'_>) -> bool {
    let readers = |slot: Option<_>| slot.map_or(&[][..], |v| &facts.graph.value(v).readers);
    let forks = readers(conv.input(0)).len() > 1;
    let normalised = readers(conv.output(0)).iter().map(|r| facts.graph.node(r.0));
    forks && normalised.flat_map(|n| readers(n.output(0))).any(|r| facts.graph.node(r.0).op() == "Add")
}
