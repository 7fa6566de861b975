//! Reshape's zeros: they copy a length, whatever axis it belongs to.

use secateur::build::Conv;

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
