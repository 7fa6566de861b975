//! The first bytes of a member of a zip archive, and how long it can be: so much of an array's header is needed before its reader, which
//! reserves what the header claims, may be called.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::inflate::inflate;

/// The longest comment, and the record at the end of an archive.
const TAIL: u64 = (1 << 16) + 22;

/// A deflated byte stands for at most so many.
const RATIO: u64 = 1032;

/// The start of a member.
pub(super) struct Start {
    /// Its first bytes.
    pub head: Vec<u8>,
    /// More bytes than these it cannot have.
    pub at_most: u64,
}

/// The start of the member of that name, with or without `.npy`; `None` where the archive does not show it plainly (archives beyond 4 GiB,
/// methods of compression other than deflate).
pub(super) fn start(file: &mut File, name: &str, bytes: u64) -> Option<Start> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let tail = read(file, end.saturating_sub(TAIL), TAIL)?;
    let record = tail.get(tail.windows(4).rposition(|w| w == b"PK\x05\x06")?..)?;
    let (size, offset) = (u32_at(record, 12)?, u32_at(record, 16)?);
    let directory = read(file, offset.into(), size.into())?;
    let entry = find(&directory, name)?;
    let (method, packed, plain) = (u16_at(entry, 10)?, u32_at(entry, 20)?, u32_at(entry, 24)?);
    let place = u64::from(u32_at(entry, 42)?);
    if [packed, plain].contains(&u32::MAX) {
        return None;
    }
    let local = read(file, place, 30)?;
    let data = place + 30 + u64::from(u16_at(&local, 26)?) + u64::from(u16_at(&local, 28)?);
    let packed_head = read(file, data, u64::from(packed).min(2 * bytes))?;
    let at_most = match method {
        0 => u64::from(packed),
        _ => u64::from(plain).min(RATIO * u64::from(packed)),
    };
    match method {
        0 => Some(Start { head: packed_head, at_most }),
        8 => Some(Start { head: inflate(&packed_head, bytes as usize), at_most }),
        _ => None,
    }
}

/// The entry of the central directory for a name.
fn find<'d>(mut directory: &'d [u8], name: &str) -> Option<&'d [u8]> {
    while directory.starts_with(b"PK\x01\x02") {
        let lengths = [28, 30, 32].map(|at| u16_at(directory, at).map(usize::from));
        let [Some(named), Some(extra), Some(comment)] = lengths else { return None };
        let found = directory.get(46..46 + named)?;
        if found == name.as_bytes() || found.strip_suffix(b".npy") == Some(name.as_bytes()) {
            return Some(directory);
        }
        directory = directory.get(46 + named + extra + comment..)?;
    }
    None
}

fn read(file: &mut File, from: u64, most: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut out = Vec::new();
    file.take(most).read_to_end(&mut out).ok()?;
    Some(out)
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}
