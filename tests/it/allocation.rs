//! A share of the cost, split between groups by what they were measured to cost.

use secateur::build::{Conv, GraphBuilder};
use secateur::couple::Coupling;
use secateur::plan::{Budget, Choice, ErrorCurves, Level, Limits, Plan, Scope, decide, levels_to_measure};
use secateur::score::score;
use secateur::{ErrorKind, Model};

use crate::budget::{Subject, costs, mixed, resnet, share};
use crate::support::network;

const TARGETS: [f64; 6] = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8];

/// The plan for a budget with these curves.
fn split(s: &Subject<'_>, choice: &Choice, curves: &ErrorCurves) -> Plan {
    decide(&s.known.facts(), &s.coupling, choice, Some(curves)).unwrap().plan
}

/// The curve `weight * share^power` for a group, at eighths.
fn insert(curves: &mut ErrorCurves, group: usize, weight: f64, power: f64) {
    curves.insert(&[group], (1..8).map(|k| f64::from(k) / 8.0).map(|f| (f, weight * f.powf(power))).collect());
}

/// The same curve for all groups.
fn alike(coupling: &Coupling, power: f64) -> ErrorCurves {
    let mut curves = ErrorCurves::default();
    (0..coupling.groups.len()).for_each(|g| insert(&mut curves, g, 1.0, power));
    curves
}

/// Curves that differ from group to group: in weight by up to 100, bent up, down, and with a bump.
fn uneven(coupling: &Coupling, seed: usize) -> ErrorCurves {
    let mut curves = ErrorCurves::default();
    for g in 0..coupling.groups.len() {
        let k = (g * 7 + seed * 5) % 11;
        insert(&mut curves, g, 1.6f64.powi(k as i32), [2.0, 0.5, 1.0, 3.0][(g + seed) % 4]);
        if (g + seed).is_multiple_of(5) {
            curves.insert(&[g], vec![(0.25, 5.0), (0.5, 4.0), (0.75, 5.5)]);
        }
    }
    curves
}

/// The share of its units that each group loses.
fn shares(s: &Subject<'_>, plan: &Plan) -> Vec<f64> {
    let mut out = vec![0.0; s.coupling.groups.len()];
    plan.groups.iter().for_each(|g| out[g.id] = g.remove.len() as f64 / s.coupling.groups[g.id].units.len() as f64);
    out
}

fn total(s: &Subject<'_>, plan: &Plan, curves: &ErrorCurves) -> f64 {
    shares(s, plan).iter().enumerate().map(|(g, share)| curves.cost(&[g], *share)).sum()
}

/// The groups of the first convolutions of the blocks of a stage: alike in all but their weights.
fn stage(s: &Subject<'_>, n: usize) -> Vec<usize> {
    let name = format!("/layer{n}/");
    let inner = s.coupling.groups.iter().filter(|g| g.name.starts_with(&name) && !g.residual);
    // The first one of a stage reads the narrower stage before it.
    inner.map(|g| g.id).skip(usize::from(n > 1)).collect()
}

#[test]
fn targets_are_reached_and_a_larger_one_never_leaves_more() {
    for (model, seed) in [(resnet(), 0), (resnet(), 1), (mixed(), 2), (mixed(), 3)] {
        let (s, before) = (Subject::new(&model), costs(&model));
        let curves = uneven(&s.coupling, seed);
        for (k, budget) in [Budget::CutFlops as fn(f64) -> Budget, Budget::CutParams].into_iter().enumerate() {
            let mut last = before[k];
            for target in (1..=80).map(|n| f64::from(n) / 100.0) {
                let after = s.after(&split(&s, &Choice::new(budget(target)), &curves))[k];
                assert!(share(before[k], after) >= target, "{target}: {after} of {}", before[k]);
                assert!(after <= last, "{target}: {after} after {last}");
                last = after;
            }
        }
    }
}

/// Nothing that need not go does: with one unit back, the target is missed.
#[test]
fn no_unit_can_be_put_back() {
    let model = resnet();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    for target in TARGETS {
        let plan = split(&s, &Choice::new(Budget::CutFlops(target)), &uneven(&s.coupling, 4));
        for g in 0..plan.groups.len() {
            let mut more = plan.clone();
            if more.groups[g].remove.pop().is_some() {
                assert!(share(before, s.after(&more)[0]) < target, "{target}: group {g} could keep one more");
            }
        }
    }
}

