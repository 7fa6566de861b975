//! Operators that mix an axis keep it, and pass the others; operators that are not followed say why.

use secateur::build::{Op, Val};
use secateur::model::Tensor;

use super::{reason_at, same};
use crate::oracle::{check, lost};

#[test]
fn an_axis_that_is_mixed_stays_and_the_others_pass() {
    let case = |op: &'static str, axis: i64| {
        move |g: &mut secateur::build::GraphBuilder, x: &Val| match op {
            "CumSum" => {
                let axis = g.initializer("axis", &Tensor::from_ints(vec![], &[axis]));
                same(g, Op::new(op, "/op"), &[x, &axis])
            }
            "TopK" => {
                let k = g.ints("k", &[4]);
                let mut dims = x.dims.clone();
                dims[axis as usize] = 4;
                g.node_multi(Op::new(op, "/op").int("axis", axis), &[x, &k], &[dims.clone(), dims]).remove(0)
            }
            _ => {
                let mut dims = x.dims.clone();
                dims[axis as usize] = 1;
                let at = g.node(Op::new(op, "/op").int("axis", axis), &[x], &dims);
                let float = g.node(Op::new("Cast", "/cast").int("to", 1), &[&at], &dims);
                same(g, Op::new("Mul", "/mul"), &[x, &float])
            }
        }
    };
    for op in ["CumSum", "TopK", "ArgMax", "ArgMin"] {
        assert_eq!(lost(&check(case(op, 2)), "stem.weight"), 8, "{op} over pixels");
        let reason = reason_at(17, case(op, 1));
        assert!(reason.contains("depends on the whole axis"), "{op} over channels: {reason}");
    }
}

#[test]
fn a_triangle_of_pixels_passes_channels() {
    let cuts = check(|g, x| same(g, Op::new("Trilu", "/op"), &[x]));
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn what_is_not_followed_says_why() {
    for (op, words) in [
        ("Attention", "splits its channels into heads"),
        ("DynamicQuantizeLinear", "takes its scale from all elements"),
        ("LSTM", "keeps a state"),
        ("MaxUnpool", "indices that count through all channels"),
        ("NonZero", "depends on data"),
        ("QLinearConv", "a zero stands for another number"),
        ("RandomNormalLike", "other numbers in each run"),
    ] {
        let reason = reason_at(17, |g, x| same(g, Op::new(op, "/op"), &[x]));
        assert!(reason.contains(op) && reason.contains(words), "{op}: {reason}");
    }
}
