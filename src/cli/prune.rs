//! `secateur prune`: the main job.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use secateur::model::write::{data_beside, unfit};
use secateur::pipeline::{self, Destination, Proof, PruneOptions, What};
use secateur::plan::{Budget, Choice, Limits, Scope};
use secateur::report::{self, Report};
use secateur::score::Ranking;
use secateur::{Error, ErrorKind};

use super::{Failure, Shared, about, print, read_model, to_json, write_file};

/// Plan, cut, prove, write.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur prune model.onnx -o small.onnx --rate 0.3
  secateur prune model.onnx -o small.onnx --rate 0.5 --scope inner --report report.json
  secateur prune - -o - --rate 0.3 < model.onnx > small.onnx

Exit status: 0 done; 1 failed; 2 usage; 3 refused: the proof did not hold, or could not be made, and no model was written.")]
pub(super) struct Opts {
    /// The model; `-` is stdin.
    model: PathBuf,
    /// Where the pruned model goes; `-` is stdout.
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// The paper's pruning rate: this share of the units of every group goes, rounded down. 0 < R < 1.
    #[arg(long, value_name = "R", group = "budget")]
    rate: Option<f64>,
    /// At least this share of the multiply-adds goes, and as little more as single channels allow.
    #[arg(long, value_name = "R", group = "budget")]
    cut_flops: Option<f64>,
    /// At least this share of the parameters goes, and as little more as single channels allow.
    #[arg(long, value_name = "R", group = "budget")]
    cut_params: Option<f64>,
    /// How a budget is split over the groups: at one rate for all.
    #[arg(long, default_value = "uniform", value_parser = ["uniform"])]
    allocate: String,
    /// Leaves nodes as they are, and what is coupled to them (`*`: any characters, `?`: one; repeatable).
    #[arg(long, value_name = "GLOB")]
    keep: Vec<String>,
    /// Takes filters of these nodes only (repeatable); `a..b`: of the nodes between two values.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// Gives nodes a rate of their own (repeatable; the last that fits holds).
    #[arg(long, value_name = "GLOB=R", value_parser = rate_for)]
    rate_for: Vec<(String, f64)>,
    /// The width of every layer that is cut ends as a multiple of N.
    #[arg(long, value_name = "N")]
    round_to: Option<usize>,
    /// No group loses a larger share of its channels. Default: 0.9 for budgets, none for --rate.
    #[arg(long, value_name = "R")]
    max_rate: Option<f64>,
    /// `inner` leaves residual streams alone.
    #[arg(long, default_value = "all")]
    scope: ScopeName,
    /// How units are ranked.
    #[arg(long, default_value = "geometric-median", value_parser = ["geometric-median"])]
    criterion: String,
    /// Also cut channels of which the removal changes a statistic (a mean over channels, say): the proof sets them aside.
    #[arg(long)]
    allow_inexact: bool,
    /// How the cut network is healed.
    #[arg(long, default_value = "none", value_parser = ["none"])]
    heal: String,
    /// Skip the proof.
    #[arg(long, conflicts_with = "allow_unverified")]
    no_verify: bool,
    /// Accept a model that the runtime cannot run.
    #[arg(long)]
    allow_unverified: bool,
    /// Largest difference allowed in the proof, relative to each value's largest magnitude.
    #[arg(long, value_name = "T", default_value_t = 1e-4)]
    tolerance: f64,
    /// Seed of the proof's inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Everything but writing the model.
    #[arg(long)]
    dry_run: bool,
    /// Replace an existing output.
    #[arg(long)]
    force: bool,
    /// Put the weights into OUT.data beside the model; a model of more than 2 GiB is always written so.
    #[arg(long)]
    external_data: bool,
    /// Write the report to a file (.json; repeatable).
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
    /// Write the plan to a file.
    #[arg(long, value_name = "FILE")]
    plan_out: Option<PathBuf>,
    /// Leave out the metadata that says where the file came from.
    #[arg(long)]
    no_stamp: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    All,
    Inner,
}

const NO_BUDGET: &str = "say how much is to go: --rate 0.3 (this share of the channels of every group), --cut-flops 0.3 or \
                         --cut-params 0.3 (this share of the multiply-adds or parameters)";

/// `GLOB=R`; the glob may hold `=`.
fn rate_for(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=').filter(|p| !p.0.is_empty());
    let rate = parts.and_then(|(glob, rate)| Some((glob.to_owned(), rate.trim().parse().ok()?)));
    rate.ok_or_else(|| "expected GLOB=R, as in '*/conv2/*=0.5'".into())
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    let options = o.options()?;
    o.check_files()?;
    let model = read_model(&o.model)?;
    let mut bytes = Vec::new();
    let report = pipeline::prune(&model, &options, o.destination(&mut bytes)).map_err(about(&o.model))?;
    o.shared.say_times(&report.model, &report.times);
    o.write_side_files(&report)?;
    if o.to_stdout() && report.refused.is_none() && !o.dry_run {
        let written = io::stdout().lock().write_all(&bytes).and_then(|()| io::stdout().flush());
        written.map_err(|e| Error::io(Path::new("standard output"), &e))?;
    }
    o.say(&report)?;
    if report.refused.is_some() { Err(Failure::Refused) } else { Ok(()) }
}

