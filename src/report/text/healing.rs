//! What healing came to: before, cut and healed side by side, and what became of each layer.

use std::fmt::Write;

use super::name::short;
use super::printable;
use super::table::{align_right, new_table};
use crate::report::Report;
use crate::report::sides::{LAYERS, SIDES, layers, sentence, sides, tally};

/// The tables; `all`: every layer.
pub(super) fn healing(r: &Report, all: bool) -> String {
    let Some(heal) = &r.heal else { return String::new() };
    let mut out = String::new();
    let tally = if heal.layers.is_empty() { String::new() } else { format!("; layers: {}", tally(&heal.layers)) };
    if let Some(sentence) = sentence(heal) {
        let _ = writeln!(out, "{sentence}{}", printable(&tally));
    }
    let rows = sides(r);
    if !rows.is_empty() {
        let mut table = new_table(SIDES);
        table.add_rows(rows);
        align_right(&mut table, 1..4);
        let _ = writeln!(out, "{table}");
    }
    if all && !heal.layers.is_empty() {
        let mut table = new_table(LAYERS);
        for [node, rest @ ..] in layers(&heal.layers) {
            table.add_row([vec![short(&node, all)], rest.map(|cell| printable(&cell)).to_vec()].concat());
        }
        align_right(&mut table, 1..3);
        let _ = writeln!(out, "{table}");
    }
    out
}
