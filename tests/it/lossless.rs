//! What goes and changes nothing: zero, constant and unread units, proved against the original without masks.

use secateur::Model;
use secateur::build::networks::{Shortcut, cifar_resnet};
use secateur::build::{Conv, GraphBuilder, Op, Pool, Val};
use secateur::couple::{Gone, couple};
use secateur::cut::{cut, cut_folding};
use secateur::lossless::folds;
use secateur::model::removed::Kept;
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::pipeline::{Destination, Form, PruneOptions, prune};
use secateur::plan::{Budget, Choice, Scope, decide};
use secateur::report::{LosslessGroup, Report};
use secateur::runtime::Session;
use secateur::verify::{self, Case, Status, Verification};

use crate::support::{Analysed, constant, digits, network, set_constant};

/// What is left of a model, and the report.
pub(crate) fn lossless(model: &Model) -> (Model, Report) {
    run(model, &PruneOptions::new(Choice { budget: Budget::Lossless, ..Choice::rate(0.5) }))
}

fn run(model: &Model, options: &PruneOptions) -> (Model, Report) {
    let mut bytes = Vec::new();
    let report = prune(model, options, Destination::Bytes(&mut bytes)).unwrap();
    assert_eq!(report.refused, None, "{:?}", report.refused_reason);
    (Model::decode(bytes.into(), "pruned".as_ref()).unwrap(), report)
}

/// Filters of a network are set to zero, their biases and what follows stay: what then goes as lossless is proved. `Err`: what does not hold.
/// Returns the units that went.
pub(crate) fn what_goes_changes_nothing(model: &Model, removed: &[Removed]) -> Result<usize, String> {
    let mut proto = model.proto().clone();
    for entry in removed.iter().filter(|r| r.value.ends_with("weight") && r.axis == 0 && r.blocks.is_empty()) {
        let Some(whole) = constant(&proto, &entry.value) else { continue };
        let lost = Kept::lost(&[entry.kept()], &whole.dims).unwrap();
        let zeroed = Tensor::zeros(whole.dtype, whole.dims.clone()).and_then(|z| whole.blend(&z, &lost)).unwrap();
        set_constant(&mut proto, &entry.value, &zeroed);
    }
    let model = Model::new(proto).unwrap();
    let known = Analysed::new(&model, &[]);
    let facts = known.facts();
    let coupling = couple(&facts).map_err(|e| e.to_string())?;
    let choice = Choice { budget: Budget::Lossless, ..Choice::rate(0.5) };
    let plan = decide(&facts, &coupling, &choice, None).map_err(|e| e.to_string())?.plan;
    let gone = plan.gone(&coupling).map_err(|e| e.to_string())?;
    let folds = folds(&facts, &coupling, &gone).map_err(|e| e.to_string())?;
    let cut = cut_folding(&facts, &coupling, &gone, &folds).map_err(|e| e.to_string())?;
    let v = judged(&known, cut, &coupling.removed(&facts, &gone));
    match v.status {
        Status::Passed => Ok(plan.len()),
        _ => Err(format!("lossless, {:?}: {}", v.status, v.reason.unwrap_or_default())),
    }
}

/// The judge's word on a cut that claims to change nothing.
fn judged(known: &Analysed<'_>, proto: ModelProto, removed: &[Removed]) -> Verification {
    let pruned = Model::decode(Model::new(proto).unwrap().encode().into(), "pruned".as_ref()).unwrap();
    let grown = known.shapes.grown.as_ref().map(|g| g.feeds.as_slice());
    let feeds = &known.shapes.feeds;
    let values = secateur::verify::Values::Original;
    let case = Case { original: known.model, pruned: &pruned, removed, values, feeds, grown, tolerance: 1e-4, seed: 0 };
    verify::lossless(&case).unwrap()
}

/// What went of the group of that name: zero, constant, unread.
fn went(report: &Report, name: &str) -> [Vec<usize>; 3] {
    let groups = report.lossless.as_ref().unwrap();
    let found = groups.iter().find(|g| g.name.trim_end_matches("/Conv") == name).cloned();
    let LosslessGroup { zero, constant, unread, .. } = found.unwrap_or_default();
    [zero, constant, unread]
}

/// A model with a constant set to zero at some coordinates of an axis.
fn with_zeros(model: &Model, value: &str, axis: usize, at: &[usize]) -> Model {
    let whole = constant(model.proto(), value).unwrap();
    let inner: usize = whole.dims[axis + 1..].iter().product();
    let takes: Vec<bool> = (0..whole.len()).map(|f| at.contains(&(f / inner % whole.dims[axis]))).collect();
    let zeros = Tensor::zeros(whole.dtype, whole.dims.clone()).unwrap();
    let mut proto = model.proto().clone();
    assert!(set_constant(&mut proto, value, &whole.blend(&zeros, &takes).unwrap()));
    Model::new(proto).unwrap()
}

