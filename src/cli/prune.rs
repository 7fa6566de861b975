//! `secateur prune`: the main job.

use std::path::PathBuf;

use secateur::pipeline::What;

use super::choosing::Choosing;
use super::proving::Proving;
use super::writing::{Job, Writing};
use super::{Failure, Shared, read_model};

/// Plan, cut, heal, prove, write.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur prune model.onnx -o small.onnx --rate 0.3
  secateur prune model.onnx -o small.onnx --cut-flops 0.5 --calibrate images.npz --scale 1/255
  secateur prune model.onnx -o small.onnx --rate 0.5 --scope inner --heal none --report report.json
  secateur prune - -o - --rate 0.3 < model.onnx > small.onnx

Exit status: 0 done; 1 failed; 2 usage; 3 refused: the proof did not hold or could not be made, or a gate did not hold, and no model was written.")]
pub(super) struct Opts {
    /// The model; `-` is stdin.
    model: PathBuf,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    proving: Proving,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    let what = What::Choose(o.choosing.choice(o.proving.seed)?);
    let Opts { writing, proving, shared, .. } = o;
    let job = Job { path: &o.model, plan: None, writing, proving, shared };
    job.check()?;
    job.run(&read_model(&o.model)?, what, (o.choosing.allocate(), o.choosing.rank()))
}
