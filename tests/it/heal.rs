//! Healing from the library: on samples whose channels are mixtures of few sources, every shape of layer comes closer to the original on samples
//! that it was not fitted on, is proved, and is the same for any number of threads.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::couple::{Gone, couple};
use secateur::heal::{self, Healed, Study};
use secateur::model::proto::DataType;
use secateur::model::{ModelProto, Removed, Tensor};
use secateur::plan::Scope;
use secateur::runtime::Session;
use secateur::verify::{Case, Status, Values, verify};

use crate::support::{Analysed, network};

mod other_readers;
mod shared;
mod stored;

/// How many samples are fitted on; as many others judge.
const FIT: usize = 96;

/// An image of 3 channels that mix two waves, by number.
fn sample(i: usize) -> Vec<Tensor> {
    let t = i as f32;
    let (a, b) = ((t * 1.7).sin(), (t * 2.9 + 1.0).cos());
    let at = |k: usize| {
        let (c, y, x) = ((k / 64) as f32, (k / 8 % 8) as f32, (k % 8) as f32);
        a * (0.5 + c) * (0.6 * x + t).sin() + b * (1.5 - c) * (0.4 * y + 2.0 * t).cos()
    };
    vec![Tensor::from_floats(vec![1, 3, 8, 8], &(0..192).map(at).collect::<Vec<_>>())]
}

/// A cut of a network, to be healed.
struct Trial {
    model: Model,
    cut: Model,
    removed: Vec<Removed>,
}

impl Trial {
    fn new(model: Model) -> Self {
        let known = Analysed::new(&model, &[]);
        let (coupling, gone) = known.choose(0.5, Scope::All);
        let (proto, removed) = known.cut(&coupling, &gone);
        assert!(!removed.is_empty());
        Self { cut: Model::new(proto).unwrap(), removed, model }
    }

    fn heal(&self, method: &str, count: usize, get: heal::Get<'_>) -> (Healed, ModelProto) {
        let known = Analysed::new(&self.model, &[]);
        let case = heal::Case {
            original: &self.model,
            cut: &self.cut,
            removed: &self.removed,
            feeds: &known.shapes.feeds,
            rows: heal::ROWS,
            fit: &(0..count),
            get,
            watch: &|_| (),
        };
        let healed = heal::method(method).unwrap().heal(&case).unwrap();
        let mut proto = self.cut.proto().clone();
        heal::apply(&mut proto, &healed.edits).unwrap();
        (healed, proto)
    }

    /// `sum |y - y'|^2 / sum |y|^2` over samples that nothing is fitted on.
    fn error(&self, other: &Model) -> f64 {
        let feeds = Analysed::new(&self.model, &[]).shapes.feeds;
        let run = |m: &Model| {
            let names: Vec<String> = m.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
            let session = Session::load(m, &feeds, &names).unwrap();
            (FIT..2 * FIT).flat_map(|i| session.run(&sample(i)).unwrap()[0].floats().unwrap()).collect::<Vec<f32>>()
        };
        let (y, z) = (run(&self.model), run(other));
        let apart: f64 = y.iter().zip(&z).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        apart / y.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>()
    }

    fn is_proved(&self, healed: &Model) {
        let known = Analysed::new(&self.model, &[]);
        let pruned = Model::decode(healed.encode().into(), "healed".as_ref()).unwrap();
        let v = verify(&Case {
            original: &self.model,
            pruned: &pruned,
            removed: &self.removed,
            values: Values::Healed,
            feeds: &known.shapes.feeds,
            grown: known.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
            tolerance: 1e-4,
            seed: 0,
        })
        .unwrap();
        assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
    }
}

/// Healed by `reconstruct`: at most half the error, proved, the same bytes for one thread and two.
fn heals(build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Healed {
    let trial = Trial::new(network(17, build));
    let by = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trial.heal("reconstruct", FIT, &|i| Ok(sample(i))))
    };
    let (healed, proto) = by(1);
    let model = Model::new(proto).unwrap();
    assert_eq!(model.encode(), Model::new(by(2).1).unwrap().encode(), "one thread and two");
    let (before, after) = (trial.error(&trial.cut), trial.error(&model));
    assert!(after < 0.5 * before, "{after} of {before}: {:?}", healed.layers);
    trial.is_proved(&model);
    healed
}

#[test]
fn a_convolution_with_a_bias() {
    heals(|g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)));
}

#[test]
fn a_convolution_without_a_bias_gets_one() {
    let healed = heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1).no_bias());
        g.relu(&y, "/b/relu")
    });
    assert!(healed.edits.iter().any(|e| e.slots[0].1 == 2 && e.slots[0].0.starts_with("/b")), "{:?}", healed.layers);
}

