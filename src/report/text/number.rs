//! Numbers for people: three digits and a unit.

/// A count, such as `101.85 k`.
pub fn count(n: u64) -> String {
    scaled(n as f64, &["", " k", " M", " G", " T"])
}

/// Bytes, in powers of 1000.
pub(in crate::report) fn bytes(n: u64) -> String {
    scaled(n as f64, &[" B", " kB", " MB", " GB", " TB"])
}

/// A share in percent.
pub(in crate::report) fn percent(share: f64) -> String {
    let p = 100.0 * share;
    match p {
        _ if p > 0.0 && p < 0.1 => "< 0.1 %".into(),
        _ if (99.95..100.0).contains(&p) => "> 99.9 %".into(),
        _ => format!("{p:.1} %"),
    }
}

/// `1 layer`, `2 layers`.
pub(super) fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn scaled(mut n: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while n >= 999.995 && unit + 1 < units.len() {
        n /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n:.0}{}", units[0]) } else { format!("{n:.2}{}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_units() {
        assert_eq!([count(0), count(999), count(1000), count(999_999)], ["0", "999", "1.00 k", "1.00 M"]);
        assert_eq!([bytes(512), bytes(1_080_000)], ["512 B", "1.08 MB"]);
    }

    #[test]
    fn small_shares_are_not_nothing_and_large_ones_not_all() {
        assert_eq!([percent(0.0), percent(0.0001), percent(0.123)], ["0.0 %", "< 0.1 %", "12.3 %"]);
        assert_eq!([percent(0.9999), percent(1.0)], ["> 99.9 %", "100.0 %"]);
    }
}
