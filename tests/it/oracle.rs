//! The oracle: the masked original equals the cut model, on small graphs written as expressions. Each says what it must lose.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Pool, Val};
use secateur::couple::{Gone, couple};
use secateur::model::{Removed, Tensor};
use secateur::plan::Scope;
use secateur::verify::Status;

use crate::soft::soft_stands_for;
use crate::support::{Analysed, head, network};

/// Half of every group of the network goes, proved; what each weight's first axis lost, by name.
pub(crate) fn check(build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Vec<(String, usize)> {
    prune(&network(17, build))
}

/// Half of every group goes; what each weight's first axis lost, by name.
pub(crate) fn prune(model: &Model) -> Vec<(String, usize)> {
    let known = Analysed::new(model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (pruned, removed) = known.cut(&coupling, &gone);
    let v = known.judge(pruned, &removed);
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
    assert!(v.samples >= 3, "the open batch is proved at two sizes");
    soft_stands_for(&known, &coupling, &gone, None).unwrap();
    losses(&removed)
}

/// What each weight's first axis lost.
pub(crate) fn losses(removed: &[Removed]) -> Vec<(String, usize)> {
    let weights = removed.iter().filter(|r| r.value.ends_with(".weight") && r.axis == 0);
    weights.map(|r| (r.value.clone(), r.indices.len())).collect()
}

pub(crate) fn lost(cuts: &[(String, usize)], weight: &str) -> usize {
    cuts.iter().find(|c| c.0 == weight).map_or(0, |c| c.1)
}

#[test]
fn plain_chain() {
    let cuts = check(|g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)));
    assert_eq!(cuts.iter().map(|c| c.1).collect::<Vec<_>>(), [8, 6, 4]);
}

#[test]
fn residual_add_couples_both_branches() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(16, 3).pad(1));
        g.add(x, &y, "/add")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight")), (8, 8));
}

#[test]
fn depthwise_follows_its_input() {
    let cuts = check(|g, x| g.conv(x, "/dw", Conv::square(16, 3).pad(1).group(16)));
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "dw.weight")), (8, 8));
}

#[test]
fn depthwise_with_a_multiplier_loses_pairs() {
    let cuts = check(|g, x| g.conv(x, "/dw", Conv::square(32, 3).pad(1).group(16)));
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "dw.weight")), (8, 16));
}

#[test]
fn grouped_convolution_stays_exact() {
    let cuts = check(|g, x| g.conv(x, "/grouped", Conv::square(24, 3).pad(1).group(4)));
    assert!(lost(&cuts, "stem.weight") > 0 && lost(&cuts, "grouped.weight") > 0, "{cuts:?}");
}

#[test]
fn concat_and_split_keep_their_offsets() {
    let cuts = check(|g, x| {
        let a = g.conv(x, "/a", Conv::square(6, 1));
        let b = g.conv(x, "/b", Conv::square(10, 1));
        let joined = g.concat(&[&a, &b, x], 1, "/concat");
        let parts = g.split(&joined, 1, &[8, 24], "/split");
        let left = g.conv(&parts[0], "/left", Conv::square(8, 1));
        let right = g.conv(&parts[1], "/right", Conv::square(8, 1));
        g.add(&left, &right, "/add")
    });
    assert!(
        lost(&cuts, "a.weight") == 3 && lost(&cuts, "left.weight") == 4 && lost(&cuts, "stem.weight") == 8,
        "{cuts:?}"
    );
}

#[test]
fn slice_and_pad_shortcut() {
    let cuts = check(|g, x| {
        let (from, to, axis) = (g.ints("from", &[4]), g.ints("to", &[12]), g.ints("axis", &[1]));
        let part = g.node(Op::new("Slice", "/slice"), &[x, &from, &to, &axis], &[1, 8, 8, 8]);
        let pads = g.ints("pads", &[0, 3, 0, 0, 0, 5, 0, 0]);
        let padded = g.node(Op::new("Pad", "/pad"), &[&part, &pads], &[1, 16, 8, 8]);
        let y = g.conv(x, "/b", Conv::square(16, 3).pad(1));
        g.add(&padded, &y, "/add")
    });
    assert!(lost(&cuts, "b.weight") > 0 && lost(&cuts, "stem.weight") > 0, "{cuts:?}");
}