#[test]
fn a_bias_goes_into_the_mean_of_a_batch_normalization() {
    let healed = heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1).no_bias());
        let y = g.batch_norm(&y, "/bn");
        g.relu(&y, "/b/relu")
    });
    assert!(healed.edits.iter().any(|e| e.slots[0].1 == 3), "{:?}", healed.layers);
}

#[test]
fn convolution_relu_batch_normalization() {
    heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1));
        let y = g.relu(&y, "/b/relu");
        g.batch_norm(&y, "/bn")
    });
}

#[test]
fn a_depthwise_convolution() {
    heals(|g, x| g.conv(x, "/dw", Conv::square(16, 3).pad(1).group(16)));
}

#[test]
fn a_grouped_convolution() {
    heals(|g, x| g.conv(x, "/grouped", Conv::square(24, 3).pad(1).group(4)));
}

#[test]
fn a_convolution_behind_a_concat() {
    heals(|g, x| {
        let (a, b) = (g.conv(x, "/a", Conv::square(8, 1)), g.conv(x, "/b", Conv::square(8, 3).pad(1)));
        let y = g.concat(&[&a, &b, x], 1, "/concat");
        g.conv(&y, "/c", Conv::square(12, 1))
    });
}

#[test]
fn a_residual_stream_with_several_readers() {
    heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(16, 3).pad(1));
        let y = g.relu(&y, "/b/relu");
        let y = g.conv(&y, "/c", Conv::square(16, 3).pad(1));
        let x = g.add(x, &y, "/add");
        let z = g.conv(&x, "/d", Conv::square(16, 1));
        g.add(&x, &z, "/add2")
    });
}

#[test]
fn a_sigmoid_behind() {
    heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1));
        g.unary("Sigmoid", &y, "/sigmoid")
    });
}

#[test]
fn a_flatten_before_a_gemm() {
    heals(|g, x| g.flatten(x, "/flat"));
}

/// The mean of each channel.
fn row(g: &mut GraphBuilder, x: &Val) -> Val {
    let y = g.global_average_pool(x, "/mean");
    g.flatten(&y, "/row")
}

#[test]
fn a_matmul_with_an_add() {
    heals(|g, x| {
        let y = row(g, x);
        let (w, b) = (g.weights("mm.w", &[16, 12]), g.uniform("mm.b", &[12], -0.5, 0.5));
        let y = g.node(Op::new("MatMul", "/mm"), &[&y, &w], &[1, 12]);
        let y = g.node(Op::new("Add", "/mm/add"), &[&y, &b], &[1, 12]);
        g.relu(&y, "/mm/relu")
    });
}

#[test]
fn a_matmul_without_an_add() {
    heals(|g, x| {
        let y = row(g, x);
        let w = g.weights("mm.w", &[16, 12]);
        g.node(Op::new("MatMul", "/mm"), &[&y, &w], &[1, 12])
    });
}

#[test]
fn a_gemm_of_transposed_and_scaled_weights() {
    heals(|g, x| {
        let y = row(g, x);
        let (w, b) = (g.weights("gemm.w", &[12, 16]), g.uniform("gemm.b", &[12], -0.5, 0.5));
        let op = Op::new("Gemm", "/gemm").int("transB", 1).float("alpha", 0.5).float("beta", 2.0);
        g.node(op, &[&y, &w, &b], &[1, 12])
    });
}

#[test]
fn a_strided_and_dilated_convolution() {
    heals(|g, x| {
        let w = g.weights("b.w", &[12, 16, 3, 3]);
        let op = Op::new("Conv", "/b").ints("strides", &[2, 2]).ints("dilations", &[2, 2]).ints("pads", &[2; 4]);
        g.node(op, &[x, &w], &[1, 12, 4, 4])
    });
}

#[test]
fn a_swish_behind() {
    heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1));
        let gate = g.unary("Sigmoid", &y, "/sigmoid");
        g.node(Op::new("Mul", "/swish"), &[&y, &gate], &y.dims)
    });
}

#[test]
fn a_relu_that_is_clipped_at_6() {
    heals(|g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1));
        let (low, high) = (g.initializer("low", &scalar(0.0)), g.initializer("high", &scalar(6.0)));
        g.node(Op::new("Clip", "/relu6"), &[&y, &low, &high], &y.dims)
    });
}

/// Twice as large.
fn up(g: &mut GraphBuilder, x: &Val) -> Val {
    let (w, b) = (g.weights("up.w", &[16, 6, 2, 2]), g.uniform("up.b", &[6], -0.5, 0.5));
    let op = Op::new("ConvTranspose", "/up").ints("strides", &[2, 2]).ints("kernel_shape", &[2, 2]);
    g.node(op, &[x, &w, &b], &[1, 6, 16, 16])
}

