//! A healed model's figures beside those of the cut model and of the original: rows that text and page share.

use super::{Accuracy, Fidelity, Heal, HealedLayer, Report};

/// The header of [`sides`].
pub(super) const SIDES: [&str; 4] = ["", "before", "cut", "healed"];

/// The header of [`layers`].
pub(super) const LAYERS: [&str; 5] = ["layer", "error", "after", "outcome", "why it was left alone"];

/// Figures of the original, the cut and the healed model; none where nothing was healed.
pub(super) fn sides(r: &Report) -> Vec<[String; 4]> {
    let Some(heal) = r.heal.as_ref().filter(|h| h.is_done()) else { return Vec::new() };
    let mut rows: Vec<[String; 4]> = r.accuracy.iter().map(accuracy).collect();
    if let (Some(cut), Some(after)) = (&heal.fidelity_cut, &r.fidelity) {
        rows.extend(agreement(cut, after));
    }
    rows
}

/// What it was healed by, and on what.
pub(super) fn sentence(heal: &Heal) -> Option<String> {
    let (one, others) = match heal.data.as_deref()? {
        "calibration" => ("calibration samples", "others"),
        "generated" => ("generated images", "others"),
        _ => ("seeded inputs", "others"),
    };
    let Heal { method, fitted, judged, .. } = heal;
    heal.is_done().then(|| format!("healed by {method}, on {fitted} {one}; judged on {judged} {others}"))
}

/// How many layers became what.
pub(super) fn tally(layers: &[HealedLayer]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for layer in layers {
        match counts.iter_mut().find(|c| c.0 == layer.outcome) {
            Some(count) => count.1 += 1,
            None => counts.push((&layer.outcome, 1)),
        }
    }
    counts.iter().map(|(outcome, n)| format!("{n} {outcome}")).collect::<Vec<_>>().join(", ")
}

/// A row for each layer.
pub(super) fn layers(layers: &[HealedLayer]) -> Vec<[String; 5]> {
    let error = |e: Option<f64>| e.map_or("-".to_owned(), |e| format!("{e:.4}"));
    let row = |l: &HealedLayer| {
        let reason = l.skipped.clone().unwrap_or_default();
        [l.node.clone(), error(l.before), error(l.after), l.outcome.clone(), reason]
    };
    layers.iter().map(row).collect()
}

fn accuracy(a: &Accuracy) -> [String; 4] {
    let one = |share: f64, k: usize, [low, high]: [f64; 2]| {
        format!("{:.2} % ({k}/{}, {:.1} to {:.1})", 100.0 * share, a.samples, 100.0 * low, 100.0 * high)
    };
    let cut = a.cut.zip(a.correct_cut).zip(a.interval_cut);
    [
        "accuracy (95 % interval)".into(),
        one(a.before, a.correct_before, a.interval_before),
        cut.map_or("-".into(), |((share, k), interval)| one(share, k, interval)),
        one(a.after, a.correct_after, a.interval_after),
    ]
}

/// The worst output's figures; the original agrees with itself.
fn agreement(cut: &Fidelity, after: &Fidelity) -> Vec<[String; 4]> {
    let row = |name: &str, own: &str, of: &dyn Fn(&Fidelity) -> Option<String>| {
        Some([name.to_owned(), own.to_owned(), of(cut)?, of(after)?])
    };
    let decibels = |f: &Fidelity| Some(f.sqnr_db.map_or("-".to_owned(), |s| format!("{s:.1} dB")));
    let rows = [
        row("top-1 agrees", "100.0 %", &|f| Some(format!("{:.1} %", 100.0 * f.top1_agreement?))),
        row("KL divergence", "0", &|f| Some(format!("{:.4}", f.kl?))),
        row("cosine", "1", &|f| Some(format!("{:.4}", f.cosine))),
        row("SQNR", "-", &decibels),
    ];
    rows.into_iter().flatten().collect()
}
