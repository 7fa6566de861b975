//! `secateur plan`: only decides.

use std::path::{Path, PathBuf};

use secateur::model::write::unfit;
use secateur::pipeline::{self, PruneOptions};
use secateur::{Error, Model};

use super::choosing::Choosing;
use super::data::SampleOpts;
use super::files::{check_folder, is_stream, new_file, unusable, write_file, write_stdout};
use super::healing::HealOpts;
use super::progress::Progress;
use super::{Failure, Shared, about, read_model};

/// Only decide what goes: a JSON file to review, edit and keep under version control. `apply` obeys it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur plan model.onnx -o plan.json --rate 0.3
  secateur plan model.onnx -o plan.json --cut-flops 0.5 --calibrate images.npz --scale 1/255
  secateur plan model.onnx -o - --rate 0.3 | secateur apply model.onnx --plan - -o small.onnx

In the file, `groups[].remove` lists the units that go, and is what `apply` obeys: edit it. `cuts` says what that means for every value of the model, and is made again from it.

Exit status: 0 done; 1 failed; 2 usage.")]
pub(super) struct Opts {
    /// The model; `-` is stdin.
    model: PathBuf,
    /// Where the plan goes; `-` is stdout.
    #[arg(short, long, value_name = "PLAN", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Everything but writing the plan.
    #[arg(long)]
    dry_run: bool,
    /// Replace an existing plan.
    #[arg(long)]
    force: bool,
    /// Seed of images that are made up, and of what the criterion `random` draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    healing: HealOpts,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    samples: SampleOpts,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    let progress = Progress::new(&o.shared);
    let options = o.options(&progress)?;
    o.check_files()?;
    let model: Model = read_model(&o.model)?;
    let report = pipeline::plan_for(&model, &options).map_err(about(&o.model))?;
    drop(progress);
    o.shared.say_times(&report.model, &report.times);
    let plan = report.plan.as_ref().ok_or_else(|| Error::internal("a plan without a plan"))?;
    match o.output.as_deref() {
        Some(_) if o.dry_run => {}
        Some(path) if is_stream(path) => write_stdout(plan.to_text()?.as_bytes())?,
        Some(path) => write_file(path, &plan.to_text()?)?,
        None => {}
    }
    o.shared.say_costs(&report, o.to_stdout())
}

impl Opts {
    /// What `prune` would be asked for.
    fn options(&self, progress: &Progress) -> Result<PruneOptions, Failure> {
        let options = PruneOptions::new(self.choosing.choice(self.seed)?);
        Ok(PruneOptions {
            shapes: self.shared.shapes(),
            seed: self.seed,
            allocate: self.choosing.allocate(),
            rank: self.choosing.rank(),
            heal: self.healing.heal(progress)?,
            measures: self.samples.measures(),
            ..options
        })
    }

    fn check_files(&self) -> Result<(), Failure> {
        if self.to_stdout() && self.shared.json {
            return Err(Failure::Usage("-o - and --json both want stdout: write the plan to a file".into()));
        }
        match self.output.as_deref() {
            Some(path) if !self.to_stdout() => {
                check_folder(path)?;
                if let Some(reason) = unfit(path) {
                    return Err(unusable(path, reason));
                }
                let read: Vec<&Path> = self.samples.files().chain([&self.model]).map(PathBuf::as_path).collect();
                new_file(path, &read, self.force || self.dry_run)
            }
            _ => Ok(()),
        }
    }

    fn to_stdout(&self) -> bool {
        !self.dry_run && self.output.as_deref().is_some_and(is_stream)
    }
}