#[test]
fn flatten_gives_each_channel_its_stripe() {
    let cuts = check(|g, x| {
        let y = g.max_pool(x, "/pool1", Pool(2, 2, 0));
        g.flatten(&y, "/flat")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn flatten_after_a_transpose_to_channels_last() {
    let cuts = check(|g, x| {
        let y = g.transpose(x, &[0, 2, 3, 1], "/nhwc");
        g.reshape(&y, &[-1, 1024], &[1, 1024], "/flat")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn reshape_with_zero_and_minus_one() {
    let cuts = check(|g, x| {
        let y = g.reshape(x, &[0, 16, -1], &[1, 16, 64], "/to");
        let y = g.reshape(&y, &[0, 0, 8, 8], &[1, 16, 8, 8], "/from");
        g.relu(&y, "/r")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn flatten_by_a_chain_of_shape_nodes() {
    let cuts = check(|g, x| {
        let shape = g.node(Op::new("Shape", "/shape"), &[x], &[4]);
        let zero = g.ints("zero", &[0]);
        let batch = g.node(Op::new("Gather", "/gather").int("axis", 0), &[&shape, &zero], &[1]);
        let rest = g.ints("rest", &[-1]);
        let target = g.node(Op::new("Concat", "/target").int("axis", 0), &[&batch, &rest], &[2]);
        g.node(Op::new("Reshape", "/flat"), &[x, &target], &[1, 1024])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn a_shape_that_cannot_be_mended_keeps_its_channels() {
    let cuts = check(|g, x| {
        let shape = g.node(Op::new("Shape", "/shape"), &[x], &[4]);
        let zero = g.ints("zero", &[0]);
        let batch = g.node(Op::new("Gather", "/gather").int("axis", 0), &[&shape, &zero], &[1]);
        let (rest, more) = (g.ints("rest", &[24]), g.ints("more", &[0, 1000]));
        let part = g.node(Op::new("Concat", "/part").int("axis", 0), &[&batch, &rest], &[2]);
        let target = g.node(Op::new("Add", "/target"), &[&part, &more], &[2]);
        g.node(Op::new("Reshape", "/flat"), &[x, &target], &[1, 1024])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 0);
}

#[test]
fn a_channel_count_used_as_a_number_keeps_its_channels() {
    let cuts = check(|g, x| {
        let shape = g.node(Op::new("Shape", "/shape"), &[x], &[4]);
        let one = g.ints("one", &[1]);
        let count = g.node(Op::new("Gather", "/gather").int("axis", 0), &[&shape, &one], &[1]);
        let float = g.node(Op::new("Cast", "/cast").int("to", 1), &[&count], &[1]);
        let root = g.node(Op::new("Sqrt", "/sqrt"), &[&float], &[1]);
        let y = g.node(Op::new("Div", "/div"), &[x, &root], &x.dims.clone());
        g.conv(&y, "/b", Conv::square(8, 1))
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight")), (0, 4));
}

#[test]
fn squeeze_and_excite_gates_broadcast() {
    let cuts = check(|g, x| {
        let s = g.node(Op::new("ReduceMean", "/mean").ints("axes", &[2, 3]), &[x], &[1, 16, 1, 1]);
        let s = g.conv(&s, "/down", Conv::square(4, 1));
        let s = g.relu(&s, "/r");
        let s = g.conv(&s, "/up", Conv::square(16, 1));
        let s = g.unary("HardSigmoid", &s, "/gate");
        g.node(Op::new("Mul", "/mul"), &[x, &s], &x.dims.clone())
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "down.weight"), lost(&cuts, "up.weight")), (8, 2, 8));
}

#[test]
fn broadcast_constants_of_every_form_follow_their_channels() {
    let cuts = check(|g, x| {
        let four = g.uniform("four", &[1, 16, 1, 1], 0.5, 1.5);
        let three = g.uniform("three", &[16, 1, 1], -1.0, 1.0);
        let scalar = g.initializer("scalar", &Tensor::from_floats(vec![], &[2.0]));
        let y = g.node(Op::new("Mul", "/four"), &[x, &four], &x.dims.clone());
        let y = g.node(Op::new("Add", "/three"), &[&y, &three], &x.dims.clone());
        let y = g.node(Op::new("PRelu", "/prelu"), &[&y, &three], &x.dims.clone());
        g.node(Op::new("Div", "/scalar"), &[&y, &scalar], &x.dims.clone())
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn a_bias_that_a_simplifier_merged_is_unshared() {
    let cuts = check(|g, x| {
        let bias = g.initializer("zeros", &Tensor::from_floats(vec![16], &[0.0; 16]));
        let (wa, wb) = (g.weights("a.weight", &[16, 16, 1, 1]), g.weights("b.weight", &[16, 16, 1, 1]));
        let a = g.node(Op::new("Conv", "/a"), &[x, &wa, &bias], &x.dims.clone());
        let a = g.relu(&a, "/ra");
        g.node(Op::new("Conv", "/b"), &[&a, &wb, &bias], &x.dims.clone())
    });
    assert_eq!((lost(&cuts, "a.weight"), lost(&cuts, "b.weight")), (8, 8));
}

#[test]
fn a_weight_that_is_tied_on_purpose_stays_tied() {
    let cuts = check(|g, x| {
        let w = g.weights("tied.weight", &[16, 16, 1, 1]);
        let a = g.node(Op::new("Conv", "/a"), &[x, &w], &x.dims.clone());
        let a = g.relu(&a, "/ra");
        g.node(Op::new("Conv", "/b"), &[&a, &w], &x.dims.clone())
    });
    assert_eq!((lost(&cuts, "tied.weight"), lost(&cuts, "stem.weight")), (8, 8));
}

#[test]
fn batch_norm_before_a_convolution_is_masked_where_it_is_read() {
    let cuts = check(|g, x| {
        let y = g.batch_norm(x, "/bn");
        g.conv(&y, "/b", Conv::square(8, 3).pad(1))
    });
    assert_eq!(lost(&cuts, "bn.weight"), 8);
}

#[test]
fn softmax_over_channels_keeps_them() {
    let cuts = check(|g, x| g.node(Op::new("Softmax", "/softmax").int("axis", 1), &[x], &x.dims.clone()));
    assert_eq!(lost(&cuts, "stem.weight"), 0);
}

#[test]
fn an_unknown_operator_keeps_what_it_touches() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(8, 1));
        g.node(Op::new("QuickGelu", "/gelu").domain("com.microsoft"), &[&y], &y.dims.clone())
    });
    assert_eq!((lost(&cuts, "b.weight"), lost(&cuts, "stem.weight")), (0, 8));
}

#[test]
fn a_weight_that_also_makes_another_weight_is_copied() {
    let cuts = check(|g, x| {
        let x = g.global_average_pool(x, "/pool0");
        let x = g.flatten(&x, "/flat0");
        let w = g.weights("both.weight", &[16, 16]);
        let y = g.node(Op::new("MatMul", "/forth"), &[&x, &w], &[1, 16]);
        let y = g.relu(&y, "/r");
        let turned = g.transpose(&w, &[1, 0], "/turned");
        g.node(Op::new("MatMul", "/back"), &[&y, &turned], &[1, 16])
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "both.weight")), (8, 8));
}

#[test]
fn a_weight_whose_shape_is_read_may_still_be_cut() {
    let cuts = check(|g, x| {
        let w = g.weights("read.weight", &[12, 16, 1, 1]);
        let shape = g.node(Op::new("Shape", "/shape"), &[&w], &[4]);
        let float = g.node(Op::new("Cast", "/cast").int("to", 1), &[&shape], &[4]);
        let size = g.node(Op::new("ReduceSum", "/size").int("keepdims", 0), &[&float], &[]);
        let y = g.node(Op::new("Conv", "/conv"), &[x, &w], &[1, 12, 8, 8]);
        g.node(Op::new("Div", "/div"), &[&y, &size], &[1, 12, 8, 8])
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "read.weight")), (8, 6));
}

/// A weight divided by a norm of itself over the axis that the contraction reads: removing inputs would change the norm.
#[test]
fn a_weight_normalised_inside_the_graph_keeps_its_inputs() {
    for norm in ["ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare"] {
        let cuts = check(|g, x| {
            let x = g.global_average_pool(x, "/pool0");
            let x = g.flatten(&x, "/flat0");
            let v = g.uniform("v", &[16, 12], 0.1, 1.0);
            let size = g.node(Op::new("Abs", "/abs"), &[&v], &[16, 12]);
            let axes = g.ints("axes", &[0]);
            let op = Op::new(norm, "/norm");
            let n = if norm == "ReduceSum" {
                g.node(op, &[&size, &axes], &[1, 12])
            } else {
                g.node(op.ints("axes", &[0]), &[&size], &[1, 12])
            };
            let w = g.node(Op::new("Div", "/w"), &[&v, &n], &[16, 12]);
            g.node(Op::new("MatMul", "/matmul"), &[&x, &w], &[1, 12])
        });
        assert_eq!(lost(&cuts, "stem.weight"), 0, "{norm}");
    }
}

/// `y = W x`: the weights stand on the left.
#[test]
fn weights_on_the_left_are_filters() {
    let cuts = check(|g, x| {
        let x = g.reshape(x, &[0, 16, 64], &[1, 16, 64], "/rows");
        let w = g.weights("left.weight", &[12, 16]);
        let y = g.node(Op::new("MatMul", "/left"), &[&w, &x], &[1, 12, 64]);
        let y = g.relu(&y, "/r");
        g.flatten(&y, "/flat")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "left.weight")), (8, 6));
}

/// A removed channel that is not a number in the original must not hide the sums that do not read it any more.
#[test]
fn a_channel_that_is_not_a_number_may_go() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/stem", Conv::square(4, 1));
    let scale = g.initializer("scale", &Tensor::from_floats(vec![1, 4, 1, 1], &[1.0, 2.0, 1.0, f32::NAN]));
    let y = g.node(Op::new("Mul", "/scale"), &[&y, &scale], &y.dims.clone());
    let y = head(&mut g, &y);
    g.output(&y);
    let model = g.model().unwrap();
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let gone = Gone::new(coupling.groups[0].units[3..].iter());
    let (pruned, removed) = known.cut(&coupling, &gone);
    let v = known.judge(pruned, &removed);
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
}