/// Folded, not fitted.
#[test]
fn a_transposed_convolution() {
    let healed = heals(up);
    assert!(healed.layers.iter().any(|l| l.node == "/up" && l.outcome == "folded"), "{:?}", healed.layers);
}

fn scalar(v: f32) -> Tensor {
    Tensor::from_floats(vec![], &[v])
}

/// What it is measured to cost to take a quarter and three quarters of the stem's channels.
fn costs(build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Vec<heal::Cost> {
    let model = network(17, build);
    let known = Analysed::new(&model, &[]);
    let removed = |rate: f64| {
        let (coupling, gone) = known.choose(rate, Scope::All);
        let mut removed = known.cut(&coupling, &gone).1;
        removed.retain(|r| ["/stem", "/exp", "/flat"].iter().any(|name| r.value.starts_with(name)));
        removed
    };
    let trial = heal::Trial { name: "stem".into(), levels: vec![removed(0.25), removed(0.75)] };
    let get: heal::Get<'_> = &|i| Ok(sample(i));
    let study = Study::new(&model, &known.shapes.feeds, &trial.levels, (&(0..FIT), get)).unwrap();
    let costs = study.costs(&[trial], &|_| ()).unwrap();
    costs[0].clone().unwrap()
}

/// What cutting is measured to cost: nothing is free, whatever reads what goes, and more costs more.
#[test]
fn every_reader_of_what_goes_costs() {
    type Build = fn(&mut GraphBuilder, &Val) -> Val;
    let readers: [(&str, Build); 3] = [
        ("Conv", |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1))),
        ("ConvTranspose", up),
        ("Gemm", |g, x| g.flatten(x, "/flat")),
    ];
    for (name, build) in readers {
        let costs = costs(build);
        assert!(costs.iter().all(|c| c.outputs > 0.0 && c.readers > 0.0), "{name}: {costs:?}");
        assert!(costs[0].readers < costs[1].readers && costs[0].outputs < costs[1].outputs, "{name}: {costs:?}");
    }
}

/// A bias makes up for the mean of what goes, wherever it stands: in the convolution, or in a node behind it.
#[test]
fn the_place_of_a_bias_costs_nothing() {
    let conv = |g: &mut GraphBuilder, x: &Val| {
        let x = g.unary("Exp", x, "/exp");
        g.conv(&x, "/b", Conv::square(12, 3).pad(1).no_bias())
    };
    let own = costs(conv);
    let normalized = costs(|g, x| {
        let y = conv(g, x);
        let [one, zero] =
            [1.0, 0.0].map(|v| g.initializer(&format!("all.{v}"), &Tensor::from_floats(vec![12], &[v; 12])));
        let op = Op::new("BatchNormalization", "/norm").float("epsilon", 0.0);
        g.node(op, &[&y, &one, &zero, &zero, &one], &y.dims)
    });
    for (own, normalized) in own.iter().zip(&normalized) {
        assert!((own.outputs - normalized.outputs).abs() < 1e-3 * own.outputs, "{own:?} {normalized:?}");
    }
}

/// What goes first costs its readers less than what goes last, whatever they are.
#[test]
fn units_go_in_the_order_in_which_their_readers_can_do_without_them() {
    type Build = fn(&mut GraphBuilder, &Val) -> Val;
    let readers: [Build; 4] = [
        |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)),
        |g, x| g.conv(x, "/b", Conv::square(12, 9).pad(4)),
        up,
        |g, x| g.flatten(x, "/flat"),
    ];
    for build in readers {
        let model = network(17, build);
        let known = Analysed::new(&model, &[]);
        let coupling = couple(&known.facts()).unwrap();
        let group = coupling.groups.iter().find(|g| g.name == "/stem/Conv").unwrap();
        let removed =
            |units: &[usize]| coupling.removed(&known.facts(), &Gone::new(units.iter().map(|u| &group.units[*u])));
        let units: Vec<Vec<Removed>> = (0..16).map(|u| removed(&[u])).collect();
        let get: heal::Get<'_> = &|i| Ok(sample(i));
        let study = Study::new(&model, &known.shapes.feeds, &[units.concat()], (&(0..FIT), get)).unwrap();
        let scores = study.order(&[units], &|_| ())[0].clone().unwrap().losses;
        let mut order: Vec<usize> = (0..16).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let trial = |units: &[usize]| heal::Trial { name: "half".into(), levels: vec![removed(units)] };
        let costs = study.costs(&[trial(&order[..12]), trial(&order[4..])], &|_| ()).unwrap();
        let [first, last] = [0, 1].map(|k: usize| costs[k].as_ref().unwrap()[0].readers);
        assert!(first < 0.9 * last, "{first} {last}");
    }
}

