//! What becomes of a cut that was written: it is read again, proved, and compared with the original.

use super::inexact::Aside;
use super::output::Written;
use super::{Analysis, FIDELITY_SAMPLES, Proof, PruneOptions, summary};
use crate::error::Result;
use crate::model::{Model, Removed};
use crate::report::Report;
use crate::verify::{self, Case, Verification};

/// A cut on its way to the judge.
pub(super) struct Cut<'a> {
    pub model: &'a Model,
    pub options: &'a PruneOptions,
    pub analysis: &'a Analysis<'a>,
    pub removed: &'a [Removed],
    pub aside: Option<&'a Aside>,
}

impl Cut<'_> {
    /// Proves what was written and compares its costs.
    pub(super) fn judge(&self, written: &Written) -> Result<(Model, Report)> {
        let after = written.read()?;
        let mut report = summary::costs(self.model, &after, &self.options.shapes)?;
        report.exact = self.aside.is_none();
        if self.options.proof == Proof::Skipped {
            report.verification = Some(summary::skipped(self.options.tolerance));
            return Ok((after, report));
        }
        let case = Case {
            original: self.model,
            pruned: &after,
            removed: self.removed,
            feeds: &self.analysis.shapes.feeds,
            grown: self.analysis.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
            tolerance: self.options.tolerance,
            seed: self.options.seed,
        };
        let v = self.prove(&case)?;
        report.refused = match v.status {
            verify::Status::Passed => None,
            verify::Status::Failed => Some("verification".into()),
            // Where nothing is removed there is nothing to prove.
            verify::Status::Unverified if self.removed.is_empty() => None,
            verify::Status::Unverified => (self.options.proof == Proof::Required).then(|| "unverified".into()),
        };
        report.refused_reason = report.refused.as_ref().and(v.reason.clone());
        if v.status == verify::Status::Passed {
            match verify::fidelity(self.model, &after, case.feeds, self.options.seed, FIDELITY_SAMPLES) {
                Ok(f) => report.fidelity = Some(summary::fidelity(&f)),
                Err(e) => report.notes.push(format!("outputs were not compared with the original: {e}")),
            }
        }
        report.verification = Some(summary::verification(&v, self.options.tolerance));
        Ok((after, report))
    }

    /// The proof; what is set aside is cut from the original first, and its constants are compared alone.
    fn prove(&self, case: &Case<'_>) -> Result<Verification> {
        let Some(aside) = self.aside else { return verify::verify(case) };
        let mut v = verify::constants(case)?;
        if v.status == verify::Status::Passed {
            v = verify::verify(&Case { original: &aside.base, removed: &aside.removed, ..*case })?;
        }
        v.notes.push(format!(
            "not exact, and set aside by the proof: removing channels of {} changes a statistic",
            aside.groups.iter().map(|g| format!("'{g}'")).collect::<Vec<_>>().join(", ")
        ));
        Ok(v)
    }
}