#[test]
fn a_steep_group_loses_less_than_a_flat_one() {
    let model = resnet();
    let s = Subject::new(&model);
    for (n, target) in [(1, 0.3), (1, 0.5), (3, 0.3), (3, 0.5)] {
        let [steep, flat, ..] = stage(&s, n)[..] else { panic!("two alike") };
        for (steep, flat) in [(steep, flat), (flat, steep)] {
            let mut curves = alike(&s.coupling, 2.0);
            insert(&mut curves, steep, 8.0, 2.0);
            insert(&mut curves, flat, 0.25, 2.0);
            let lost = shares(&s, &split(&s, &Choice::new(Budget::CutFlops(target)), &curves));
            assert!(lost[steep] + 0.2 < lost[flat], "{target}: {} of the steep one, {}", lost[steep], lost[flat]);
        }
    }
}

/// Whether or not steps of equal cost have to be told apart by anything but their cost.
#[test]
fn equal_curves_give_about_equal_shares() {
    let model = resnet();
    let s = Subject::new(&model);
    for (power, target) in [(1.0, 0.3), (1.0, 0.5), (2.0, 0.3), (2.0, 0.5), (3.0, 0.6)] {
        let choice = Choice { scope: Scope::Inner, ..Choice::new(Budget::CutFlops(target)) };
        let lost = shares(&s, &split(&s, &choice, &alike(&s.coupling, power)));
        for n in 1..=3 {
            let of: Vec<f64> = stage(&s, n).iter().map(|&g| lost[g]).collect();
            let spread = of.iter().copied().fold(0.0, f64::max) - of.iter().copied().fold(1.0, f64::min);
            assert!(spread <= 0.125 + 1e-9, "power {power}, {target}: {of:?} in stage {n}");
        }
    }
}

/// The split costs no more, as measured, than one rate for all does.
#[test]
fn it_costs_less_than_one_rate_for_all() {
    for (model, seed) in [(resnet(), 0), (resnet(), 3), (mixed(), 1)] {
        let s = Subject::new(&model);
        let curves = uneven(&s.coupling, seed);
        for target in TARGETS {
            let choice = Choice::new(Budget::CutFlops(target));
            let [split, even] =
                [split(&s, &choice, &curves), s.decide(&choice).unwrap()].map(|p| total(&s, &p, &curves));
            assert!(split <= even, "{target}: {split}, and {even} at one rate");
        }
    }
}

/// What single steps would stop at, a jump passes.
#[test]
fn a_bump_does_not_hold_up_a_group_that_is_cheap_as_a_whole() {
    let model = resnet();
    let s = Subject::new(&model);
    let [cheap, other, ..] = stage(&s, 1)[..] else { panic!("two alike") };
    let mut curves = alike(&s.coupling, 1.0);
    curves.insert(&[cheap], (1..8).map(|k| (f64::from(k) / 8.0, 0.2)).collect());
    let choice = Choice { scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.3)) };
    let lost = shares(&s, &split(&s, &choice, &curves));
    assert!(lost[cheap] >= 0.875 && lost[other] < 0.875, "{} and {}", lost[cheap], lost[other]);
}

#[test]
fn what_was_not_measured_goes_with_the_others_and_what_has_no_end_last() {
    let model = resnet();
    let s = Subject::new(&model);
    let [odd, other, ..] = stage(&s, 2)[..] else { panic!("two alike") };
    let without = |odd: usize| {
        let mut curves = ErrorCurves::default();
        (0..s.coupling.groups.len()).filter(|g| *g != odd).for_each(|g| insert(&mut curves, g, 1.0, 2.0));
        curves
    };
    let choice = Choice { scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.5)) };
    let lost = shares(&s, &split(&s, &choice, &without(odd)));
    assert!((lost[odd] - lost[other]).abs() <= 0.125, "{} and {}", lost[odd], lost[other]);
    let mut curves = without(odd);
    curves.insert(&[odd], vec![(0.125, f64::INFINITY)]);
    assert_eq!(shares(&s, &split(&s, &choice, &curves))[odd], 0.0);
    let all = split(&s, &Choice { scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.86)) }, &curves);
    assert!(shares(&s, &all)[odd] > 0.0, "but it goes before the target is out of reach");
    assert_eq!(split(&s, &choice, &ErrorCurves::default()), s.decide(&choice).unwrap(), "nothing measured, one rate");
}

