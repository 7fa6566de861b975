//! Reports as text for people: a grid of before and after, a table by layer, a line of proof.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::{Cost, Inspection, LayerChange, LayerCost, Report, Verification};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Layers shown unless everything is asked for.
const SHOWN: usize = 40;

/// A report, with colours that a stream without them strips; `all`: every layer.
pub fn report(r: &Report, all: bool) -> String {
    let mut out = format!("{}\n{}\n", r.model, grid(r));
    if r.plan.is_some() {
        out.push_str(&layers(&r.layers, all));
    }
    if let Some(v) = &r.verification {
        let _ = writeln!(out, "{}", proof(v));
    }
    if let Some(f) = &r.fidelity {
        let top1 = f.top1_agreement.map_or(String::new(), |t| format!(", top-1 agrees on {:.0} %", 100.0 * t));
        let sqnr = f.sqnr_db.map_or("no difference".into(), |s| format!("SQNR {s:.1} dB"));
        let _ =
            writeln!(out, "against the original, {} random inputs: cosine {:.4}, {sqnr}{top1}", f.samples, f.cosine);
    }
    for note in &r.notes {
        let _ = writeln!(out, "{DIM}note: {note}{DIM:#}");
    }
    if let Some(reason) = &r.refused_reason {
        let _ = writeln!(out, "{BAD}refused{BAD:#}: {reason}; no model was written");
    }
    out
}

/// An inspection.
pub fn inspection(i: &Inspection, all: bool) -> String {
    let c = &i.cost;
    let mut out = format!(
        "{}: {} parameters, {} MACs, {} of weights\n",
        i.model,
        count(c.params),
        count(c.macs),
        bytes(c.weight_bytes)
    );
    let mut table = new_table(["layer", "op", "output", "MACs", "parameters"]);
    for layer in i.layers.iter().take(if all { usize::MAX } else { SHOWN }) {
        let l = &layer.cost;
        table.add_row([layer.node.clone(), layer.op.clone(), dims(&l.output_shape), count(l.macs), count(l.params)]);
    }
    right(&mut table, 3);
    let _ = writeln!(out, "{table}{}", hidden(i.layers.len(), all));
    let mut table = new_table(["group", "made by", "units", "scope", "axes", "norms min / mean / max"]);
    for g in i.groups.iter().take(if all { usize::MAX } else { SHOWN }) {
        let norms = format!("{:.3} / {:.3} / {:.3}", g.norms.min, g.norms.mean, g.norms.max);
        table.add_row([
            g.id.to_string(),
            g.name.clone(),
            g.units.to_string(),
            g.scope.clone(),
            g.axes.len().to_string(),
            norms,
        ]);
    }
    let _ = writeln!(
        out,
        "\ncoupled groups: units of one group are ranked together\n{table}{}",
        hidden(i.groups.len(), all)
    );
    if !i.pinned.is_empty() {
        let mut table = new_table(["layer kept whole", "held by", "because"]);
        for p in i.pinned.iter().take(if all { usize::MAX } else { SHOWN }) {
            table.add_row([&p.layer, &p.node, &p.reason]);
        }
        let _ = writeln!(out, "\n{table}{}", hidden(i.pinned.len(), all));
    }
    out
}

/// What a proof amounts to, in a line.
pub fn proof(v: &Verification) -> String {
    let mut line = match v.status.as_str() {
        "passed" => format!(
            "{GOOD}verified{GOOD:#}: {} values in each of {} runs in tract, largest relative error {:.1e} (tolerance {:.0e})",
            v.compared,
            v.samples,
            v.max_rel_error.unwrap_or(0.0),
            v.tolerance
        ),
        "failed" => format!("{BAD}verification failed{BAD:#}: {}", v.reason.as_deref().unwrap_or("the models differ")),
        "skipped" => "not verified: the proof was skipped".to_owned(),
        _ => format!("{BAD}not verified{BAD:#}: {}", v.reason.as_deref().unwrap_or("unknown")),
    };
    for note in &v.notes {
        let _ = write!(line, "\n{DIM}  {note}{DIM:#}");
    }
    line
}

fn grid(r: &Report) -> String {
    let mut table = new_table(["", "before", "after", "change"]);
    let mut row = |name: &str, a: u64, b: u64, show: &dyn Fn(u64) -> String| {
        table.add_row([name.to_owned(), show(a), show(b), change(a, b)]);
    };
    let Cost { params, macs, weight_bytes, .. } = &r.before;
    row("parameters", *params, r.after.params, &count);
    row("MACs (1 FLOP = 1 MAC)", *macs, r.after.macs, &count);
    row("weights", *weight_bytes, r.after.weight_bytes, &bytes);
    if let (Some(a), Some(b)) = (r.before.peak_activation_bytes, r.after.peak_activation_bytes) {
        row("activations, peak", a, b, &bytes);
    }
    if let (Some(a), Some(b)) = (r.before.file_bytes, r.after.file_bytes) {
        row("file", a, b, &bytes);
    }
    let plain = |n: u64| n.to_string();
    let total = |m: &std::collections::BTreeMap<String, usize>| m.values().sum::<usize>() as u64;
    row("nodes", total(&r.ops.before), total(&r.ops.after), &plain);
    for (op, &a) in &r.ops.before {
        let b = r.ops.after.get(op).copied().unwrap_or(0);
        if a != b {
            row(&format!("  {op}"), a as u64, b as u64, &plain);
        }
    }
    for (op, &b) in r.ops.after.iter().filter(|(op, _)| !r.ops.before.contains_key(*op)) {
        row(&format!("  {op}"), 0, b as u64, &plain);
    }
    right(&mut table, 1);
    table.to_string()
}

fn layers(layers: &[LayerChange], all: bool) -> String {
    let mut table = new_table(["layer", "op", "channels", "MACs", "why none went"]);
    for l in layers.iter().take(if all { usize::MAX } else { SHOWN }) {
        let macs = |c: &Option<LayerCost>| c.as_ref().map_or("-".into(), |c| count(c.macs));
        let channels =
            l.channels.map_or(String::new(), |[a, b]| if a == b { a.to_string() } else { format!("{a} -> {b}") });
        let macs = format!("{} -> {}", macs(&l.before), macs(&l.after));
        table.add_row([l.node.clone(), l.op.clone(), channels, macs, l.reason.clone().unwrap_or_default()]);
    }
    format!("{table}{}\n", hidden(layers.len(), all))
}

fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn right(table: &mut Table, from: usize) {
    table.column_iter_mut().skip(from).for_each(|c| {
        c.set_cell_alignment(CellAlignment::Right);
    });
}

fn hidden(n: usize, all: bool) -> String {
    if all || n <= SHOWN { String::new() } else { format!("\n{} more rows with -v", n - SHOWN) }
}

fn dims(d: &[usize]) -> String {
    d.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// The change in percent, green where it is smaller.
fn change(a: u64, b: u64) -> String {
    if a == b {
        return "=".into();
    }
    let percent = 100.0 * (b as f64 - a as f64) / a.max(1) as f64;
    let style = if b < a { GOOD } else { BAD };
    format!("{style}{percent:+.1} %{style:#}")
}

fn count(n: u64) -> String {
    scaled(n as f64, &["", " k", " M", " G", " T"])
}

fn bytes(n: u64) -> String {
    scaled(n as f64, &[" B", " kB", " MB", " GB", " TB"])
}

fn scaled(mut n: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while n >= 1000.0 && unit + 1 < units.len() {
        n /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n:.0}{}", units[0]) } else { format!("{n:.2}{}", units[unit]) }
}
