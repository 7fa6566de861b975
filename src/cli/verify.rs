//! `secateur verify`: judges a file from anywhere.

use std::path::PathBuf;

use secateur::pipeline::{self, VerifyOptions};
use secateur::report::text;

use super::plan_file::{only_one_stream, read_plan};
use super::proving::Proving;
use super::{Failure, Shared, about, read_model};

/// Judge a pruned file from anywhere: it must be the original without what the plan removes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur verify model.onnx small.onnx --plan plan.json
  secateur verify model.onnx trained.onnx --plan plan.json --healed

The kept values must be the original's bit for bit, unless the file says in `secateur.heal` that it was healed, or --healed says so: then weights and biases of contractions, and means of BatchNormalization, may be others.

Exit status: 0 proved; 1 failed (a file cannot be read, the plan is not for the original); 2 usage; 3 refused: the file is not what the plan says, follows another plan, or cannot be run.")]
pub(super) struct Opts {
    /// The model before; `-` is stdin.
    original: PathBuf,
    /// The model to judge; `-` is stdin.
    pruned: PathBuf,
    /// The plan; `-` is stdin.
    #[arg(long, value_name = "PLAN")]
    plan: PathBuf,
    /// The file was healed or trained on: its weights may be others.
    #[arg(long)]
    healed: bool,
    #[command(flatten)]
    proving: Proving,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    o.proving.check()?;
    only_one_stream(&[("ORIGINAL", &o.original), ("PRUNED", &o.pruned), ("--plan", &o.plan)])?;
    let file = read_plan(&o.plan)?;
    let (original, pruned) = (read_model(&o.original)?, read_model(&o.pruned)?);
    let options = VerifyOptions {
        shapes: o.shared.shapes(),
        tolerance: o.proving.tolerance,
        seed: o.proving.seed,
        healed: o.healed,
    };
    let report = pipeline::verify(&original, &pruned, &file.plan, &options);
    let report = report.map_err(about(&o.original)).map_err(|failure| failure.located(&file))?;
    o.shared.say_times(&report.model, &report.times);
    o.shared.say(&report, &text::verdict, false)
}
