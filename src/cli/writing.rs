//! What `prune` and `apply` take to cut, prove and write, and the run that they share.

use std::path::{Path, PathBuf};

use clap::Args;
use secateur::Model;
use secateur::model::write::{data_beside, unfit};
use secateur::pipeline::{self, Allocate, Destination, Form, Proof, PruneOptions, Rank, What};
use secateur::report::Report;

use super::data::{DataOpts, GateOpts};
use super::files::{Side, check_folder, is_stream, new_file, same_file, unusable, write_file, write_stdout};
use super::healing::HealOpts;
use super::progress::Progress;
use super::proving::Proving;
use super::{Failure, Shared, about, reports};

/// Where the result goes, and what must hold before it does.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where it goes")]
pub(super) struct Writing {
    /// Where the pruned model goes; `-` is stdout.
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Set the chosen channels to zero, and keep the structure: the file equals the masked original, and can be trained on.
    #[arg(long)]
    soft: bool,
    #[command(flatten)]
    healing: HealOpts,
    /// Skip the proof.
    #[arg(long, help_heading = "Proof", conflicts_with = "allow_unverified")]
    no_verify: bool,
    /// Accept a model that the runtime cannot run.
    #[arg(long, help_heading = "Proof")]
    allow_unverified: bool,
    /// Everything but writing the model.
    #[arg(long)]
    dry_run: bool,
    /// Replace an existing output.
    #[arg(long)]
    force: bool,
    /// Put the weights into OUT.data beside the model; a model of more than 2 GiB is always written so.
    #[arg(long)]
    external_data: bool,
    /// Write the report to a file (.json or .html; repeatable).
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Write the plan to a file.
    #[arg(long, value_name = "FILE")]
    plan_out: Option<PathBuf>,
    /// Leave out the metadata that says where the file came from.
    #[arg(long)]
    no_stamp: bool,
    #[command(flatten)]
    gates: GateOpts,
    #[command(flatten)]
    data: DataOpts,
}

/// A run of `prune` or `apply`.
pub(super) struct Job<'a> {
    /// The model's file, or `-`.
    pub(super) path: &'a Path,
    /// The plan's file, or `-`.
    pub(super) plan: Option<&'a Path>,
    pub(super) writing: &'a Writing,
    pub(super) proving: &'a Proving,
    pub(super) shared: &'a Shared,
}

impl Job<'_> {
    /// Checks what can be known to go wrong before any work is done.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.proving.check()?;
        self.writing.data.measures(Some(&self.writing.gates)).check()?;
        let data = self.writing.data.files().map(PathBuf::as_path);
        let inputs: Vec<&Path> = self.plan.into_iter().chain([self.path]).chain(data).collect();
        self.writing.check(self.shared, &inputs)
    }

    /// Cuts, heals, proves, writes and says so.
    pub(super) fn run(&self, model: &Model, what: What, by: (Allocate, Rank)) -> Result<(), Failure> {
        let Self { writing: w, shared, .. } = self;
        let mut bytes = Vec::new();
        let progress = Progress::new(shared);
        let options = self.options(what, by, &progress)?;
        let report = pipeline::prune(model, &options, w.destination(&mut bytes)).map_err(about(self.path))?;
        drop(progress);
        shared.say_times(&report.model, &report.times);
        w.write_side_files(&report)?;
        if w.to_stdout() && report.refused.is_none() && !w.dry_run {
            write_stdout(&bytes)?;
        }
        shared.say_costs(&report, w.to_stdout())
    }

    fn options(
        &self,
        what: What,
        (allocate, rank): (Allocate, Rank),
        progress: &Progress,
    ) -> Result<PruneOptions, Failure> {
        let w = self.writing;
        Ok(PruneOptions {
            shapes: self.shared.shapes(),
            what,
            form: if w.soft { Form::Soft } else { Form::Hard },
            proof: match (w.no_verify, w.allow_unverified) {
                (true, _) => Proof::Skipped,
                (_, true) => Proof::WherePossible,
                _ => Proof::Required,
            },
            tolerance: self.proving.tolerance,
            seed: self.proving.seed,
            stamp: !w.no_stamp,
            external_data: w.external_data,
            allocate,
            rank,
            heal: w.healing.heal(progress)?,
            measures: w.data.measures(Some(&w.gates)),
        })
    }
}

impl Writing {
    fn check(&self, shared: &Shared, inputs: &[&Path]) -> Result<(), Failure> {
        if self.to_stdout() && shared.json {
            return Err(Failure::Usage(
                "-o - and --json both want stdout: write the report with --report FILE.json".into(),
            ));
        }
        if self.to_stdout() && self.external_data {
            return Err(Failure::Usage("-o - and --external-data: stdout holds one file; name a file with -o".into()));
        }
        reports::check(&self.report)?;
        let out = self.output.as_deref().filter(|_| !self.to_stdout());
        let report = self.report.iter().map(|path| Side { option: "--report", path });
        let sides: Vec<Side<'_>> =
            report.chain(self.plan_out.as_deref().map(|path| Side { option: "--plan-out", path })).collect();
        for (i, side) in sides.iter().enumerate() {
            side.check(inputs, out)?;
            if let Some(other) = sides[..i].iter().find(|s| same_file(s.path, side.path)) {
                let (option, path) = (side.option, side.path.display());
                return Err(Failure::Usage(format!("{option} {path}: {} goes there", other.option)));
            }
        }
        let Some(out) = out else { return Ok(()) };
        check_folder(out)?;
        if let Some(reason) = unfit(out) {
            return Err(unusable(out, reason));
        }
        new_file(out, inputs, self.force || self.dry_run)?;
        let data = self.external_data.then(|| data_beside(out));
        data.map_or(Ok(()), |data| new_file(&data, inputs, self.force || self.dry_run))
    }

    fn to_stdout(&self) -> bool {
        self.output.as_deref().is_some_and(is_stream)
    }

    fn destination<'a>(&'a self, bytes: &'a mut Vec<u8>) -> Destination<'a> {
        match self.output.as_deref() {
            _ if self.dry_run => Destination::Nowhere,
            Some(path) if !self.to_stdout() => Destination::File { path, replace: self.force },
            _ => Destination::Bytes(bytes),
        }
    }

    fn write_side_files(&self, report: &Report) -> Result<(), Failure> {
        reports::write(&self.report, report)?;
        match (&self.plan_out, &report.plan) {
            (Some(path), Some(plan)) => write_file(path, &plan.to_text()?),
            _ => Ok(()),
        }
    }
}