#[test]
fn what_is_out_of_reach_without_curves_is_so_with_them() {
    let model = resnet();
    let s = Subject::new(&model);
    let limits = Limits { max_rate: Some(0.3), ..Limits::default() };
    let choice = Choice { limits, ..Choice::new(Budget::CutFlops(0.7)) };
    let says = |curves| decide(&s.known.facts(), &s.coupling, &choice, curves).unwrap_err();
    let (with, without) = (says(Some(&uneven(&s.coupling, 0))), says(None));
    assert!(matches!(with.kind, ErrorKind::Unreachable { .. }));
    assert_eq!(with.to_string(), without.to_string());
}

#[test]
fn limits_hold() {
    let model = resnet();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    let curves = uneven(&s.coupling, 1);
    let kept = "/layer3/layer3.1/conv1/Conv";
    let limits = Limits { max_rate: Some(0.6), keep: vec![kept.into()], ..Limits::default() };
    let plan = split(&s, &Choice { limits, scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.4)) }, &curves);
    for g in &plan.groups {
        let group = &s.coupling.groups[g.id];
        assert!(g.remove.len() * 10 <= group.units.len() * 6 && !group.residual && group.name != kept);
    }
    assert!(share(before, s.after(&plan)[0]) >= 0.4);
    let limits = Limits { rate_for: vec![("/layer1/layer1.1/conv1/Conv".into(), 0.25)], ..Limits::default() };
    let own = s.coupling.groups.iter().find(|g| g.name == "/layer1/layer1.1/conv1/Conv").unwrap().id;
    let plan = split(&s, &Choice { limits, ..Choice::new(Budget::CutFlops(0.4)) }, &curves);
    assert_eq!(shares(&s, &plan)[own], 0.25);
}

#[test]
fn widths_end_as_multiples() {
    for (model, multiple) in [(resnet(), 8), (mixed(), 4)] {
        let (s, before) = (Subject::new(&model), costs(&model)[0]);
        let limits = Limits { round_to: Some(multiple), ..Limits::default() };
        let mut last = before;
        for target in [0.1, 0.2, 0.3, 0.4, 0.5] {
            let choice = Choice { limits: limits.clone(), ..Choice::new(Budget::CutFlops(target)) };
            let plan = split(&s, &choice, &uneven(&s.coupling, 2));
            let after = Model::new(s.known.cut(&s.coupling, &plan.gone(&s.coupling).unwrap()).0).unwrap();
            for (layer, was) in crate::budget::widths(&after).iter().zip(crate::budget::widths(&model)) {
                assert!(layer.1 == was.1 || layer.1 % multiple == 0, "{target}: {layer:?} of {was:?}");
            }
            let macs = costs(&after)[0];
            assert!(share(before, macs) >= target && macs <= last, "{target}: {macs} after {last}");
            last = macs;
        }
    }
}

/// Two grouped convolutions in a row, of different numbers of groups, and a plain one.
fn grouped() -> Model {
    let mut g = GraphBuilder::new(13);
    let x = g.input("x", &[1, 3, 8, 8]);
    let a = g.conv(&x, "/a", Conv::square(32, 3).pad(1));
    let b = g.conv(&a, "/b", Conv::square(32, 3).pad(1).group(4));
    let c = g.conv(&b, "/c", Conv::square(24, 3).pad(1).group(2));
    let d = g.conv(&c, "/d", Conv::square(5, 1));
    g.output(&d);
    g.model().unwrap()
}

/// Plans that are no plans for grouped convolutions are refused by `gone`.
#[test]
fn blocks_stay_balanced() {
    let model = grouped();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    for (target, seed) in TARGETS.into_iter().zip(0..) {
        let plan = split(&s, &Choice::new(Budget::CutFlops(target)), &uneven(&s.coupling, seed));
        assert!(share(before, s.after(&plan)[0]) >= target, "{target}");
    }
}

fn to_measure(s: &Subject<'_>, choice: &Choice) -> Vec<Level> {
    levels_to_measure(&s.known.facts(), &s.coupling, choice).unwrap()
}

