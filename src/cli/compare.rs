//! `secateur compare`: two models side by side.

use std::path::PathBuf;

use secateur::pipeline::{self, CompareOptions};
use secateur::report;

use super::data::DataOpts;
use super::files::{check_folder, same_file};
use super::plan_file::only_one_stream;
use super::{Failure, Shared, about, print, read_model, reports, to_json};

/// Costs before and after, how far the outputs differ, and what else is measured.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur compare model.onnx small.onnx --bench 20
  secateur compare model.onnx small.onnx --evaluate test.npz --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  secateur compare model.onnx small.onnx --calibrate images/ --dump-outputs before.npz after.npz

Exit status: 0 done; 1 failed; 2 usage.")]
pub(super) struct Opts {
    /// The model before; `-` is stdin.
    before: PathBuf,
    /// The model after; `-` is stdin.
    after: PathBuf,
    /// Seed of the inputs where no samples are given.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Save both models' outputs, for metrics of your own: arrays named as the outputs, the first axis counting samples. Those of --evaluate
    /// where given, else of --calibrate, else of the seeded inputs.
    #[arg(long, num_args = 2, value_names = ["A.npz", "B.npz"])]
    dump_outputs: Option<Vec<PathBuf>>,
    /// Write the report to a file (.json or .html; repeatable).
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    data: DataOpts,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    only_one_stream(&[("BEFORE", &o.before), ("AFTER", &o.after)])?;
    let options = o.options()?;
    let (before, after) = (read_model(&o.before)?, read_model(&o.after)?);
    let report = pipeline::compare(&before, &after, &options).map_err(about(&o.before))?;
    o.shared.say_times(&report.model, &report.times);
    reports::write(&o.report, &report)?;
    if o.shared.json {
        return print(&to_json(&report)?, false);
    }
    if o.shared.quiet { Ok(()) } else { print(&report::text::report(&report, o.shared.verbose), false) }
}

impl Opts {
    fn options(&self) -> Result<CompareOptions, Failure> {
        let measures = self.data.measures(None);
        measures.check()?;
        reports::check(&self.report)?;
        self.report.iter().try_for_each(|path| check_folder(path))?;
        let dump = match self.dump_outputs.as_deref() {
            Some([a, b]) => Some([a.clone(), b.clone()]),
            _ => None,
        };
        for path in dump.iter().flatten() {
            let read = [&self.before, &self.after].into_iter().chain(self.data.files());
            if read.into_iter().any(|r| same_file(r, path)) {
                return Err(Failure::Usage(format!("{}: --dump-outputs would overwrite what is read", path.display())));
            }
            if path.extension().is_none_or(|e| e != "npz") {
                return Err(Failure::Usage(format!("--dump-outputs {}: the name must end in .npz", path.display())));
            }
            check_folder(path)?;
        }
        if dump.as_ref().is_some_and(|[a, b]| same_file(a, b)) {
            return Err(Failure::Usage("--dump-outputs needs two files, one for each model".into()));
        }
        Ok(CompareOptions { shapes: self.shared.shapes(), seed: self.seed, measures, dump })
    }
}
