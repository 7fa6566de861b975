//! What is measured of a model beside the untouched original: agreement of outputs, accuracy, latency, outputs for other tools.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::gate::Gate;
use super::heal::Basis;
use super::range::Said;
use super::unlabelled::Unlabelled;
use super::{bench, lookup, range, summary};
use crate::data::{Input, Preparation, Samples, Stacked, is_image_like, save};
use crate::divergence::is_row;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Model, Tensor};
use crate::report::{Accuracy, Fidelity, Report};
use crate::runtime::Feed;
use crate::shape::Shapes;
use crate::verify::{self, Pair, argmax};

/// What who has no data should know.
const MADE_UP: &str = "images were made up,";
const SAY_SO: &str = "say with --scale, --mean and --std what the model takes, or give samples with --calibrate";

/// Fewer samples to fit on than that are few.
const FEW: usize = 64;

/// Samples whose outputs are held at once while they are saved.
const HELD: usize = 256;

/// What is said of a healed model that is closer to the original where that was judged, and yet less accurate.
const WORSE: &str = "the healed model has fewer of the labelled samples right than the cut one: what it was healed on is unlike them; see --calibrate \
                     and --scale, --mean, --std";

/// What is measured, on which data, and what must hold.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Inputs without labels, on which outputs are compared; `None`: seeded ones.
    pub calibrate: Option<PathBuf>,
    /// Inputs with labels, on which accuracy is measured.
    pub evaluate: Option<PathBuf>,
    /// What is done to both before the model.
    pub preparation: Preparation,
    /// Whether that was asked for. If not, images that are made up are brought to the usual range that comes nearest to what the model expects.
    pub prepared: bool,
    /// How many of the first inputs without labels are for fitting, 512 unless said (of seeded numbers 128); where nothing is ever fitted, how
    /// many are compared, all unless said.
    pub samples: Option<usize>,
    /// How many runs latency is measured in; `None`: it is not.
    pub bench: Option<usize>,
    /// What must hold for a model to be written.
    pub gates: Vec<Gate>,
}

impl Measures {
    /// Whether something is to be measured that the proof does not do by the way.
    fn are_asked_for(&self) -> bool {
        self.calibrate.is_some() || self.evaluate.is_some() || self.gates.iter().any(Gate::reads_outputs)
    }
}

/// Two models that are measured beside each other.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub before: &'a Model,
    pub after: &'a Model,
    pub shapes: &'a Shapes,
    pub seed: u64,
}

/// Models prepared to run beside the original, and how far their outputs are from its: the cut model and, where that is another, the healed one.
#[derive(Debug)]
pub(super) struct Compared {
    pub pairs: Vec<Pair>,
    pub fidelities: Vec<Fidelity>,
}

/// The data of a run, opened and found to fit the model.
pub(super) struct Data<'a> {
    measures: &'a Measures,
    model: &'a Model,
    feeds: &'a [Feed],
    /// The inputs, as samples have to fill them.
    inputs: Vec<Input>,
    seed: u64,
    calibrate: Option<Samples>,
    evaluate: Option<Evaluation>,
    /// How images that are made up are prepared, in turn, where nobody said it.
    suited: OnceLock<Vec<Said>>,
}

/// Labelled samples, and the output that has the scores of the classes.
struct Evaluation {
    samples: Samples,
    output: usize,
    classes: usize,
}

impl<'a> Data<'a> {
    /// Opens what is to be measured on. Errors where it does not fit the model.
    pub(super) fn open(measures: &'a Measures, model: &'a Model, shapes: &'a Shapes, seed: u64) -> Result<Self> {
        let feeds = &shapes.feeds;
        let inputs = inputs(feeds, &lookup::rows(model, feeds)?);
        let open = |path: &PathBuf| Samples::open(path, &inputs, &measures.preparation);
        let calibrate = measures.calibrate.as_ref().map(open).transpose()?;
        let evaluate = measures.evaluate.as_ref().map(open).transpose()?;
        measures.fit(outputs(model, shapes)?.iter().any(|(_, dims)| is_row(dims)) || ends_in_softmax(model)?)?;
        let evaluate = evaluate.map(|samples| Evaluation::new(samples, model, shapes)).transpose()?;
        Ok(Self { measures, model, feeds, inputs, seed, calibrate, evaluate, suited: OnceLock::new() })
    }

