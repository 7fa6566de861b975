//! Traps 3 to 12 and 15: operators that are followed in every form, or hold their channels and say so.

use secateur::build::{Conv, GraphBuilder, Op, Pool, Val};
use secateur::model::Tensor;
use secateur::model::proto::DataType;

use super::cut;
use crate::support::network;

fn like(g: &mut GraphBuilder, op: Op, inputs: &[&Val]) -> Val {
    let dims = inputs[0].dims.clone();
    g.node(op, inputs, &dims)
}

/// The weight is `[Cin, Cout / group, ...]`.
#[test]
fn trap_3_conv_transpose() {
    let cut = cut(&network(17, |g, x| {
        let w = g.weights("up.weight", &[16, 12, 2, 2]);
        g.node(Op::new("ConvTranspose", "/up").ints("strides", &[2, 2]), &[x, &w], &[1, 12, 16, 16])
    }));
    cut.proved().cuts_or_holds("stem.weight", &["ConvTranspose"]);
}

#[test]
fn trap_4_split_by_attribute_by_input_and_by_number() {
    for (opset, form) in [(11, "attribute"), (11, "equal"), (13, "input"), (18, "number")] {
        let cut = cut(&network(opset, |g, x| {
            let op = Op::new("Split", "/split").int("axis", 1);
            let (op, sizes) = match form {
                "attribute" => (op.ints("split", &[4, 12]), vec![4, 12]),
                "number" => (op.int("num_outputs", 2), vec![8, 8]),
                "equal" => (op, vec![8, 8]),
                _ => (op, vec![10, 6]),
            };
            let given = if form == "input" { Some(g.ints("sizes", &[10, 6])) } else { None };
            let inputs: Vec<&Val> = [x].into_iter().chain(&given).collect();
            let parts = g.node_multi(op, &inputs, &sizes.iter().map(|&n| vec![1, n, 8, 8]).collect::<Vec<_>>());
            let (a, b) = (g.conv(&parts[0], "/a", Conv::square(6, 1)), g.conv(&parts[1], "/b", Conv::square(6, 1)));
            g.add(&a, &b, "/add")
        }));
        let cut = cut.proved();
        assert_eq!(cut.lost("stem.weight", 0), 8, "{form}");
    }
}

#[test]
fn trap_5_pixel_shuffles() {
    for mode in ["DCR", "CRD"] {
        let cut = cut(&network(17, |g, x| {
            let op = Op::new("DepthToSpace", "/pixels").int("blocksize", 2).text("mode", mode);
            g.node(op, &[x], &[1, 4, 16, 16])
        }));
        cut.proved().cuts_or_holds("stem.weight", &["DepthToSpace"]);
    }
    let cut =
        cut(&network(17, |g, x| g.node(Op::new("SpaceToDepth", "/depth").int("blocksize", 2), &[x], &[1, 64, 4, 4])));
    cut.not_refuted().cuts_or_holds("stem.weight", &["SpaceToDepth"]);
}

#[test]
fn trap_6_squeezed_by_means_that_keep_their_axes_or_not() {
    for (opset, keep) in [(17, 0), (17, 1), (18, 0), (18, 1)] {
        let cut = cut(&network(opset, |g, x| {
            let dims: &[usize] = if keep == 1 { &[1, 16, 1, 1] } else { &[1, 16] };
            let op = Op::new("ReduceMean", "/mean").int("keepdims", keep);
            let axes = if opset >= 18 { Some(g.ints("axes", &[2, 3])) } else { None };
            let op = if axes.is_none() { op.ints("axes", &[2, 3]) } else { op };
            let inputs: Vec<&Val> = [x].into_iter().chain(&axes).collect();
            let s = g.node(op, &inputs, dims);
            let s = if keep == 1 { g.flatten(&s, "/flat_mean") } else { s };
            let s = g.gemm(&s, "/down", 4);
            let s = g.relu(&s, "/down_relu");
            let s = g.gemm(&s, "/up", 16);
            let s = g.unary("HardSigmoid", &s, "/gate");
            let s = g.reshape(&s, &[-1, 16, 1, 1], &[1, 16, 1, 1], "/back");
            like(g, Op::new("Mul", "/mul"), &[x, &s])
        }));
        let cut = cut.proved();
        let lost = ["stem.weight", "down.weight", "up.weight"].map(|w| cut.lost(w, 0));
        assert_eq!(lost, [8, 2, 8], "opset {opset}, keepdims {keep}");
    }
}

#[test]
fn trap_7_stripes_of_a_gemm_whichever_way_it_lies() {
    for flip in [0, 1] {
        let cut = cut(&network(17, |g, x| {
            let y = g.flatten(x, "/flat");
            let w = g.weights("w", &if flip == 1 { [6, 1024] } else { [1024, 6] });
            g.node(Op::new("Gemm", "/gemm").int("transB", flip), &[&y, &w], &[1, 6])
        }));
        let cut = cut.proved();
        assert_eq!((cut.lost("stem.weight", 0), cut.lost("w", flip as usize)), (8, 512));
    }
}

