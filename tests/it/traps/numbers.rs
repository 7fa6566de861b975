//! Traps 20, 21, 24, 25, 27, 28: what the weights say, how many channels stay, and numbers that are made of shapes.

use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::Tensor;

use super::{cut, cut_at};
use crate::support::network;

/// Pre-activation, and Conv, Relu, BatchNormalization: nothing to fold the statistics into.
#[test]
fn trap_20_batch_normalization_that_cannot_be_folded() {
    let cut = cut(&network(17, |g, x| {
        let y = g.batch_norm(x, "/behind_relu");
        let y = g.conv(&y, "/a", Conv::square(12, 3).pad(1).no_bias());
        let y = g.relu(&y, "/ra");
        let y = g.batch_norm(&y, "/bn");
        let z = g.batch_norm(&y, "/pre");
        let z = g.relu(&z, "/rb");
        let z = g.conv(&z, "/b", Conv::square(12, 3).pad(1).no_bias());
        g.add(&y, &z, "/add")
    }));
    let cut = cut.proved();
    let lost = ["stem.weight", "behind_relu.running_var", "a.weight", "bn.bias", "pre.running_mean"];
    assert_eq!(lost.map(|w| cut.lost(w, 0)), [8, 8, 6, 6, 6]);
}

#[test]
fn trap_21_one_channel_stays() {
    let cut = cut_at(&network(17, |g, x| g.conv(x, "/two", Conv::square(2, 1))), 0.999, &[]).proved();
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("two.weight", 0), cut.lost("last.weight", 0)), (15, 1, 7));
}

/// All filters are alike, so that only their order is left to decide.
#[test]
fn trap_21_of_equals_the_first_go() {
    let cut = cut(&network(17, |g, x| {
        let same = Tensor::from_floats(vec![12, 16, 1, 1], &(0..12 * 16).map(|i| (i % 16) as f32).collect::<Vec<_>>());
        let w = g.initializer("same", &same);
        g.node(Op::new("Conv", "/conv"), &[x, &w], &[1, 12, 8, 8])
    }));
    let cut = cut.proved();
    let gone = cut.removed.iter().find(|r| r.value == "same" && r.axis == 0).unwrap();
    assert_eq!(gone.indices, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn trap_24_two_readers_of_which_one_needs_every_channel() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let whole = g.node(Op::new("Softmax", "/softmax").int("axis", 1), &[&read], &[1, 8, 8, 8]);
        let (a, b) = (g.conv(&whole, "/a", Conv::square(6, 1)), g.conv(&read, "/b", Conv::square(6, 1)));
        g.add(&a, &b, "/add")
    }));
    let cut = cut.proved();
    cut.holds("read.weight", &["Softmax"]);
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("a.weight", 0), cut.lost("b.weight", 1)), (8, 3, 0));
}

#[test]
fn trap_25_matmul_with_a_vector() {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    let y = g.global_average_pool(&y, "/pool");
    let y = g.flatten(&y, "/flat");
    let v = g.weights("vector", &[16]);
    let y = g.node(Op::new("MatMul", "/matmul"), &[&y, &v], &[1]);
    g.output(&y);
    let cut = cut(&g.model().unwrap()).proved();
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("vector", 0)), (8, 8));
}

#[test]
fn trap_25_every_form_of_gemms_c() {
    for dims in [vec![1, 12], vec![12], vec![], vec![1], vec![1, 1]] {
        let cut = cut(&network(17, |g, x| {
            let y = g.flatten(x, "/flat");
            let (w, c) = (g.weights("w", &[1024, 12]), g.uniform("c", &dims, -1.0, 1.0));
            let y = g.node(Op::new("Gemm", "/gemm"), &[&y, &w, &c], &[1, 12]);
            g.relu(&y, "/r")
        }));
        let cut = cut.proved();
        let along = if dims.contains(&12) { 6 } else { 0 };
        assert_eq!((cut.lost("w", 1), cut.lost("c", dims.len().saturating_sub(1))), (6, along), "C of shape {dims:?}");
    }
}

/// As PyTorch exports a shortcut of option A: the amounts are a fill, sliced, concatenated, turned and cast.
/// What is divided by the root of a channel count, in a type whose arithmetic is not followed, keeps the old count.
#[test]
fn trap_27_a_count_as_a_number_of_another_type_is_written_down() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let shape = g.node(Op::new("Shape", "/shape"), &[&read], &[4]);
        let one = g.ints("one", &[1]);
        let count = g.node(Op::new("Gather", "/count"), &[&shape, &one], &[1]);
        let double = g.node(Op::new("Cast", "/double").int("to", 11), &[&count], &[1]);
        let root = g.node(Op::new("Sqrt", "/root"), &[&double], &[1]);
        let number = g.node(Op::new("Cast", "/float").int("to", 1), &[&root], &[1]);
        let y = g.conv(&read, "/next", Conv::square(6, 1));
        g.node(Op::new("Div", "/scale"), &[&y, &number], &y.dims.clone())
    }));
    assert_eq!(cut.proved().lost("read.weight", 0), 4);
}

