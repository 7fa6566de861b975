//! The wire format of protobuf, as far as telling fields apart, and the schema's field numbers, read from the schema itself
//! (<https://protobuf.dev/programming-guides/encoding/>).

use std::collections::HashMap;
use std::ops::Range;

/// A field of an encoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its number.
    pub number: u32,
    /// Its bytes, tag included.
    pub whole: Range<usize>,
    /// What is inside, where it has a length.
    pub body: Option<Range<usize>>,
}

/// The fields of a message, in order; `None` where the bytes are none.
pub(super) fn fields(bytes: &[u8]) -> Option<Vec<Field>> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let field = field(bytes, at)?;
        at = field.whole.end;
        out.push(field);
    }
    Some(out)
}

/// The tag and the length of a field with a body.
pub(super) fn field_head(number: u32, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for mut n in [u64::from(number) << 3 | 2, length as u64] {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    }
    out
}

fn field(bytes: &[u8], start: usize) -> Option<Field> {
    let (tag, at) = varint(bytes, start)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let (end, body) = match tag & 7 {
        0 => (varint(bytes, at)?.1, None),
        1 => (at.checked_add(8)?, None),
        2 => {
            let (length, from) = varint(bytes, at)?;
            let end = from.checked_add(usize::try_from(length).ok()?)?;
            (end, Some(from..end))
        }
        3 => (group_end(bytes, at)?, None),
        5 => (at.checked_add(4)?, None),
        _ => return None,
    };
    (end <= bytes.len()).then_some(Field { number, whole: start..end, body })
}

/// Where a group ends: groups may hold groups, so depth is counted.
fn group_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1usize;
    while depth > 0 {
        let (tag, after) = varint(bytes, at)?;
        at = match tag & 7 {
            3 => {
                depth += 1;
                after
            }
            4 => {
                depth -= 1;
                after
            }
            _ => field(bytes, at)?.whole.end,
        };
    }
    Some(at)
}

fn varint(bytes: &[u8], start: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (k, &byte) in bytes.get(start..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * k as u32)?;
        if byte < 0x80 {
            return Some((value, start + k + 1));
        }
    }
    None
}

/// What the schema knows: for each message its field numbers, and the message that a field holds, if it holds one.
pub(super) struct Schema(HashMap<&'static str, HashMap<u32, &'static str>>);

impl Schema {
    pub(super) fn new() -> Self {
        Self(parse(include_str!("../../../proto/onnx.proto")))
    }

    pub(super) fn knows(&self, message: &str, number: u32) -> bool {
        self.0.get(message).is_some_and(|m| m.contains_key(&number))
    }

    /// The message that the field holds.
    pub(super) fn child(&self, message: &str, number: u32) -> Option<&'static str> {
        self.0.get(message)?.get(&number).copied().filter(|t| self.0.contains_key(t))
    }

    /// The unknown fields of a message's own level, and whether there are others further down.
    pub(super) fn unknown(&self, message: &str, bytes: &[u8]) -> (Vec<Range<usize>>, bool) {
        let (mut own, mut deep) = (Vec::new(), false);
        for field in fields(bytes).unwrap_or_default() {
            if !self.knows(message, field.number) {
                own.push(field.whole);
            } else if let (Some(child), Some(body)) = (self.child(message, field.number), field.body) {
                let (further, deeper) = self.unknown(child, &bytes[body]);
                deep |= deeper || !further.is_empty();
            }
        }
        (own, deep)
    }
}

/// One statement a line, as the pinned file is written.
fn parse(proto: &'static str) -> HashMap<&'static str, HashMap<u32, &'static str>> {
    let mut out = HashMap::<_, HashMap<u32, &'static str>>::new();
    let mut open: Vec<(&str, &'static str)> = Vec::new();
    for line in proto.lines().map(|l| l.split("//").next().unwrap_or("").trim()) {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        match words.as_slice() {
            [kind, name, "{"] => open.push((kind, name)),
            ["}"] => _ = open.pop(),
            [.., kind, _, "=", number, "[packed", "=", "true];"] => add(&mut out, &open, kind, number),
            [.., kind, _, "=", number] if open.last().is_none_or(|o| o.0 != "enum") => {
                add(&mut out, &open, kind, number);
            }
            _ => {}
        }
    }
    out
}

fn add(
    out: &mut HashMap<&'static str, HashMap<u32, &'static str>>,
    open: &[(&str, &'static str)],
    kind: &'static str,
    number: &str,
) {
    let message = open.iter().rev().find(|o| o.0 == "message");
    if let (Some((_, message)), Ok(number)) = (message, number.trim_end_matches(';').parse()) {
        out.entry(*message).or_default().insert(number, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_read_whole() {
        let schema = Schema::new();
        let count = |m: &str| schema.0.get(m).map_or(0, HashMap::len);
        assert_eq!(["ModelProto", "GraphProto", "NodeProto", "TensorProto"].map(count), [12, 10, 10, 15]);
        assert_eq!(["AttributeProto", "TypeProto", "Dimension", "SimpleShardedDimProto"].map(count), [18, 7, 3, 3]);
        assert_eq!(schema.child("TypeProto", 1), Some("Tensor"));
        assert_eq!(schema.child("AttributeProto", 20), None, "an enum is no message");
        let statements = include_str!("../../../proto/onnx.proto").lines().filter(|l| {
            let words: Vec<&str> = l.split_whitespace().collect();
            words.contains(&"=") && !words.contains(&"//") && words[1] != "=" && !l.starts_with("syntax")
        });
        assert_eq!(schema.0.values().map(HashMap::len).sum::<usize>(), statements.count());
    }

    #[test]
    fn fields_of_every_wire_type_are_told_apart() {
        let bytes =
            [0x08, 0x96, 0x01, 0x12, 2, 7, 7, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2b, 0x08, 1, 0x2c];
        let found = fields(&bytes).unwrap_or_default();
        assert_eq!(found.iter().map(|f| f.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!((found[1].body.clone(), found[4].whole.clone()), (Some(5..7), 21..25));
        for n in 1..bytes.len() {
            let _ = fields(&bytes[..n]);
        }
        assert_eq!(fields(&bytes[..2]), None);
    }
}
