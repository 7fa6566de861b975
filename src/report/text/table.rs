//! Tables of a terminal: their look, and which of many rows are shown.

use std::cmp::Reverse;
use std::ops::Range;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

/// Rows shown unless everything is asked for.
pub(super) const SHOWN: usize = 40;

/// An empty table under that header.
pub(super) fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// The layers that cost most, in the graph's order, and a line about the others; `all`: every one.
pub(super) fn costliest<L>(layers: &[L], macs: impl Fn(&L) -> u64, all: bool) -> (Vec<&L>, String) {
    if all || layers.len() <= SHOWN {
        return (layers.iter().collect(), String::new());
    }
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by_key(|&i| Reverse(macs(&layers[i])));
    let hidden: u64 = order[SHOWN..].iter().map(|&i| macs(&layers[i])).sum();
    let total: u64 = layers.iter().map(&macs).sum();
    order.truncate(SHOWN);
    order.sort_unstable();
    let share = 100.0 * hidden as f64 / total.max(1) as f64;
    let rest = format!("\n{} cheaper layers with {share:.1} % of the MACs: -v lists all", layers.len() - SHOWN);
    (order.iter().map(|&i| &layers[i]).collect(), rest)
}

/// A line about rows that are not shown.
pub(super) fn hidden(n: usize, all: bool) -> String {
    if all || n <= SHOWN { String::new() } else { format!("\n{} more rows with -v", n - SHOWN) }
}

/// Sets these columns flush right, as numbers are.
pub(super) fn align_right(table: &mut Table, columns: Range<usize>) {
    for column in columns {
        if let Some(c) = table.column_mut(column) {
            c.set_cell_alignment(CellAlignment::Right);
        }
    }
}