#[test]
fn trap_27_amounts_of_padding_by_a_chain_of_nodes() {
    let cut = cut(&network(17, |g, x| {
        let listed = g.ints("listed", &[0, 0, 0, 0, 4, 4]);
        let length = g.ints("length", &[2]);
        let zeros = Op::new("ConstantOfShape", "/zeros").tensor("value", &Tensor::from_ints(vec![1], &[0]));
        let zeros = g.node(zeros, &[&length], &[2]);
        let all = g.concat(&[&listed, &zeros], 0, "/all");
        let pairs = g.reshape(&all, &[-1, 2], &[4, 2], "/pairs");
        let (from, to, axis, step) =
            (g.ints("from", &[-1]), g.ints("to", &[i64::MIN]), g.ints("axis", &[0]), g.ints("step", &[-1]));
        let turned = g.node(Op::new("Slice", "/turned"), &[&pairs, &from, &to, &axis, &step], &[4, 2]);
        let columns = g.transpose(&turned, &[1, 0], "/columns");
        let pads = g.reshape(&columns, &[-1], &[8], "/pads");
        let pads = g.node(Op::new("Cast", "/cast").int("to", 7), &[&pads], &[8]);
        let padded = g.node(Op::new("Pad", "/pad"), &[x, &pads], &[1, 24, 8, 8]);
        let main = g.conv(x, "/main", Conv::square(24, 3).pad(1));
        g.add(&main, &padded, "/add")
    }));
    let cut = cut.proved();
    assert!(cut.lost("main.weight", 0) > 0 && cut.lost("stem.weight", 0) > 0, "{:?}", cut.pinned);
}

fn filled(g: &mut GraphBuilder, name: &str, dims: &[usize], value: f32) -> Val {
    g.initializer(name, &Tensor::from_floats(dims.to_vec(), &vec![value; dims.iter().product()]))
}

/// With such weights a wrong mask would not show, so that the structure is proved with others.
#[test]
fn trap_28_weights_that_show_nothing_are_not_trusted() {
    type Silence = fn(&mut GraphBuilder, &Val) -> Val;
    let constant: Silence = |g, x| {
        let w = filled(g, "w", &[12, 16, 1, 1], 0.25);
        let y = g.node(Op::new("Conv", "/conv"), &[x, &w], &[1, 12, 8, 8]);
        g.relu(&y, "/r")
    };
    let dead: Silence = |g, x| {
        let (w, b) = (g.weights("w", &[12, 16, 1, 1]), filled(g, "b", &[12], -1000.0));
        let y = g.node(Op::new("Conv", "/conv"), &[x, &w, &b], &[1, 12, 8, 8]);
        g.relu(&y, "/r")
    };
    let saturated: Silence = |g, x| {
        let (w, b) = (g.weights("w", &[12, 16, 1, 1]), filled(g, "b", &[12], 1000.0));
        let y = g.node(Op::new("Conv", "/conv"), &[x, &w, &b], &[1, 12, 8, 8]);
        g.unary("Sigmoid", &y, "/s")
    };
    for (label, silence) in [("constant", constant), ("dead", dead), ("saturated", saturated)] {
        let cut = cut(&network(17, silence)).proved();
        assert_eq!(cut.lost("w", 0), 6, "{label}");
        assert!(cut.verdict.notes.iter().any(|n| n.contains("random")), "{label}: {:?}", cut.verdict.notes);
    }
}

#[test]
fn what_was_pruned_is_a_good_input_again() {
    let mut model = network(17, |g, x| {
        let parts = g.split(x, 1, &[6, 10], "/split");
        let y = g.concat(&[&parts[1], &parts[0]], 1, "/concat");
        let z = g.conv(x, "/b", Conv::square(16, 3).pad(1));
        g.add(&y, &z, "/add")
    });
    let mut widths = Vec::new();
    for _ in 0..4 {
        let cut = cut_at(&model, 0.4, &[]).proved();
        let stem = cut.pruned.graph_proto().initializer.iter().find(|t| t.name() == "stem.weight").unwrap();
        widths.push(stem.dims[0]);
        model = cut.pruned;
    }
    assert!(widths.is_sorted_by(|a, b| a > b || *a <= 2), "{widths:?}");
}
