//! Normalisations: exact where each channel, or each group of channels, has statistics of its own.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::couple::{Facts, couple};
use secateur::model::Tensor;

use super::{check_at, reason_at, same};
use crate::oracle::{check, lost};
use crate::support::{Analysed, network};

fn weights(g: &mut GraphBuilder, n: usize) -> [Val; 2] {
    [g.uniform("norm.weight", &[n], 0.5, 1.5), g.uniform("norm.bias", &[n], -0.5, 0.5)]
}

#[test]
fn instance_normalisation_is_exact() {
    let cuts = check(|g, x| {
        let [w, b] = weights(g, 16);
        same(g, Op::new("InstanceNormalization", "/norm"), &[x, &w, &b])
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "norm.weight")), (8, 8));
}

#[test]
fn group_normalisation_as_exporters_write_it_loses_whole_groups() {
    let cuts = check(|g, x| {
        let ones = g.initializer("ones", &Tensor::from_floats(vec![4], &[1.0; 4]));
        let zeros = g.initializer("zeros", &Tensor::from_floats(vec![4], &[0.0; 4]));
        let y = g.reshape(x, &[0, 4, -1], &[1, 4, 256], "/to");
        let y = same(g, Op::new("InstanceNormalization", "/norm"), &[&y, &ones, &zeros]);
        let y = g.reshape(&y, &[-1, 16, 8, 8], &[1, 16, 8, 8], "/from");
        let w = g.uniform("gamma", &[16, 1, 1], 0.5, 1.5);
        same(g, Op::new("Mul", "/mul"), &[&y, &w])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8, "two of four groups");
}

#[test]
fn group_normalisation_loses_whole_groups() {
    for (opset, weights_of) in [(18, 4), (21, 16)] {
        let cuts = check_at(opset, |g, x| {
            let [w, b] = weights(g, weights_of);
            same(g, Op::new("GroupNormalization", "/norm").int("num_groups", 4), &[x, &w, &b])
        });
        assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "norm.weight")), (8, weights_of / 2), "{opset}");
    }
}

#[test]
fn statistics_over_channels_keep_them() {
    let layer_norm = |g: &mut GraphBuilder, x: &Val| {
        let turned = g.transpose(x, &[0, 2, 3, 1], "/turn");
        let [w, b] = weights(g, 16);
        let y = same(g, Op::new("LayerNormalization", "/norm"), &[&turned, &w, &b]);
        g.transpose(&y, &[0, 3, 1, 2], "/back")
    };
    assert!(reason_at(17, layer_norm).contains("statistics would change"));
    for op in [
        Op::new("LRN", "/norm").int("size", 3),
        Op::new("LpNormalization", "/norm").int("axis", 1),
        Op::new("MeanVarianceNormalization", "/norm").ints("axes", &[1, 2, 3]),
    ] {
        let reason = reason_at(17, |g, x| same(g, op.clone(), &[x]));
        assert!(reason.contains("statistics would change"), "{op:?}: {reason}");
    }
    let mean = reason_at(17, |g, x| {
        let mean = g.node(Op::new("ReduceMean", "/mean").ints("axes", &[1]), &[x], &[1, 1, 8, 8]);
        same(g, Op::new("Sub", "/sub"), &[x, &mean])
    });
    assert!(mean.contains("takes a mean over this axis"), "{mean}");
}

#[test]
fn statistics_over_pixels_pass_channels() {
    let cuts = check(|g, x| same(g, Op::new("MeanVarianceNormalization", "/norm").ints("axes", &[2, 3]), &[x]));
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

/// What a statistic is taken over may go where that is consented to, and the group says that it is not exact.
#[test]
fn with_consent_the_axes_of_statistics_may_go() {
    let model = network(17, |g, x| {
        let turned = g.transpose(x, &[0, 2, 3, 1], "/turn");
        let [w, b] = weights(g, 16);
        let y = same(g, Op::new("LayerNormalization", "/norm"), &[&turned, &w, &b]);
        g.transpose(&y, &[0, 3, 1, 2], "/back")
    });
    let known = Analysed::new(&model, &[]);
    let of_stem = |inexact: bool| {
        let coupling = couple(&Facts { inexact, ..known.facts() }).unwrap();
        coupling.groups.iter().find(|g| g.name == "/stem/Conv").map(|g| (g.units.len(), g.exact))
    };
    assert_eq!(of_stem(false), None);
    assert_eq!(of_stem(true), Some((16, false)));
}