#[test]
fn what_is_measured_are_the_lowest_scored_eighths_of_each_group() {
    let model = resnet();
    let s = Subject::new(&model);
    let choice = Choice { scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.5)) };
    let levels = to_measure(&s, &choice);
    assert_eq!(levels, to_measure(&s, &choice));
    let scores = score(&s.known.facts(), &s.coupling, &choice.ranking).unwrap();
    for group in s.coupling.groups.iter().filter(|g| !g.residual) {
        let of = |l: &&Level| l.plan.groups[0].id == group.id;
        let counts: Vec<usize> = levels.iter().filter(of).map(|l| l.plan.groups[0].remove.len()).collect();
        let units = group.units.len();
        assert_eq!(counts, (1..8).map(|k| k * units / 8).collect::<Vec<_>>(), "of {units}");
        for level in levels.iter().filter(of) {
            assert_eq!(level.groups, [group.id], "one group at a time");
            let lost = &level.plan.groups[0];
            let mut lowest = scores[group.id].order()[..lost.remove.len()].to_vec();
            lowest.sort_unstable();
            assert_eq!((&lost.remove, level.plan.len()), (&lowest, lowest.len()));
        }
    }
    assert!(levels.iter().all(|l| !s.coupling.groups[l.plan.groups[0].id].residual), "out of scope");
}

/// What is measured can be cut as it stands, and what is measured of groups together is what they cost together.
#[test]
fn tied_groups_are_measured_together() {
    for (model, round_to) in [(grouped(), None), (mixed(), None), (mixed(), Some(4)), (resnet(), Some(8))] {
        let s = Subject::new(&model);
        let choice = Choice { limits: Limits { round_to, ..Limits::default() }, ..Choice::new(Budget::CutFlops(0.3)) };
        let levels = to_measure(&s, &choice);
        assert!(levels.len() > 4);
        for (k, level) in levels.iter().enumerate() {
            s.after(&level.plan);
            let lower = levels[..k].iter().filter(|l| l.groups == level.groups);
            for less in lower.flat_map(|l| &l.plan.groups) {
                let more = level.plan.groups.iter().find(|g| g.id == less.id).unwrap();
                assert!(less.remove.iter().all(|u| more.remove.contains(u)), "level {k} has what the one before has");
            }
        }
        let costs: Vec<f64> = (0..levels.len()).map(|k| 1.0 + k as f64).collect();
        let curves = ErrorCurves::measured(&s.coupling, &levels, &costs).unwrap();
        for (level, cost) in levels.iter().zip(&costs) {
            assert_eq!(curves.cost(&level.groups, level.share(&s.coupling).unwrap()), *cost, "what was measured");
        }
        split(&s, &choice, &curves).gone(&s.coupling).unwrap();
    }
}

#[test]
fn only_what_may_go_is_measured() {
    let model = network(13, |g, x| {
        let a = g.conv(x, "/a", Conv::square(40, 3).pad(1));
        let b = g.conv(&a, "/b", Conv::square(40, 3).pad(1));
        g.conv(&b, "/c", Conv::square(40, 3).pad(1))
    });
    let s = Subject::new(&model);
    let limits = Limits {
        max_rate: Some(0.2),
        keep: vec!["/last/Conv".into()],
        rate_for: vec![("/b/Conv".into(), 0.5)],
        ..Limits::default()
    };
    let counts: Vec<(String, usize)> = to_measure(&s, &Choice { limits, ..Choice::new(Budget::CutParams(0.1)) })
        .iter()
        .map(|l| (s.coupling.groups[l.plan.groups[0].id].name.clone(), l.plan.groups[0].remove.len()))
        .filter(|l| l.0 != "/stem/Conv")
        .collect();
    assert_eq!(counts, [("/a/Conv".to_owned(), 5), ("/a/Conv".to_owned(), 8)], "an eighth, and all that may go");
    assert!(to_measure(&s, &Choice::rate(0.5)).is_empty(), "nothing to split");
}

#[test]
fn costs_that_belong_to_other_levels_are_refused() {
    let model = resnet();
    let s = Subject::new(&model);
    let levels = to_measure(&s, &Choice::new(Budget::CutFlops(0.3)));
    assert!(ErrorCurves::measured(&s.coupling, &levels, &[1.0]).is_err());
}
