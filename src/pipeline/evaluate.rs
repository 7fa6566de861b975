//! What is measured of a model beside the untouched original: agreement of outputs, accuracy, latency, outputs for other tools.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::gate::Gate;
use super::{FIDELITY_SAMPLES, bench, summary};
use crate::data::{Input, Preparation, Samples, Stacked, save, split};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Model, Tensor};
use crate::report::{Accuracy, Report};
use crate::shape::Shapes;
use crate::verify::{self, Pair, argmax};

/// Samples to fit on, unless something else is said.
const FITTED: usize = 512;

/// Samples whose outputs are held at once while they are saved.
const HELD: usize = 256;

/// What is measured, on which data, and what must hold.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Inputs without labels, on which outputs are compared; `None`: seeded ones.
    pub calibrate: Option<PathBuf>,
    /// Inputs with labels, on which accuracy is measured.
    pub evaluate: Option<PathBuf>,
    /// What is done to both before the model.
    pub preparation: Preparation,
    /// How many of the first inputs without labels are for fitting, 512 unless said; where nothing is ever fitted, how many are compared, all
    /// unless said.
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

/// The data of a run, opened and found to fit the model.
pub(super) struct Data<'a> {
    measures: &'a Measures,
    calibrate: Option<Samples>,
    evaluate: Option<Evaluation>,
}

/// Labelled samples, and the output that has the scores of the classes.
struct Evaluation {
    samples: Samples,
    output: usize,
    classes: usize,
}

impl<'a> Data<'a> {
    /// Opens what is to be measured on. Errors where it does not fit the model.
    pub(super) fn open(measures: &'a Measures, model: &Model, shapes: &Shapes) -> Result<Self> {
        let input = |f: &crate::runtime::Feed| Input { name: f.name.clone(), dtype: f.dtype, dims: f.dims.clone() };
        let inputs: Vec<Input> = shapes.feeds.iter().map(input).collect();
        let open = |path: &PathBuf| Samples::open(path, &inputs, &measures.preparation);
        let calibrate = measures.calibrate.as_ref().map(open).transpose()?;
        let evaluate = measures.evaluate.as_ref().map(open).transpose()?;
        measures.fit(outputs(model, shapes)?.iter().any(|(_, dims)| verify::is_row(dims)))?;
        let evaluate = evaluate.map(|samples| Evaluation::new(samples, model, shapes)).transpose()?;
        Ok(Self { measures, calibrate, evaluate })
    }

    /// Measures a cut, with the samples that judge it. `proved`: whether the runtime has run both models already.
    pub(super) fn judge(&self, beside: Beside<'_>, proved: bool, report: &mut Report) -> Result<()> {
        if report.refused.is_none() && (proved || self.measures.are_asked_for()) {
            let fitted = self.measures.samples.unwrap_or(FITTED);
            let judging = self.calibrate.as_ref().map_or(0..0, |s| split(s.len(), fitted).judge);
            self.measure(beside, judging, report)?;
            // Nothing is healed: what is written is what was cut.
            report.accuracy.iter_mut().for_each(|a| a.cut = Some(a.after));
        }
        if report.refused.is_none() {
            self.time(beside, report)?;
        }
        Ok(())
    }

    /// Measures two models as they are.
    pub(super) fn compare(&self, beside: Beside<'_>, dump: Option<&[PathBuf; 2]>, report: &mut Report) -> Result<()> {
        let compared = self.calibrate.as_ref().map_or(0, |s| self.measures.samples.unwrap_or(usize::MAX).min(s.len()));
        let pair = self.measure(beside, 0..compared, report)?;
        match (dump, pair) {
            (Some(paths), Some(pair)) => self.dump(&pair, beside.seed, compared, paths)?,
            (Some(_), None) => {
                let reason = report.notes.last().map_or("no outputs", |n| n.as_str());
                return Err(Error::new(ErrorKind::Runtime(format!("nothing to save: {reason}"))));
            }
            _ => {}
        }
        self.time(beside, report)
    }

    /// Agreement and accuracy, and what ran both models; where the runtime cannot, a note.
    fn measure(&self, beside: Beside<'_>, range: Range<usize>, report: &mut Report) -> Result<Option<Pair>> {
        let runs = range.len().max(FIDELITY_SAMPLES).max(self.evaluate.as_ref().map_or(0, |e| e.samples.len()));
        let measured = Pair::load(beside.before, beside.after, &beside.shapes.feeds, runs).and_then(|pair| {
            let (range, get) = self.inputs(&pair, range, beside.seed);
            report.fidelity = Some(summary::fidelity(&verify::fidelity(&pair, range, get)?, self.calibrate.is_some()));
            if let Some(e) = &self.evaluate {
                report.accuracy = Some(e.accuracy(&pair)?);
                report.notes.extend(e.note());
            }
            Ok(pair)
        });
        match measured {
            Ok(pair) => Ok(Some(pair)),
            Err(e) if is_the_runtimes(&e) => {
                report.notes.push(format!("outputs were not compared with the original: {e}"));
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The samples that outputs are compared on: those of the file in that range, or seeded ones.
    fn inputs<'p>(&'p self, pair: &'p Pair, range: Range<usize>, seed: u64) -> (Range<usize>, Get<'p>) {
        match &self.calibrate {
            Some(samples) => (range, Box::new(|i| samples.get(i))),
            None => (
                0..FIDELITY_SAMPLES,
                Box::new(move |i| Ok(pair.seeded(seed.wrapping_add(1000).wrapping_add(i as u64)))),
            ),
        }
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
    fn dump(&self, pair: &Pair, seed: u64, compared: usize, paths: &[PathBuf; 2]) -> Result<()> {
        let (range, get) = match &self.evaluate {
            Some(e) => (0..e.samples.len(), Box::new(|i| e.samples.get(i)) as Get<'_>),
            None => self.inputs(pair, 0..compared, seed),
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
        let Some(output) = dims.iter().position(|(_, d)| verify::is_row(d)) else {
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

    /// How often the largest score is the label's; an output that is no number is wrong.
    fn accuracy(&self, pair: &Pair) -> Result<Accuracy> {
        let labels = self.samples.labelled()?;
        let right = |i: usize, outputs: &[Tensor]| {
            let scores = outputs.get(self.output).and_then(Tensor::floats).unwrap_or_default();
            !scores.is_empty() && scores.iter().all(|s| !s.is_nan()) && argmax(&scores) == labels[i]
        };
        let get = |i| self.samples.get(i);
        let each = pair.each(0..labels.len(), get, |i, p, q| (right(i, p), right(i, q)))?;
        let output = pair.outputs().get(self.output).cloned().unwrap_or_default();
        Ok(Accuracy::of(output, &each))
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

/// Names and dims of the outputs; no dims where they are unknown.
fn outputs(model: &Model, shapes: &Shapes) -> Result<Vec<(String, Vec<usize>)>> {
    let graph = model.graph()?;
    let dims = |name: &str| graph.find(name).and_then(|v| shapes.dims.get(v)).unwrap_or_default().to_vec();
    Ok(model.graph_proto().output.iter().map(|o| (o.name().to_owned(), dims(o.name()))).collect())
}

fn label(path: &Path) -> String {
    path.display().to_string()
}

fn is_the_runtimes(e: &Error) -> bool {
    matches!(e.kind, ErrorKind::Runtime(_))
}
