//! Soft pruning: a file of the same structure that equals the masked original, and from which the same filters go when it is pruned for real.

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::build::{Conv, Op};
use secateur::couple::{Coupling, Gone, Unit, couple};
use secateur::cut::{cut, soften};
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::pipeline::{Destination, Form, PruneOptions, prune};
use secateur::plan::{Choice, Plan, PlannedGroup, Scope};
use secateur::report::Report;
use secateur::score::{Ranking, score};
use secateur::verify::{self, Case, Status, Values, Verification};

use crate::support::{Analysed, constant, digits, network, set_constant};

/// A model written and read again.
fn again(proto: ModelProto) -> Model {
    Model::decode(Model::new(proto).unwrap().encode().into(), "soft".as_ref()).unwrap()
}

fn case<'a>(known: &'a Analysed<'_>, pruned: &'a Model, removed: &'a [Removed]) -> Case<'a> {
    let grown = known.shapes.grown.as_ref().map(|g| g.feeds.as_slice());
    let (feeds, values) = (&known.shapes.feeds, Values::Original);
    Case { original: known.model, pruned, removed, values, feeds, grown, tolerance: 1e-4, seed: 0 }
}

/// The judge's word on a soft file.
fn judge(known: &Analysed<'_>, soft: &Model, removed: &[Removed]) -> Verification {
    verify::soft(&case(known, soft, removed)).unwrap()
}

/// The soft file of a cut: proved, and when it is cut for real, the hard cut's nodes and constants. `Err`: what does not hold.
pub(crate) fn soft_stands_for(
    known: &Analysed<'_>,
    coupling: &Coupling,
    gone: &Gone,
    plan: Option<&Plan>,
) -> Result<Model, String> {
    let facts = known.facts();
    let soft = again(soften(&facts, coupling, gone).map_err(|e| e.to_string())?);
    let v = judge(known, &soft, &coupling.removed(&facts, gone));
    if v.status != Status::Passed {
        return Err(format!("soft, {:?}: {}", v.status, v.reason.unwrap_or_default()));
    }
    if let Some(plan) = plan {
        let later = Analysed::new(&soft, &[]);
        let coupled = couple(&later.facts()).map_err(|e| e.to_string())?;
        let plan = &replanned(plan, (known, coupling), (&later, &coupled))?;
        zero_units_go_first(&later, &coupled, plan)?;
        let hard = again(cut(&facts, coupling, gone).map_err(|e| e.to_string())?);
        let gone = plan.gone(&coupled).map_err(|e| e.to_string())?;
        let twice = again(cut(&later.facts(), &coupled, &gone).map_err(|e| e.to_string())?);
        let same =
            verify::constants(&Case { original: &hard, ..case(known, &twice, &[]) }).map_err(|e| e.to_string())?;
        if same.status != Status::Passed {
            return Err(format!("hard after soft: {}", same.reason.unwrap_or_default()));
        }
        every_zero_is_found(&later, &coupled, plan)?;
    }
    Ok(soft)
}

