//! The distribution of filter norms in a table's cell, and the verdict over a model.

use super::number::plural;
use crate::report::{NormVerdict, Norms};

/// Eight heights of a bar; an empty one is a dot, so that the distance from zero shows.
const BARS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A histogram, the largest bar at full height and no bar that is there at none.
pub(super) fn histogram(counts: &[usize]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    counts.iter().map(|&n| BARS[(n * 8).div_ceil(most)]).collect()
}

/// Which of the two conditions hold in a group.
pub(super) fn verdict(n: &Norms) -> &'static str {
    match (n.wide, n.near_zero) {
        (true, true) => "both hold",
        (true, false) => "none near zero",
        (false, true) => "too narrow",
        (false, false) => "neither",
    }
}

/// The verdict over a model: where norms can tell filters apart, by the shares that decide.
pub(super) fn summary(v: &NormVerdict) -> String {
    format!(
        "a norm criterion needs norms that deviate (std >= {} mean: {} of {}) and that come near zero (min <= {} mean: {}); both hold in {}",
        v.large_deviation,
        v.wide,
        plural(v.groups, "group"),
        v.near_zero_share,
        v.near_zero,
        v.both
    )
}

#[cfg(test)]
mod tests {
    use super::histogram;

    #[test]
    fn bars_show_the_smallest_count_and_leave_what_is_empty() {
        assert_eq!(histogram(&[0, 1, 100, 50, 0]), "·▁█▄·");
        assert_eq!(histogram(&[0, 0]), "··");
    }
}
