//! What was measured, in lines: outputs, accuracy, latency, gates, advice.

use std::fmt::Write;

use super::number::plural;
use super::{BAD, GOOD, printable};
use crate::report::{Accuracy, Fidelity, Latency, Report};

/// A line for each that there is.
pub(in crate::report) fn measured(r: &Report) -> String {
    let lines = [r.fidelity.as_ref().map(fidelity), r.accuracy.as_ref().map(accuracy), r.latency.as_ref().map(latency)];
    lines.into_iter().flatten().map(|line| line + "\n").collect()
}

/// A line for each gate.
pub(super) fn gates(r: &Report) -> String {
    let mut out = String::new();
    for g in &r.gates {
        let word = if g.met { format!("{GOOD}holds{GOOD:#}") } else { format!("{BAD}does not hold{BAD:#}") };
        let found = g.found.map_or(String::new(), |v| format!(" ({v:.4})"));
        let _ = writeln!(out, "gate {} {word}{found}", printable(&g.gate));
    }
    out
}

fn fidelity(f: &Fidelity) -> String {
    let top1 = f.top1_agreement.map_or(String::new(), |t| format!(", top-1 agrees on {:.1} %", 100.0 * t));
    let sqnr = match f.sqnr_db {
        Some(s) => format!("SQNR {s:.1} dB"),
        None if f.max_abs_error == 0.0 => "no difference".into(),
        None => "an output is no number".into(),
    };
    let one = match f.inputs.as_str() {
        "calibration" => "calibration sample",
        "generated" => "generated image",
        _ => "random input",
    };
    let inputs = plural(f.samples, one);
    format!("against the original, {inputs}: cosine {:.4}, {sqnr}{top1}", f.cosine)
}

fn accuracy(a: &Accuracy) -> String {
    let one = |share: f64, k: usize, [low, high]: [f64; 2]| {
        format!("{:.2} % ({k}/{}, 95 % interval {:.1} to {:.1})", 100.0 * share, a.samples, 100.0 * low, 100.0 * high)
    };
    format!(
        "accuracy: {} -> {}; {} lost, {} gained",
        one(a.before, a.correct_before, a.interval_before),
        one(a.after, a.correct_after, a.interval_after),
        a.lost,
        a.gained
    )
}

fn latency(l: &Latency) -> String {
    let one = |ms: f64, [low, high]: [f64; 2]| {
        format!("{} ({} to {})", milliseconds(ms), milliseconds(low), milliseconds(high))
    };
    format!(
        "latency in {}: {} -> {} ms, x{:.2}; medians and quartiles of {} runs in turn, on one thread",
        l.runtime,
        one(l.before_ms, l.before_quartiles_ms),
        one(l.after_ms, l.after_quartiles_ms),
        l.ratio,
        l.runs
    )
}

/// Three digits.
fn milliseconds(ms: f64) -> String {
    match ms {
        _ if ms >= 100.0 => format!("{ms:.0}"),
        _ if ms >= 10.0 => format!("{ms:.1}"),
        _ if ms >= 1.0 => format!("{ms:.2}"),
        _ => format!("{ms:.3}"),
    }
}
