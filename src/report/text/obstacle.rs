//! Obstacles as text. Nodes of one operator that keep channels for one reason are shown together, for what an operator costs is the question.

use std::cmp::Reverse;

use super::name::{few, short};
use super::number::{count, percent, plural};
use super::printable;
use super::table::{SHOWN, align_right, hidden, new_table};
use crate::report::Obstacle;

/// Obstacles of one operator and reason.
struct Together {
    nodes: Vec<String>,
    sum: Obstacle,
}

/// What keeps the most multiply-adds, in a sentence; `None` where nothing keeps any.
pub fn largest(obstacles: &[Obstacle]) -> Option<String> {
    let all = together(obstacles);
    let Together { nodes, sum } = all.first()?;
    let layers = plural(sum.layers.len(), "layer");
    let keeps = match sum.channels {
        0 => layers,
        n => format!("{} of {layers}", plural(n, "channel")),
    };
    let by = match nodes.len() {
        0 => String::new(),
        1 => format!("{} {}: ", printable(&sum.op), short(&nodes[0], false)),
        n => format!("{} {} and {} more: ", printable(&sum.op), short(&nodes[0], false), n - 1),
    };
    Some(format!("{by}{}: {keeps}, {} of the MACs", printable(&sum.reason), percent(sum.macs_share)))
}

/// The share that the largest one keeps.
pub(super) fn largest_share(obstacles: &[Obstacle]) -> f64 {
    together(obstacles).first().map_or(0.0, |t| t.sum.macs_share)
}

/// All of them, the largest first; `all`: every node and layer.
pub(super) fn table(obstacles: &[Obstacle], all: bool) -> String {
    let rows = together(obstacles);
    let mut table = new_table(["held by", "channels", "MACs", "share", "layers", "because"]);
    for Together { nodes, sum } in rows.iter().take(if all { usize::MAX } else { SHOWN }) {
        let by = match (nodes.is_empty(), sum.channels) {
            (true, 0) => String::new(),
            (true, _) => "the graph".into(),
            _ => format!("{} {}", printable(&sum.op), few(nodes, 1, all)),
        };
        let channels = if sum.channels == 0 { String::new() } else { sum.channels.to_string() };
        let layers = few(&sum.layers, 3, all);
        table.add_row([by, channels, count(sum.macs), percent(sum.macs_share), layers, printable(&sum.reason)]);
    }
    align_right(&mut table, 1..4);
    format!("{table}{}", hidden(rows.len(), all))
}

fn together(obstacles: &[Obstacle]) -> Vec<Together> {
    let mut out: Vec<Together> = Vec::new();
    for o in obstacles {
        let node = Some(o.node.clone()).filter(|n| !n.is_empty());
        match out.iter_mut().find(|t| t.sum.op == o.op && t.sum.reason == o.reason && node.is_some()) {
            Some(Together { nodes, sum }) => {
                nodes.extend(node);
                for layer in &o.layers {
                    if !sum.layers.contains(layer) {
                        sum.layers.push(layer.clone());
                    }
                }
                sum.channels += o.channels;
                sum.macs += o.macs;
                sum.macs_share += o.macs_share;
            }
            None => out.push(Together { nodes: node.into_iter().collect(), sum: o.clone() }),
        }
    }
    out.sort_by_key(|t| Reverse(t.sum.macs));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle(node: &str, op: &str, macs: u64) -> Obstacle {
        Obstacle {
            node: node.into(),
            op: op.into(),
            reason: "no rule".into(),
            layers: vec![format!("conv_{node}")],
            channels: 4,
            macs,
            macs_share: macs as f64 / 100.0,
        }
    }

    #[test]
    fn what_an_operator_costs_is_the_sum_over_its_nodes() {
        let all = [obstacle("r", "Resize", 30), obstacle("a", "Gather", 20), obstacle("b", "Gather", 20)];
        let line = largest(&all).unwrap_or_default();
        assert_eq!(line, "Gather a and 1 more: no rule: 8 channels of 2 layers, 40.0 % of the MACs");
        assert_eq!(
            largest(&all[..1]).unwrap_or_default(),
            "Resize r: no rule: 4 channels of 1 layer, 30.0 % of the MACs"
        );
        assert_eq!(largest(&[]), None);
    }
}
