//! `Model` to bytes: streamed into temporary files beside the target, which then take their places. Files appear whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut};
use prost::Message;
use tempfile::NamedTempFile;

use super::Model;
use super::proto::ModelProto;
use super::unknown::Piece;
use crate::error::{Error, ErrorKind, Result};

mod external;
mod pending;

pub use pending::Pending;

/// Slices of this size and more go straight to the file.
const LARGE: usize = 1 << 15;

/// The most bytes that a protobuf message may have.
const LARGEST_MESSAGE: usize = i32::MAX as usize;

/// How a model is laid out in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Whether weights go to a file of their own in any case.
    pub external: bool,
    /// Bytes beyond which they do so by themselves.
    pub largest: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { external: false, largest: LARGEST_MESSAGE }
    }
}

impl Layout {
    /// Whether the model can be one message, weights and all.
    pub fn fits(&self, proto: &ModelProto) -> bool {
        proto.encoded_len() <= self.largest
    }
}

/// Writes `model` to a temporary file beside `target` and syncs it; weights, where the layout wants it so, to another one, which will be
/// called as [`data_beside`] says. Errors where the folder cannot be written, or the model is too large for one message.
pub fn write_beside(model: &Model, target: &Path, layout: Layout) -> Result<Pending> {
    check(target)?;
    if !layout.external && layout.fits(model.proto()) {
        return Ok(Pending { model: write_file(model, target)?, data: None, target: target.to_owned() });
    }
    check(&data_beside(target))?;
    let (light, data) = external::move_out(model.proto(), target)?;
    if !layout.fits(&light) {
        let reason = format!("the model has more than {} bytes even without its weights", layout.largest);
        return Err(Error::new(ErrorKind::Io { path: target.to_owned(), reason }));
    }
    Ok(Pending { model: write_file(&model.edited(light), target)?, data, target: target.to_owned() })
}

/// The file that holds the weights of `model`, where they are not in it.
pub fn data_beside(model: &Path) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".data");
    name.into()
}

fn check(target: &Path) -> Result<()> {
    let wrong = |reason: &str| Error::new(ErrorKind::Io { path: target.to_owned(), reason: reason.into() });
    unfit(target).map_or(Ok(()), |reason| Err(wrong(reason)))
}

/// A synced temporary file that holds the message.
fn write_file(model: &Model, target: &Path) -> Result<NamedTempFile> {
    finish(write_to(model, temporary(target, ".onnx")?, target)?, target)
}

/// A temporary file in the folder of `target`.
fn temporary(target: &Path, suffix: &str) -> Result<NamedTempFile> {
    let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = tempfile::Builder::new().prefix(".secateur-").suffix(suffix).tempfile_in(dir);
    made.map_err(|e| Error::io(dir, &e))
}

fn finish(mut file: NamedTempFile, target: &Path) -> Result<NamedTempFile> {
    let synced = file.flush().and_then(|()| file.as_file().sync_all()).and_then(|()| set_mode(&file));
    synced.map_err(|e| Error::io(target, &e))?;
    Ok(file)
}

/// Why nothing can be written in the place of `target`: a directory, or a device that a file must not replace.
pub fn unfit(target: &Path) -> Option<&'static str> {
    match target.metadata() {
        Ok(m) if m.is_dir() => Some("is a directory, expected a file name such as small.onnx"),
        Ok(m) if !m.is_file() => Some("is no regular file; write to a file, or to stdout with -o -"),
        _ => None,
    }
}

/// Streams the model and gives the sink back; `label` serves messages. Errors where it cannot be written to, or where something that
/// changed holds fields that the schema does not know.
pub fn write_to<W: Write>(model: &Model, sink: W, label: &Path) -> Result<W> {
    let mut stream = Stream { sink: BufWriter::with_capacity(2 * LARGE, sink), chunk: [0; 64], error: None };
    let encoded = match &model.unknown {
        None => model.proto().encode(&mut stream),
        Some(unknown) => {
            let pieces = unknown.restore(model.proto())?;
            pieces.iter().try_for_each(|p| stream.piece(p))
        }
    };
    let ended = match stream.error.take() {
        Some(e) => Err(e),
        None => encoded.map_err(io::Error::other).and_then(|()| stream.end()),
    };
    ended.map_err(|e| Error::io(label, &e))
}

impl Model {
    /// The file's bytes, in memory, without what the schema does not know.
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
    fn piece(&mut self, piece: &Piece<'_>) -> std::result::Result<(), prost::EncodeError> {
        self.push(&piece.head());
        let own: &[u8] = match piece {
            Piece::Bytes(bytes) | Piece::Raw(_, bytes) => bytes,
            Piece::Node(node, own) => {
                node.encode(self)?;
                own
            }
            Piece::Initializer(tensor, own) => {
                tensor.encode(self)?;
                own
            }
        };
        self.push(own);
        Ok(())
    }

    fn end(self) -> io::Result<W> {
        self.sink.into_inner().map_err(io::IntoInnerError::into_error)
    }

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
