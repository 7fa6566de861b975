//! What must hold for a model to be written.

use std::fmt;
use std::str::FromStr;

use super::Measures;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Fidelity, GateOutcome, OutputFidelity, Report};

/// A bound on a metric, written `METRIC>=V` or `METRIC<=V`.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    metric: &'static Metric,
    bound: Bound,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    AtMost,
}

/// What a metric is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// The two files.
    Files,
    /// Their outputs, on samples: agreement on random inputs says nothing of those that the network is for.
    Outputs,
    /// Labelled samples.
    Evaluate,
    /// Measured runs.
    Bench,
}

/// A number that a gate can bound.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    needs: Needs,
    of: fn(&Report) -> Option<f64>,
}

/// Every metric. Shares are from 0 to 1, of which `accuracy_drop` is a difference: 0.01 is one point of a hundred.
static METRICS: &[Metric] = &[
    Metric { name: "accuracy", needs: Needs::Evaluate, of: |r| Some(r.accuracy.as_ref()?.after) },
    Metric { name: "accuracy_drop", needs: Needs::Evaluate, of: |r| r.accuracy.as_ref().map(|a| a.before - a.after) },
    Metric { name: "flops_cut", needs: Needs::Files, of: |r| cut(r.before.macs, r.after.macs) },
    Metric { name: "params_cut", needs: Needs::Files, of: |r| cut(r.before.params, r.after.params) },
    Metric { name: "top1_agreement", needs: Needs::Outputs, of: |r| worst(r, |o| o.top1_agreement) },
    Metric { name: "cosine", needs: Needs::Outputs, of: |r| worst(r, |o| Some(o.cosine)) },
    Metric { name: "sqnr_db", needs: Needs::Outputs, of: |r| worst(r, |o| Some(o.decibels())) },
    Metric { name: "latency_ratio", needs: Needs::Bench, of: |r| Some(r.latency.as_ref()?.ratio) },
    Metric { name: "size_ratio", needs: Needs::Files, of: |r| Some(ratio(r.after.file_bytes?, r.before.file_bytes?)) },
];

/// The share that is gone; of nothing, nothing.
fn cut(before: u64, after: u64) -> Option<f64> {
    Some(if before == 0 { 0.0 } else { 1.0 - after as f64 / before as f64 })
}

fn ratio(after: u64, before: u64) -> f64 {
    after as f64 / before.max(1) as f64
}

/// The smallest of all outputs.
fn worst(report: &Report, of: impl Fn(&OutputFidelity) -> Option<f64>) -> Option<f64> {
    let Fidelity { outputs, .. } = report.fidelity.as_ref()?;
    outputs.iter().filter_map(of).reduce(f64::min)
}

impl Gate {
    /// Names of the metrics that there are.
    pub fn metrics() -> Vec<&'static str> {
        METRICS.iter().map(|m| m.name).collect()
    }

    /// Whether outputs have to be compared for it.
    pub(super) fn reads_outputs(&self) -> bool {
        matches!(self.metric.needs, Needs::Outputs | Needs::Evaluate)
    }

    /// What it finds in a report; NaN meets no bound.
    fn outcome(&self, report: &Report) -> GateOutcome {
        let found = (self.metric.of)(report);
        let met = found.is_some_and(|v| match self.bound {
            Bound::AtLeast => v >= self.value,
            Bound::AtMost => v <= self.value,
        });
        GateOutcome { gate: self.to_string(), found: found.filter(|v| v.is_finite()), met }
    }

    /// Why a model is refused for it.
    fn refusal(&self, report: &Report) -> String {
        match (self.metric.of)(report) {
            Some(v) => format!("the gate {self} does not hold: {} is {v:.4}", self.metric.name),
            None => {
                format!("the gate {self} cannot be decided: {} was not measured; the notes say why", self.metric.name)
            }
        }
    }
}

