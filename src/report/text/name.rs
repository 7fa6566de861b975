//! Names out of a model's file, made fit to be shown.

/// Without what could move a cursor, colour a screen, break a line or turn the reading direction.
pub fn printable(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// Names longer than this lose their middle.
const LONGEST: usize = 56;

/// A name in a table; `all`: in full.
pub(super) fn short(name: &str, all: bool) -> String {
    let count = name.chars().count();
    if all || count <= LONGEST {
        return printable(name);
    }
    let head = name.chars().take(LONGEST / 2 - 1);
    let tail = name.chars().skip(count - LONGEST / 2);
    printable(&head.chain(['\u{2026}']).chain(tail).collect::<String>())
}

/// The first `shown` of a list, and how many more there are; `all`: every one.
pub(super) fn few(names: &[String], shown: usize, all: bool) -> String {
    let shown = if all { usize::MAX } else { shown };
    let head: Vec<String> = names.iter().take(shown).map(|n| short(n, all)).collect();
    match names.len().saturating_sub(shown) {
        0 => head.join(", "),
        more => format!("{} and {more} more", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(printable("a\x1b[31m\n\r\u{202e}b"), "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(printable("/layer1/卷积.0"), "/layer1/卷积.0");
    }

    #[test]
    fn long_names_keep_both_ends() {
        let long = short(&("a".repeat(50) + &"z".repeat(50)), false);
        assert_eq!(long, "a".repeat(27) + "\u{2026}" + &"z".repeat(28));
        assert_eq!(short(&"a".repeat(100), true).len(), 100);
    }

    #[test]
    fn long_lists_are_counted() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(String::from).into();
        assert_eq!(
            [few(&names, 3, false), few(&names[..2], 3, false), few(&names, 3, true)],
            ["a, b, c and 1 more", "a, b", "a, b, c, d"]
        );
    }
}
