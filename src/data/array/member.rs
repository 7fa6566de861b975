//! The first bytes of a member of a zip archive, and how long it can be: so much of an array's header is needed before its reader, which
//! reserves what the header claims, may be called.

use std::fs::File;
use std::io::Read;

use zip::ZipArchive;

/// A deflated byte stands for at most so many.
const RATIO: u64 = 1032;

/// The start of a member.
pub(super) struct Start {
    /// Its first bytes; fewer where the archive is damaged.
    pub head: Vec<u8>,
    /// More bytes than these it cannot have.
    pub at_most: u64,
}

/// The start of the member of that name, with or without `.npy`; `None` where the archive does not show it.
pub(super) fn start(file: &mut File, name: &str, bytes: u64) -> Option<Start> {
    let there = file.metadata().ok()?.len();
    let mut archive = ZipArchive::new(file).ok()?;
    let index = archive.index_for_name(name).or_else(|| archive.index_for_name(&format!("{name}.npy")))?;
    let member = archive.by_index(index).ok()?;
    let packed = member.compressed_size().min(there);
    let at_most = member.size().min(packed.saturating_mul(RATIO));
    let mut head = Vec::new();
    // What was read before a fault is shown; the reader of the whole will name the fault.
    let _ = member.take(bytes).read_to_end(&mut head);
    Some(Start { head, at_most })
}
