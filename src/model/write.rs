//! `Model` to bytes: streamed into a temporary file beside the target, which then takes its place. A file appears whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut};
use prost::Message;
use tempfile::NamedTempFile;

use super::Model;
use super::proto::ModelProto;
use crate::error::{Error, ErrorKind, Result};

/// Slices of this size and more go straight to the file.
const LARGE: usize = 1 << 15;

/// A model written beside its target, not yet in its place.
#[derive(Debug)]
pub struct Pending {
    file: NamedTempFile,
    target: std::path::PathBuf,
}

impl Pending {
    /// The temporary file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts the file in its place, atomically; `replace`: also where something is there already.
    pub fn commit(self, replace: bool) -> Result<()> {
        let fail = |e: tempfile::PersistError| Error::io(&self.target, &e.error);
        if replace {
            self.file.persist(&self.target).map_err(fail)?;
        } else {
            self.file.persist_noclobber(&self.target).map_err(fail)?;
        }
        Ok(())
    }
}

/// Writes `proto` to a temporary file beside `target` and syncs it. Errors where the folder cannot be written.
pub fn write_beside(proto: &ModelProto, target: &Path) -> Result<Pending> {
    let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(reason) = unfit(target) {
        return Err(Error::new(ErrorKind::Io { path: target.to_owned(), reason: reason.into() }));
    }
    let file = tempfile::Builder::new()
        .prefix(".secateur-")
        .suffix(".onnx")
        .tempfile_in(dir)
        .map_err(|e| Error::io(dir, &e))?;
    let failed = |e: &io::Error| Error::io(target, e);
    let mut out = write_to(proto, file).map_err(|e| failed(&e))?;
    out.flush().and_then(|()| out.as_file().sync_all()).map_err(|e| failed(&e))?;
    set_mode(&out).map_err(|e| failed(&e))?;
    Ok(Pending { file: out, target: target.to_owned() })
}

/// Why nothing can be written in the place of `target`: a directory, or a device that a file must not replace.
pub fn unfit(target: &Path) -> Option<&'static str> {
    match target.metadata() {
        Ok(m) if m.is_dir() => Some("is a directory, expected a file name such as small.onnx"),
        Ok(m) if !m.is_file() => Some("is no regular file; write to a file, or to stdout with -o -"),
        _ => None,
    }
}

/// Streams `proto` and gives the sink back.
pub fn write_to<W: Write>(proto: &ModelProto, sink: W) -> io::Result<W> {
    let mut stream = Stream { sink: BufWriter::with_capacity(2 * LARGE, sink), chunk: [0; 64], error: None };
    let encoded = proto.encode(&mut stream);
    if let Some(e) = stream.error {
        return Err(e);
    }
    encoded.map_err(io::Error::other)?;
    stream.sink.into_inner().map_err(io::IntoInnerError::into_error)
}

impl Model {
    /// The file's bytes, in memory.
    pub fn encode(&self) -> Vec<u8> {
        self.proto().encode_to_vec()
    }
}

/// Temporary files are private; an output has the mode of any new file.
#[cfg(unix)]
fn set_mode(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_mode(_: &NamedTempFile) -> io::Result<()> {
    Ok(())
}

/// A `BufMut` that is a file: prost's encoder writes into it without a second copy of the model.
struct Stream<W: Write> {
    sink: BufWriter<W>,
    chunk: [u8; 64],
    error: Option<io::Error>,
}

impl<W: Write> Stream<W> {
    fn push(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.sink.write_all(bytes).err();
        }
    }
}

// SAFETY: `chunk_mut` hands out `chunk` only, and `advance_mut` writes the bytes of it that the caller has filled.
unsafe impl<W: Write> BufMut for Stream<W> {
    fn remaining_mut(&self) -> usize {
        usize::MAX
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        let chunk = self.chunk;
        self.push(&chunk[..n.min(chunk.len())]);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::new(&mut self.chunk)
    }

    fn put<T: Buf>(&mut self, mut source: T) {
        while source.has_remaining() {
            let n = {
                let bytes = source.chunk();
                self.push(bytes);
                bytes.len()
            };
            source.advance(n);
        }
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}
