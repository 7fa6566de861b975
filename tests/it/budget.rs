//! Budgets: what is asked for is reached, by as little as single channels allow, and a larger target never leaves more.

use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::build::{Conv, GraphBuilder};
use secateur::couple::{Coupling, couple};
use secateur::model::Constants;
use secateur::plan::{Budget, Choice, Limits, Plan, Prices, Scope, decide};
use secateur::shape::{InputShapes, Shapes};
use secateur::{Error, ErrorKind, Model, cost};

use crate::support::{Analysed, network};

const TARGETS: [f64; 10] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8];

/// MACs and parameters of a model.
pub(crate) fn costs(model: &Model) -> [u64; 2] {
    let graph = model.graph().unwrap();
    let constants = Constants::new(&graph).unwrap();
    let dims = Shapes::of(model, &InputShapes::default()).unwrap().dims;
    let total = cost::total(&graph, &constants, &dims);
    [total.macs, total.params]
}

/// A model with its coupling, to decide about.
pub(crate) struct Subject<'m> {
    pub known: Analysed<'m>,
    pub coupling: Coupling,
}

impl<'m> Subject<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        let known = Analysed::new(model, &[]);
        let coupling = couple(&known.facts()).unwrap();
        Self { known, coupling }
    }

    pub(crate) fn decide(&self, choice: &Choice) -> Result<Plan, Error> {
        Ok(decide(&self.known.facts(), &self.coupling, choice, None)?.plan)
    }

    /// Costs of the model that the plan leaves.
    pub(crate) fn after(&self, plan: &Plan) -> [u64; 2] {
        costs(&Model::new(self.known.cut(&self.coupling, &plan.gone(&self.coupling).unwrap()).0).unwrap())
    }

    /// The filters that a layer keeps, by the name of its weight.
    pub(crate) fn kept(&self, plan: &Plan, weight: &str) -> usize {
        let (proto, _) = self.known.cut(&self.coupling, &plan.gone(&self.coupling).unwrap());
        let graph = proto.graph.unwrap();
        graph.initializer.iter().find(|t| t.name() == weight).unwrap().dims[0] as usize
    }
}

pub(crate) fn share(before: u64, after: u64) -> f64 {
    1.0 - after as f64 / before as f64
}

/// Residual streams that are widened by padding, as the paper's networks have.
pub(crate) fn resnet() -> Model {
    cifar_resnet(20, Shortcut::Pad, 1).unwrap()
}

/// A stem, two convolutions, a grouped one, a depthwise one and a concat.
pub(crate) fn mixed() -> Model {
    network(13, |g, x| {
        let a = g.conv(x, "/a", Conv::square(24, 3).pad(1));
        let a = g.relu(&a, "/a/Relu");
        let b = g.conv(&a, "/b", Conv::square(24, 3).pad(1).group(4));
        let c = g.conv(&a, "/c", Conv::square(20, 1));
        let d = g.conv(&c, "/d", Conv::square(20, 3).pad(1).group(20));
        g.concat(&[&b, &d], 1, "/concat")
    })
}

#[test]
fn the_prices_are_the_costs_of_the_cut_model() {
    for model in [resnet(), mixed()] {
        let s = Subject::new(&model);
        let facts = s.known.facts();
        let prices = Prices::new(&facts, &s.coupling);
        for rate in [0.1, 0.3, 0.5, 0.8] {
            let plan = s.decide(&Choice::rate(rate)).unwrap();
            let mut counts = vec![0; s.coupling.groups.len()];
            plan.groups.iter().for_each(|g| counts[g.id] = g.remove.len());
            assert_eq!([prices.macs(&counts), prices.params(&counts)], s.after(&plan), "{rate}");
        }
    }
}

