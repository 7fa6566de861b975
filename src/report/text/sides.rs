//! The layers of two models side by side.

use super::name::{printable, short};
use super::number::count;
use super::table::{align_right, costliest, new_table};
use crate::report::{LayerChange, LayerCost};

/// A row for each layer: output, multiply-adds and parameters of both; `all`: every layer.
pub(super) fn sides(layers: &[LayerChange], all: bool) -> String {
    let mut table = new_table(["layer", "op", "output", "after", "MACs", "after", "parameters", "after"]);
    let cost = |l: &LayerChange| l.before.as_ref().or(l.after.as_ref()).map_or(0, |c| c.macs);
    let (listed, rest) = costliest(layers, cost, all);
    for l in listed {
        let [output, macs, params] =
            [|c: &LayerCost| dims(&c.output_shape), |c: &LayerCost| count(c.macs), |c: &LayerCost| count(c.params)];
        let [a, b] = both(l, output);
        let [c, d] = both(l, macs);
        let [e, f] = both(l, params);
        table.add_row([short(&l.node, all), printable(&l.op), a, b, c, d, e, f]);
    }
    align_right(&mut table, 2..8);
    format!("{table}{rest}\n")
}

/// Before and after; `=` where they are the same, `-` where the layer is not there.
fn both(l: &LayerChange, show: fn(&LayerCost) -> String) -> [String; 2] {
    let side = |c: &Option<LayerCost>| c.as_ref().map_or("-".to_owned(), show);
    let (a, b) = (side(&l.before), side(&l.after));
    let same = l.before.is_some() && a == b;
    [a, if same { "=".into() } else { b }]
}

fn dims(d: &[usize]) -> String {
    if d.is_empty() { "?".into() } else { d.iter().map(ToString::to_string).collect::<Vec<_>>().join("x") }
}
