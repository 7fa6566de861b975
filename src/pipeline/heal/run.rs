//! The healing of one cut: a method says what the model should hold, and the result is written, compared with the unhealed model on samples
//! that nothing was fitted on, and proved. What does not hold up leaves the unhealed model, with a reason.

use super::{Basis, How};
use crate::error::{Error, ErrorKind, Result};
use crate::heal::{self, Case, Method, Step};
use crate::model::{Model, ModelProto};
use crate::pipeline::evaluate::{Compared, Data};
use crate::pipeline::judge::{Cut, Version};
use crate::pipeline::output::Destination;
use crate::pipeline::unlabelled::Unlabelled;
use crate::pipeline::{Form, stamp, summary};
use crate::report::{self as data, Clock, HealScore, HealedLayer};
use crate::verify::{self, Fidelity, Pair, Values};

/// Samples that are looked at before anything is fitted.
const LOOKED_AT: usize = 32;

/// Fewer samples than that are few to judge by.
const FEW_JUDGE: usize = 8;

/// Outputs that are no further from the original's cannot be told from them.
const UNTOUCHED: f64 = 1e-7;

/// A cut model that may be healed.
pub(in crate::pipeline) struct Healing<'a> {
    pub cut: Cut<'a>,
    pub data: &'a Data<'a>,
    /// The content of the cut model.
    pub proto: ModelProto,
    pub unhealed: Version,
    pub to: &'a Destination<'a>,
}

/// What came of it.
pub(in crate::pipeline) struct Outcome {
    /// The healed model, or the unhealed one.
    pub version: Version,
    pub said: data::Heal,
    pub notes: Vec<String>,
    /// The unhealed and the healed model beside the original, where that was seen.
    pub compared: Option<Compared>,
}

/// A healed model that is better than the unhealed one.
struct Better {
    method: &'static dyn Method,
    version: Version,
    pair: Pair,
    fidelity: Fidelity,
}

/// The unhealed model beside the original.
struct Start {
    pair: Pair,
    fidelity: Option<Fidelity>,
}

