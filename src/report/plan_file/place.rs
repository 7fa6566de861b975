//! Where in a JSON text a value stands, by a path such as `groups[2].remove[1]`: what a parser into types forgets.

/// What is open around a value.
enum Frame {
    /// An object: the key at hand, once it was read.
    Object(Option<String>),
    /// A list: the position at hand.
    List(usize),
}

/// Nothing that a plan says lies deeper.
const DEEPEST: usize = 8;

/// The line, from 1, of the value at that path of a valid JSON text; where it is not there, that of what would hold it.
pub(super) fn line_of(text: &str, place: &str) -> Option<usize> {
    let mut found: Option<(usize, usize)> = None;
    let mut frames: Vec<Frame> = Vec::new();
    let (mut line, mut chars) = (1, text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        let mut is_value = matches!(c, '{' | '[');
        match c {
            '\n' => line += 1,
            ',' => match frames.last_mut() {
                Some(Frame::List(i)) => *i += 1,
                Some(Frame::Object(key)) => *key = None,
                None => {}
            },
            '}' | ']' => drop(frames.pop()),
            '"' => {
                let from = at + 1;
                let mut to = from;
                while let Some((i, c)) = chars.next().filter(|n| n.1 != '"') {
                    to = i + c.len_utf8();
                    if c == '\\' {
                        to = chars.next().map_or(to, |(i, c)| i + c.len_utf8());
                    }
                }
                match frames.last_mut() {
                    Some(Frame::Object(key @ None)) => *key = text.get(from..to).map(Into::into),
                    _ => is_value = true,
                }
            }
            c if c.is_ascii_alphanumeric() || c == '-' => {
                is_value = true;
                while chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')).is_some() {}
            }
            _ => {}
        }
        if is_value && frames.len() <= DEEPEST {
            let (depth, path) = (frames.len(), path(&frames));
            if place == path {
                return Some(line);
            }
            if holds(&path, place) && found.is_none_or(|f| f.0 < depth) {
                found = Some((depth, line));
            }
        }
        match c {
            '{' => frames.push(Frame::Object(None)),
            '[' => frames.push(Frame::List(0)),
            _ => {}
        }
    }
    found.map(|f| f.1)
}

fn holds(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.starts_with(['.', '[']))
}

fn path(frames: &[Frame]) -> String {
    let mut out = String::new();
    for frame in frames {
        match frame {
            Frame::Object(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key.as_deref().unwrap_or_default());
            }
            Frame::List(i) => out.push_str(&format!("[{i}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::line_of;

    const TEXT: &str = "{\"a\": 1,\n \"odd \\\"}]\": [{}],\n\"groups\": [\n{\"id\": 0, \"remove\": []},\n{\"id\": 1,\n\"remove\": [4,\n-5, 6.0e1,\n7]}]}";

    #[test]
    fn a_path_is_found_on_its_line() {
        let places = ["a", "groups", "groups[0]", "groups[1]", "groups[1].remove[0]", "groups[1].remove[1]"];
        assert_eq!(places.map(|p| line_of(TEXT, p)), [1, 3, 4, 5, 6, 7].map(Some));
        assert_eq!(line_of(TEXT, "groups[1].remove[3]"), Some(8));
    }

    #[test]
    fn what_is_not_there_is_on_the_line_of_what_would_hold_it() {
        assert_eq!(line_of(TEXT, "groups[1].units"), Some(5));
        assert_eq!(line_of(TEXT, "groups[7].units"), Some(3));
        assert_eq!(line_of(TEXT, "cuts[7]"), Some(1));
    }

    /// A path is not taken for one that starts with the same letters.
    #[test]
    fn a_name_that_starts_alike_is_another() {
        assert_eq!(line_of("{\"cut\": 1,\n\"cuts\":\n[1]}", "cuts[0]"), Some(3));
    }

    #[test]
    fn depth_is_no_trouble() {
        let deep = "[".repeat(100_000);
        assert_eq!(line_of(&deep, "[0]"), Some(1));
    }
}