#[test]
fn targets_are_reached_and_a_larger_one_never_leaves_more() {
    for model in [resnet(), mixed()] {
        let (s, before) = (Subject::new(&model), costs(&model));
        for (k, budget) in [Budget::CutFlops as fn(f64) -> Budget, Budget::CutParams].into_iter().enumerate() {
            let mut last = before[k];
            for target in (1..=80).map(|n| f64::from(n) / 100.0) {
                let after = s.after(&s.decide(&Choice::new(budget(target))).unwrap())[k];
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
        let plan = s.decide(&Choice::new(Budget::CutFlops(target))).unwrap();
        for g in 0..plan.groups.len() {
            let mut more = plan.clone();
            if more.groups[g].remove.pop().is_some() {
                assert!(share(before, s.after(&more)[0]) < target, "{target}: group {g} could keep one more");
            }
        }
    }
}

/// The same where widths end as multiples: no group can have a whole step back.
#[test]
fn no_step_of_a_width_can_be_put_back() {
    let model = resnet();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    for (multiple, target) in [(4, 0.3), (8, 0.1), (8, 0.3), (8, 0.5), (16, 0.1), (16, 0.3)] {
        let limits = Limits { round_to: Some(multiple), ..Limits::default() };
        let plan = s.decide(&Choice { limits, ..Choice::new(Budget::CutFlops(target)) }).unwrap();
        assert!(share(before, s.after(&plan)[0]) >= target);
        for g in 0..plan.groups.len() {
            let mut more = plan.clone();
            let lost = more.groups[g].remove.len();
            if lost > 0 {
                more.groups[g].remove.truncate(lost.saturating_sub(multiple));
                assert!(share(before, s.after(&more)[0]) < target, "{multiple}, {target}: group {g} could keep more");
            }
        }
    }
}

#[test]
fn widths_end_as_multiples_and_the_target_is_met() {
    for (model, multiple) in [(resnet(), 8), (resnet(), 4), (mixed(), 4), (mixed(), 8)] {
        let (s, before) = (Subject::new(&model), costs(&model)[0]);
        let limits = Limits { round_to: Some(multiple), ..Limits::default() };
        let mut last = before;
        for target in TARGETS {
            let choice = Choice { limits: limits.clone(), ..Choice::new(Budget::CutFlops(target)) };
            let plan = match s.decide(&choice) {
                Ok(plan) => plan,
                Err(e) => {
                    assert!(matches!(e.kind, ErrorKind::Unreachable { .. }) && target > 0.6, "{e}");
                    continue;
                }
            };
            let (proto, _) = s.known.cut(&s.coupling, &plan.gone(&s.coupling).unwrap());
            let after = Model::new(proto).unwrap();
            for (layer, was) in widths(&after).iter().zip(widths(&model)) {
                assert!(layer.1 == was.1 || layer.1 % multiple == 0, "{target}: {layer:?} of {was:?}");
            }
            let macs = costs(&after)[0];
            assert!(share(before, macs) >= target && macs <= last, "{target}: {macs} after {last}");
            last = macs;
        }
    }
}

#[test]
fn rates_end_as_multiples_too() {
    let model = resnet();
    let s = Subject::new(&model);
    let limits = Limits { round_to: Some(8), ..Limits::default() };
    let plan = s.decide(&Choice { limits, ..Choice::rate(0.6) }).unwrap();
    let (proto, _) = s.known.cut(&s.coupling, &plan.gone(&s.coupling).unwrap());
    let after = widths(&Model::new(proto).unwrap());
    let kept: Vec<usize> = after.iter().map(|w| w.1).collect();
    assert!(kept.contains(&8) && kept.contains(&16) && kept.contains(&32), "{kept:?}");
    assert!(after.iter().all(|w| w.1 % 8 == 0 || w.1 == 10), "{after:?}");
}

/// Names and filters of the convolutions and Gemms, in order.
pub(crate) fn widths(model: &Model) -> Vec<(String, usize)> {
    let weight = |name: &str| model.graph_proto().initializer.iter().find(|t| t.name() == name);
    let nodes = model.graph_proto().node.iter().filter(|n| matches!(n.op_type(), "Conv" | "Gemm"));
    nodes.map(|n| (n.name().to_owned(), weight(&n.input[1]).unwrap().dims[0] as usize)).collect()
}

/// A chain of convolutions of 16, 16 and 16 filters, and what the stem feeds is added to what the second makes.
fn chain() -> Model {
    network(13, |g, x| {
        let a = g.conv(x, "/a", Conv::square(16, 3).pad(1));
        let a = g.relu(&a, "/a/Relu");
        let b = g.conv(&a, "/b", Conv::square(16, 3).pad(1));
        let sum = g.add(x, &b, "/add");
        let c = g.conv(&sum, "/c", Conv::square(16, 3).pad(1));
        g.relu(&c, "/c/Relu")
    })
}

fn kept_with(limits: Limits) -> [usize; 5] {
    let model = chain();
    let s = Subject::new(&model);
    let plan = s.decide(&Choice { limits, ..Choice::rate(0.5) }).unwrap();
    ["stem.weight", "a.weight", "b.weight", "c.weight", "last.weight"].map(|w| s.kept(&plan, w))
}

fn globs(all: &[&str]) -> Vec<String> {
    all.iter().map(|&g| g.to_owned()).collect()
}

#[test]
fn a_kept_node_keeps_what_it_reads_and_makes() {
    assert_eq!(kept_with(Limits::default()), [8, 8, 8, 8, 4]);
    assert_eq!(kept_with(Limits { keep: globs(&["/a/*"]), ..Limits::default() }), [16, 16, 16, 8, 4]);
    assert_eq!(kept_with(Limits { keep: globs(&["/last/Conv"]), ..Limits::default() }), [8, 8, 8, 16, 8]);
    assert_eq!(kept_with(Limits { keep: globs(&["/add"]), ..Limits::default() }), [16, 8, 16, 8, 4]);
}

#[test]
fn what_is_kept_for_the_sake_of_others_is_said() {
    let model = chain();
    let s = Subject::new(&model);
    let limits = Limits { keep: globs(&["/b/Conv"]), ..Limits::default() };
    let decision = decide(&s.known.facts(), &s.coupling, &Choice { limits, ..Choice::rate(0.5) }, None).unwrap();
    let said = decision.notes.join("\n");
    assert!(said.contains("'/stem/Conv'") && said.contains("'/a/Conv'") && !said.contains("'/b/Conv'"), "{said}");
}

#[test]
fn only_some_nodes_lose_filters() {
    assert_eq!(kept_with(Limits { only: globs(&["/c/Conv"]), ..Limits::default() }), [16, 16, 16, 8, 8]);
    // The stem is coupled with /b through the add: neither goes without the other.
    assert_eq!(kept_with(Limits { only: globs(&["/b/Conv"]), ..Limits::default() }), [16, 16, 16, 16, 8]);
    assert_eq!(kept_with(Limits { only: globs(&["/b/Conv", "/stem/*"]), ..Limits::default() }), [8, 16, 8, 16, 8]);
}

#[test]
fn nodes_between_two_values() {
    let model = chain();
    let made = |node: &str| {
        let nodes = &model.graph_proto().node;
        nodes.iter().find(|n| n.name() == node).unwrap().output[0].clone()
    };
    let only = |from: &str, to: &str| Limits { only: vec![format!("{from}..{to}")], ..Limits::default() };
    assert_eq!(kept_with(only("x", &made("/add"))), [8, 8, 8, 16, 8]);
    assert_eq!(kept_with(only(&made("/add"), &made("/c/Relu"))), [16, 16, 16, 8, 8]);
}

#[test]
fn rates_of_their_own() {
    let rates = |all: &[(&str, f64)]| all.iter().map(|(g, r)| ((*g).to_owned(), *r)).collect();
    let limits = Limits { rate_for: rates(&[("/a/Conv", 0.25)]), ..Limits::default() };
    assert_eq!(kept_with(limits), [8, 12, 8, 8, 4]);
    // The last that fits a group holds, and a group has one rate.
    let limits = Limits { rate_for: rates(&[("*", 0.25), ("/stem/*", 0.75), ("/last/*", 0.0)]), ..Limits::default() };
    assert_eq!(kept_with(limits), [4, 12, 4, 12, 8]);
    let limits = Limits { max_rate: Some(0.25), ..Limits::default() };
    assert_eq!(kept_with(limits), [12, 12, 12, 12, 6]);
}

/// A budget takes the rest from the others.
#[test]
fn budgets_respect_what_is_set_apart() {
    let model = resnet();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    let kept = "/layer3/layer3.0/conv1/Conv";
    let weight = {
        let node = model.graph_proto().node.iter().find(|n| n.name() == kept);
        node.unwrap_or_else(|| panic!("{:?}", widths(&model))).input[1].clone()
    };
    let limits = Limits { rate_for: vec![(kept.into(), 0.25)], max_rate: Some(0.6), ..Limits::default() };
    let plan = s.decide(&Choice { limits, scope: Scope::Inner, ..Choice::new(Budget::CutFlops(0.4)) }).unwrap();
    assert_eq!(s.kept(&plan, &weight), 48);
    assert!((0.4..0.405).contains(&share(before, s.after(&plan)[0])));
    for g in &plan.groups {
        assert!(g.remove.len() * 10 <= s.coupling.groups[g.id].units.len() * 6);
        assert!(!s.coupling.groups[g.id].residual);
    }
}

/// A rate of its own may be larger than that of the others.
#[test]
fn the_largest_share_said_is_that_of_the_plan() {
    let model = resnet();
    let s = Subject::new(&model);
    let limits = Limits { rate_for: vec![("/layer3/layer3.0/conv1/Conv".into(), 0.75)], ..Limits::default() };
    let choice = Choice { limits, ..Choice::new(Budget::CutFlops(0.3)) };
    let notes = decide(&s.known.facts(), &s.coupling, &choice, None).unwrap().notes.join("\n");
    assert!(notes.contains("at most 75.0 % of a group's channels"), "{notes}");
}

#[test]
fn what_is_out_of_reach_is_said_with_the_largest_cut() {
    let model = resnet();
    let s = Subject::new(&model);
    let limits = Limits { max_rate: Some(0.3), ..Limits::default() };
    let choice = Choice { limits: limits.clone(), ..Choice::new(Budget::CutFlops(0.7)) };
    let e = s.decide(&choice).unwrap_err().to_string();
    let most: f64 = e.split("largest cut here is ").nth(1).and_then(|t| t.split(' ').next()?.parse().ok()).unwrap();
    assert!(e.contains("--max-rate 0.3") && (30.0..60.0).contains(&most), "{e}");
    let just = Choice { limits, ..Choice::new(Budget::CutFlops(most / 100.0)) };
    assert!(s.decide(&just).is_ok(), "{most} is said to be reachable");
}

/// The named share can be asked for, and what bounds the cut is named: here the limits, for nodes keep next to nothing.
#[test]
fn a_limit_that_stands_in_the_way_is_named_as_such() {
    let model = resnet();
    let s = Subject::new(&model);
    for multiple in [16, 24, 32] {
        let limits = Limits { round_to: Some(multiple), ..Limits::default() };
        let ask = |share| Choice { limits: limits.clone(), ..Choice::new(Budget::CutFlops(share)) };
        let e = secateur::pipeline::plan(&model, &InputShapes::default(), &ask(0.95)).unwrap_err().to_string();
        let most: f64 = e.split("largest cut here is ").nth(1).and_then(|t| t.split(' ').next()?.parse().ok()).unwrap();
        assert!(e.contains(&format!("--round-to {multiple}; what stands in the way: these limits")), "{e}");
        assert!(most == 0.0 || s.decide(&ask(most / 100.0)).is_ok(), "{e}");
    }
}

#[test]
fn of_no_cost_nothing_can_be_cut() {
    let mut g = GraphBuilder::new(13);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.relu(&x, "/relu");
    g.output(&y);
    let model = g.model().unwrap();
    for (budget, says) in [(Budget::CutFlops(0.3), "no MACs"), (Budget::CutParams(0.3), "no parameters")] {
        let e = Subject::new(&model).decide(&Choice::new(budget)).unwrap_err().to_string();
        assert!(e.contains("0.00 %") && e.contains(says), "{e}");
    }
}

#[test]
fn wrong_options_are_refused_with_what_would_be_right() {
    let model = chain();
    let s = Subject::new(&model);
    let says = |limits: Limits, words: &[&str]| {
        let e = s.decide(&Choice { limits, ..Choice::rate(0.5) }).unwrap_err();
        assert!(matches!(e.kind, ErrorKind::BadOption(_)), "{e}");
        assert!(words.iter().all(|w| e.to_string().contains(w)), "{e}");
    };
    says(Limits { keep: globs(&["/steem/Conv"]), ..Limits::default() }, &["--keep '/steem/Conv'", "'/stem/Conv'"]);
    says(Limits { only: globs(&["nothing*"]), ..Limits::default() }, &["--only 'nothing*'"]);
    says(Limits { only: globs(&["x..nowhere"]), ..Limits::default() }, &["no value 'nowhere'"]);
    says(Limits { only: globs(&["stem_out..x"]), ..Limits::default() }, &["stem_out"]);
    says(Limits { rate_for: vec![("/a/*".into(), 1.0)], ..Limits::default() }, &["--rate-for /a/*=1", "below 1"]);
    says(Limits { max_rate: Some(0.0), ..Limits::default() }, &["--max-rate 0"]);
    says(Limits { round_to: Some(0), ..Limits::default() }, &["--round-to 0"]);
    for bad in [0.0, 1.0, -0.3, f64::NAN] {
        let e = s.decide(&Choice::new(Budget::CutParams(bad))).unwrap_err();
        assert!(matches!(e.kind, ErrorKind::BadOption(_)) && e.to_string().contains("--cut-params"), "{e}");
    }
}

/// A grouped convolution loses equally many from each of its groups, whatever is asked for.
#[test]
fn blocks_stay_balanced_under_budgets() {
    let mut g = GraphBuilder::new(13);
    let x = g.input("x", &[1, 3, 8, 8]);
    let a = g.conv(&x, "/a", Conv::square(32, 3).pad(1));
    let b = g.conv(&a, "/b", Conv::square(32, 3).pad(1).group(4));
    let c = g.conv(&b, "/c", Conv::square(5, 1));
    g.output(&c);
    let model = g.model().unwrap();
    let (s, before) = (Subject::new(&model), costs(&model)[0]);
    for target in TARGETS {
        let plan = s.decide(&Choice::new(Budget::CutFlops(target))).unwrap();
        let cut = share(before, s.after(&plan)[0]);
        assert!(cut >= target, "{target}: {cut}");
    }
}
