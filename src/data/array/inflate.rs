//! The start of a deflated stream (RFC 1951), <https://www.rfc-editor.org/rfc/rfc1951>: enough to see a header, whatever follows.

/// The longest code, in bits.
const LONGEST: usize = 15;

/// The first bytes of what `data` stands for, at most `want` and a copy's length; fewer where the stream ends or is none.
pub(super) fn inflate(data: &[u8], want: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bits = Bits { data, at: 0 };
    while out.len() < want {
        let (Some(last), Some(kind)) = (bits.take(1), bits.take(2)) else { break };
        let done = match kind {
            0 => stored(&mut bits, &mut out, want),
            1 => coded(&mut bits, &mut out, want, &fixed()),
            2 => dynamic(&mut bits).and_then(|codes| coded(&mut bits, &mut out, want, &codes)),
            _ => None,
        };
        if done.is_none() || last == 1 {
            break;
        }
    }
    out
}

/// A stream of bits, the lowest of each byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Option<usize> {
        let mut value = 0;
        for i in 0..n {
            let byte = *self.data.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Some(value)
    }

    /// The symbol of the next code.
    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for &count in &code.counts[1..] {
            value |= self.take(1)?;
            if value < first + count {
                return code.symbols.get(index + value - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }
}

/// A canonical prefix code.
struct Code {
    /// How many codes there are of each length.
    counts: [usize; LONGEST + 1],
    /// The symbols in the order of their codes.
    symbols: Vec<usize>,
}

impl Code {
    /// The code of these lengths; `None` where there are more codes of a length than fit.
    fn new(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; LONGEST + 1];
        for &l in lengths {
            *counts.get_mut(l)? += 1;
        }
        counts[0] = 0;
        let mut left = 1usize;
        for count in &counts[1..] {
            left = (left << 1).checked_sub(*count)?;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&s| lengths[s] > 0).collect();
        symbols.sort_by_key(|&s| (lengths[s], s));
        Some(Self { counts, symbols })
    }
}

/// Codes of literals and lengths, and of distances.
type Codes = Option<(Code, Code)>;

fn fixed() -> (Code, Code) {
    let lengths: Vec<usize> = (0..288)
        .map(|s| {
            if s < 144 {
                8
            } else if s < 256 {
                9
            } else if s < 280 {
                7
            } else {
                8
            }
        })
        .collect();
    let none = || Code { counts: [0; LONGEST + 1], symbols: Vec::new() };
    (Code::new(&lengths).unwrap_or_else(none), Code::new(&[5; 30]).unwrap_or_else(none))
}

fn dynamic(bits: &mut Bits<'_>) -> Codes {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, own) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lengths = [0; 19];
    for &at in &ORDER[..own] {
        lengths[at] = bits.take(3)?;
    }
    let code = Code::new(&lengths)?;
    let mut all: Vec<usize> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match bits.symbol(&code)? {
            16 => (*all.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    Some((Code::new(&all[..literals])?, Code::new(all.get(literals..literals + distances)?)?))
}

fn stored(bits: &mut Bits<'_>, out: &mut Vec<u8>, want: usize) -> Option<()> {
    bits.at = bits.at.next_multiple_of(8);
    let (length, _) = (bits.take(16)?, bits.take(16)?);
    for _ in 0..length.min(want) {
        out.push(bits.take(8)? as u8);
    }
    Some(())
}

fn coded(bits: &mut Bits<'_>, out: &mut Vec<u8>, want: usize, (literals, distances): &(Code, Code)) -> Option<()> {
    while out.len() < want {
        match bits.symbol(literals)? {
            byte @ 0..256 => out.push(byte as u8),
            256 => return Some(()),
            symbol => {
                let length = extended(bits, symbol - 257, 4, 3)?.min(258);
                let symbol = bits.symbol(distances)?;
                let back = extended(bits, symbol, 2, 1)?;
                let from = out.len().checked_sub(back)?;
                (from..from + length).for_each(|i| out.push(out[i]));
            }
        }
    }
    Some(())
}

/// A length or a distance: from `2 * step` on, symbols come in steps of one more extra bit each.
fn extended(bits: &mut Bits<'_>, symbol: usize, step: usize, base: usize) -> Option<usize> {
    if symbol < 2 * step {
        return Some(base + symbol);
    }
    // The last length has no extra bits.
    if step == 4 && symbol == 28 {
        return Some(258);
    }
    let extra = symbol / step - 1;
    Some(base + ((step + symbol % step) << extra) + bits.take(extra)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use ndarray::Array1;
    use ndarray_npy::{NpzReader, NpzWriter};

    use super::*;

    /// What a zip archive of one member holds, deflated by the library that writes archives.
    fn deflated(values: &[u8]) -> Vec<u8> {
        let mut npz = NpzWriter::new_compressed(Cursor::new(Vec::new()));
        npz.add_array("x", &Array1::from(values.to_vec())).unwrap();
        let zip = npz.finish().unwrap().into_inner();
        NpzReader::new(Cursor::new(&zip)).unwrap();
        let length = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
        zip[30 + length(26) + length(28)..].to_vec()
    }

    #[test]
    fn what_another_program_deflates_is_inflated() {
        let mixed: Vec<u8> =
            (0..40_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 27) as u8 * (i % 7) as u8).collect();
        let noise: Vec<u8> =
            (0..40_000u32).map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for values in [vec![], vec![7; 100_000], mixed, noise, b"abcabcabcabc".to_vec()] {
            let found = inflate(&deflated(&values), 128 + values.len());
            assert!(found.starts_with(b"\x93NUMPY"));
            assert!(found[128..] == values, "{} bytes", values.len());
        }
    }

    #[test]
    fn what_is_no_stream_ends() {
        for seed in 0..2000u32 {
            let noise: Vec<u8> =
                (0..200u32).map(|i| ((i + seed * 977).wrapping_mul(2_654_435_761) >> 11) as u8).collect();
            assert!(inflate(&noise, 1024).len() <= 1024 + 258);
        }
    }
}
