//! Reports as text for people: a grid of before and after, a table by layer, a line of proof.
//!
//! Invariant: what comes from a model's file is shown without control characters, so that no name can drive the terminal.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::{Cost, LayerChange, LayerCost, Report, Verification};

mod healing;
mod inspection;
mod lossless;
mod measured;
mod name;
mod norms;
mod number;
mod obstacle;
mod sides;
mod table;

pub use inspection::{inspection, overview};
pub(super) use measured::measured as sentences;
pub use name::printable;
pub use number::count;
pub(super) use number::{bytes, percent};
pub use obstacle::largest;

use number::plural;
use table::{align_right, costliest, new_table};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The share of the multiply-adds from which an obstacle is worth a line.
const NOTABLE: f64 = 0.05;

/// A report, with colours that a stream without them strips; `all`: every layer.
pub fn report(r: &Report, all: bool) -> String {
    let mut out = format!("{}\n{}\n", printable(&r.model), grid(r));
    if r.plan.is_some() {
        out.push_str(&layers(&r.layers, all));
    } else {
        out.push_str(&sides::sides(&r.layers, all));
    }
    if let Some(v) = &r.verification {
        let _ = writeln!(out, "{}", proof(v));
    }
    out.push_str(&healing::healing(r, all));
    out.push_str(&measured::measured(r));
    if let Some(groups) = &r.lossless {
        out.push_str(&lossless::groups(groups, all));
    }
    if let Some(o) = standing_in_the_way(r) {
        let _ = writeln!(out, "largest obstacle: {o}");
    }
    for advice in &r.advice {
        let _ = writeln!(out, "advice: {advice}");
    }
    out.push_str(&measured::gates(r));
    for note in &r.notes {
        let _ = writeln!(out, "{DIM}note: {}{DIM:#}", printable(note));
    }
    if let Some(reason) = &r.refused_reason {
        let _ = writeln!(out, "{BAD}refused{BAD:#}: {}; {}", printable(reason), withheld(r));
    }
    out
}

/// What a refusal means for the model, and what its user can do.
pub(super) fn withheld(r: &Report) -> &'static str {
    match r.refused.as_deref() {
        Some("unverified") => "no model was written (--allow-unverified writes it without a proof)",
        _ => "no model was written",
    }
}

/// The judge's word on a file: the proof, its costs aside.
pub fn verdict(r: &Report) -> String {
    let mut out = format!("{}\n", printable(&r.model));
    if let Some(v) = &r.verification {
        let _ = writeln!(out, "{}", proof(v));
    }
    out.push_str(&measured::measured(r));
    for note in &r.notes {
        let _ = writeln!(out, "{DIM}note: {}{DIM:#}", printable(note));
    }
    if let Some(kind) = r.refused.as_deref() {
        let _ = writeln!(
            out,
            "{BAD}refused{BAD:#}: {}",
            if kind == "unverified" {
                "nothing is proved"
            } else {
                "this is not the original without what the plan removes"
            }
        );
    }
    out
}

/// The largest obstacle, where the cut is small and the obstacle's share would have made a difference. At a rate r, free networks
/// keep about (1 - r)^2 of their multiply-adds; a cut is small where more than (1 - r)^1.5 stay.
fn standing_in_the_way(r: &Report) -> Option<String> {
    let super::Budget::Rate(rate) = r.plan.as_ref()?.budget else { return None };
    let kept = r.after.macs as f64 / r.before.macs.max(1) as f64;
    let small = !r.soft && kept > (1.0 - rate).powf(1.5) && obstacle::largest_share(&r.obstacles) >= NOTABLE;
    small.then(|| largest(&r.obstacles))?
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
        "failed" => format!(
            "{BAD}verification failed{BAD:#}: {}",
            printable(v.reason.as_deref().unwrap_or("the models differ"))
        ),
        "skipped" => "not verified: the proof was skipped".to_owned(),
        _ => format!("{BAD}not verified{BAD:#}: {}", printable(v.reason.as_deref().unwrap_or("unknown"))),
    };
    for note in &v.notes {
        let _ = write!(line, "\n{DIM}  {}{DIM:#}", printable(note));
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
    let macs_row = match r.before.uncounted_layers {
        0 => "MACs (1 FLOP = 1 MAC)".to_owned(),
        n => format!("MACs (1 FLOP = 1 MAC; without {} of unknown cost)", plural(n, "layer")),
    };
    row(&macs_row, *macs, r.after.macs, &count);
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
            row(&format!("  {}", printable(op)), a as u64, b as u64, &plain);
        }
    }
    for (op, &b) in r.ops.after.iter().filter(|(op, _)| !r.ops.before.contains_key(*op)) {
        row(&format!("  {}", printable(op)), 0, b as u64, &plain);
    }
    align_right(&mut table, 1..4);
    table.to_string()
}

fn layers(layers: &[LayerChange], all: bool) -> String {
    let mut table = new_table(["layer", "op", "channels", "MACs", "why none went"]);
    let cost = |l: &LayerChange| l.before.as_ref().or(l.after.as_ref()).map_or(0, |c| c.macs);
    let (listed, rest) = costliest(layers, cost, all);
    for l in listed {
        let macs = |c: &Option<LayerCost>| c.as_ref().map_or("-".into(), |c| count(c.macs));
        let channels =
            l.channels.map_or(String::new(), |[a, b]| if a == b { a.to_string() } else { format!("{a} -> {b}") });
        let macs = format!("{} -> {}", macs(&l.before), macs(&l.after));
        let reason = l.reason.as_deref().unwrap_or_default();
        table.add_row([name::short(&l.node, all), printable(&l.op), channels, macs, printable(reason)]);
    }
    format!("{table}{rest}\n")
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
