//! A weight that several contractions read: fitted once, to all that they read, and still one in the file.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::heal::Healed;

use super::{FIT, Trial, heals, sample};
use crate::support::network;

fn conv(g: &mut GraphBuilder, (x, w): (&Val, &Val), name: &str) -> Val {
    let bias = g.uniform(&format!("{name}.bias"), &[w.dims[0]], -0.5, 0.5);
    let kernel = w.dims[2] as i64;
    let dims = [x.dims[0], w.dims[0], x.dims[2], x.dims[3]];
    g.node(Op::new("Conv", name).ints("pads", &[kernel / 2; 4]), &[x, w, &bias], &dims)
}

/// Two branches: the stem, and what another convolution makes of it.
fn branches(g: &mut GraphBuilder, x: &Val) -> [Val; 2] {
    let w = g.weights("other", &[16, 16, 3, 3]);
    let y = conv(g, (x, &w), "/other");
    [x.clone(), g.relu(&y, "/other/relu")]
}

/// The node names behind each edit, by the slot that it writes.
fn written(healed: &Healed, slot: usize) -> Vec<usize> {
    healed.edits.iter().filter(|e| e.slots[0].1 == slot).map(|e| e.slots.len()).collect()
}

/// Layers that were fitted or folded, of those with such a name.
fn healed_of(healed: &Healed, name: &str) -> usize {
    healed.layers.iter().filter(|l| l.node.starts_with(name) && l.outcome != "kept" && l.after < l.before).count()
}

#[test]
fn twins_have_one_weight_and_a_bias_each() {
    let healed = heals(|g, x| {
        let w = g.weights("tied", &[12, 16, 3, 3]);
        let [a, b] = branches(g, x);
        // The second twin's normalization is its own.
        let a = conv(g, (&a, &w), "/twin/a");
        let b = conv(g, (&b, &w), "/twin/b");
        let b = g.batch_norm(&b, "/bn");
        let (a, b) = (g.relu(&a, "/ra"), g.relu(&b, "/rb"));
        g.concat(&[&a, &b], 1, "/cat")
    });
    assert_eq!(healed_of(&healed, "/twin"), 2, "{:?}", healed.layers);
    assert_eq!(written(&healed, 1).iter().filter(|n| **n == 2).count(), 1, "one weight for both");
}

#[test]
fn what_reads_its_own_output_again_is_fitted_with_the_rest() {
    let healed = heals(|g, x| {
        let (u, v) = (g.weights("up", &[20, 16, 3, 3]), g.weights("down", &[16, 20, 3, 3]));
        (0..3).fold(x.clone(), |x, turn| {
            let y = conv(g, (&x, &u), &format!("/turn/up{turn}"));
            let y = g.relu(&y, &format!("/turn/relu{turn}"));
            let y = conv(g, (&y, &v), &format!("/turn/down{turn}"));
            g.add(&x, &y, &format!("/turn/add{turn}"))
        })
    });
    assert_eq!(written(&healed, 1).iter().filter(|n| **n == 3).count(), 2, "{:?}", healed.layers);
    let turns = healed.layers.iter().filter(|l| l.node.starts_with("/turn") && l.outcome == "refit").count();
    assert_eq!(turns, 6, "{:?}", healed.layers);
}

#[test]
fn matrices_that_rows_share() {
    let healed = heals(|g, x| {
        let w = g.weights("tied", &[16, 12]);
        let row = |g: &mut GraphBuilder, x: &Val, name: &str| {
            let x = g.global_average_pool(x, &format!("{name}/pool"));
            let x = g.flatten(&x, &format!("{name}/flat"));
            let y = g.node(Op::new("MatMul", name), &[&x, &w], &[1, 12]);
            let bias = g.uniform(&format!("{name}.bias"), &[12], -0.5, 0.5);
            g.add(&y, &bias, &format!("{name}/add"))
        };
        let [a, b] = branches(g, x);
        let (a, b) = (row(g, &a, "/dense/a"), row(g, &b, "/dense/b"));
        g.concat(&[&a, &b], 1, "/cat")
    });
    assert_eq!(healed_of(&healed, "/dense"), 2, "{:?}", healed.layers);
}

#[test]
fn transposed_convolutions_that_share_are_folded_as_one() {
    let healed = heals(|g, x| {
        let w = g.weights("tied", &[16, 6, 2, 2]);
        let up = |g: &mut GraphBuilder, x: &Val, name: &str| {
            let bias = g.uniform(&format!("{name}.bias"), &[6], -0.5, 0.5);
            g.node(Op::new("ConvTranspose", name).ints("strides", &[2, 2]), &[x, &w, &bias], &[1, 6, 16, 16])
        };
        let [a, b] = branches(g, x);
        let (a, b) = (up(g, &a, "/up/a"), up(g, &b, "/up/b"));
        g.concat(&[&a, &b], 1, "/cat")
    });
    assert_eq!(written(&healed, 1).iter().filter(|n| **n == 2).count(), 1, "{:?}", healed.layers);
}

/// Where one of several readers cannot be healed, a fit for the others would be wrong for it.
#[test]
fn of_twins_of_which_one_cannot_be_healed_none_is() {
    let trial = Trial::new(network(17, |g, x| {
        let w = g.weights("tied", &[6, 16, 1, 1]);
        let bias = g.uniform("bias", &[6], -0.5, 0.5);
        let zero = g.uniform("zero", &[6], 0.0, 1e-6);
        // A bias that is computed has no place for another.
        let made = g.global_average_pool(x, "/of/pool");
        let made = g.flatten(&made, "/of/flat");
        let made = g.gemm(&made, "/of", 6);
        let made = g.reshape(&made, &[6], &[6], "/vector");
        let made = g.add(&made, &zero, "/made");
        let one =
            |g: &mut GraphBuilder, bias: &Val, name: &str| g.node(Op::new("Conv", name), &[x, &w, bias], &[1, 6, 8, 8]);
        let (a, b) = (one(g, &bias, "/twin/a"), one(g, &made, "/twin/b"));
        let b = g.unary("Sigmoid", &b, "/sigmoid");
        g.add(&a, &b, "/sum")
    }));
    let (healed, _) = trial.heal("reconstruct", FIT, &|i| Ok(sample(i)));
    let of_twins: Vec<_> = healed.layers.iter().filter(|l| l.node.starts_with("/twin")).collect();
    assert_eq!(of_twins.len(), 2);
    assert!(of_twins.iter().all(|l| l.skipped.as_ref().is_some_and(|s| s.contains("its bias is no"))), "{of_twins:?}");
    assert!(written(&healed, 1).iter().all(|n| *n == 1));
}

/// A bias for each of many would take more than is cut.
#[test]
fn of_many_readers_without_a_bias_none_gets_one() {
    let recurrent = |turns: usize| {
        heals(move |g, x| {
            let w = g.weights("tied", &[16, 16, 1, 1]);
            (0..turns).fold(x.clone(), |x, turn| {
                let y = g.node(Op::new("Conv", &format!("/turn{turn}")), &[&x, &w], &x.dims.clone());
                let y = g.unary("Tanh", &y, &format!("/tanh{turn}"));
                g.add(&x, &y, &format!("/add{turn}"))
            })
        })
    };
    let biases = |healed: &Healed| {
        let of_turns = healed.edits.iter().flat_map(|e| &e.slots).filter(|(output, _)| output.starts_with("/turn"));
        of_turns.filter(|(_, slot)| *slot == 2).count()
    };
    assert_eq!((biases(&recurrent(4)), biases(&recurrent(1))), (0, 1));
}
