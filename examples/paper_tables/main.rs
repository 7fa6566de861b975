//! The tables of the FPGM paper (He et al., CVPR 2019), three ways: the FLOPs that the paper says go, the same by the paper's counting rule
//! from the graph, and what the written, proved graph really loses: `cargo run --release --example paper_tables [NETWORK]`.
//!
//! `inner` leaves the residual streams whole, `all` cuts them too; the paper counts the last convolution of a block as cut and its stream as
//! whole, which no graph can be. Weights are seeded: the rates decide the counts, the weights only which filters go.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::Write;

use secateur::build::networks::Stride;
use secateur::couple::{CoupledGroup, Coupling, Facts, couple};
use secateur::cut::cut;
use secateur::model::{Constants, Model};
use secateur::plan::{Plan, PlannedGroup, Scope};
use secateur::score::{Ranking, Scores, score};
use secateur::shape::{InputShapes, Shapes};
use secateur::verify::{Case, Status, verify};
use secateur::{Result, cost};

mod rows;
mod rule;

use rows::{Network, ROWS, Rates, Row};

const HEAD: &str = "\
FLOPs taken away (1 FLOP = 1 multiply-add)
                        | the paper        | by its counting rule | cut for real, every layer counted
network            rate |                  | before          away | before     inner          all";

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("{HEAD}");
    for row in ROWS.iter().filter(|r| name(r.network).contains(&wanted)) {
        let counted = rule::count(&row.network.build(Stride::First)?, |k| row.rates.of(k))?;
        print!(
            "{:16} {:>6} | {:16} | {:9.3e} {:8.1} % ",
            name(row.network),
            rate(row),
            paper(row),
            counted.before,
            counted.drop()
        );
        std::io::stdout().flush()?;
        let real = real(&row.network.build(Stride::Second)?, &row.rates)?;
        let [inner, all] = real.away.map(|(drop, proof)| format!("{drop:.1} % {proof}"));
        println!("| {:9.3e}  {inner:14} {all}", real.before as f64);
    }
    println!("{NOTES}");
    Ok(())
}

const NOTES: &str = "
by its counting rule: widths times 1 - rate, not rounded; convolutions alone; the last one of a block is counted as cut although the stream
  that it feeds is whole; bottlenecks are counted with the stride in the first 1x1 (the paper prints 4.09E9 and 7.80E9 for ResNet-50 and 101,
  which is the stride in the 3x3, as the graphs have it that are cut here)
ResNet-101: the paper prints 42.2 %, the authors' code counts 44.1 %
VGG-16, 1/2: half of the filters of layers 1 and 8 to 13, the widths of Li et al. (2017) that the authors' scripts take over
cut for real: filters of convolutions, their counts rounded down, the written graph proved in the runtime beside the
  masked original; `inner` leaves streams whole, `all` cuts them";

fn name(network: Network) -> String {
    match network {
        Network::Cifar(depth) => format!("ResNet-{depth} CIFAR"),
        Network::Vgg16 => "VGG-16 CIFAR".into(),
        Network::Ilsvrc(depth) => format!("ResNet-{depth}"),
    }
}

fn rate(row: &Row) -> String {
    match row.rates {
        Rates::Same(rate) => format!("{:.0} %", 100.0 * rate),
        Rates::Half(_) => "1/2".into(),
    }
}

fn paper(row: &Row) -> String {
    row.code.map_or(format!("{:.1} %", row.paper), |code| format!("{:.1} % ({code:.1} %)", row.paper))
}

/// What the graphs that are written really cost.
struct Real {
    before: u64,
    /// How much is gone, in percent, and how the proof ended: for each scope.
    away: [(f64, &'static str); 2],
}

/// Cuts a network for real, stage by stage.
fn real(model: &Model, rates: &Rates) -> Result<Real> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let shapes = Shapes::of(model, &InputShapes::default())?;
    let grown = shapes.grown.as_ref();
    let facts = Facts {
        graph: &graph,
        constants: &constants,
        dims: &shapes.dims,
        grown: grown.map(|g| &g.dims),
        inexact: false,
    };
    let coupling = couple(&facts)?;
    let scores = score(&facts, &coupling, &Ranking::default())?;
    let before = macs(model)?;
    let layers = cost::layers(&graph, &constants, &shapes.dims);
    let convs: Vec<&str> = layers.iter().filter(|l| l.op == "Conv").map(|l| l.node.as_str()).collect();
    let away = |scope: Scope| {
        let gone = plan(&coupling, &scores, scope, &convs, rates).gone(&coupling)?;
        let written = Model::new(cut(&facts, &coupling, &gone)?)?.encode();
        let pruned = Model::decode(written.into(), "pruned".as_ref())?;
        let removed = coupling.removed(&facts, &gone);
        let proof = verify(&Case {
            values: secateur::verify::Values::Original,
            original: model,
            pruned: &pruned,
            removed: &removed,
            feeds: &shapes.feeds,
            grown: grown.map(|g| g.feeds.as_slice()),
            tolerance: 1e-4,
            seed: 0,
        })?;
        let proof = if proof.status == Status::Passed { "proved" } else { "NOT PROVED" };
        Ok((100.0 * (1.0 - macs(&pruned)? as f64 / before as f64), proof))
    };
    Ok(Real { before, away: [away(Scope::Inner)?, away(Scope::All)?] })
}

/// Of every group that the scope admits, the share that its first convolution loses.
fn plan(coupling: &Coupling, scores: &[Scores], scope: Scope, convs: &[&str], rates: &Rates) -> Plan {
    let planned = |(group, scores): (&CoupledGroup, &Scores)| {
        let rate = rates.of(convs.iter().position(|c| *c == group.name)?);
        let mut remove = scores.order();
        remove.truncate((rate * remove.len() as f64 + 1e-9) as usize);
        remove.sort_unstable();
        scope.admits(group).then_some(PlannedGroup { id: group.id, remove })
    };
    Plan { groups: coupling.groups.iter().zip(scores).filter_map(planned).collect() }
}

fn macs(model: &Model) -> Result<u64> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    Ok(cost::total(&graph, &constants, &Shapes::of(model, &InputShapes::default())?.dims).macs)
}
