//! The law of the solver: whatever units go, every relation still holds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::NodeId;
use crate::op::relations::{Link, Pin};
use crate::op::{Axis, Owner};

fn axes(lengths: &[usize]) -> Statements {
    let owner = Owner::Virtual { node: NodeId(0), attr: None };
    Statements { axes: lengths.iter().map(|&length| Axis { owner, length }).collect(), ..Statements::default() }
}

fn link(said: &mut Statements, whole: u32, start: usize, part: u32) {
    said.links.push(Link { whole: AxisId(whole), start, step: 1, part: AxisId(part) });
}

fn product(said: &mut Statements, whole: u32, factors: &[u32]) {
    let factors = factors.iter().map(|&f| AxisId(f)).collect();
    said.products.push(Product { whole: AxisId(whole), factors, node: NodeId(0) });
}

fn pin(said: &mut Statements, axis: u32) {
    said.pins.push(Pin { axis: AxisId(axis), node: None, reason: String::new() });
}

/// Classes that may go, each with its coordinates by axis.
fn units(said: &Statements, s: &Solution) -> BTreeMap<u32, Vec<(usize, usize)>> {
    let mut units = BTreeMap::<u32, Vec<(usize, usize)>>::new();
    for (a, axis) in said.axes.iter().enumerate() {
        for i in 0..axis.length {
            let class = s.class(AxisId(a as u32), i);
            if s.pinned(class).is_none() {
                units.entry(class).or_default().push((a, i));
            }
        }
    }
    units
}

/// Which coordinates stay when some units go.
fn kept(said: &Statements, s: &Solution, goes: impl Fn(usize) -> bool) -> Vec<Vec<bool>> {
    let mut kept: Vec<Vec<bool>> = said.axes.iter().map(|a| vec![true; a.length]).collect();
    for (n, unit) in units(said, s).values().enumerate() {
        if goes(n) {
            unit.iter().for_each(|&(a, i)| kept[a][i] = false);
        }
    }
    kept
}

/// Every relation, checked by its definition.
fn holds(said: &Statements, kept: &[Vec<bool>]) -> bool {
    let links = said.links.iter().all(|l| {
        let (whole, part) = (&kept[l.whole.index()], &kept[l.part.index()]);
        (0..part.len()).all(|i| whole[l.start + i * l.step] == part[i])
    });
    let products = said.products.iter().all(|p| {
        let whole = &kept[p.whole.index()];
        (0..whole.len()).all(|i| {
            let mut rest = i;
            let all = p.factors.iter().rev().fold(true, |all, f| {
                let factor = &kept[f.index()];
                let digit = rest % factor.len();
                rest /= factor.len();
                all & factor[digit]
            });
            whole[i] == all
        })
    });
    links && products && said.pins.iter().all(|p| kept[p.axis.index()].iter().all(|k| *k))
}

#[test]
fn plain_convolution_couples_its_input_to_its_kernel() {
    // x, w.in, g, m, y, w.out
    let mut said = axes(&[8, 8, 1, 4, 4, 4]);
    product(&mut said, 0, &[2, 1]);
    product(&mut said, 4, &[2, 3]);
    link(&mut said, 5, 0, 4);
    let s = solve(&said);
    assert_eq!(units(&said, &s).len(), 12);
    assert_eq!(s.class(AxisId(0), 3), s.class(AxisId(1), 3));
}

#[test]
fn depthwise_convolution_couples_input_to_output() {
    // x, w.in, g, m, y
    let mut said = axes(&[8, 1, 8, 1, 8]);
    product(&mut said, 0, &[2, 1]);
    product(&mut said, 4, &[2, 3]);
    let s = solve(&said);
    assert_eq!(units(&said, &s).len(), 8);
    assert_eq!(s.class(AxisId(0), 5), s.class(AxisId(4), 5));
}

#[test]
fn flattened_channel_owns_its_stripe() {
    // flat, c, h, w
    let mut said = axes(&[24, 4, 2, 3]);
    product(&mut said, 0, &[1, 2, 3]);
    pin(&mut said, 2);
    pin(&mut said, 3);
    let s = solve(&said);
    let unit = &units(&said, &s)[&s.class(AxisId(1), 2)];
    assert_eq!(unit.iter().filter(|c| c.0 == 0).map(|c| c.1).collect::<Vec<_>>(), (12..18).collect::<Vec<_>>());
}

#[test]
fn look_ahead_prefers_the_factor_that_leaves_more() {
    let mut said = axes(&[12, 3, 4]);
    product(&mut said, 0, &[1, 2]);
    assert_eq!(units(&said, &solve(&said)).len(), 4);
}

#[test]
fn a_concat_with_a_single_channel_keeps_it() {
    let mut said = axes(&[5, 4, 1]);
    link(&mut said, 0, 0, 1);
    link(&mut said, 0, 4, 2);
    let s = solve(&said);
    assert_eq!(units(&said, &s).len(), 4);
    assert!(s.pinned(s.class(AxisId(0), 4)).is_some());
}

prop_compose! {
    /// Axes of random lengths, links between equal ones, parts at offsets, products of what fits, a few pins.
    fn system()(lengths in prop::collection::vec(1usize..13, 4..16), picks in prop::collection::vec((0u8..4, 0usize..64, 0usize..64, 0usize..64), 0..24)) -> Statements {
        let mut said = axes(&lengths);
        for (kind, a, b, c) in picks {
            let n = said.axes.len();
            let (a, b) = ((a % n) as u32, (b % n) as u32);
            let (la, lb) = (said.length(AxisId(a)), said.length(AxisId(b)));
            match kind {
                0 if la >= lb => link(&mut said, a, c % (la - lb + 1), b),
                1 if la * lb <= 64 => {
                    said.axes.push(Axis { length: la * lb, ..said.axes[0] });
                    product(&mut said, n as u32, &[a, b]);
                }
                2 => {
                    if let Some(whole) = (0..n as u32).find(|&w| said.length(AxisId(w)) == la * lb && w != a && w != b) {
                        product(&mut said, whole, &[a, b]);
                    }
                }
                3 if c % 4 == 0 => pin(&mut said, a),
                _ => {}
            }
        }
        said
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_relation_survives_any_removal(said in system(), goes in prop::collection::vec(any::<bool>(), 64)) {
        let s = solve(&said);
        for shift in 0..20 {
            prop_assert!(holds(&said, &kept(&said, &s, |n| goes[(n + shift) % 64])));
        }
    }

    #[test]
    fn every_single_unit_may_go(said in system()) {
        let s = solve(&said);
        for unit in 0..units(&said, &s).len() {
            prop_assert!(holds(&said, &kept(&said, &s, |n| n == unit)));
        }
    }
}