impl Healing<'_> {
    /// Heals where that is asked for and helps. Errors where a sample is broken or a file cannot be written.
    pub(in crate::pipeline) fn run(self, clock: &mut Clock) -> Result<Outcome> {
        let how = self.cut.options.heal.how;
        let mut said = data::Heal { asked: how.name().into(), method: "none".into(), ..data::Heal::default() };
        if let Some((reason, is_news)) = self.obstacle() {
            said.reason = Some(reason.into());
            let notes = is_news.then(|| format!("not healed: {reason}")).into_iter().collect();
            return Ok(Outcome { version: self.unhealed, said, notes, compared: None });
        }
        let mut start = None;
        let better = match self.attempt(&mut said, &mut start, clock) {
            Ok(better) => better,
            Err(e) if self.is_the_users(&e) => return Err(e),
            Err(e) => {
                said.reason = Some(e.to_string());
                None
            }
        };
        let remarks = self.data.unlabelled().map_or(Vec::new(), |samples| self.data.remarks(&samples));
        let mut outcome = self.outcome(said, start, better);
        outcome.notes.extend(remarks);
        Ok(outcome)
    }

    /// Why nothing is healed, and whether that is news to who asked.
    fn obstacle(&self) -> Option<(&'static str, bool)> {
        let options = self.cut.options;
        let report = &self.unhealed.report;
        let skipped = report.verification.as_ref().is_some_and(|v| v.status == "skipped");
        match () {
            () if options.heal.how == How::None => Some(("it was not asked for", false)),
            () if options.form == Form::Soft => Some(("soft pruning keeps the structure, to be trained on", false)),
            () if options.what.is_lossless() => Some(("a lossless cut changes nothing", false)),
            () if self.cut.chosen.plan.is_empty() => Some(("nothing was removed", false)),
            () if report.refused.is_some() => Some(("the cut was refused", false)),
            () if !skipped && !self.unhealed.is_proved() => Some(("the runtime cannot run the model", true)),
            () => None,
        }
    }

    /// Tries one method after the other until one makes it better. Errors where one cannot do its work.
    fn attempt(&self, said: &mut data::Heal, start: &mut Option<Start>, clock: &mut Clock) -> Result<Option<Better>> {
        let basis = self.data.basis();
        let samples = self.data.unlabelled()?;
        said.data = Some(basis.name().into());
        (said.fitted, said.judged) = (samples.fit.len(), samples.judge.len());
        if samples.fit.is_empty() {
            said.reason = Some("of one sample, none is left to fit on: give more".into());
            return Ok(None);
        }
        if self.is_untouched(&samples, start)? {
            said.reason = Some("the cut does not change the outputs: there is nothing to make up for".into());
            return Ok(None);
        }
        let mut reasons = Vec::new();
        let mut better = None;
        for method in self.cut.options.heal.how.methods(basis)? {
            match self.by(method, &samples, said, start, clock)? {
                Ok(found) => {
                    better = Some(found);
                    break;
                }
                Err(reason) => reasons.push(reason),
            }
        }
        said.reason = Some(reasons.join("; ")).filter(|r| !r.is_empty());
        Ok(better)
    }

    /// Whether the unhealed model's outputs are the original's on all samples that judge; the first ones are looked at first.
    fn is_untouched(&self, samples: &Unlabelled<'_>, start: &mut Option<Start>) -> Result<bool> {
        let judge = &samples.judge;
        let few = judge.start..judge.end.min(judge.start + LOOKED_AT);
        let start = self.start(samples, start)?;
        let compared = |range| verify::fidelity(&start.pair, range, |i| samples.get(i));
        // What is no number is not the same.
        let is_same = |f: &Fidelity| f.distance().abs() < UNTOUCHED && f.error() < UNTOUCHED;
        if few.is_empty() || !is_same(&compared(few)?) {
            return Ok(false);
        }
        Ok(is_same(start.fidelity.insert(compared(judge.clone())?)))
    }

    /// Heals by one method; `Err`: why what it makes is not taken. Errors where it cannot do its work.
    fn by(
        &self,
        method: &'static dyn Method,
        samples: &Unlabelled<'_>,
        said: &mut data::Heal,
        start: &mut Option<Start>,
        clock: &mut Clock,
    ) -> Result<std::result::Result<Better, String>> {
        let name = method.name();
        let healed = self.edits(method, samples)?;
        clock.lap("heal");
        said.layers = healed.layers.iter().map(layer).collect();
        if healed.edits.is_empty() {
            return Ok(Err(nothing(name, &healed.layers)));
        }
        let mut proto = self.proto.clone();
        heal::apply(&mut proto, &healed.edits)?;
        stamp::stamp_heal(&mut proto, name);
        let cut = Cut { values: Values::Healed, ..self.cut };
        let (written, model) = cut.write(proto, self.to)?;
        clock.lap("write");
        let (pair, fidelity) = self.compared(&model, samples, start)?;
        clock.lap("compare");
        let unhealed = start.as_ref().and_then(|s| s.fidelity.as_ref());
        let [before, after] = scores(unhealed, &fidelity);
        said.score = Some(HealScore { cut: finite(before), healed: finite(after) });
        if !is_better(after, before) {
            return Ok(Err(format!(
                "with {name} the outputs are no closer to the original's ({after:.4}, without {before:.4})"
            )));
        }
        if let Some(output) = unhealed.and_then(|unhealed| further(&fidelity, unhealed)) {
            return Ok(Err(format!(
                "with {name} the squared error of output '{output}' grows; judged on {} only, a smaller divergence does not outweigh that",
                fidelity.samples
            )));
        }
        let version = Version { report: cut.judge(&model)?, written, model };
        clock.lap("verify");
        if self.unhealed.is_proved() && !version.is_proved() {
            let reason = version.report.verification.and_then(|v| v.reason).unwrap_or_default();
            return Ok(Err(format!("what {name} makes of it is not proved: {reason}")));
        }
        Ok(Ok(Better { method, version, pair, fidelity }))
    }

    /// What a method wants to change. Errors where it cannot do its work, or asks for a sample that judges.
    fn edits(&self, method: &dyn Method, samples: &Unlabelled<'_>) -> Result<heal::Healed> {
        let get = |i: usize| match samples.fit.contains(&i) {
            true => samples.get(i),
            false => Err(Error::internal(format!("{} asks for sample {i}, which is not to fit on", method.name()))),
        };
        method.heal(&Case {
            original: &verify::float32(self.cut.analysis.graph.model())?,
            cut: &verify::float32(&self.unhealed.model)?,
            removed: &self.cut.chosen.removed,
            feeds: &verify::float32_feeds(&self.cut.analysis.shapes.feeds),
            fit: &samples.fit,
            get: &get,
            rows: heal::ROWS,
            watch: &|step: Step<'_>| self.cut.options.heal.watcher.hears(step),
        })
    }

    /// The healed model beside the original on the judging samples; the unhealed one too, where that was not seen yet.
    fn compared(
        &self,
        healed: &Model,
        samples: &Unlabelled<'_>,
        start: &mut Option<Start>,
    ) -> Result<(Pair, Fidelity)> {
        let start = self.start(samples, start)?;
        let pair = start.pair.beside(healed, self.data.runs(samples.judge.len()))?;
        let pairs = if start.fidelity.is_some() { vec![&pair] } else { vec![&pair, &start.pair] };
        let mut all = verify::fidelities(&pairs, samples.judge.clone(), |i| samples.get(i))?.into_iter();
        let fidelity = all.next().ok_or_else(|| Error::internal("a pair without a fidelity"))?;
        start.fidelity = start.fidelity.take().or(all.next());
        Ok((pair, fidelity))
    }

    /// The unhealed model beside the original, loaded where it was not yet.
    fn start<'s>(&self, samples: &Unlabelled<'_>, start: &'s mut Option<Start>) -> Result<&'s mut Start> {
        match start {
            Some(start) => Ok(start),
            None => {
                let feeds = &self.cut.analysis.shapes.feeds;
                let runs = self.data.runs(samples.judge.len());
                let pair = Pair::load(self.cut.analysis.graph.model(), &self.unhealed.model, feeds, runs)?;
                Ok(start.insert(Start { pair, fidelity: None }))
            }
        }
    }

    /// Whether an error is of what the user gave, or of where the result goes, and not of the healing.
    fn is_the_users(&self, e: &Error) -> bool {
        let of_data = matches!(e.kind, ErrorKind::BadData { .. }) && self.data.basis() == Basis::Calibration;
        of_data || matches!(e.kind, ErrorKind::Io { .. })
    }

    fn outcome(self, mut said: data::Heal, start: Option<Start>, better: Option<Better>) -> Outcome {
        let basis = self.data.basis();
        let inputs = if basis == Basis::Seeded { "random" } else { basis.name() };
        let mut compared = start.and_then(|s| {
            let fidelity = summary::fidelity(&s.fidelity?, inputs);
            said.fidelity_cut = Some(fidelity.clone());
            Some(Compared { pairs: vec![s.pair], fidelities: vec![fidelity] })
        });
        let mut version = self.unhealed;
        let mut head = "not healed".to_owned();
        if let Some(better) = better {
            said.method = better.method.name().into();
            head = format!("healed by {}", said.method);
            if let Some(compared) = &mut compared {
                compared.pairs.push(better.pair);
                compared.fidelities.push(summary::fidelity(&better.fidelity, inputs));
            }
            version = better.version;
        }
        let notes = said.reason.iter().map(|reason| format!("{head}: {reason}")).collect();
        Outcome { version, said, notes, compared }
    }
}