/// One sample, two, and samples of which one is constant: no panic, and what comes out is a model that is proved.
#[test]
fn few_samples_and_a_constant_one() {
    let trial = Trial::new(network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1))));
    let flat = |i: usize| match i {
        0 => Ok(vec![Tensor::from_floats(vec![1, 3, 8, 8], &[0.5; 192])]),
        i => Ok(sample(i)),
    };
    for method in ["fold", "reconstruct"] {
        for count in [1, 2, 5] {
            for proto in [trial.heal(method, count, &flat).1, trial.heal(method, count, &|i| Ok(sample(i))).1] {
                trial.is_proved(&Model::new(proto).unwrap());
            }
        }
    }
}

/// A convolution that is cut, one that reads it, and nothing behind.
fn pair(channels: usize, read: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Trial {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let a = g.conv(&x, "/a", Conv::square(channels, 1));
    let y = read(&mut g, &a);
    g.output(&y);
    Trial::new(g.model().unwrap())
}

/// Channels that are mixtures of fewer than are left lose nothing: the fit is exact.
#[test]
fn what_is_linear_comes_back_exactly() {
    let trial = pair(8, |g, a| g.conv(a, "/b", Conv::square(6, 1)));
    let (healed, proto) = trial.heal("reconstruct", FIT, &|i| Ok(sample(i)));
    let model = Model::new(proto).unwrap();
    let (before, after) = (trial.error(&trial.cut), trial.error(&model));
    assert!(before > 1e-2 && after < 1e-6, "{before} {after}: {:?}", healed.layers);
    trial.is_proved(&model);
}

/// Where the channels that go have nothing to do with those that stay, no layer ends further from the original than it was.
#[test]
fn what_nothing_tells_is_not_made_worse() {
    let trial = pair(6, |g, a| g.conv(a, "/b", Conv::square(6, 3)));
    let noise = |i: usize| {
        let hash = |k: usize| ((i * 192 + k) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let v: Vec<f32> = (0..192).map(|k| hash(k) as f32 / (1 << 23) as f32 - 1.0).collect();
        Ok(vec![Tensor::from_floats(vec![1, 3, 8, 8], &v)])
    };
    for count in [1, 3, FIT] {
        let (healed, proto) = trial.heal("reconstruct", count, &noise);
        assert!(healed.layers.iter().all(|l| l.after <= l.before), "{:?}", healed.layers);
        trial.is_proved(&Model::new(proto).unwrap());
    }
}

/// Weights that another node reads in another way are left alone, with the reason; so are quantized ones.
#[test]
fn weights_that_are_not_the_layers_own_are_left_alone() {
    let both_ways = pair(8, |g, a| {
        let a = g.global_average_pool(a, "/pool");
        let a = g.flatten(&a, "/flat");
        let w = g.weights("w", &[8, 6]);
        let y = g.node(Op::new("MatMul", "/code"), &[&a, &w], &[1, 6]);
        let y = g.transpose(&y, &[1, 0], "/t");
        let y = g.node(Op::new("MatMul", "/decode"), &[&w, &y], &[8, 1]);
        let y = g.reshape(&y, &[1, -1], &[1, 8], "/row");
        g.gemm(&y, "/out", 5)
    });
    let quantized = pair(8, |g, a| {
        let w = g.initializer(
            "w",
            &Tensor { dtype: DataType::Int8, dims: vec![6, 8, 1, 1], data: (0u8..48).collect::<Vec<_>>().into() },
        );
        let scale = g.initializer("scale", &scalar(0.05));
        let w = g.node(Op::new("DequantizeLinear", "/dq"), &[&w, &scale], &[6, 8, 1, 1]);
        g.node(Op::new("Conv", "/y"), &[a, &w], &[1, 6, 8, 8])
    });
    for (trial, node, words) in [(both_ways, "/code", "'/decode' has the same weights"), (quantized, "/y", "quantized")]
    {
        let (healed, _) = trial.heal("reconstruct", FIT, &|i| Ok(sample(i)));
        let layer = healed.layers.iter().find(|l| l.node == node).unwrap();
        assert!(layer.skipped.as_ref().is_some_and(|s| s.contains(words)), "{layer:?}");
        assert!(!healed.edits.iter().any(|e| e.slots.iter().any(|(output, _)| output.starts_with(node))));
    }
}
