//! Files and streams of the command line: what may be written where, seen before any work is done.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secateur::{Error, ErrorKind};

use super::Failure;

/// A file that is written beside the result.
pub(super) struct Side<'a> {
    pub(super) option: &'static str,
    pub(super) path: &'a Path,
}

impl Side<'_> {
    /// Errors where it would take the place of an input or of the result, or has no folder.
    pub(super) fn check(&self, inputs: &[&Path], out: Option<&Path>) -> Result<(), Failure> {
        let Self { option, path } = self;
        if is_stream(path) {
            return Err(Failure::Usage(format!("{option} -: name a file")));
        }
        let same = |other: &&Path| same_file(path, other) || *other == *path;
        if inputs.iter().any(|i| !is_stream(i) && same(i)) {
            return Err(Failure::Usage(format!("{option} {}: it would overwrite an input", path.display())));
        }
        if out.as_ref().is_some_and(same) {
            return Err(Failure::Usage(format!("{option} {}: the result goes there", path.display())));
        }
        check_folder(path)
    }
}

/// Whether a name stands for stdin or stdout.
pub(super) fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// Errors where the folder of a file to write is not there.
pub(super) fn check_folder(path: &Path) -> Result<(), Failure> {
    match path.parent().filter(|d| !d.as_os_str().is_empty() && !d.is_dir()) {
        Some(dir) => Err(unusable(dir, "is no directory; make it first")),
        None => Ok(()),
    }
}

/// Errors where a result would take the place of an input, or, unless `replace`, of anything.
pub(super) fn new_file(path: &Path, inputs: &[&Path], replace: bool) -> Result<(), Failure> {
    if inputs.iter().any(|i| same_file(path, i)) {
        let reason = "the output would overwrite the input; choose another name";
        return Err(Failure::Usage(format!("{}: {reason}", path.display())));
    }
    if path.exists() && !replace {
        return Err(unusable(path, "exists already; replace it with --force"));
    }
    Ok(())
}

pub(super) fn unusable(path: &Path, reason: &str) -> Failure {
    Error::new(ErrorKind::Io { path: path.to_owned(), reason: reason.into() }).into()
}

/// Writes a side file: it appears whole or not at all.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(dir).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        share(&file)?;
        file.persist(path).map_err(|e| e.error)
    });
    written.map(|_| ()).map_err(|e| Error::io(path, &e).into())
}

/// Temporary files are private; an output has the mode of any new file.
#[cfg(unix)]
fn share(file: &tempfile::NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_: &tempfile::NamedTempFile) -> io::Result<()> {
    Ok(())
}

/// Writes a result to stdout.
pub(super) fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let written = io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush());
    written.map_err(|e| Error::io(Path::new("standard output"), &e).into())
}

/// Whether two names are one file, whatever the spelling, and whether or not it is there yet.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((place(a), place(b)), (Some(a), Some(b)) if a == b)
}

/// Where a file is, or would be.
fn place(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}
