//! Plans as files that people review, edit and keep under version control: a line for each group and each cut, and errors that name the line.

use std::path::Path;

use super::Plan;
use crate::error::{Error, ErrorKind, Result};

mod place;

use place::line_of;

/// A plan, and the text that says it.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// What it says.
    pub plan: Plan,
    label: String,
    text: String,
}

impl PlanFile {
    /// Reads a file. Errors where it cannot be read, or is no plan.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&std::fs::read(path).map_err(|e| Error::io(path, &e))?, &path.display().to_string())
    }

    /// Takes a text for a plan; `label` names it in errors. Errors, with line and column, where it is none.
    pub fn parse(bytes: &[u8], label: &str) -> Result<Self> {
        let fail = |reason: String| Error::new(ErrorKind::BadPlan(reason));
        let text = std::str::from_utf8(bytes).map_err(|_| {
            fail(format!("{label}: not a plan: expected JSON text, as secateur plan MODEL -o PLAN writes it"))
        })?;
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let plan: Plan = serde_json::from_str(&text).map_err(|e| {
            let (whole, at) = (e.to_string(), format!(" at line {} column {}", e.line(), e.column()));
            let reason = whole.strip_suffix(&at).unwrap_or(&whole);
            fail(format!("{label}:{}:{}: {reason}", e.line(), e.column()))
        })?;
        Ok(Self { plan, label: label.to_owned(), text })
    }

    /// The same error, with the file and the line where it is about an entry of this plan.
    pub fn locate(&self, error: Error) -> Error {
        match error.kind {
            ErrorKind::PlanEntry { place, reason } => {
                let line = line_of(&self.text, &place).map_or(String::new(), |n| format!(":{n}"));
                Error::new(ErrorKind::BadPlan(format!("{}{line}: {place}: {reason}", self.label)))
            }
            ErrorKind::BadPlan(reason) => Error::new(ErrorKind::BadPlan(format!("{}: {reason}", self.label))),
            _ => error,
        }
    }
}

impl Plan {
    /// The plan as a file says it: JSON with a line for each group and each cut. Errors where a number cannot be written.
    pub fn to_text(&self) -> Result<String> {
        let head = Self { groups: Vec::new(), cuts: Vec::new(), ..self.clone() };
        let head = serde_json::to_string_pretty(&head).map_err(not_json)?;
        // Within strings quotes are escaped, so that each of these stands once.
        let head = head.replacen("\"groups\": []", &format!("\"groups\": {}", lines(&self.groups)?), 1);
        Ok(head.replacen("\"cuts\": []", &format!("\"cuts\": {}", lines(&self.cuts)?), 1) + "\n")
    }
}

/// A list with a line for each entry.
fn lines<T: serde::Serialize>(entries: &[T]) -> Result<String> {
    if entries.is_empty() {
        return Ok("[]".into());
    }
    let each =
        entries.iter().map(serde_json::to_string).collect::<std::result::Result<Vec<_>, _>>().map_err(not_json)?;
    Ok(format!("[\n    {}\n  ]", each.join(",\n    ")))
}

fn not_json(e: serde_json::Error) -> Error {
    Error::internal(e.to_string())
}
