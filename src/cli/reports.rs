//! Reports as files: the name's ending says in which form.

use std::path::PathBuf;

use secateur::report::{Report, html};

use super::files::write_file;
use super::{Failure, to_json};

/// Errors where an ending is none that can be written.
pub(super) fn check(paths: &[PathBuf]) -> Result<(), Failure> {
    match paths.iter().find(|p| p.extension().is_none_or(|e| e != "json" && e != "html")) {
        Some(other) => {
            Err(Failure::Usage(format!("--report {}: the name must end in .json or .html", other.display())))
        }
        None => Ok(()),
    }
}

/// Writes each of them, whole or not at all.
pub(super) fn write(paths: &[PathBuf], report: &Report) -> Result<(), Failure> {
    for path in paths {
        let is_page = path.extension().is_some_and(|e| e == "html");
        write_file(path, &if is_page { html::page(report) } else { to_json(report)? })?;
    }
    Ok(())
}