#[test]
fn trap_8_reshape_with_allowzero() {
    let cut = cut(&network(17, |g, x| {
        let target = g.ints("target", &[1, 16, 64]);
        let y = g.node(Op::new("Reshape", "/to").int("allowzero", 1), &[x, &target], &[1, 16, 64]);
        let back = g.ints("back", &[1, 16, 8, 8]);
        g.node(Op::new("Reshape", "/from").int("allowzero", 1), &[&y, &back], &[1, 16, 8, 8])
    }));
    let cut = cut.proved();
    assert_eq!(cut.lost("stem.weight", 0), 8);
}

/// The height is copied from the axis of the groups, which happens to be as long, and is the only one that might shrink.
#[test]
fn trap_8_a_zero_that_copies_the_length_of_another_axis() {
    let cut = cut(&network(17, |g, x| {
        let y = g.max_pool(x, "/pool0", Pool(4, 4, 0));
        let y = g.reshape(&y, &[0, 2, 8, 2, 2], &[1, 2, 8, 2, 2], "/to");
        let y = like(g, Op::new("Softmax", "/softmax").int("axis", 2), &[&y]);
        let y = g.transpose(&y, &[0, 2, 1, 3, 4], "/turn");
        g.reshape(&y, &[0, 16, 0, 2], &[1, 16, 2, 2], "/from")
    }));
    assert_eq!(cut.proved().lost("stem.weight", 0), 0);
}

#[test]
fn trap_9_statistics_over_channels_hold_them() {
    for op in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSum", "ReduceLogSumExp"] {
        let cut = cut(&network(17, |g, x| {
            let y = g.unary("Sigmoid", x, "/positive");
            let s = g.node(Op::new(op, "/over").ints("axes", &[1]), &[&y], &[1, 1, 8, 8]);
            like(g, Op::new("Mul", "/mul"), &[x, &s])
        }));
        cut.not_refuted().holds("stem.weight", &[op, "over this axis"]);
    }
    for op in ["Softmax", "LogSoftmax", "Hardmax"] {
        let cut = cut(&network(17, |g, x| like(g, Op::new(op, "/over").int("axis", 1), &[x])));
        cut.not_refuted().holds("stem.weight", &[op, "depends on the whole axis"]);
    }
    let cumsum = cut(&network(17, |g, x| {
        let axis = g.initializer("axis", &Tensor::from_ints(vec![], &[1]));
        like(g, Op::new("CumSum", "/over"), &[x, &axis])
    }));
    cumsum.proved().holds("stem.weight", &["CumSum"]);
    let argmax = cut(&network(17, |g, x| {
        let y = g.node(Op::new("ArgMax", "/over").int("axis", 1), &[x], &[1, 1, 8, 8]);
        let y = g.node(Op::new("Cast", "/float").int("to", 1), &[&y], &[1, 1, 8, 8]);
        like(g, Op::new("Mul", "/mul"), &[x, &y])
    }));
    argmax.proved().holds("stem.weight", &["ArgMax"]);
    let top = cut(&network(17, |g, x| {
        let k = g.ints("k", &[4]);
        let op = Op::new("TopK", "/over").int("axis", 1);
        g.node_multi(op, &[x, &k], &[vec![1, 4, 8, 8], vec![1, 4, 8, 8]]).remove(0)
    }));
    top.not_refuted().holds("stem.weight", &["TopK"]);
}

#[test]
fn trap_9_normalisations_are_exact_or_hold_their_channels() {
    let vectors = |g: &mut GraphBuilder| (g.uniform("scale", &[16], 0.5, 1.5), g.uniform("bias", &[16], -0.5, 0.5));
    let instance = cut(&network(17, |g, x| {
        let (scale, bias) = vectors(g);
        like(g, Op::new("InstanceNormalization", "/norm"), &[x, &scale, &bias])
    }));
    instance.proved().cuts_or_holds("stem.weight", &["InstanceNormalization"]);
    let group = cut(&network(21, |g, x| {
        let (scale, bias) = vectors(g);
        like(g, Op::new("GroupNormalization", "/norm").int("num_groups", 4), &[x, &scale, &bias])
    }));
    let group = group.not_refuted();
    group.cuts_or_holds("stem.weight", &["GroupNormalization"]);
    assert_eq!(group.lost("stem.weight", 0) % 4, 0, "whole groups go, or none");
    let layer = cut(&network(17, |g, x| {
        let (scale, bias) = vectors(g);
        let y = g.transpose(x, &[0, 2, 3, 1], "/last_axis");
        let y = like(g, Op::new("LayerNormalization", "/norm"), &[&y, &scale, &bias]);
        g.transpose(&y, &[0, 3, 1, 2], "/back")
    }));
    layer.not_refuted().holds("stem.weight", &["LayerNormalization"]);
    let local = cut(&network(17, |g, x| like(g, Op::new("LRN", "/norm").int("size", 5), &[x])));
    local.not_refuted().holds("stem.weight", &["LRN"]);
}

