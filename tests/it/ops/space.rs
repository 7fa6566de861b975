//! Transposed convolutions, resizing, pixels from channels.

use secateur::build::{Conv, GraphBuilder, Op, Val};

use super::{check_once, reason_at};
use crate::oracle::{check, lost};

/// A transposed convolution that doubles the image.
fn up(g: &mut GraphBuilder, x: &Val, name: &str, (out, group): (usize, usize)) -> Val {
    let w = g.weights(&format!("{name}.weight"), &[x.dims[1], out / group, 2, 2]);
    let b = g.uniform(&format!("{name}.bias"), &[out], -0.1, 0.1);
    let op = Op::new("ConvTranspose", name).int("group", group as i64).ints("kernel_shape", &[2, 2]);
    g.node(op.ints("strides", &[2, 2]), &[x, &w, &b], &[1, out, 2 * x.dims[2], 2 * x.dims[3]])
}

#[test]
fn a_transposed_convolution_loses_inputs_and_outputs() {
    let cuts = check(|g, x| {
        let y = up(g, x, "up", (12, 1));
        g.conv(&y, "/b", Conv::square(8, 1))
    });
    // The first axis of its weight is the input's.
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "up.weight"), lost(&cuts, "b.weight")), (8, 8, 4));
}

#[test]
fn the_outputs_of_a_transposed_convolution_go_with_what_reads_them() {
    let mut outputs = 0;
    let cuts = check(|g, x| {
        let y = up(g, x, "up", (12, 1));
        let y = g.batch_norm(&y, "/bn");
        g.relu(&y, "/r")
    });
    outputs += lost(&cuts, "bn.weight");
    assert_eq!(outputs, 6);
}

#[test]
fn a_depthwise_transposed_convolution_follows_its_input() {
    let cuts = check(|g, x| up(g, x, "up", (16, 16)));
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "up.weight")), (8, 8));
}

#[test]
fn a_grouped_transposed_convolution_stays_exact() {
    let cuts = check(|g, x| {
        let y = up(g, x, "up", (24, 4));
        g.batch_norm(&y, "/bn")
    });
    assert!(lost(&cuts, "stem.weight") > 0 && lost(&cuts, "bn.weight") > 0, "{cuts:?}");
}

#[test]
fn pixels_from_channels_go_in_whole_blocks() {
    for mode in ["DCR", "CRD"] {
        let cuts = check(|g, x| {
            let op = Op::new("DepthToSpace", "/d2s").int("blocksize", 2).text("mode", mode);
            g.node(op, &[x], &[1, 4, 16, 16])
        });
        assert_eq!(lost(&cuts, "stem.weight"), 8, "{mode}: two of four blocks");
    }
}

#[test]
fn channels_from_pixels_go_in_whole_blocks() {
    let cuts = check(|g, x| {
        let y = g.node(Op::new("SpaceToDepth", "/s2d").int("blocksize", 2), &[x], &[1, 64, 4, 4]);
        g.batch_norm(&y, "/bn")
    });
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "bn.weight")), (8, 32));
}

#[test]
fn resizing_by_scales_or_sizes_passes_channels() {
    for by_sizes in [false, true] {
        let cuts = check(|g, x| {
            let none = Val { name: String::new(), dims: vec![] };
            let op = Op::new("Resize", "/resize").text("mode", "nearest").text("nearest_mode", "floor");
            let op = op.text("coordinate_transformation_mode", "asymmetric");
            if by_sizes {
                let shape = g.node(Op::new("Shape", "/shape"), &[x], &[4]);
                let (zero, rest) = (g.ints("zero", &[0]), g.ints("rest", &[16, 16, 16]));
                let batch = g.node(Op::new("Gather", "/batch").int("axis", 0), &[&shape, &zero], &[1]);
                let sizes = g.concat(&[&batch, &rest], 0, "/sizes");
                g.node(op, &[x, &none, &none, &sizes], &[1, 16, 16, 16])
            } else {
                let scales = g.initializer("scales", &secateur::model::Tensor::from_floats(vec![4], &[1., 1., 2., 2.]));
                g.node(op, &[x, &none, &scales], &[1, 16, 16, 16])
            }
        });
        assert_eq!(lost(&cuts, "stem.weight"), 8);
    }
}

#[test]
fn sizes_computed_from_the_input_follow_it() {
    let cuts = check(|g, x| {
        let none = Val { name: String::new(), dims: vec![] };
        let shape = g.node(Op::new("Shape", "/shape").int("end", 2), &[x], &[2]);
        let rest = g.ints("rest", &[16, 16]);
        let sizes = g.concat(&[&shape, &rest], 0, "/sizes");
        let op = Op::new("Resize", "/resize").text("mode", "linear");
        g.node(op, &[x, &none, &none, &sizes], &[1, 16, 16, 16])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}

#[test]
fn a_resize_that_interpolates_channels_keeps_them() {
    let reason = reason_at(17, |g, x| {
        let none = Val { name: String::new(), dims: vec![] };
        let scales = g.initializer("scales", &secateur::model::Tensor::from_floats(vec![4], &[1., 2., 1., 1.]));
        g.node(Op::new("Resize", "/resize"), &[x, &none, &scales], &[1, 32, 8, 8])
    });
    assert!(reason.contains("interpolated"), "{reason}");
}

#[test]
fn grid_sampling_passes_channels() {
    let cuts = check_once(|g, x| {
        let grid = g.uniform("grid", &[1, 4, 4, 2], -0.9, 0.9);
        g.node(Op::new("GridSample", "/sample"), &[x, &grid], &[1, 16, 4, 4])
    });
    assert_eq!(lost(&cuts, "stem.weight"), 8);
}
