//! An inspection as text: costs by layer, what can go, what stands in the way; or a line for each of several models.

use std::fmt::Write;

use super::name::short;
use super::norms;
use super::number::{bytes, count, percent, plural};
use super::obstacle;
use super::table::{SHOWN, align_right, costliest, hidden, new_table};
use super::{BAD, printable};
use crate::report::{Cost, Inspection, Outcome};

/// An inspection; `all`: every layer, group and obstacle.
pub fn inspection(i: &Inspection, all: bool) -> String {
    let mut out = format!("{}: {}\n", printable(&i.model), costs(&i.cost));
    let (listed, rest) = costliest(&i.layers, |l| l.cost.macs, all);
    let mut table = new_table(["layer", "op", "output", "MACs", "parameters"]);
    for layer in listed {
        let l = &layer.cost;
        let [macs, output] = if l.output_shape.is_empty() && l.macs == 0 {
            ["unknown".into(), "unknown".into()]
        } else {
            [count(l.macs), dims(&l.output_shape)]
        };
        table.add_row([short(&layer.node, all), printable(&layer.op), output, macs, count(l.params)]);
    }
    align_right(&mut table, 3..5);
    let _ = writeln!(out, "{table}{rest}");
    let _ = write!(out, "\n{}", groups(i, all));
    let _ = writeln!(out, "\n{} of the MACs lie in filters that can go", percent(i.prunable_share));
    if !i.obstacles.is_empty() {
        let _ = writeln!(out, "\nwhat keeps the others\n{}", obstacle::table(&i.obstacles, all));
    }
    out
}

/// One line for each of several models.
pub fn overview(outcomes: &[Outcome]) -> String {
    let titles = ["model", "nodes", "parameters", "MACs", "groups", "prunable", "largest obstacle"];
    let mut table = new_table(titles);
    for outcome in outcomes {
        let row = match outcome {
            Outcome::Inspected(i) => [
                printable(&i.model),
                i.nodes.to_string(),
                count(i.cost.params),
                macs(&i.cost, ""),
                i.groups.len().to_string(),
                percent(i.prunable_share),
                obstacle::largest(&i.obstacles).unwrap_or_default(),
            ],
            Outcome::Failed { model, error } => {
                let error = format!("{BAD}error{BAD:#}: {}", printable(error));
                [printable(model), String::new(), String::new(), String::new(), String::new(), String::new(), error]
            }
        };
        table.add_row(row);
    }
    align_right(&mut table, 1..titles.len() - 1);
    format!("{table}\n")
}

fn costs(c: &Cost) -> String {
    format!("{} parameters, {}, {} of weights", count(c.params), macs(c, " MACs"), bytes(c.weight_bytes))
}

/// Multiply-adds, and how many layers are not in the sum.
fn macs(c: &Cost, unit: &str) -> String {
    match c.uncounted_layers {
        0 => format!("{}{unit}", count(c.macs)),
        n => format!("{}{unit} (without {} of unknown cost)", count(c.macs), plural(n, "layer")),
    }
}

fn groups(i: &Inspection, all: bool) -> String {
    let groups = &i.groups;
    if groups.is_empty() {
        return "no coupled groups: no channel can go\n".into();
    }
    let titles = ["group", "made by", "units", "scope", "axes", "norms min / mean / max", "std", "0 .. max", "by norm"];
    let mut table = new_table(titles);
    for g in groups.iter().take(if all { usize::MAX } else { SHOWN }) {
        let range = format!("{:.3} / {:.3} / {:.3}", g.norms.min, g.norms.mean, g.norms.max);
        let (units, axes) = (g.units.to_string(), g.axes.len().to_string());
        let (std, bars) = (format!("{:.3}", g.norms.std), norms::histogram(&g.norms.histogram));
        let name = short(&g.name, all);
        let verdict = norms::verdict(&g.norms).to_owned();
        table.add_row([g.id.to_string(), name, units, g.scope.clone(), axes, range, std, bars, verdict]);
    }
    format!(
        "coupled groups: units of one group are ranked together\n{table}{}\n{}\n",
        hidden(groups.len(), all),
        norms::summary(&i.norm_verdict)
    )
}

fn dims(d: &[usize]) -> String {
    d.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}
