//! `secateur compare`: two models side by side.

use std::path::PathBuf;

use secateur::{pipeline, report};

use super::plan_file::only_one_stream;
use super::{Failure, Shared, about, print, read_model, to_json};

/// Costs before and after, and how far the outputs differ on seeded inputs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  secateur compare model.onnx small.onnx

Exit status: 0 done; 1 failed; 2 usage.")]
pub(super) struct Opts {
    /// The model before; `-` is stdin.
    before: PathBuf,
    /// The model after; `-` is stdin.
    after: PathBuf,
    /// Seed of the inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    only_one_stream(&[("BEFORE", &o.before), ("AFTER", &o.after)])?;
    let (before, after) = (read_model(&o.before)?, read_model(&o.after)?);
    let report = pipeline::compare(&before, &after, &o.shared.shapes(), o.seed).map_err(about(&o.before))?;
    o.shared.say_times(&report.model, &report.times);
    if o.shared.json {
        return print(&to_json(&report)?, false);
    }
    if o.shared.quiet { Ok(()) } else { print(&report::text::report(&report, o.shared.verbose), false) }
}
