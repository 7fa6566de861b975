//! Grouped convolutions and channel shuffles: every channel may go by itself, as long as each group keeps equally many.

use secateur::build::{Conv, GraphBuilder, Val};
use secateur::couple::couple;
use secateur::plan::{Budget, Choice, Limits, Plan, PlannedGroup, decide};

use crate::oracle::{check, lost};
use crate::support::{Analysed, network};

/// Two halves shuffled into one another.
fn shuffle(g: &mut GraphBuilder, x: &Val, groups: usize, name: &str) -> Val {
    let (c, h) = (x.dims[1], x.dims[2]);
    let (part, space) = (c / groups, h as i64);
    let split = [0, groups as i64, part as i64, space, space];
    let y = g.reshape(x, &split, &[1, groups, part, h, h], &format!("{name}/to"));
    let y = g.transpose(&y, &[0, 2, 1, 3, 4], &format!("{name}/turn"));
    g.reshape(&y, &[0, c as i64, space, space], &x.dims.clone(), &format!("{name}/from"))
}

/// As in ShuffleNet v2: half of the channels pass by, and every channel goes by itself.
#[test]
fn a_shuffle_becomes_a_gather() {
    let cuts = check(|g, x| {
        let mut x = x.clone();
        for k in 0..3 {
            let parts = g.split(&x, 1, &[8, 8], &format!("/split{k}"));
            let y = g.conv(&parts[1], &format!("/a{k}"), Conv::square(8, 1));
            let y = g.relu(&y, &format!("/r{k}"));
            let y = g.conv(&y, &format!("/dw{k}"), Conv::square(8, 3).pad(1).group(8));
            let y = g.conv(&y, &format!("/b{k}"), Conv::square(8, 1));
            let y = g.concat(&[&parts[0], &y], 1, &format!("/concat{k}"));
            x = shuffle(g, &y, 2, &format!("/shuffle{k}"));
        }
        x
    });
    assert_eq!(["a0", "b0", "a1", "b1", "a2", "b2"].map(|w| lost(&cuts, &format!("{w}.weight"))), [4; 6], "{cuts:?}");
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

/// As in ShuffleNet v1: grouped convolutions on both sides of a shuffle, so that each channel lies in two partitions.
#[test]
fn grouped_convolutions_around_a_shuffle() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/a", Conv::square(24, 1).group(4));
        let y = g.relu(&y, "/r");
        let y = shuffle(g, &y, 4, "/shuffle");
        let y = g.conv(&y, "/dw", Conv::square(24, 3).pad(1).group(24));
        let y = g.conv(&y, "/b", Conv::square(16, 1).group(4));
        g.add(x, &y, "/add")
    });
    assert_eq!((lost(&cuts, "a.weight"), lost(&cuts, "b.weight"), lost(&cuts, "stem.weight")), (12, 8, 8));
}

/// Blocks that the shuffle cannot deal out evenly (34 = 9 + 9 + 8 + 8), widths of multiples of 8, and a budget: there is a way, and it is found.
#[test]
fn grouped_convolutions_around_a_shuffle_end_at_widths_of_multiples() {
    let model = network(13, |g, x| {
        let mut x = g.conv(x, "/wide", Conv::square(272, 1));
        for k in 0..3 {
            let y = g.conv(&x, &format!("/a{k}"), Conv::square(136, 1).group(4));
            let y = g.relu(&y, &format!("/r{k}"));
            let y = shuffle(g, &y, 4, &format!("/shuffle{k}"));
            let y = g.conv(&y, &format!("/dw{k}"), Conv::square(136, 3).pad(1).group(136));
            let y = g.conv(&y, &format!("/b{k}"), Conv::square(272, 1).group(4));
            x = g.add(&x, &y, &format!("/add{k}"));
        }
        x
    });
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    for multiple in [8, 16] {
        let limits = Limits { round_to: Some(multiple), ..Limits::default() };
        let choice = Choice { limits, ..Choice::new(Budget::CutFlops(0.5)) };
        let plan = decide(&known.facts(), &coupling, &choice, None).unwrap().plan;
        let (proto, _) = known.cut(&coupling, &plan.gone(&coupling).unwrap());
        let graph = proto.graph.unwrap();
        let width =
            |name: &str| graph.initializer.iter().find(|t| t.name() == format!("{name}.weight")).unwrap().dims[0];
        let kept = ["wide", "a0", "dw0", "b0", "a2", "b2"].map(width);
        assert!(kept.iter().all(|w| w % multiple as i64 == 0), "{kept:?}");
        assert!(kept[0] < 272 && kept[1] < 136, "{kept:?}");
    }
}

#[test]
fn a_shuffle_of_products_where_its_parts_are_read() {
    let cuts = check(|g, x| {
        let y = g.reshape(x, &[0, 2, 8, 8, 8], &[1, 2, 8, 8, 8], "/to");
        let y = g.transpose(&y, &[0, 2, 1, 3, 4], "/turn");
        let y = g.relu(&y, "/between");
        g.reshape(&y, &[0, 16, 8, 8], &[1, 16, 8, 8], "/from")
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn groups_of_a_convolution_lose_equally_many_wherever_they_lie() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/grouped", Conv::square(24, 3).pad(1).group(4));
        let y = g.relu(&y, "/r");
        g.conv(&y, "/b", Conv::square(8, 1))
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "grouped.weight")), (8, 12));
}

/// As in ResNeXt: a residual stream around a grouped convolution.
#[test]
fn grouped_convolution_in_a_residual_block() {
    let cuts = check(|g, x| {
        let y = g.conv(x, "/a", Conv::square(32, 1));
        let y = g.relu(&y, "/ra");
        let y = g.conv(&y, "/b", Conv::square(32, 3).pad(1).group(8).no_bias());
        let y = g.batch_norm(&y, "/bn");
        let y = g.relu(&y, "/rb");
        let y = g.conv(&y, "/c", Conv::square(16, 1));
        g.add(x, &y, "/add")
    });
    assert_eq!((lost(&cuts, "a.weight"), lost(&cuts, "b.weight"), lost(&cuts, "c.weight")), (16, 16, 8));
}

/// The blocks of the second convolution are filled by both parts of the concatenation.
#[test]
fn blocks_that_several_groups_fill_lose_equally_many() {
    let cuts = check(|g, x| {
        let a = g.conv(x, "/a", Conv::square(12, 1));
        let joined = g.concat(&[x, &a], 1, "/concat");
        let y = g.conv(&joined, "/grouped", Conv::square(28, 1).group(2));
        g.relu(&y, "/r")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "a.weight"), lost(&cuts, "grouped.weight")), (8, 6, 14));
}

#[test]
fn a_plan_that_takes_more_from_one_group_than_from_another_is_refused() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 8, 4, 4]);
    let y = g.conv(&x, "/grouped", Conv::square(8, 1).group(2));
    let y = g.conv(&y, "/last", Conv::square(3, 1));
    g.output(&y);
    let model = g.model().unwrap();
    let known = Analysed::new(&model, &[]);
    let coupling = couple(&known.facts()).unwrap();
    let plan = |remove: &[usize]| Plan { groups: vec![PlannedGroup { id: 0, remove: remove.to_vec() }] };
    assert!(plan(&[1, 6]).gone(&coupling).is_ok());
    assert!(plan(&[1, 6, 6]).gone(&coupling).is_err(), "a unit goes once");
    let error = plan(&[0, 1, 6]).gone(&coupling).unwrap_err().to_string();
    assert!(error.contains("block 0 would lose 2 and block 1 would lose 1"), "{error}");
}