/// The same units in another coupling, by the channels of values that they are: groups are numbered in the order of the file's constants.
fn replanned(
    plan: &Plan,
    before: (&Analysed<'_>, &Coupling),
    after: (&Analysed<'_>, &Coupling),
) -> Result<Plan, String> {
    let mut out = Plan::default();
    for planned in &plan.groups {
        let group = &before.1.groups[planned.id];
        let places = group.units.iter().map(|u| channels(before, u)).collect::<Vec<_>>();
        let same = after.1.groups.iter().find(|g| g.units.iter().any(|u| channels(after, u) == places[0]));
        let same = same.ok_or_else(|| format!("{} has no like in the soft file", group.name))?;
        let found = |&unit: &usize| same.units.iter().position(|u| channels(after, u) == places[unit]);
        let mut remove: Vec<usize> = planned.remove.iter().filter_map(found).collect();
        remove.sort_unstable();
        assert!(remove.len() == planned.remove.len() && same.units.len() == group.units.len());
        out.groups.push(PlannedGroup { id: same.id, remove });
    }
    Ok(out)
}

/// The channels of activations that a unit is.
fn channels<'g>((known, coupling): (&'g Analysed<'_>, &Coupling), unit: &Unit) -> Vec<(&'g str, usize, u32)> {
    let place = |&(axis, i): &(secateur::op::AxisId, u32)| {
        let (value, k) = coupling.statements.axes[axis.index()].owner.place()?;
        (!known.constants.is_constant(value)).then(|| (known.graph.name(value), k, i))
    };
    let mut out: Vec<_> = unit.coordinates.iter().filter_map(place).collect();
    out.sort_unstable();
    out
}

/// All units of the soft file that are zero can go and change nothing.
fn every_zero_is_found(known: &Analysed<'_>, coupling: &Coupling, plan: &Plan) -> Result<(), String> {
    let found = secateur::lossless::find(&known.facts(), coupling).map_err(|e| e.to_string())?;
    let of = |p: &PlannedGroup| p.remove.iter().copied().find(|&u| found[p.id][u].is_none()).map(|u| (p.id, u));
    match plan.groups.iter().find_map(of) {
        Some((id, u)) => Err(format!("unit {u} of {} is zero, and lossless does not know", coupling.groups[id].name)),
        None => Ok(()),
    }
}

/// Every criterion takes the units that are zero before all others.
fn zero_units_go_first(known: &Analysed<'_>, coupling: &Coupling, plan: &Plan) -> Result<(), String> {
    let scores = score(&known.facts(), coupling, &Ranking::default()).map_err(|e| e.to_string())?;
    for planned in plan.groups.iter().filter(|p| !p.remove.is_empty()) {
        let zero = scores[planned.id].norms.iter().filter(|n| **n == 0.0).count();
        let first = &scores[planned.id].order()[..zero];
        if let Some(unit) = planned.remove.iter().find(|u| !first.contains(u)) {
            return Err(format!("unit {unit} of {} is not among the first to go", coupling.groups[planned.id].name));
        }
    }
    Ok(())
}

/// The file that `prune` makes of a model, without stamps.
fn pruned(model: &Model, rate: f64, form: Form) -> (Model, Report) {
    let options = PruneOptions { form, stamp: false, ..PruneOptions::rate(rate) };
    let mut bytes = Vec::new();
    let report = prune(model, &options, Destination::Bytes(&mut bytes)).unwrap();
    assert_eq!(report.refused, None, "{:?}", report.refused_reason);
    (Model::decode(bytes.into(), "pruned".as_ref()).unwrap(), report)
}

/// Soft and then hard gives the bytes of hard at once.
fn the_way_back(model: &Model, rate: f64) -> Model {
    let (soft, report) = pruned(model, rate, Form::Soft);
    assert!(report.soft && report.before.macs == report.after.macs && !report.plan.unwrap().cuts.is_empty());
    let (twice, _) = pruned(&soft, rate, Form::Hard);
    let (once, _) = pruned(model, rate, Form::Hard);
    assert!(twice.encode() == once.encode(), "hard after soft is not hard");
    soft
}

#[test]
fn a_residual_network_is_set_to_zero_and_back() {
    the_way_back(&cifar_resnet(20, Shortcut::Pad, 0).unwrap(), 0.4);
    the_way_back(&Model::read(&digits()).unwrap(), 0.3);
}

/// `sigmoid(0) = 0.5`: only the weights that read a channel keep it silent.
fn sigmoids() -> Model {
    network(17, |g, x| {
        let y = g.batch_norm(x, "/bn");
        let y = g.unary("Sigmoid", &y, "/gate");
        let y = g.conv(&y, "/b", Conv::square(12, 3).pad(1));
        g.unary("Sigmoid", &y, "/gate2")
    })
}

#[test]
fn a_sigmoid_network_is_set_to_zero_and_back() {
    let soft = the_way_back(&sigmoids(), 0.5);
    let columns = constant(soft.proto(), "b.weight").unwrap();
    let stem = constant(soft.proto(), "stem.weight").unwrap();
    let is_zero =
        |t: &Tensor, axis: usize, i: usize| t.select(axis, &[i]).unwrap().floats().unwrap().iter().all(|v| *v == 0.0);
    let zero = |t: &Tensor, axis: usize| (0..16).filter(|&i| is_zero(t, axis, i)).collect::<Vec<_>>();
    assert_eq!(zero(&stem, 0).len(), 8);
    assert_eq!(zero(&stem, 0), zero(&columns, 1));
    assert_eq!(zero(&stem, 0), zero(&constant(soft.proto(), "bn.weight").unwrap(), 0));
    assert!(zero(&constant(soft.proto(), "bn.running_var").unwrap(), 0).is_empty(), "variances stay");
}

/// One filter, one column or one shift that is left as it was, a node that is renamed, a kept weight that is touched: each is found.
#[test]
fn a_soft_file_that_is_not_what_it_claims_is_refused() {
    let model = sigmoids();
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let removed = coupling.removed(&known.facts(), &gone);
    let soft = soften(&known.facts(), &coupling, &gone).unwrap();
    assert_eq!(judge(&known, &again(soft.clone()), &removed).status, Status::Passed);
    let mut refused = 0;
    for entry in removed.iter().filter(|r| !r.indices.is_empty()) {
        let Some(zeroed) = constant(&soft, &entry.value) else { continue };
        let whole = constant(model.proto(), &entry.value).unwrap();
        let (at, stays) = (entry.indices[0], entry.kept_indices()[0]);
        for (i, from) in [(at, &whole), (stays, &Tensor::zeros(whole.dtype, whole.dims.clone()).unwrap())] {
            let inner: usize = whole.dims[entry.axis + 1..].iter().product();
            let takes: Vec<bool> = (0..whole.len()).map(|f| f / inner % whole.dims[entry.axis] == i).collect();
            let other = zeroed.blend(from, &takes).unwrap();
            let mut broken = soft.clone();
            if other != zeroed && set_constant(&mut broken, &entry.value, &other) && weighs(&entry.value) {
                refused += 1;
                assert_eq!(judge(&known, &again(broken), &removed).status, Status::Failed, "{} at {i}", entry.value);
            }
        }
    }
    assert!(refused >= 12, "only {refused} count");
    let mut renamed = soft;
    renamed.graph.as_mut().unwrap().node[0].name = Some("another".into());
    assert_eq!(judge(&known, &again(renamed), &removed).status, Status::Failed);
}

/// Means and variances of a silent channel may be what they like.
fn weighs(value: &str) -> bool {
    !value.contains("running")
}

/// A bias that two layers share becomes two: each has zeros of its own.
#[test]
fn a_shared_bias_is_copied_before_it_is_set_to_zero() {
    let model = network(17, |g, x| {
        let bias = g.initializer("shared", &Tensor::from_floats(vec![16], &[0.25; 16]));
        let (wa, wb) = (g.weights("a.weight", &[16, 16, 1, 1]), g.weights("b.weight", &[16, 16, 1, 1]));
        let a = g.node(Op::new("Conv", "/a"), &[x, &wa, &bias], &x.dims.clone());
        let a = g.relu(&a, "/ra");
        g.node(Op::new("Conv", "/b"), &[&a, &wb, &bias], &x.dims.clone())
    });
    the_way_back(&model, 0.5);
}

/// What divides, bounds or slopes is no weight: zeros there would make NaN, or change nothing.
#[test]
fn divisors_and_slopes_stay() {
    let model = network(17, |g, x| {
        let divisor = g.uniform("divisor", &[16, 1, 1], 0.5, 1.5);
        let slope = g.uniform("slope", &[16, 1, 1], 0.1, 0.3);
        let y = g.node(Op::new("Div", "/div"), &[x, &divisor], &x.dims.clone());
        let y = g.node(Op::new("PRelu", "/prelu"), &[&y, &slope], &x.dims.clone());
        g.node(Op::new("Sub", "/sub"), &[&divisor, &y], &x.dims.clone())
    });
    let (soft, _) = pruned(&model, 0.5, Form::Soft);
    assert_eq!(constant(soft.proto(), "slope"), constant(model.proto(), "slope"));
    assert!(soft.graph_proto().initializer.iter().all(|t| t.name() != "divisor" || Tensor::from_proto(t).unwrap().floats().unwrap().iter().all(|v| *v > 0.0)));
}

/// `q k^T`, where an activation function lets zeros speak: on one side alone, zeros on the other keep the product silent.
#[test]
fn channels_that_zeros_cannot_silence_are_left_alone() {
    let net = |both: bool| {
        network(17, |g, x| {
            let rows = g.reshape(x, &[0, 16, 64], &[1, 16, 64], "/rows");
            let rows = g.transpose(&rows, &[0, 2, 1], "/turned");
            let (wq, wk) = (g.weights("q.weight", &[16, 12]), g.weights("k.weight", &[16, 12]));
            let q = g.node(Op::new("MatMul", "/q"), &[&rows, &wq], &[1, 64, 12]);
            let q = g.unary("Sigmoid", &q, "/wake");
            let k = g.node(Op::new("MatMul", "/k"), &[&rows, &wk], &[1, 64, 12]);
            let k = if both { g.unary("Sigmoid", &k, "/wake2") } else { k };
            let k = g.transpose(&k, &[0, 2, 1], "/kt");
            let y = g.node(Op::new("MatMul", "/scores"), &[&q, &k], &[1, 64, 64]);
            g.flatten(&y, "/flat")
        })
    };
    let lost = |report: &Report| {
        let groups = &report.plan.as_ref().unwrap().groups;
        ["/stem/Conv", "/q"].map(|n| groups.iter().find(|g| g.name == n).map_or(0, |g| g.remove.len()))
    };
    let (_, report) = pruned(&net(false), 0.5, Form::Soft);
    assert_eq!(lost(&report), [8, 6], "{:?}", report.notes);
    let (_, report) = pruned(&net(true), 0.5, Form::Soft);
    assert_eq!(lost(&report), [8, 0]);
    assert!(report.notes.iter().any(|n| n.contains("'/scores' would hear")), "{:?}", report.notes);
}

#[test]
fn soft_and_inexact_do_not_go_together() {
    let choice = Choice { allow_inexact: true, ..Choice::rate(0.3) };
    let options = PruneOptions { form: Form::Soft, ..PruneOptions::new(choice) };
    let error = prune(&sigmoids(), &options, Destination::Nowhere).unwrap_err().to_string();
    assert!(error.contains("soft"), "{error}");
}
