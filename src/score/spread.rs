//! Whether a norm can tell the filters of a group apart (He et al., CVPR 2019, figure 2).
//!
//! Pruning by norm rests on two conditions, which real networks often fail: the norms deviate much, so that a threshold separates filters;
//! and the smallest are near zero, so that what goes contributes next to nothing. Both are judged relative to the mean norm, so that a scale
//! common to all filters, which a BatchNormalization takes out again, changes nothing.

/// From which share of the mean on the standard deviation is large.
///
/// The `n` smallest of normally distributed norms of mean `m` and deviation `c m` have a mean square of `m^2 (1 + 2 c E[z] + c^2 E[z^2])`,
/// `z` the lower tail of the standard normal. Of the 30 % smallest (the paper's rate; `E[z] = -1.16`, `E[z^2] = 1.61`) that is half of the
/// mean square of all, `m^2 (1 + c^2)`, at `c = 0.25`: below, what goes by norm carries more than half of what any filter carries. Seeded
/// weights that nobody trained have `c = 1 / sqrt(2 d)`, `d` weights a filter: 0.06 at `d = 144`.
pub const LARGE_DEVIATION: f64 = 0.25;

/// Up to which share of the mean the smallest norm is near zero: such a filter carries a hundredth of the mean's square.
pub const NEAR_ZERO: f64 = 0.1;

/// Bars of a histogram.
pub const BARS: usize = 10;

/// The distribution of a group's filter norms.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// `std / mean`; 0 where all are zero.
    pub deviation: f64,
    /// `min / mean`, the distance of the smallest from zero; 0 where all are zero.
    pub distance: f64,
    /// How many norms lie in each of [`BARS`] equal parts of `0..=max`: what is empty on the left is the distance from zero.
    pub histogram: [usize; BARS],
}

impl Spread {
    /// Of those norms.
    pub fn of(norms: &[f64]) -> Self {
        let n = norms.len().max(1) as f64;
        let mean = norms.iter().sum::<f64>() / n;
        let std = (norms.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let min = norms.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let max = norms.iter().copied().reduce(f64::max).unwrap_or(0.0);
        let relative = |v: f64| if mean > 0.0 { v / mean } else { 0.0 };
        let mut histogram = [0; BARS];
        for norm in norms {
            let share = if max > 0.0 { norm / max } else { 0.0 };
            histogram[((share * BARS as f64) as usize).min(BARS - 1)] += 1;
        }
        Self { min, max, mean, std, deviation: relative(std), distance: relative(min), histogram }
    }

    /// The first condition: the norms deviate much.
    pub fn is_wide(&self) -> bool {
        self.deviation >= LARGE_DEVIATION
    }

    /// The second condition: the smallest norm is near zero.
    pub fn reaches_zero(&self) -> bool {
        self.distance <= NEAR_ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_group() {
        let spread = Spread::of(&[1.0, 2.0, 3.0, 10.0]);
        assert_eq!((spread.min, spread.max, spread.mean), (1.0, 10.0, 4.0));
        assert_eq!((spread.std, spread.deviation, spread.distance), (12.5_f64.sqrt(), 12.5_f64.sqrt() / 4.0, 0.25));
        assert_eq!(spread.histogram, [0, 1, 1, 1, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn each_condition_can_hold_without_the_other() {
        let verdict = |norms: &[f64]| (Spread::of(norms).is_wide(), Spread::of(norms).reaches_zero());
        assert_eq!(verdict(&[0.0, 1.0, 2.0, 3.0]), (true, true));
        assert_eq!(verdict(&[1.0, 2.0, 3.0, 4.0]), (true, false));
        assert_eq!(verdict(&[&[0.05][..], &[1.0; 40]].concat()), (false, true));
        assert_eq!(verdict(&[1.0, 1.1, 0.9, 1.0]), (false, false));
    }

    #[test]
    fn a_common_scale_changes_no_verdict() {
        let norms: Vec<f64> = (0..40).map(|i| 0.05 + f64::from(i * i % 17)).collect();
        let scaled: Vec<f64> = norms.iter().map(|n| n * 1024.0).collect();
        let (a, b) = (Spread::of(&norms), Spread::of(&scaled));
        assert_eq!((a.deviation, a.distance, a.histogram), (b.deviation, b.distance, b.histogram));
    }

    #[test]
    fn no_norms_and_zero_norms_are_no_trouble() {
        assert_eq!(Spread::of(&[]), Spread::default());
        let zero = Spread::of(&[0.0, 0.0]);
        assert!(!zero.is_wide() && zero.reaches_zero() && zero.histogram[0] == 2);
    }

    /// The constant's reason, by brute force: 30 % of the smallest of normal norms carry half of the mean square at that deviation.
    #[test]
    fn the_threshold_is_where_the_smallest_carry_half() {
        let n = 100_000;
        let normal = |i: usize| (0..12).map(|k| f64::from(hash(i * 12 + k)) / f64::from(u32::MAX)).sum::<f64>() - 6.0;
        let mut norms: Vec<f64> = (0..n).map(|i| 1.0 + LARGE_DEVIATION * normal(i)).collect();
        norms.sort_by(f64::total_cmp);
        let mean_square = |part: &[f64]| part.iter().map(|v| v * v).sum::<f64>() / part.len() as f64;
        let share = mean_square(&norms[..n * 3 / 10]) / mean_square(&norms);
        assert!((share - 0.5).abs() < 0.02, "{share}");
    }

    /// Mixes the bits of a number.
    fn hash(i: usize) -> u32 {
        let mut x = (i as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (x >> 32) as u32
    }
}