/// A sum over other axes than the channels: one that is removed must not be made zero before it is divided by its own sum.
#[test]
fn trap_9_a_sum_over_pixels_that_is_divided_by() {
    for op in ["ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare"] {
        let cut = cut(&network(13, |g, x| {
            let y = g.unary("Exp", x, "/positive");
            let axes = if op == "ReduceSum" { Some(g.ints("axes", &[2, -1])) } else { None };
            let node = Op::new(op, "/sum");
            let node = if axes.is_none() { node.ints("axes", &[2, -1]) } else { node };
            let inputs: Vec<&Val> = [&y].into_iter().chain(&axes).collect();
            let sum = g.node(node, &inputs, &[1, 16, 1, 1]);
            like(g, Op::new("Div", "/share"), &[&y, &sum])
        }));
        let cut = cut.proved();
        assert_eq!(cut.lost("stem.weight", 0), 8, "{op}");
    }
}

/// What it drops depends on the shape, so that no cut of it is exact.
#[test]
fn trap_9_dropout_that_drops_holds_its_channels() {
    for (training, lost) in [(1, 0), (0, 8)] {
        let cut = cut(&network(17, |g, x| {
            let ratio = g.initializer("ratio", &Tensor::from_floats(vec![], &[0.5]));
            let flag = Tensor { dtype: DataType::Bool, dims: vec![], data: vec![training].into() };
            let flag = g.initializer("training", &flag);
            like(g, Op::new("Dropout", "/drop"), &[x, &ratio, &flag])
        }));
        let cut = cut.not_refuted();
        assert_eq!(cut.lost("stem.weight", 0), lost, "training_mode {training}");
    }
}

/// A slope of shape (W) lies along the last axis, not along the channels, though it has as many elements.
#[test]
fn trap_10_a_slope_that_is_not_of_the_channels() {
    let cut = cut(&network(17, |g, x| {
        let y = g.reshape(x, &[0, 16, 4, 16], &[1, 16, 4, 16], "/wide");
        let slope = g.uniform("slope", &[16], 0.1, 0.9);
        like(g, Op::new("PRelu", "/prelu"), &[&y, &slope])
    }));
    let cut = cut.proved();
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("slope", 0)), (8, 0));
}

#[test]
fn trap_12_constant_indices_into_channels() {
    let gathered = cut(&network(17, |g, x| {
        let index = g.ints("index", &[7, 0, 3, 15, 2, 2]);
        g.node(Op::new("Gather", "/gather").int("axis", 1), &[x, &index], &[1, 6, 8, 8])
    }));
    gathered.proved().cuts_or_holds("stem.weight", &["Gather"]);
    let sliced = cut(&network(17, |g, x| {
        let (from, to, axis) = (g.ints("from", &[-12]), g.ints("to", &[-2]), g.ints("axis", &[-3]));
        g.node(Op::new("Slice", "/slice"), &[x, &from, &to, &axis], &[1, 10, 8, 8])
    }));
    let sliced = sliced.proved();
    assert!(sliced.lost("stem.weight", 0) > 0 && sliced.lost("last.weight", 1) > 0);
    let stepped = cut(&network(17, |g, x| {
        let (from, to, axis, step) = (g.ints("f", &[0]), g.ints("t", &[16]), g.ints("a", &[1]), g.ints("s", &[2]));
        g.node(Op::new("Slice", "/slice"), &[x, &from, &to, &axis, &step], &[1, 8, 8, 8])
    }));
    stepped.proved().cuts_or_holds("stem.weight", &["Slice", "steps"]);
}

/// int8 weights with a scale and a zero point for each filter, dequantized in the graph.
#[test]
fn trap_15_quantized_weights() {
    let cut = cut(&network(17, |g, x| {
        let bytes: Vec<u8> = (0..12 * 16).map(|i| (i * 73 % 251) as u8).collect();
        let int8 = |dims: Vec<usize>, data: Vec<u8>| Tensor { dtype: DataType::Int8, dims, data: data.into() };
        let q = g.initializer("q", &int8(vec![12, 16, 1, 1], bytes));
        let (scale, zero) =
            (g.uniform("scale", &[12], 0.01, 0.02), g.initializer("zero", &int8(vec![12], vec![0; 12])));
        let w = g.node(Op::new("DequantizeLinear", "/w").int("axis", 0), &[&q, &scale, &zero], &[12, 16, 1, 1]);
        g.node(Op::new("Conv", "/quantized"), &[x, &w], &[1, 12, 8, 8])
    }));
    let cut = cut.not_refuted();
    cut.cuts_or_holds("stem.weight", &["DequantizeLinear"]);
    assert_eq!(cut.lost("q", 0), cut.lost("scale", 0), "scales follow their filters");
    assert_eq!(cut.lost("q", 0), cut.lost("zero", 0), "zero points follow their filters");
}