/// The largest difference of two models' first outputs, on an input that is not the judge's.
fn difference(a: &Model, b: &Model) -> f32 {
    let run = |m: &Model| {
        let known = Analysed::new(m, &[]);
        let names = vec![m.graph_proto().output[0].name().to_owned()];
        let feed = &known.shapes.feeds[0];
        let n: usize = feed.dims.iter().product();
        let x = Tensor::from_floats(
            feed.dims.clone(),
            &(0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect::<Vec<_>>(),
        );
        Session::load(m, &known.shapes.feeds, &names).unwrap().run(&[x]).unwrap()[0].floats().unwrap()
    };
    run(a).iter().zip(run(b)).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// The soft file of a model loses, and changes nothing, what the model loses when it is pruned for real.
fn undoes_soft(model: &Model, rate: f64) {
    let (hard, _) = run(model, &PruneOptions::rate(rate));
    let (soft, _) = run(model, &PruneOptions { form: Form::Soft, ..PruneOptions::rate(rate) });
    let (small, report) = lossless(&soft);
    let (_, cost) = run(&hard, &PruneOptions::new(Choice { budget: Budget::Lossless, ..Choice::rate(0.5) }));
    assert_eq!((report.after.macs, report.after.params), (cost.before.macs, cost.before.params));
    assert!(report.after.macs < report.before.macs && !report.lossless.unwrap().is_empty());
    let nodes = |m: &Model| m.graph_proto().node.iter().map(|n| n.op_type().to_owned()).collect::<Vec<_>>();
    assert_eq!(nodes(&small), nodes(&hard));
    assert!(difference(&small, &soft) < 1e-4);
}

#[test]
fn a_soft_residual_network_loses_its_zeros() {
    undoes_soft(&cifar_resnet(20, Shortcut::Pad, 0).unwrap(), 0.4);
    undoes_soft(&Model::read(&digits()).unwrap(), 0.3);
}

#[test]
fn a_soft_network_of_sigmoids_loses_what_nothing_reads() {
    undoes_soft(
        &network(17, |g, x| {
            let y = g.batch_norm(x, "/bn");
            let y = g.unary("Sigmoid", &y, "/gate");
            let y = g.conv(&y, "/b", Conv::square(12, 3).pad(1));
            g.unary("Sigmoid", &y, "/gate2")
        }),
        0.5,
    );
}

/// What lies between the stem and the head of a network.
type Net<'a> = &'a dyn Fn(&mut GraphBuilder, &Val) -> Val;

#[test]
fn soft_networks_of_every_make_lose_their_zeros() {
    let nets: [Net<'_>; 5] = [
        &|g, x| g.conv(x, "/dw", Conv::square(16, 3).pad(1).group(16)),
        &|g, x| {
            let y = g.conv(x, "/grouped", Conv::square(24, 3).pad(1).group(4));
            let y = g.relu(&y, "/r");
            g.conv(&y, "/b", Conv::square(8, 1))
        },
        &|g, x| {
            let a = g.conv(x, "/a", Conv::square(6, 1));
            let joined = g.concat(&[&a, x], 1, "/concat");
            let parts = g.split(&joined, 1, &[8, 14], "/split");
            let left = g.conv(&parts[0], "/left", Conv::square(8, 1));
            let right = g.conv(&parts[1], "/right", Conv::square(8, 1));
            g.add(&left, &right, "/add")
        },
        &|g, x| {
            let y = g.max_pool(x, "/pool1", Pool(2, 2, 0));
            g.flatten(&y, "/flat")
        },
        &|g, x| {
            let s = g.node(Op::new("ReduceMean", "/mean").ints("axes", &[2, 3]), &[x], &[1, 16, 1, 1]);
            let s = g.conv(&s, "/down", Conv::square(4, 1));
            let s = g.relu(&s, "/r");
            let s = g.conv(&s, "/up", Conv::square(16, 1));
            let s = g.unary("HardSigmoid", &s, "/gate");
            g.node(Op::new("Mul", "/mul"), &[x, &s], &x.dims.clone())
        },
    ];
    nets.iter().for_each(|net| undoes_soft(&network(17, net), 0.5));
}

/// `stem -> relu -> b -> last`: `b` reads without padding, `last` after a sigmoid.
fn chain() -> Model {
    network(17, |g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3));
        g.unary("Sigmoid", &y, "/gate")
    })
}

