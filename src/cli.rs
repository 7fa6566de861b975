//! What a user types, and how a run ends. stdout carries the result, stderr everything else.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secateur::report::text::{self, printable};
use secateur::report::{Report, Times};
use secateur::shape::{InputShape, InputShapes};
use secateur::{Error, ErrorKind, Model};
use serde::Serialize;

mod apply;
mod choosing;
mod compare;
mod completions;
mod config;
mod data;
mod files;
mod healing;
mod inspect;
mod plan;
mod plan_file;
mod progress;
mod proving;
mod prune;
mod ranking;
mod reports;
mod verify;
mod writing;

/// Prunes ONNX models for real: finds the channels that live and die together, cuts out those that the others can best replace, and proves the result by running it.
#[derive(Debug, Parser)]
#[command(name = "secateur", version, after_help = EXIT_STATUS, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 done; 1 failed (bad model, file error); 2 usage; 3 refused (the proof did not hold or could not be made, or a gate did not hold).";

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Opts),
    Prune(prune::Opts),
    Plan(plan::Opts),
    Apply(apply::Opts),
    Compare(compare::Opts),
    Verify(verify::Opts),
    Completions(completions::Opts),
}

/// Options that every subcommand takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Shared {
    /// Fixes the dims of an input, where the model leaves some open (repeatable). Default: batch 1.
    #[arg(long, value_name = "NAME:1,3,224,224")]
    input_shape: Vec<InputShape>,
    /// Threads to use. Default: one a core.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// When to colour.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Show every layer; on stderr, how long each stage took.
    #[arg(short, long)]
    verbose: bool,
    /// Print errors only.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Take options from a TOML file, under the same names; a table such as [prune] is for one command. What the command line says wins.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// How a run can end without success.
#[derive(Debug)]
enum Failure {
    /// Exit status 2.
    Usage(String),
    /// Exit status 3; the report has said why.
    Refused,
    /// Exit status 1; the result has said which and why.
    Several {
        /// How many of the models.
        failed: usize,
        /// Of how many.
        of: usize,
    },
    /// Exit status 1, because of the model in that file.
    Model(String, Error),
    /// Exit status 1, or 2 where an option does not fit the model.
    Failed(Error),
}

/// A failure of what the model in that file says, which the error itself does not name.
fn about(path: &Path) -> impl Fn(Error) -> Failure {
    let path = path.display().to_string();
    move |e| match e.kind {
        ErrorKind::OpenDim { .. } | ErrorKind::BadModel(_) | ErrorKind::Runtime(_) | ErrorKind::Internal(_) => {
            Failure::Model(path.clone(), e)
        }
        _ => Failure::Failed(e),
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Refused => 3,
            Self::Failed(e) if matches!(e.kind, ErrorKind::BadOption(_)) => 2,
            Self::Several { .. } | Self::Model(..) | Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(reason) => f.write_str(reason),
            Self::Refused => Ok(()),
            Self::Several { failed, of } => write!(f, "{failed} of {of} models could not be inspected"),
            Self::Model(path, e) => write!(f, "{path}: {e}"),
            Self::Failed(e) => e.fmt(f),
        }
    }
}

/// Runs the command line.
pub(crate) fn run() -> ExitCode {
    quiet_the_runtime();
    let outcome = config::parse(std::env::args_os().collect()).and_then(run_command);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Refused) {
                let _ = writeln!(anstream::stderr(), "error: {}", printable(&failure.to_string()));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run_command(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Inspect(o) => inspect::run(&o),
        Command::Prune(o) => prune::run(&o),
        Command::Plan(o) => plan::run(&o),
        Command::Apply(o) => apply::run(&o),
        Command::Compare(o) => compare::run(&o),
        Command::Verify(o) => verify::run(&o),
        Command::Completions(o) => completions::run(&o),
    }
}

/// The library turns panics of the runtime into errors of one line; what they print themselves helps nobody. Our own stay loud.
fn quiet_the_runtime() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|l| Path::new(l.file()).starts_with("src")) {
            loud(panic);
        }
    }));
}

impl Shared {
    /// Applies what concerns the whole process.
    fn apply(&self) {
        match self.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        // A pool that is there already stays; nothing depends on the number of threads but time.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build_global();
    }

    /// On stderr, how long each stage took, where that is asked for.
    fn say_times(&self, model: &str, times: &Times) {
        if self.verbose {
            let _ = writeln!(anstream::stderr(), "{}: {times}", printable(model));
        }
    }

    /// Prints costs and what became of them, to stderr where stdout carries something else. A model that was refused is a failure.
    fn say_costs(&self, report: &Report, to_stderr: bool) -> Result<(), Failure> {
        self.say(report, &|r| text::report(r, self.verbose), to_stderr)
    }

    /// Prints a report, to stderr where stdout carries something else. A model that was refused is a failure.
    fn say(&self, report: &Report, text: &dyn Fn(&Report) -> String, to_stderr: bool) -> Result<(), Failure> {
        let refused = |reason: &str| print(&format!("refused: {}\n", printable(reason)), true);
        match &report.refused_reason {
            reason if self.json => {
                print(&to_json(report)?, false)?;
                reason.as_deref().map_or(Ok(()), refused)?;
            }
            Some(reason) if self.quiet => refused(reason)?,
            _ if self.quiet => {}
            _ => print(&text(report), to_stderr)?,
        }
        if report.refused.is_some() { Err(Failure::Refused) } else { Ok(()) }
    }

    fn shapes(&self) -> InputShapes {
        InputShapes(self.input_shape.clone())
    }
}

/// Reads a model; `-` is stdin.
fn read_model(path: &Path) -> Result<Model, Failure> {
    if path == Path::new("-") {
        return Ok(Model::read_from(&mut io::stdin().lock(), Path::new("standard input"))?);
    }
    Ok(Model::read(path)?)
}

/// Prints a result to stdout, or to stderr where stdout carries a model.
fn print(text: &str, to_stderr: bool) -> Result<(), Failure> {
    let done = if to_stderr {
        anstream::stderr().write_all(text.as_bytes())
    } else {
        anstream::stdout().write_all(text.as_bytes())
    };
    match done {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io(Path::new("standard output"), &e).into()),
        _ => Ok(()),
    }
}

fn to_json(data: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(data);
    text.map(|t| t + "\n").map_err(|e| Error::internal(e.to_string()).into())
}
