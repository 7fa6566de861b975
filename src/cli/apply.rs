//! `secateur apply`: obeys a plan.

use std::path::PathBuf;

use secateur::pipeline::{Allocate, Rank, What};

use super::plan_file::{only_one_stream, read_plan};
use super::proving::Proving;
use super::writing::{Job, Writing};
use super::{Failure, Shared, read_model};

/// Cut what a plan says, heal, prove, write. The result is that of the `prune` that wrote the plan, byte for byte, where data and `--heal` are the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur apply model.onnx --plan plan.json -o small.onnx
  secateur apply model.onnx --plan plan.json --dry-run

Of a plan only `groups[].remove` is obeyed, and may be edited: a group that is left out loses nothing, and `cuts` is made again.

Exit status: 0 done; 1 failed (the plan does not fit the model: the message names the line); 2 usage; 3 refused: the proof did not hold, or could not be made, and no model was written.")]
pub(super) struct Opts {
    /// The model; `-` is stdin.
    model: PathBuf,
    /// The plan; `-` is stdin.
    #[arg(long, value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    proving: Proving,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    only_one_stream(&[("MODEL", &o.model), ("--plan", &o.plan)])?;
    let Opts { writing, proving, shared, .. } = o;
    let job = Job { path: &o.model, plan: Some(&o.plan), writing, proving, shared };
    job.check()?;
    let file = read_plan(&o.plan)?;
    let done = job.run(&read_model(&o.model)?, What::Obey(file.plan.clone()), (Allocate::Uniform, Rank::AsChosen));
    done.map_err(|failure| failure.located(&file))
}
