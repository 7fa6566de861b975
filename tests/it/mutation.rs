//! The judge is judged: sabotaged cuts must all be refused. A sabotage that leaves the same values is not counted.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet, resnet, vgg16};
use secateur::build::{Conv, GraphBuilder};
use secateur::couple::{Coupling, Gone};
use secateur::cut::cut;
use secateur::model::proto::NodeProto;
use secateur::model::removed::{Kept, Kind};
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::op::{AxisId, Owner};
use secateur::plan::{Scope, Wish, choose};
use secateur::verify::Status;

use crate::support::{Analysed, constant, digits, set_constant, with_random_weights, zoo};

/// Sabotages that must be counted on every model.
const ENOUGH: usize = 20;

/// What a run of sabotages came to.
#[derive(Default)]
struct Tally {
    counted: usize,
    missed: Vec<String>,
}

impl Tally {
    fn judge(&mut self, known: &Analysed<'_>, pruned: ModelProto, removed: &[Removed], what: String) {
        self.counted += 1;
        if known.judge(pruned, removed).status != Status::Failed {
            self.missed.push(what);
        }
    }
}

fn sabotage(model: &Model, shapes: &[&str], label: &str) {
    let known = Analysed::new(model, shapes);
    let (coupling, gone) = known.choose(0.3, Scope::All);
    let (pruned, removed) = known.cut(&coupling, &gone);
    assert_eq!(known.judge(pruned.clone(), &removed).status, Status::Passed, "{label}: the right cut must pass");
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut tally = Tally::default();
    let weights: Vec<&Removed> =
        removed.iter().filter(|r| r.kind == Kind::Initializer && r.readers.is_empty()).collect();
    for _ in 0..200 {
        if tally.counted >= 16 {
            break;
        }
        let target = weights[rng.random_range(0..weights.len())];
        let mutant =
            if rng.random() { shifted(&known, &removed, target, &mut rng) } else { swapped(&pruned, target, &mut rng) };
        if let Some((tensor, what)) = mutant {
            let mut broken = pruned.clone();
            if constant(&broken, &target.value).is_some_and(|t| t != tensor)
                && set_constant(&mut broken, &target.value, &tensor)
            {
                tally.judge(&known, broken, &removed, format!("{what} in {}", target.value));
            }
        }
    }
    let mut tries = 0;
    while tally.counted < ENOUGH + 2 && tries < 400 {
        tries += 1;
        drop_a_relation(&known, &coupling, &mut rng, &mut tally);
    }
    assert!(tally.counted >= ENOUGH, "{label}: only {} sabotages count", tally.counted);
    assert!(tally.missed.is_empty(), "{label}: {} of {} passed: {:?}", tally.missed.len(), tally.counted, tally.missed);
}

type Mutant = Option<(secateur::model::Tensor, &'static str)>;

/// The constant cut with one kept index replaced by one that should have gone.
fn shifted(known: &Analysed<'_>, removed: &[Removed], target: &Removed, rng: &mut ChaCha8Rng) -> Mutant {
    let tensor = constant(known.model.proto(), &target.value)?;
    let mut kept = Vec::new();
    for r in removed.iter().filter(|r| r.value == target.value) {
        let mut part = r.kept();
        if r.axis == target.axis && r.blocks.is_empty() == target.blocks.is_empty() {
            let (index, gone) = match &mut part {
                Kept::Along { index, .. } => (index, &r.indices),
                Kept::Blocks { index, .. } => {
                    let block = rng.random_range(0..index.len());
                    (&mut index[block], &r.blocks[block])
                }
            };
            let at = rng.random_range(0..index.len());
            index[at] = *gone.get(rng.random_range(0..gone.len().max(1)))?;
        }
        kept.push(part);
    }
    Some((Kept::select_all(&kept, &tensor).ok()?, "an index is shifted"))
}

/// The cut constant with two channels swapped.
fn swapped(pruned: &ModelProto, target: &Removed, rng: &mut ChaCha8Rng) -> Mutant {
    let tensor = constant(pruned, &target.value)?;
    let n = tensor.dims[target.axis];
    let mut order: Vec<usize> = (0..n).collect();
    order.swap(rng.random_range(0..n), rng.random_range(0..n));
    Some((tensor.select(target.axis, &order).ok()?, "two channels are swapped"))
}

/// Forgets one relation, and cuts by what follows from the others. Counted only where the whole coupling would not allow that cut.
fn drop_a_relation(known: &Analysed<'_>, coupling: &Coupling, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let mut said = coupling.statements.clone();
    let what = if rng.random_range(0..3) == 0 && !said.products.is_empty() {
        let product = said.products.remove(rng.random_range(0..said.products.len()));
        format!("a product of {} is dropped", known.graph.node(product.node).name())
    } else if rng.random_range(0..3) == 0 && !said.tables.is_empty() {
        let table = said.tables.remove(rng.random_range(0..said.tables.len()));
        format!("a table into {:?} is dropped", said.axes[table.to.index()].owner)
    } else {
        let link = said.links.remove(rng.random_range(0..said.links.len()));
        format!("a link of {:?} is dropped", said.axes[link.part.index()].owner)
    };
    let facts = known.facts();
    let Ok(wrong) = Coupling::from_statements(&facts, said) else { return };
    let wishes: Vec<Option<Wish>> = wrong.groups.iter().map(|g| Some(a_third(g.units.len(), rng))).collect();
    let Ok(gone) = choose(&wrong, &wishes).gone(&wrong) else { return };
    if is_right(coupling, &gone) {
        return;
    }
    if let Ok(pruned) = cut(&facts, &wrong, &gone) {
        tally.judge(known, pruned, &wrong.removed(&facts, &gone), what);
    }
}

/// Some third of so many units.
fn a_third(units: usize, rng: &mut ChaCha8Rng) -> Wish {
    let mut order: Vec<usize> = (0..units).collect();
    for i in (1..units).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    Wish { order, quota: (units / 3).max(1).min(units.saturating_sub(1)) }
}

/// Whether a cut is one that the right coupling allows: of every unit, all coordinates of values go or none.
fn is_right(coupling: &Coupling, gone: &Gone) -> bool {
    let said = &coupling.statements;
    let of_value = |axis: AxisId| matches!(said.axes[axis.index()].owner, Owner::Value { .. });
    let goes = |&(axis, i): &(AxisId, u32)| gone.of(axis).contains(&(i as usize));
    let mut explained = 0;
    for unit in coupling.groups.iter().flat_map(|g| &g.units) {
        let coordinates: Vec<_> = unit.coordinates.iter().filter(|c| of_value(c.0)).collect();
        match coordinates.iter().filter(|c| goes(c)).count() {
            0 => {}
            n if n == coordinates.len() => explained += n,
            _ => return false,
        }
    }
    let all = (0..said.axes.len()).map(|a| AxisId(a as u32)).filter(|a| of_value(*a)).map(|a| gone.of(a).len());
    explained == all.sum::<usize>()
}

#[test]
fn sabotaged_cuts_of_the_trained_network_are_refused() {
    sabotage(&Model::read(&digits()).unwrap(), &[], "digits");
}

#[test]
fn sabotaged_cuts_of_built_networks_are_refused() {
    sabotage(&cifar_resnet(20, Shortcut::Pad, 0).unwrap(), &[], "resnet20");
    sabotage(&vgg16(0).unwrap(), &[], "vgg16");
    sabotage(&resnet(18, 0).unwrap(), &[], "resnet18");
}

/// Grouped convolutions and shuffles: blocks of weights, and the order of a Gather.
#[test]
fn sabotaged_cuts_of_a_shuffled_network_are_refused() {
    let model = shuffled();
    sabotage(&model, &[], "shuffled");
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.3, Scope::All);
    let (pruned, removed) = known.cut(&coupling, &gone);
    let orders: Vec<String> = gathers(&pruned).map(|n| n.input[1].clone()).collect();
    assert_eq!(orders.len(), 3);
    for name in orders {
        let order = constant(&pruned, &name).unwrap();
        let mut ints = order.ints().unwrap();
        ints.swap(0, 1);
        let mut broken = pruned.clone();
        set_constant(&mut broken, &name, &Tensor::from_ints(order.dims, &ints));
        assert_eq!(known.judge(broken, &removed).status, Status::Failed, "{name}");
    }
}