    /// What healing goes by: the best that there is.
    pub(super) fn basis(&self) -> Basis {
        match &self.calibrate {
            Some(_) => Basis::Calibration,
            None if is_image_like(&self.inputs, self.measures.preparation.layout) => Basis::Generated,
            None => Basis::Seeded,
        }
    }

    /// Whether images are made up, for one input or more.
    fn makes_images(&self) -> bool {
        let layout = self.measures.preparation.layout;
        self.calibrate.is_none() && self.inputs.iter().any(|i| i.takes_images(layout))
    }

    /// The samples of that basis, for fitting and for judging. Errors where images cannot be made, or all samples are the same.
    pub(super) fn unlabelled(&self) -> Result<Unlabelled<'_>> {
        let Measures { samples, preparation, .. } = self.measures;
        let suited = self.suited();
        let ways: Vec<&Preparation> =
            if suited.is_empty() { vec![preparation] } else { suited.iter().map(|s| &s.0).collect() };
        let make = |count| ways.iter().map(|how| Samples::generated(&self.inputs, how, count, self.seed)).collect();
        match (&self.calibrate, self.basis()) {
            (Some(all), _) => Unlabelled::calibration(all, *samples).differing(all),
            (None, Basis::Generated) => Unlabelled::generated(*samples, make),
            (None, _) => Ok(Unlabelled::seeded(self.feeds, *samples, self.seed, make)),
        }
    }

    /// How images that are made up are prepared, where nobody said it and the model tells.
    fn suited(&self) -> &[Said] {
        self.suited.get_or_init(|| {
            let asked = self.measures.prepared || !self.makes_images();
            let how = &self.measures.preparation;
            let suited = || range::suited(self.model, self.feeds, &self.inputs, how, self.seed);
            if asked { Vec::new() } else { suited().unwrap_or_default() }
        })
    }

    /// What is to be said of the samples that a model was healed on.
    pub(super) fn remarks(&self, samples: &Unlabelled<'_>) -> Vec<String> {
        let assumed = match self.suited() {
            [(_, said)] => Some(format!(
                "{MADE_UP} prepared as with {said}, which comes nearest to what the model expects: {SAY_SO}"
            )),
            [] if self.makes_images() && !self.measures.prepared => Some(format!("{MADE_UP} of 0 to 255: {SAY_SO}")),
            [] => None,
            several => {
                let ways: Vec<&str> = several.iter().map(|s| s.1).collect();
                let ways = ways.join(", ");
                Some(format!("{MADE_UP} prepared in turn as with {ways}, for the model does not tell which: {SAY_SO}"))
            }
        };
        let far = || range::is_far(self.model, self.feeds, samples.fit.len(), &|i| samples.get(samples.fit.start + i));
        let few = samples.are_the_users() && samples.fit.len() < FEW;
        let few = few.then(|| match samples.fit.len() {
            1 => "one sample to fit on is few: a few hundred heal better".to_owned(),
            n => format!("{n} samples to fit on are few: a few hundred heal better"),
        });
        assumed.or_else(far).into_iter().chain(few).collect()
    }

    /// For how many runs models have to be prepared, so many judging.
    pub(super) fn runs(&self, judging: usize) -> usize {
        judging.max(self.evaluate.as_ref().map_or(0, |e| e.samples.len()))
    }

    /// Measures a cut, with the samples that judge it; what was `compared` while it was healed is not measured again. `proved`: whether the
    /// runtime has run both models already.
    pub(super) fn judge(
        &self,
        beside: Beside<'_>,
        compared: Option<Compared>,
        proved: bool,
        report: &mut Report,
    ) -> Result<()> {
        if report.refused.is_none() && (proved || compared.is_some() || self.measures.are_asked_for()) {
            let judging = match &self.calibrate {
                Some(all) => Unlabelled::calibration(all, self.measures.samples),
                None => Unlabelled::few(self.feeds, self.seed),
            };
            self.measure(beside, &judging, compared, report)?;
        }
        if report.refused.is_none() {
            self.time(beside, report)?;
        }
        Ok(())
    }

    /// Measures two models as they are.
    pub(super) fn compare(&self, beside: Beside<'_>, dump: Option<&[PathBuf; 2]>, report: &mut Report) -> Result<()> {
        let on = match &self.calibrate {
            Some(all) => Unlabelled::all(all, self.measures.samples),
            None => Unlabelled::few(self.feeds, self.seed),
        };
        let compared = self.measure(beside, &on, None, report)?;
        // Here is no cut model but the one after.
        report.accuracy.iter_mut().for_each(|a| (a.cut, a.correct_cut, a.interval_cut) = (None, None, None));
        match (dump, compared.and_then(|mut c| c.pairs.pop())) {
            (Some(paths), Some(pair)) => self.dump(&pair, &on, paths)?,
            (Some(_), None) => {
                let reason = report.notes.last().map_or("no outputs", |n| n.as_str());
                return Err(Error::new(ErrorKind::Runtime(format!("nothing to save: {reason}"))));
            }
            _ => {}
        }
        self.time(beside, report)
    }

    /// Agreement and accuracy, and what ran the models; where the runtime cannot, a note.
    fn measure(
        &self,
        beside: Beside<'_>,
        on: &Unlabelled<'_>,
        compared: Option<Compared>,
        report: &mut Report,
    ) -> Result<Option<Compared>> {
        let measured = compared.map_or_else(|| self.compared(beside, on), Ok).and_then(|compared| {
            report.fidelity = compared.fidelities.last().cloned();
            if let Some(e) = &self.evaluate {
                let accuracy = e.accuracy(&compared.pairs)?;
                let is_less = accuracy.correct_cut.is_some_and(|cut| accuracy.correct_after < cut);
                report.notes.extend(is_less.then(|| WORSE.to_owned()).into_iter().chain(e.note()));
                report.accuracy = Some(accuracy);
            }
            Ok(compared)
        });
        match measured {
            Ok(compared) => Ok(Some(compared)),
            Err(e) if is_the_runtimes(&e) => {
                report.notes.push(format!("outputs were not compared with the original: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn compared(&self, beside: Beside<'_>, on: &Unlabelled<'_>) -> Result<Compared> {
        let runs = self.runs(on.judge.len());
        let pair = Pair::load(beside.before, beside.after, &beside.shapes.feeds, runs)?;
        let fidelity = verify::fidelity(&pair, on.judge.clone(), |i| on.get(i))?;
        let inputs = if on.are_the_users() { "calibration" } else { "random" };
        Ok(Compared { pairs: vec![pair], fidelities: vec![summary::fidelity(&fidelity, inputs)] })
    }

    fn time(&self, beside: Beside<'_>, report: &mut Report) -> Result<()> {
        let Some(runs) = self.measures.bench else { return Ok(()) };
        match bench::latency(beside, runs) {
            Ok((latency, note)) => {
                report.latency = Some(latency);
                report.notes.extend(note);
            }
            Err(e) if is_the_runtimes(&e) => report.notes.push(format!("latency was not measured: {e}")),
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Saves both models' outputs: for labelled samples where there are some, else for those without labels, else for seeded inputs.
    fn dump(&self, pair: &Pair, on: &Unlabelled<'_>, paths: &[PathBuf; 2]) -> Result<()> {
        let (range, get) = match &self.evaluate {
            Some(e) => (0..e.samples.len(), Box::new(|i| e.samples.get(i)) as Get<'_>),
            None => (on.judge.clone(), Box::new(|i| on.get(i)) as Get<'_>),
        };
        let empty = || pair.outputs().iter().map(|n| Stacked::new(n)).collect::<Vec<_>>();
        let (mut before, mut after) = (empty(), empty());
        for start in range.clone().step_by(HELD) {
            let part = start..range.end.min(start + HELD);
            for (p, q) in pair.each(part, &get, |_, p, q| (p.to_vec(), q.to_vec()))? {
                before.iter_mut().zip(&p).try_for_each(|(all, one)| all.push(one))?;
                after.iter_mut().zip(&q).try_for_each(|(all, one)| all.push(one))?;
            }
        }
        save(&paths[0], &before)?;
        save(&paths[1], &after)
    }
}

/// A sample's inputs.
type Get<'a> = Box<dyn Fn(usize) -> Result<Vec<Tensor>> + Sync + 'a>;

impl Evaluation {
    /// Errors where there are no labels, no output has scores of classes, or a label is none of them.
    fn new(samples: Samples, model: &Model, shapes: &Shapes) -> Result<Self> {
        let labels = samples.labelled()?;
        let dims = outputs(model, shapes)?;
        let Some(output) = dims.iter().position(|(_, d)| is_row(d)) else {
            let all: Vec<String> = dims.iter().map(|(name, d)| format!("'{name}' {d:?}")).collect();
            let reason = format!(
                "--evaluate needs an output that is one row of scores, as a classifier has; there are {}",
                all.join(", ")
            );
            return Err(Error::new(ErrorKind::BadOption(reason)));
        };
        let classes = dims[output].1.iter().product();
        if let Some(i) = labels.iter().position(|l| *l >= classes) {
            let reason = format!(
                "label {} of sample {i} is out of range: output '{}' has {classes} classes, 0 to {}",
                labels[i],
                dims[output].0,
                classes - 1
            );
            return Err(Error::new(ErrorKind::BadData { path: samples.path().to_owned(), reason }));
        }
        Ok(Self { samples, output, classes })
    }

    /// How often the largest score is the label's: of the original, the first and the last of the other models. An output that is no number is
    /// wrong.
    fn accuracy(&self, pairs: &[Pair]) -> Result<Accuracy> {
        let labels = self.samples.labelled()?;
        let right = |i: usize, outputs: &[Tensor]| {
            let scores = outputs.get(self.output).and_then(Tensor::floats).unwrap_or_default();
            !scores.is_empty() && scores.iter().all(|s| !s.is_nan()) && argmax(&scores) == labels[i]
        };
        let look = |i: usize, before: &[Tensor], all: &[Vec<Tensor>]| {
            let of = |outputs: Option<&Vec<Tensor>>| outputs.is_some_and(|o| right(i, o));
            (right(i, before), of(all.first()), of(all.last()))
        };
        let pairs: Vec<&Pair> = pairs.iter().collect();
        let each = Pair::each_of(&pairs, 0..labels.len(), |i| self.samples.get(i), look)?;
        let output = pairs.first().and_then(|p| p.outputs().get(self.output)).cloned().unwrap_or_default();
        let ends: Vec<(bool, bool)> = each.iter().map(|r| (r.0, r.2)).collect();
        Ok(Accuracy::of(output, &ends).with_cut(each.iter().filter(|r| r.1).count()))
    }

    /// A warning where folders are numbered and the model has other classes.
    fn note(&self) -> Option<String> {
        let folders = self.samples.class_folders().filter(|n| *n != self.classes)?;
        Some(format!(
            "{} has {folders} class folders, numbered from 0 by name, and the model {} classes: see that the numbers are the model's",
            label(self.samples.path()),
            self.classes
        ))
    }
}

/// The inputs, as samples have to fill them; `below`: how many integers each takes.
fn inputs(feeds: &[Feed], below: &[Option<usize>]) -> Vec<Input> {
    let input = |(f, below): (&Feed, &Option<usize>)| Input {
        name: f.name.clone(),
        dtype: f.dtype,
        dims: f.dims.clone(),
        below: *below,
    };
    feeds.iter().zip(below).map(input).collect()
}

/// Names and dims of the outputs; no dims where they are unknown.
fn outputs(model: &Model, shapes: &Shapes) -> Result<Vec<(String, Vec<usize>)>> {
    let graph = model.graph()?;
    let dims = |name: &str| graph.find(name).and_then(|v| shapes.dims.get(v)).unwrap_or_default().to_vec();
    Ok(model.graph_proto().output.iter().map(|o| (o.name().to_owned(), dims(o.name()))).collect())
}

/// Whether an output is made by a Softmax: it has the scores of a choice, of one or at every place.
fn ends_in_softmax(model: &Model) -> Result<bool> {
    let graph = model.graph()?;
    Ok(graph
        .nodes()
        .iter()
        .filter(|n| matches!(n.op(), "Softmax" | "LogSoftmax"))
        .filter_map(|n| n.output(0))
        .any(|y| graph.value(y).is_output))
}

fn label(path: &Path) -> String {
    path.display().to_string()
}

fn is_the_runtimes(e: &Error) -> bool {
    matches!(e.kind, ErrorKind::Runtime(_))
}