/// A zero filter with a bias makes a constant; behind a Relu and a Sigmoid too, and the biases of what reads it take it up.
#[test]
fn constants_are_folded_into_biases() {
    let model = with_zeros(&with_zeros(&chain(), "stem.weight", 0, &[2, 9]), "b.weight", 0, &[5]);
    let mut proto = model.proto().clone();
    let shifts: Vec<f32> = (0..16).map(|i| if i == 9 { 0.75 } else { -0.5 + 0.1 * i as f32 }).collect();
    assert!(set_constant(&mut proto, "stem.bias", &Tensor::from_floats(vec![16], &shifts)));
    let model = Model::new(proto).unwrap();
    let (small, report) = lossless(&model);
    assert_eq!(went(&report, "/stem"), [vec![2], vec![9], vec![]], "2 is negative, and zero behind the Relu");
    assert_eq!(went(&report, "/b"), [vec![], vec![5], vec![]]);
    assert!(difference(&model, &small) < 1e-5);
    let bias = small.graph_proto().node.iter().find(|n| n.name() == "/b/Conv").unwrap().input[2].clone();
    assert_ne!(bias, "b.bias", "a bias that took something up has a name of its own");
    let (old, w) =
        (constant(model.proto(), "b.bias").unwrap().floats().unwrap(), constant(model.proto(), "b.weight").unwrap());
    let column = w.select(0, &[0]).unwrap().select(1, &[9]).unwrap().floats().unwrap();
    let expected = old[0] + 0.75 * column.iter().sum::<f32>();
    assert!((constant(small.proto(), &bias).unwrap().floats().unwrap()[0] - expected).abs() < 1e-5);
}

/// A border made of the channel itself is the constant too; one of zeros is not.
#[test]
fn constants_pass_a_pad_that_repeats_them() {
    let padded = |mode: &str| {
        let model = network(17, |g, x| {
            let pads = g.ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1]);
            let dims = [x.dims[0], x.dims[1], x.dims[2] + 2, x.dims[3] + 2];
            let y = g.node(Op::new("Pad", "/pad").text("mode", mode), &[x, &pads], &dims);
            g.conv(&y, "/b", Conv::square(12, 3))
        });
        let mut proto = with_zeros(&model, "stem.weight", 0, &[4, 9]).proto().clone();
        let shifts: Vec<f32> = (0..16).map(|i| if i == 9 { 0.75 } else { -0.5 }).collect();
        assert!(set_constant(&mut proto, "stem.bias", &Tensor::from_floats(vec![16], &shifts)));
        let model = Model::new(proto).unwrap();
        let (small, report) = lossless(&model);
        assert!(difference(&model, &small) < 1e-5, "{mode}");
        went(&report, "/stem")
    };
    for mode in ["reflect", "edge"] {
        assert_eq!(padded(mode), [vec![4], vec![9], vec![]], "{mode}");
    }
    assert_eq!(padded("constant"), [vec![4], vec![], vec![]], "the border is zero");
}

/// At the border a padded convolution does not see the constant.
#[test]
fn constants_before_a_padded_convolution_stay() {
    let model = with_zeros(&network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1))), "stem.weight", 0, &[9]);
    let mut proto = model.proto().clone();
    assert!(set_constant(&mut proto, "stem.bias", &Tensor::from_floats(vec![16], &[0.75; 16])));
    let (_, report) = lossless(&Model::new(proto).unwrap());
    assert!(went(&report, "/stem").concat().is_empty());
    assert!(report.notes.iter().any(|n| n.contains("zero, constant or unread")), "{:?}", report.notes);
}

/// A convolution and a Gemm without a bias get one.
#[test]
fn a_bias_is_added_where_there_is_none() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.unary("Sigmoid", &y, "/gate");
    let y = g.conv(&y, "/b", Conv::square(8, 1).no_bias());
    let y = g.batch_norm(&y, "/bn");
    let y = g.global_average_pool(&y, "/pool");
    let y = g.flatten(&y, "/flat");
    let w = g.weights("fc.weight", &[8, 5]);
    let y = g.node(Op::new("Gemm", "/fc"), &[&y, &w], &[1, 5]);
    g.output(&y);
    let model = with_zeros(&with_zeros(&g.model().unwrap(), "a.weight", 0, &[3]), "bn.weight", 0, &[6]);
    let (small, report) = lossless(&model);
    assert_eq!((went(&report, "/a"), went(&report, "/b")), ([vec![], vec![3], vec![]], [vec![], vec![6], vec![]]));
    let inputs = |name: &str| small.graph_proto().node.iter().find(|n| n.name() == name).unwrap().input.len();
    assert_eq!((inputs("/b/Conv"), inputs("/fc")), (3, 3));
    assert!(difference(&model, &small) < 1e-5);
}

