//! A report as one page of HTML: made from the report's plain data, with nothing to load and nothing that runs.
//!
//! Invariant: what comes from a model's file is escaped, and shown without control characters.

use std::fmt::{Display, Write};

use super::text::{bytes, count, percent, printable, sentences, withheld};
use super::{Cost, LayerChange, LayerCost, Plan, Report, Verification, sides};

/// The look of the page, for light and dark screens.
const STYLE: &str = include_str!("html/style.css");

/// The whole page.
pub fn page(r: &Report) -> String {
    let title = escape(&r.model);
    let sections = [
        refused(r),
        section("Costs", &costs(r)),
        section("Result", &result(r)),
        section("Healing", &healing(r)),
        section("Outputs", &outputs(r)),
        section("Gates", &gates(r)),
        section("Layers", &layers(&r.layers)),
        section("What keeps channels", &obstacles(r)),
        section("Plan", &r.plan.as_ref().map_or(String::new(), plan)),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>secateur: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{}</body>\n</html>\n",
        sections.concat()
    )
}

/// Text that can stand anywhere in the page.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A heading and what is under it; nothing where that is empty.
fn section(heading: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<h2>{heading}</h2>\n{content}") }
}

/// A table. Cells are text; the first `left` columns are words, the others numbers.
fn table(header: &[&str], left: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let cell = |tag: &str, i: usize, text: &str| {
        let class = if i < left { "" } else { " class=\"n\"" };
        format!("<{tag}{class}>{}</{tag}>", escape(text))
    };
    let line = |tag: &str, cells: &[String]| {
        let cells: String = cells.iter().enumerate().map(|(i, c)| cell(tag, i, c)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.into_iter().map(|cells| line("td", &cells)).collect();
    if body.is_empty() {
        return String::new();
    }
    let head: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
    format!(
        "<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>\n{body}</tbody>\n</table></div>\n",
        line("th", &head)
    )
}

fn paragraph(class: &str, text: impl Display) -> String {
    format!("<p class=\"{class}\">{}</p>\n", escape(&text.to_string()))
}

fn refused(r: &Report) -> String {
    let reason = r.refused_reason.as_ref().or(r.refused.as_ref());
    reason.map_or(String::new(), |reason| paragraph("bad", format_args!("refused: {reason}; {}", withheld(r))))
}

fn costs(r: &Report) -> String {
    type Row<'a> = (&'a str, fn(&Cost) -> Option<u64>, fn(u64) -> String);
    let rows: [Row<'_>; 5] = [
        ("parameters", |c| Some(c.params), count),
        ("MACs (1 FLOP = 1 MAC)", |c| Some(c.macs), count),
        ("weights", |c| Some(c.weight_bytes), bytes),
        ("activations, peak", |c| c.peak_activation_bytes, bytes),
        ("file", |c| c.file_bytes, bytes),
    ];
    let rows = rows.into_iter().filter_map(|(name, of, show)| {
        let (a, b) = (of(&r.before)?, of(&r.after)?);
        Some(vec![name.to_owned(), show(a), show(b), change(a, b)])
    });
    table(&["", "before", "after", "change"], 1, rows)
}

fn change(a: u64, b: u64) -> String {
    if a == b { "=".into() } else { format!("{:+.1} %", 100.0 * (b as f64 - a as f64) / a.max(1) as f64) }
}

fn result(r: &Report) -> String {
    let mut out = r.verification.as_ref().map_or(String::new(), proof);
    out.extend(sentences(r).lines().map(|line| paragraph("", line)));
    out.extend(r.advice.iter().map(|a| paragraph("", format_args!("advice: {a}"))));
    out.extend(r.notes.iter().map(|n| paragraph("note", format_args!("note: {n}"))));
    out
}

fn proof(v: &Verification) -> String {
    let why = v.reason.as_deref().unwrap_or("no reason given");
    let mut out = match v.status.as_str() {
        "passed" => {
            let error = v.max_rel_error.unwrap_or(0.0);
            let (compared, samples, tolerance) = (v.compared, v.samples, v.tolerance);
            paragraph(
                "good",
                format_args!(
                    "verified: {compared} values in each of {samples} runs in tract, largest relative error {error:.1e} (tolerance {tolerance:.0e})"
                ),
            )
        }
        "skipped" => paragraph("note", "not verified: the proof was skipped"),
        "failed" => paragraph("bad", format_args!("verification failed: {why}")),
        _ => paragraph("bad", format_args!("not verified: {why}")),
    };
    out.extend(v.notes.iter().map(|n| paragraph("note", n)));
    out
}

fn healing(r: &Report) -> String {
    let Some(heal) = &r.heal else { return String::new() };
    let mut out = sides::sentence(heal).map_or(String::new(), |s| paragraph("", s));
    out.push_str(&table(&sides::SIDES, 1, sides::sides(r).into_iter().map(Vec::from)));
    let layer = |[node, before, after, outcome, reason]: [String; 5]| vec![node, outcome, reason, before, after];
    let [node, before, after, outcome, reason] = sides::LAYERS;
    out + &table(&[node, outcome, reason, before, after], 3, sides::layers(&heal.layers).into_iter().map(layer))
}

fn outputs(r: &Report) -> String {
    let Some(f) = &r.fidelity else { return String::new() };
    let share = |v: Option<f64>| v.map_or("-".to_owned(), percent);
    let number = |v: Option<f64>, digits: usize| v.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
    let rows = f.outputs.iter().map(|o| {
        vec![
            o.name.clone(),
            share(o.top1_agreement),
            number(o.kl, 4),
            number(o.kl_worst, 4),
            number(Some(o.cosine), 4),
            number(Some(o.cosine_worst), 4),
            number(Some(o.decibels()), 1),
            number(o.sqnr_db_worst, 1),
            format!("{:.3e}", o.max_abs_error),
        ]
    });
    let header =
        ["output", "top-1 agrees", "KL, nats", "worst", "cosine", "worst", "SQNR, dB", "worst", "largest difference"];
    table(&header, 1, rows)
}

fn gates(r: &Report) -> String {
    let rows = r.gates.iter().map(|g| {
        let found = g.found.map_or("-".into(), |v| format!("{v:.4}"));
        vec![g.gate.clone(), if g.met { "holds" } else { "does not hold" }.to_owned(), found]
    });
    table(&["gate", "", "found"], 2, rows)
}

fn layers(layers: &[LayerChange]) -> String {
    let rows = layers.iter().map(|l| {
        let both = |show: fn(&LayerCost) -> String| {
            let side = |c: &Option<LayerCost>| c.as_ref().map_or("-".to_owned(), show);
            [side(&l.before), side(&l.after)]
        };
        let channels = l.channels.map_or([String::new(), String::new()], |c| c.map(|n| n.to_string()));
        let reason = l.reason.clone().unwrap_or_default();
        let numbers = [channels, both(|c| count(c.macs)), both(|c| count(c.params))].concat();
        [vec![l.node.clone(), l.op.clone(), reason], numbers].concat()
    });
    let header = ["layer", "op", "why none went", "channels", "after", "MACs", "after", "parameters", "after"];
    table(&header, 3, rows)
}

fn obstacles(r: &Report) -> String {
    let rows = r.obstacles.iter().map(|o| {
        let node = if o.node.is_empty() { o.op.clone() } else { format!("{} {}", o.op, o.node) };
        vec![node, o.reason.clone(), o.layers.len().to_string(), o.channels.to_string(), percent(o.macs_share)]
    });
    table(&["node", "why", "layers", "channels", "share of MACs"], 2, rows)
}

fn plan(p: &Plan) -> String {
    let rows = p.groups.iter().map(|g| {
        let units: Vec<String> = g.remove.iter().map(ToString::to_string).collect();
        vec![g.id.to_string(), g.name.clone(), units.join(", "), g.units.to_string(), g.remove.len().to_string()]
    });
    let mut out = String::new();
    let _ = write!(out, "{}", paragraph("note", format_args!("criterion {}, scope {}", p.criterion, p.scope)));
    out + &table(&["group", "name", "removed", "units", "removed"], 3, rows)
}
