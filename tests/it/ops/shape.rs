//! Shapes: zeros that copy a length, whatever axis it belongs to, and constants that are joined to open lengths.

use secateur::build::{Conv, GraphBuilder, Op, Val};

use crate::oracle::{check, lost};

/// 8 channels of 8x8 pixels: the 0 stands for the height, and copies the number of channels.
#[test]
fn a_zero_that_copies_an_unrelated_length_keeps_both_axes() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(8, 1));
        let y = g.reshape(&y, &[-1, 1, 8, 64], &[1, 1, 8, 64], "/to");
        g.reshape(&y, &[-1, 8, 0, 8], &[1, 8, 8, 8], "/from")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight")), (8, 0));
}

#[test]
fn a_zero_that_copies_its_own_axis_lets_it_shrink() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(8, 1));
        let y = g.reshape(&y, &[0, 0, 64, 1], &[1, 8, 64, 1], "/to");
        g.reshape(&y, &[0, 0, 8, 8], &[1, 8, 8, 8], "/from")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight")), (8, 4));
}

/// The shape as exporters write it: the batch from a Shape chain, joined to constants.
fn joined(g: &mut GraphBuilder, like: &Val, rest: &[i64], name: &str) -> Val {
    let shape = g.node(Op::new("Shape", &format!("{name}/shape")), &[like], &[4]);
    let zero = g.ints(&format!("{name}.zero"), &[0]);
    let batch = g.node(Op::new("Gather", &format!("{name}/batch")).int("axis", 0), &[&shape, &zero], &[1]);
    let rest = g.ints(&format!("{name}.rest"), rest);
    g.concat(&[&batch, &rest], 0, &format!("{name}/joined"))
}

#[test]
fn constants_joined_to_an_open_length_are_written_anew() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/b", Conv::square(8, 1));
        let to = joined(g, &y, &[8, 64], "/to");
        let y = g.node(Op::new("Reshape", "/flattened"), &[&y, &to], &[1, 8, 64]);
        let from = joined(g, x, &[8, 8, 8], "/from");
        g.node(Op::new("Reshape", "/back"), &[&y, &from], &[1, 8, 8, 8])
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "b.weight")), (8, 4));
}

/// One shape for two values of which one is cut and the other is not: neither may change.
#[test]
fn a_joined_shape_with_readers_that_disagree_stays() {
    let cuts = check(|g, x| {
        let (a, b) = (g.conv(x, "/a", Conv::square(8, 1)), g.conv(x, "/b", Conv::square(8, 1)));
        let to = joined(g, x, &[8, 64], "/to");
        let a = g.node(Op::new("Reshape", "/flat_a"), &[&a, &to], &[1, 8, 64]);
        let b = g.node(Op::new("Reshape", "/flat_b"), &[&b, &to], &[1, 8, 64]);
        let b = g.node(Op::new("Softmax", "/softmax").int("axis", 1), &[&b], &[1, 8, 64]);
        let (a, b) = (g.flatten(&a, "/fa"), g.flatten(&b, "/fb"));
        g.concat(&[&a, &b], 1, "/concat")
    });
    assert_eq!((lost(&cuts, "a.weight"), lost(&cuts, "b.weight"), lost(&cuts, "stem.weight")), (0, 0, 8));
}

/// Two permutations that share a Reshape: the second reads what lies within the first.
#[test]
fn shuffles_that_overlap_are_not_taken_for_two() {
    let cuts = check(|g, x| {
        let y = g.reshape(x, &[0, 128, 2, 4], &[1, 128, 2, 4], "/split");
        let y = g.transpose(&y, &[0, 1, 3, 2], "/turn");
        let y = g.reshape(&y, &[0, 16, 8, 8], &[1, 16, 8, 8], "/between");
        let y = g.transpose(&y, &[0, 2, 1, 3], "/turn2");
        let y = g.reshape(&y, &[0, 128, 4, 2], &[1, 128, 4, 2], "/last");
        g.conv(&y, "/c", Conv::square(8, 1))
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "c.weight")), (8, 4));
}

/// A class token: one row of weights for every sample of an open batch, joined to what the samples make.
#[test]
fn weights_that_are_spread_over_an_open_batch_follow_their_channels() {
    let cuts = check(|g, x| {
        let rows = g.reshape(x, &[0, 16, 64], &[1, 16, 64], "/rows");
        let rows = g.transpose(&rows, &[0, 2, 1], "/turn");
        let token = g.uniform("token", &[1, 1, 16], -1.0, 1.0);
        let shape = g.node(Op::new("Shape", "/shape"), &[&rows], &[3]);
        let (first, rest) = (g.ints("first", &[0]), g.ints("rest", &[-1, -1]));
        let batch = g.node(Op::new("Gather", "/batch").int("axis", 0), &[&shape, &first], &[1]);
        let minus = g.ints("minus", &[-1, -1, -1]);
        let ones = g.ints("ones", &[1, 1, 1]);
        let asked = g.node(Op::new("Concat", "/asked").int("axis", 0), &[&batch, &rest], &[3]);
        let open = g.node(Op::new("Equal", "/open"), &[&asked, &minus], &[3]);
        let target = g.node(Op::new("Where", "/target"), &[&open, &ones, &asked], &[3]);
        let tokens = g.node(Op::new("Expand", "/expand"), &[&token, &target], &[1, 1, 16]);
        let y = g.concat(&[&tokens, &rows], 1, "/concat");
        let w = g.weights("mlp.weight", &[16, 12]);
        let y = g.node(Op::new("MatMul", "/mlp"), &[&y, &w], &[1, 65, 12]);
        g.flatten(&y, "/flat")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}
