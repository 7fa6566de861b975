//! Where a pruned model goes: to a temporary place first, and into its own once it may.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::model::write::{self, Layout};
use crate::model::{Model, ModelProto};

/// Where a pruned model goes.
#[derive(Debug)]
pub enum Destination<'a> {
    /// Into a file, which appears whole or not at all; `replace`: also where one is there.
    File {
        /// The file.
        path: &'a Path,
        /// Whether an existing one may be replaced.
        replace: bool,
    },
    /// Into memory.
    Bytes(&'a mut Vec<u8>),
    /// Nowhere: a rehearsal.
    Nowhere,
}

/// A pruned model in its temporary place.
pub(super) enum Written {
    File(write::Pending),
    Memory(Vec<u8>),
}

impl Written {
    /// Writes what `model` has become; `external`: its weights to a file of their own. Errors where the place is the input's own, cannot be
    /// written to, or is memory and the model too large for one message.
    pub(super) fn new(model: &Model, proto: ModelProto, external: bool, to: &Destination<'_>) -> Result<Self> {
        match to {
            Destination::File { path, .. } => {
                spare_the_input(model, path)?;
                let layout = Layout { external, ..Layout::default() };
                write::write_beside(&model.edited(proto), path, layout).map(Self::File)
            }
            Destination::Bytes(_) if !Layout::default().fits(&proto) => {
                let reason = "the pruned model has more than 2 GiB, and its weights need a file of their own: write it to a file";
                Err(Error::new(ErrorKind::BadOption(reason.into())))
            }
            _ => {
                let pruned = model.edited(proto);
                write::write_to(&pruned, Vec::new(), Path::new("the pruned model")).map(Self::Memory)
            }
        }
    }

    /// What was written, read again.
    pub(super) fn read(&self) -> Result<Model> {
        match self {
            Self::File(pending) => pending.read(),
            Self::Memory(bytes) => Model::decode(bytes.clone().into(), Path::new("the pruned model")),
        }
    }

    /// Puts it into its place.
    pub(super) fn deliver(self, to: Destination<'_>) -> Result<()> {
        match (self, to) {
            (Self::File(pending), Destination::File { replace, .. }) => pending.commit(replace),
            (Self::Memory(bytes), Destination::Bytes(out)) => {
                *out = bytes;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Errors where the output would take the place of a file that the input is made of.
fn spare_the_input(model: &Model, target: &Path) -> Result<()> {
    let origin = model.origin();
    let parts: Vec<_> = origin.path.iter().chain(&origin.data).filter_map(|p| p.canonicalize().ok()).collect();
    for place in [target.to_owned(), write::data_beside(target)] {
        if place.canonicalize().is_ok_and(|p| parts.contains(&p)) {
            let reason = format!("{}: the output would overwrite the input; choose another name", place.display());
            return Err(Error::new(ErrorKind::BadOption(reason)));
        }
    }
    Ok(())
}