#[test]
fn a_channel_that_no_weight_reads_goes() {
    let model = with_zeros(&chain(), "b.weight", 1, &[1, 7]);
    let (small, report) = lossless(&model);
    assert_eq!(went(&report, "/stem"), [vec![], vec![], vec![1, 7]]);
    assert!(difference(&model, &small) < 1e-6);
}

/// All summands of a residual stream must be known.
#[test]
fn a_sum_is_constant_where_all_its_parts_are() {
    let net = |both: bool| {
        let model = network(17, |g, x| {
            let y = g.conv(x, "/b", Conv::square(16, 1));
            g.add(x, &y, "/add")
        });
        let model = with_zeros(&model, "stem.weight", 0, &[4]);
        if both { with_zeros(&model, "b.weight", 0, &[4]) } else { model }
    };
    assert_eq!(went(&lossless(&net(true)).1, "/stem").concat(), [4]);
    assert!(went(&lossless(&net(false)).1, "/stem").concat().is_empty());
}

/// Each block of a grouped convolution loses equally many, and never one that changes something.
#[test]
fn grouped_convolutions_lose_as_many_as_the_poorest_block_can_give() {
    let model = network(17, |g, x| {
        let y = g.conv(x, "/grouped", Conv::square(16, 1).group(2));
        g.relu(&y, "/r")
    });
    let silent = |model: &Model, at: &[usize]| with_zeros(&with_zeros(model, "stem.weight", 0, at), "stem.bias", 0, at);
    let (_, report) = lossless(&silent(&model, &[0, 1, 2, 9]));
    assert_eq!(went(&report, "/stem"), [vec![0, 9], vec![], vec![]]);
    let (_, report) = lossless(&silent(&model, &[0, 1, 2]));
    assert!(went(&report, "/stem").concat().is_empty());
}

#[test]
fn a_group_that_is_zero_keeps_a_unit() {
    let all: Vec<usize> = (0..16).collect();
    let model = with_zeros(&with_zeros(&chain(), "stem.weight", 0, &all), "stem.bias", 0, &all);
    let (small, report) = lossless(&model);
    assert_eq!(went(&report, "/stem")[0].len(), 15);
    assert!(difference(&model, &small) < 1e-5);
}

#[test]
fn a_network_with_nothing_to_remove_is_written_as_it_is() {
    let model = chain();
    let options =
        PruneOptions { stamp: false, ..PruneOptions::new(Choice { budget: Budget::Lossless, ..Choice::rate(0.5) }) };
    let (small, report) = run(&model, &options);
    assert!(small.encode() == model.encode());
    assert!(report.notes.iter().any(|n| n.contains("zero, constant or unread")), "{:?}", report.notes);
}

/// A cut that takes what is heard, and a bias that took up another constant, are refused.
#[test]
fn a_cut_that_changes_something_is_refused() {
    let model = with_zeros(&chain(), "stem.weight", 0, &[9]);
    let mut proto = model.proto().clone();
    assert!(set_constant(&mut proto, "stem.bias", &Tensor::from_floats(vec![16], &[0.75; 16])));
    let model = Model::new(proto).unwrap();
    let known = Analysed::new(&model, &[]);
    let judge = |proto: ModelProto, removed: &[Removed]| judged(&known, proto, removed).status;
    let (coupling, _) = known.choose(0.5, Scope::All);
    let stem = coupling.groups.iter().find(|g| g.name == "/stem/Conv").unwrap();
    let gone = |u: usize| Gone::new(std::iter::once(&stem.units[u]));
    let facts = known.facts();
    let folds = folds(&facts, &coupling, &gone(9)).unwrap();
    let right = cut_folding(&facts, &coupling, &gone(9), &folds).unwrap();
    let removed = coupling.removed(&facts, &gone(9));
    assert_eq!(judge(right.clone(), &removed), Status::Passed);
    let unfolded = cut(&facts, &coupling, &gone(9)).unwrap();
    assert_eq!(judge(unfolded, &removed), Status::Failed, "the constant is lost");
    let bias = right.graph.as_ref().unwrap().node.iter().find(|n| n.name() == "/b/Conv").unwrap().input[2].clone();
    let mut shifted = right.clone();
    let mut values = constant(&right, &bias).unwrap().floats().unwrap();
    values[3] += 0.05;
    set_constant(&mut shifted, &bias, &Tensor::from_floats(vec![12], &values));
    assert_eq!(judge(shifted, &removed), Status::Failed, "a bias is off");
    let heard = cut(&facts, &coupling, &gone(3)).unwrap();
    assert_eq!(judge(heard, &coupling.removed(&facts, &gone(3))), Status::Failed, "the unit is heard");
}