impl FromStr for Gate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason: &str| {
            let metrics = Gate::metrics().join(", ");
            let reason = format!("{reason}; expected METRIC>=V or METRIC<=V, where METRIC is one of {metrics}");
            Error::new(ErrorKind::BadOption(reason))
        };
        let split =
            |by: &str, bound: Bound| text.split_once(by).map(|(name, value)| (name.trim(), bound, value.trim()));
        let (name, bound, value) = split(">=", Bound::AtLeast)
            .or_else(|| split("<=", Bound::AtMost))
            .ok_or_else(|| fail(&format!("'{text}' has neither >= nor <=")))?;
        let metric = METRICS.iter().find(|m| m.name == name).ok_or_else(|| fail(&format!("no metric '{name}'")))?;
        let number = value.parse().ok().filter(|v: &f64| !v.is_nan());
        let value = number.ok_or_else(|| fail(&format!("'{value}' is no number")))?;
        Ok(Self { metric, bound, value })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.bound == Bound::AtLeast { ">=" } else { "<=" };
        write!(f, "{}{bound}{}", self.metric.name, self.value)
    }
}

impl Measures {
    /// Errors where a gate bounds what is not going to be measured, or a number makes no sense.
    pub fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::new(ErrorKind::BadOption(reason)));
        self.preparation.check()?;
        if self.bench == Some(0) {
            return fail("--bench 0 measures nothing; give a number of runs, such as 20".into());
        }
        if self.samples == Some(0) {
            return fail("--samples 0 leaves nothing; give a number of samples, such as 512".into());
        }
        for gate in &self.gates {
            let missing = match gate.metric.needs {
                Needs::Outputs if self.calibrate.is_none() => "inputs to compare outputs on: add --calibrate PATH",
                Needs::Evaluate if self.evaluate.is_none() => "labelled samples: add --evaluate PATH",
                Needs::Bench if self.bench.is_none() => "measured runs: add --bench N",
                _ => continue,
            };
            return fail(format!("--gate '{gate}' needs {missing}"));
        }
        Ok(())
    }

    /// Errors where a gate bounds what this model does not have: a top-1 needs an output that is one row of scores, or a Softmax's.
    pub(super) fn fit(&self, has_top1: bool) -> Result<()> {
        match self.gates.iter().find(|g| g.metric.name == "top1_agreement" && !has_top1) {
            Some(gate) => {
                let reason = format!(
                    "--gate '{gate}': no output of the model is one row of scores, or made by a Softmax, so that there is no top-1"
                );
                Err(Error::new(ErrorKind::BadOption(reason)))
            }
            None => Ok(()),
        }
    }

    /// Decides every gate on what a report says, and refuses the model where one does not hold.
    pub(super) fn decide(&self, report: &mut Report) {
        report.gates = self.gates.iter().map(|g| g.outcome(report)).collect();
        if report.refused.is_some() {
            return;
        }
        let failed = self.gates.iter().zip(&report.gates).filter(|(_, o)| !o.met);
        let reasons: Vec<String> = failed.map(|(g, _)| g.refusal(report)).collect();
        if !reasons.is_empty() {
            report.refused = Some("gate".into());
            report.refused_reason = Some(reasons.join("; "));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(text: &str) -> String {
        text.parse::<Gate>().unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_gate_is_told_every_metric() {
        for text in
            ["accuracy", "accuracy=0.9", "accuracy>0.9", "speed>=2", ">=1", "cosine>=", "cosine>=NaN", "cosine>=a"]
        {
            assert!(Gate::metrics().iter().all(|m| message(text).contains(m)), "{}", message(text));
        }
        assert!(message("speed>=2").contains("'speed'") && message("cosine>=x1").contains("'x1'"));
    }

    #[test]
    fn gates_are_written_as_they_are_read() {
        for text in ["accuracy>=0.9", "accuracy_drop<=0.01", "sqnr_db>=inf", "latency_ratio<=-1"] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        assert_eq!(" cosine >= 1e-1 ".parse::<Gate>().unwrap().to_string(), "cosine>=0.1");
    }
}