impl Opts {
    fn options(&self) -> Result<PruneOptions, Failure> {
        if self.tolerance.is_nan() || self.tolerance < 0.0 {
            return Err(Failure::Usage(format!("--tolerance {} is below 0 or no number, as 1e-4 is", self.tolerance)));
        }
        Ok(PruneOptions {
            shapes: self.shared.shapes(),
            what: What::Choose(Choice {
                budget: self.budget()?,
                scope: if self.scope == ScopeName::Inner { Scope::Inner } else { Scope::All },
                ranking: Ranking { criterion: self.criterion.clone(), seed: self.seed, ..Ranking::default() },
                limits: Limits {
                    keep: self.keep.clone(),
                    only: self.only.clone(),
                    rate_for: self.rate_for.clone(),
                    round_to: self.round_to,
                    max_rate: self.max_rate,
                },
                allow_inexact: self.allow_inexact,
            }),
            proof: match (self.no_verify, self.allow_unverified) {
                (true, _) => Proof::Skipped,
                (_, true) => Proof::WherePossible,
                _ => Proof::Required,
            },
            tolerance: self.tolerance,
            seed: self.seed,
            stamp: !self.no_stamp,
            external_data: self.external_data,
        })
    }

    fn budget(&self) -> Result<Budget, Failure> {
        let given =
            [self.rate.map(Budget::Rate), self.cut_flops.map(Budget::CutFlops), self.cut_params.map(Budget::CutParams)];
        given.into_iter().flatten().next().ok_or_else(|| Failure::Usage(NO_BUDGET.into()))
    }

    /// What can be known to go wrong before any work is done.
    fn check_files(&self) -> Result<(), Failure> {
        if self.to_stdout() && self.shared.json {
            return Err(Failure::Usage(
                "-o - and --json both want stdout: write the report with --report FILE.json".into(),
            ));
        }
        if self.to_stdout() && self.external_data {
            return Err(Failure::Usage("-o - and --external-data: stdout holds one file; name a file with -o".into()));
        }
        if let Some(other) = self.report.iter().find(|r| r.extension().is_none_or(|e| e != "json")) {
            return Err(Failure::Usage(format!("--report {}: the name must end in .json", other.display())));
        }
        let out = self.output.as_deref().filter(|_| !self.to_stdout());
        for path in self.report.iter().chain(&self.plan_out).map(PathBuf::as_path).chain(out) {
            if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty() && !d.is_dir()) {
                return Err(unusable(dir, "is no directory; make it first"));
            }
        }
        let Some(out) = out else { return Ok(()) };
        if let Some(reason) = unfit(out) {
            return Err(unusable(out, reason));
        }
        if same_file(out, &self.model) {
            return Err(Failure::Usage(format!(
                "{}: the output would overwrite the input; choose another name",
                out.display()
            )));
        }
        let data = self.external_data.then(|| data_beside(out));
        let mut places = data.iter().map(PathBuf::as_path).chain([out]);
        match places.find(|p| p.exists() && !self.force && !self.dry_run) {
            Some(place) => Err(unusable(place, "exists already; replace it with --force")),
            None => Ok(()),
        }
    }

    fn to_stdout(&self) -> bool {
        self.output.as_deref() == Some(Path::new("-"))
    }

    fn destination<'a>(&'a self, bytes: &'a mut Vec<u8>) -> Destination<'a> {
        match self.output.as_deref() {
            _ if self.dry_run => Destination::Nowhere,
            Some(path) if !self.to_stdout() => Destination::File { path, replace: self.force },
            _ => Destination::Bytes(bytes),
        }
    }

    fn write_side_files(&self, report: &Report) -> Result<(), Failure> {
        for path in &self.report {
            write_file(path, &to_json(report)?)?;
        }
        match (&self.plan_out, &report.plan) {
            (Some(path), Some(plan)) => write_file(path, &to_json(plan)?),
            _ => Ok(()),
        }
    }

    fn say(&self, report: &Report) -> Result<(), Failure> {
        if self.shared.json {
            return print(&to_json(report)?, false);
        }
        if let (true, Some(reason)) = (self.shared.quiet, &report.refused_reason) {
            return print(&format!("refused: {}; no model was written\n", report::text::printable(reason)), true);
        }
        if self.shared.quiet {
            Ok(())
        } else {
            print(&report::text::report(report, self.shared.verbose), self.to_stdout())
        }
    }
}

fn unusable(path: &Path, reason: &str) -> Failure {
    Error::new(ErrorKind::Io { path: path.to_owned(), reason: reason.into() }).into()
}

/// Whether two names are one file, whatever the spelling.
fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
