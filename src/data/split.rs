//! Which samples are fitted on and which judge: never the same.

use std::ops::Range;

/// The most samples that judge.
pub const JUDGING: usize = 512;

/// Samples of a file, by what they are for. The two ranges share none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Samples to fit on.
    pub fit: Range<usize>,
    /// Samples that judge the result; never empty where there are samples.
    pub judge: Range<usize>,
}

/// Splits `len` samples: the first `samples` are for fitting, the next ones, at most [`JUDGING`], judge. Where none would be left to judge,
/// the file's last eighth (rounded down, at least one) is set aside for it first, and what is fitted on comes from the rest.
///
/// With `n = len`, `s = samples`: for `n > s`, `fit = 0..s` and `judge = s..min(n, s + 512)`; else, with `j = min(max(n / 8, 1), 512)`,
/// `judge = n - j..n` and `fit = 0..n - j`.
pub fn split(len: usize, samples: usize) -> Split {
    if len > samples {
        return Split { fit: 0..samples, judge: samples..len.min(samples.saturating_add(JUDGING)) };
    }
    let aside = (len / 8).clamp(1, JUDGING).min(len);
    Split { fit: 0..len - aside, judge: len - aside..len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fit_and_the_next_judge() {
        assert_eq!(split(1024, 512), Split { fit: 0..512, judge: 512..1024 });
        assert_eq!(split(5000, 512), Split { fit: 0..512, judge: 512..1024 });
        assert_eq!(split(600, 512), Split { fit: 0..512, judge: 512..600 });
    }

    #[test]
    fn an_eighth_is_set_aside_where_none_would_judge() {
        assert_eq!(split(512, 512), Split { fit: 0..448, judge: 448..512 });
        assert_eq!(split(256, 512), Split { fit: 0..224, judge: 224..256 });
        assert_eq!(split(3, 512), Split { fit: 0..2, judge: 2..3 });
        assert_eq!(split(1, 512), Split { fit: 0..0, judge: 0..1 });
        assert_eq!(split(0, 512), Split { fit: 0..0, judge: 0..0 });
    }

    #[test]
    fn no_sample_is_fitted_on_and_judges() {
        for len in 0..200 {
            for samples in 0..200 {
                let s = split(len, samples);
                assert!(s.fit.end <= s.judge.start && s.judge.end <= len && s.judge.is_empty() == (len == 0));
            }
        }
    }
}