/// What is compared of the unhealed and of the healed model: how far their outputs are; where their scores are in no doubt and both are as good as
/// the original's, the squared errors.
fn scores(unhealed: Option<&Fidelity>, healed: &Fidelity) -> [f64; 2] {
    let by = |of: fn(&Fidelity) -> f64| [unhealed.map_or(f64::NAN, of), of(healed)];
    let distances = by(Fidelity::distance);
    if distances.iter().all(|d| d.abs() < UNTOUCHED) { by(Fidelity::error) } else { distances }
}

/// Lower is better; what is no number is worse than all.
fn is_better(after: f64, before: f64) -> bool {
    after.is_finite() && (!before.is_finite() || after < before)
}

/// Of few samples, an output whose squared error is larger than before: that a divergence is smaller says little then.
fn further<'f>(after: &'f Fidelity, before: &Fidelity) -> Option<&'f str> {
    let mut pairs = after.outputs.iter().zip(&before.outputs).filter(|_| after.samples < FEW_JUDGE);
    pairs.find(|(a, b)| a.sqnr_db < b.sqnr_db).map(|(a, _)| a.name.as_str())
}

/// Why a method changes nothing: the first layer that it left alone has a reason.
fn nothing(name: &str, layers: &[heal::LayerError]) -> String {
    match layers.iter().find_map(|l| Some((&l.node, l.skipped.as_ref()?))) {
        Some((node, reason)) => format!("{name} has nothing to change; of '{node}': {reason}"),
        None => format!("{name} has nothing to change"),
    }
}

fn finite(v: f64) -> Option<f64> {
    Some(v).filter(|v| v.is_finite())
}

fn layer(l: &heal::LayerError) -> HealedLayer {
    HealedLayer {
        node: l.node.clone(),
        before: finite(l.before),
        after: finite(l.after),
        outcome: l.outcome.into(),
        skipped: l.skipped.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{OutputFidelity, Worst};

    fn of(samples: usize, sqnr_db: f64) -> Fidelity {
        let worst = Worst { kl: None, cosine: 1.0, sqnr_db };
        let (name, kl) = ("y".to_owned(), Some(0.1));
        let output = OutputFidelity {
            name,
            places: 1,
            top1_agreement: Some(1.0),
            kl,
            cosine: 1.0,
            sqnr_db,
            max_abs_error: 0.0,
            worst,
        };
        Fidelity { samples, outputs: vec![output] }
    }

    #[test]
    fn of_few_samples_no_output_may_have_a_larger_error() {
        assert_eq!(further(&of(1, -17.4), &of(1, 3.1)), Some("y"));
        assert_eq!(further(&of(1, 3.2), &of(1, 3.1)), None);
        assert_eq!(further(&of(FEW_JUDGE, 2.0), &of(FEW_JUDGE, 3.1)), None, "of enough the divergence decides");
    }
}
