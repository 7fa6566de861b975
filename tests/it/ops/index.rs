//! Looking into an axis: Gather, Slice in steps, Tile, Expand.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::model::Tensor;
use secateur::plan::Scope;
use secateur::verify::Status;

use super::{reason_at, same};
use crate::oracle::{check, lost};
use crate::support::{Analysed, constant, network, set_constant};

fn gather(g: &mut GraphBuilder, x: &Val, index: &Tensor) -> Val {
    let list = g.initializer("index", index);
    let mut dims = x.dims.clone();
    dims.splice(1..2, index.dims.iter().copied());
    g.node(Op::new("Gather", "/gather").int("axis", 1), &[x, &list], &dims)
}

fn slice(g: &mut GraphBuilder, x: &Val, [start, end, step]: [i64; 3], left: usize) -> Val {
    let parts = [("from", start), ("to", end), ("axis", 1), ("step", step)].map(|(n, v)| g.ints(n, &[v]));
    let [from, to, axis, step] = &parts;
    g.node(Op::new("Slice", "/slice"), &[x, from, to, axis, step], &[1, left, 8, 8])
}

#[test]
fn gathered_channels_are_looked_up_anew() {
    let index = Tensor::from_ints(vec![16], &[3, 0, 1, 2, 7, 6, -11, 4, 15, -2, 13, 12, 8, 9, 10, 11]);
    let cuts = check(|g, x| {
        let y = gather(g, x, &index);
        g.batch_norm(&y, "/bn")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "bn.weight")), (8, 8));
}

#[test]
fn a_channel_gathered_twice_goes_twice_and_one_that_is_not_gathered_is_free() {
    let index = Tensor::from_ints(vec![6], &[2, 5, 2, 9, 5, 9]);
    let cuts = check(|g, x| {
        let y = gather(g, x, &index);
        g.batch_norm(&y, "/bn")
    });
    // Of 2, 5 and 9 one goes (two coordinates behind the Gather); of the 13 others six.
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "bn.weight")), (7, 2));
}

#[test]
fn a_channel_taken_alone_stays_and_is_found_again() {
    let cuts = check(|g, x| {
        let index = g.initializer("index", &Tensor::from_ints(vec![], &[11]));
        let y = g.node(Op::new("Gather", "/gather").int("axis", 1), &[x, &index], &[1, 8, 8]);
        g.reshape(&y, &[0, 64], &[1, 64], "/flat")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 7, "half of the 15 that nothing reads");
}

#[test]
fn a_table_of_indices_keeps_its_channels() {
    let reason = reason_at(17, |g, x| {
        let y = gather(g, x, &Tensor::from_ints(vec![4, 4], &(0..16).collect::<Vec<_>>()));
        g.reshape(&y, &[0, 1024], &[1, 1024], "/flat")
    });
    assert!(reason.contains("points into it"), "{reason}");
}

#[test]
fn gathering_along_another_axis_passes_channels() {
    let cuts = check(|g, x| {
        let index = g.ints("index", &[1, 3, 5]);
        g.node(Op::new("Gather", "/gather").int("axis", 2), &[x, &index], &[1, 16, 3, 8])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn reversed_channels_stay_reversed() {
    for (start, end) in [(-1, i64::MIN), (15, -17)] {
        let cuts = check(|g, x| {
            let y = slice(g, x, [start, end, -1], 16);
            g.batch_norm(&y, "/bn")
        });
        assert_eq!(lost(&cuts, "stem.weight"), 8);
    }
}

#[test]
fn channels_taken_in_steps_stay() {
    for bounds in [[0, 16, 2], [15, 0, -2]] {
        let reason = reason_at(17, |g, x| slice(g, x, bounds, 8));
        assert!(reason.contains("in steps"), "{reason}");
    }
}

#[test]
fn tiled_channels_go_in_every_repeat() {
    let cuts = check(|g, x| {
        let repeats = g.ints("repeats", &[1, 3, 1, 1]);
        let y = g.node(Op::new("Tile", "/tile"), &[x, &repeats], &[1, 48, 8, 8]);
        g.batch_norm(&y, "/bn")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "bn.weight")), (8, 24));
}

#[test]
fn a_map_repeated_for_every_channel_is_repeated_less() {
    for op in ["Tile", "Expand"] {
        let cuts = check(|g, x| {
            let map = g.node(Op::new("ReduceMax", "/map").ints("axes", &[2]), &[x], &[1, 16, 1, 8]);
            let one = g.conv(&map, "/one", secateur::build::Conv::square(1, 1));
            let shape = g.ints("amounts", &[1, 16, 8, 1]);
            let wide = g.node(Op::new(op, "/wide"), &[&one, &shape], &[1, 16, 8, 8]);
            same(g, Op::new("Mul", "/mul"), &[x, &wide])
        });
        assert_eq!(lost(&cuts, "stem.weight"), 8, "{op}");
    }
}

#[test]
fn expanding_pixels_passes_channels() {
    let cuts = check(|g, x| {
        let pooled = g.global_average_pool(x, "/pool0");
        let shape = g.ints("amounts", &[1, 16, 4, 4]);
        g.node(Op::new("Expand", "/expand"), &[&pooled, &shape], &[1, 16, 4, 4])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn looking_up_elements_passes_the_axes_that_are_not_looked_into() {
    let cuts = check(|g, x| {
        let index = g.initializer("index", &Tensor::from_ints(vec![1, 16, 8, 8], &vec![3; 1024]));
        same(g, Op::new("GatherElements", "/pick").int("axis", 2), &[x, &index])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
    let reason = reason_at(17, |g, x| {
        let index = g.initializer("index", &Tensor::from_ints(vec![1, 16, 8, 8], &vec![3; 1024]));
        same(g, Op::new("GatherElements", "/pick").int("axis", 1), &[x, &index])
    });
    assert!(reason.contains("indices point into it"), "{reason}");
}

#[test]
fn a_map_made_in_the_shape_of_an_activation_shrinks_with_it() {
    let cuts = check(|g, x| {
        let shape = g.node(Op::new("Shape", "/shape"), &[x], &[4]);
        let half = Tensor::from_floats(vec![1], &[0.5]);
        let map = g.node(Op::new("ConstantOfShape", "/map").tensor("value", &half), &[&shape], &x.dims.clone());
        same(g, Op::new("Add", "/add"), &[x, &map])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

/// The judge lets a Gather's indices be written anew, and runs them.
#[test]
fn a_wrong_index_after_a_cut_does_not_pass() {
    let model = network(17, |g, x| gather(g, x, &Tensor::from_ints(vec![8], &[3, 0, 1, 2, 7, 6, 5, 4])));
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (mut pruned, removed) = known.cut(&coupling, &gone);
    assert_eq!(known.judge(pruned.clone(), &removed).status, Status::Passed);
    let mut list = constant(&pruned, "index_cut1").unwrap().ints().unwrap();
    list.swap(0, 1);
    assert!(set_constant(&mut pruned, "index_cut1", &Tensor::from_ints(vec![list.len()], &list)));
    assert_eq!(known.judge(pruned, &removed).status, Status::Failed);
}
