//! What becomes of a cut model, written a moment ago or long before: it is proved.

use super::chosen::Chosen;
use super::output::{Destination, Written};
use super::{Analysis, Form, Proof, PruneOptions, summary};
use crate::error::Result;
use crate::model::{Model, ModelProto};
use crate::report::Report;
use crate::verify::{self, Case, Values, Verification};

/// A cut on its way to the judge.
#[derive(Clone, Copy)]
pub(super) struct Cut<'a> {
    pub options: &'a PruneOptions,
    pub analysis: &'a Analysis<'a>,
    pub chosen: &'a Chosen,
    pub values: Values,
    pub proof: Proof,
}

/// A model in its temporary place, and what the judge says of it.
pub(super) struct Version {
    pub written: Written,
    /// As it was read again.
    pub model: Model,
    pub report: Report,
}

impl Version {
    /// Whether it was proved.
    pub(super) fn is_proved(&self) -> bool {
        self.report.verification.as_ref().is_some_and(|v| v.status == "passed")
    }
}

impl Cut<'_> {
    /// Writes a model to a temporary place and reads what was written. Errors where it cannot be written, or is malformed.
    pub(super) fn write(&self, proto: ModelProto, to: &Destination<'_>) -> Result<(Written, Model)> {
        let written = Written::new(self.analysis.graph.model(), proto, self.options.external_data, to)?;
        let model = written.read()?;
        Ok((written, model))
    }

    /// Compares costs, and proves.
    pub(super) fn judge(&self, after: &Model) -> Result<Report> {
        let mut report = summary::costs(self.analysis.graph.model(), after, &self.options.shapes)?;
        report.exact = self.chosen.aside.is_none();
        if self.proof == Proof::Skipped {
            report.verification = Some(summary::skipped(self.options.tolerance));
            return Ok(report);
        }
        let v = self.proof(after)?;
        self.weigh(&v, &mut report);
        Ok(report)
    }

    /// Says in the report what a proof came to.
    pub(super) fn weigh(&self, v: &Verification, report: &mut Report) {
        report.refused = match v.status {
            verify::Status::Passed => None,
            verify::Status::Failed => Some("verification".into()),
            verify::Status::Unverified => (self.proof == Proof::Required).then(|| "unverified".into()),
        };
        report.refused_reason = report.refused.as_ref().and(v.reason.clone());
        report.verification = Some(summary::verification(v, self.options.tolerance));
    }

    /// The proof; what is set aside is cut from the original first, and its constants are compared alone.
    pub(super) fn proof(&self, after: &Model) -> Result<Verification> {
        let case = &Case {
            original: self.analysis.graph.model(),
            pruned: after,
            removed: &self.chosen.removed,
            values: self.values,
            feeds: &self.analysis.shapes.feeds,
            grown: self.analysis.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
            tolerance: self.options.tolerance,
            seed: self.options.seed,
        };
        let Some(aside) = &self.chosen.aside else {
            return match self.options.form {
                Form::Hard if self.options.what.is_lossless() => verify::lossless(case),
                Form::Hard => verify::verify(case),
                Form::Soft => verify::soft(case),
            };
        };
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
