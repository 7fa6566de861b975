//! Plans as the command line takes them.

use std::io::{self, Read};
use std::path::Path;

use secateur::Error;
use secateur::report::PlanFile;

use super::Failure;
use super::files::is_stream;

/// Reads a plan; `-` is stdin.
pub(super) fn read_plan(path: &Path) -> Result<PlanFile, Failure> {
    if !is_stream(path) {
        return Ok(PlanFile::read(path)?);
    }
    let (mut bytes, label) = (Vec::new(), "standard input");
    io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::io(Path::new(label), &e))?;
    Ok(PlanFile::parse(&bytes, label)?)
}

/// Errors where two of these want stdin.
pub(super) fn only_one_stream(inputs: &[(&str, &Path)]) -> Result<(), Failure> {
    let streams: Vec<&str> = inputs.iter().filter(|i| is_stream(i.1)).map(|i| i.0).collect();
    match streams.as_slice() {
        [one, other, ..] => {
            Err(Failure::Usage(format!("{one} and {other} both want stdin: name a file for one of them")))
        }
        _ => Ok(()),
    }
}

impl Failure {
    /// The same failure, with the plan's file and line where it is about the plan.
    pub(super) fn located(self, plan: &PlanFile) -> Self {
        match self {
            Self::Failed(e) => Self::Failed(plan.locate(e)),
            other => other,
        }
    }
}