fn gathers(proto: &ModelProto) -> impl Iterator<Item = &NodeProto> {
    proto.graph.iter().flat_map(|g| &g.node).filter(|n| n.op_type() == "Gather")
}

/// Three blocks of grouped convolution, shuffle, depthwise and grouped convolution around a residual stream.
fn shuffled() -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let mut x = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    for k in 0..3 {
        let y = g.conv(&x, &format!("/a{k}"), Conv::square(24, 1).group(4).no_bias());
        let y = g.batch_norm(&y, &format!("/bn{k}"));
        let y = g.relu(&y, &format!("/r{k}"));
        let y = g.reshape(&y, &[0, 4, 6, 8, 8], &[1, 4, 6, 8, 8], &format!("/to{k}"));
        let y = g.transpose(&y, &[0, 2, 1, 3, 4], &format!("/turn{k}"));
        let y = g.reshape(&y, &[0, 24, 8, 8], &[1, 24, 8, 8], &format!("/from{k}"));
        let y = g.conv(&y, &format!("/dw{k}"), Conv::square(24, 3).pad(1).group(24));
        let y = g.conv(&y, &format!("/b{k}"), Conv::square(16, 1).group(4));
        x = g.add(&x, &y, &format!("/add{k}"));
    }
    let y = g.global_average_pool(&x, "/pool");
    let y = g.flatten(&y, "/flat");
    let y = g.gemm(&y, "/fc", 5);
    g.output(&y);
    g.model().unwrap()
}

#[test]
fn sabotaged_cuts_of_resnet50_are_refused() {
    sabotage(&resnet(50, 0).unwrap(), &[], "resnet50");
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn sabotaged_cuts_of_small_real_networks_are_refused() {
    let names = [
        "cifar-resnet/resnet20_ts_bn",
        "cifar-resnet/resnet20_ts_fold",
        "cifar-resnet/resnet20_dynamo",
        "cifar-resnet/resnet56_ts_bn",
        "cifar-resnet/resnet56_ts_fold",
        "cifar-resnet/resnet56_dynamo",
        "mlperf-tiny/resnet8_cifar10",
        "mlperf-tiny/kws_dscnn",
        "mlperf-tiny/vww_mobilenetv1_025_96",
        "mnist/burn_mnist",
        "mnist/digit_recognizer_py_fold",
        "derived/resnet20_fp16",
        "derived/resnet20_qdq_pc",
    ];
    for name in names {
        sabotage(&Model::read(&zoo(&format!("{name}.onnx"))).unwrap(), &[], name);
    }
}

#[test]
#[cfg_attr(not(zoo), ignore = "the models of ../shared/zoo are not there")]
fn sabotaged_cuts_of_large_real_networks_are_refused() {
    let opennsfw = Model::read(&zoo("resnet-imagenet-like/opennsfw_resnet50thin.onnx")).unwrap();
    sabotage(&opennsfw, &["input:0:1,224,224,3"], "opennsfw");
    let light = Model::read(&zoo("onnx-light/light_resnet50.onnx")).unwrap();
    sabotage(&with_random_weights(&light), &[], "light_resnet50");
}
