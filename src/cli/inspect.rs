//! `secateur inspect`: what models cost, what can go, and what cannot.

use std::path::{Path, PathBuf};

use secateur::pipeline;
use secateur::report::{Inspection, Outcome, text};

use super::files::write_file;
use super::{Failure, Shared, about, print, read_model, to_json};

/// Costs per layer, coupled groups, and what keeps channels and why. Of several models, a line each.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur inspect model.onnx
  secateur inspect model.onnx --input-shape input:1,3,224,224 --json
  secateur inspect models/*.onnx
  secateur inspect model.onnx --graph groups.dot && dot -Tsvg groups.dot > groups.svg

Exit status: 0 done; 1 failed, be it for one of several models; 2 usage.")]
pub(super) struct Opts {
    /// The models; `-` is stdin.
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Write the dependency graph in Graphviz's language: groups as clusters, layers that stay whole in red.
    #[arg(long, value_name = "FILE.dot")]
    graph: Option<PathBuf>,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    match o.models.as_slice() {
        [model] => one(o, model),
        models => several(o, models),
    }
}

fn one(o: &Opts, path: &Path) -> Result<(), Failure> {
    let model = read_model(path)?;
    let inspection = pipeline::inspect(&model, &o.shared.shapes()).map_err(about(path))?;
    o.shared.say_times(&inspection.model, &inspection.times);
    if let Some(path) = &o.graph {
        write_file(path, &pipeline::dependency_graph(&model, &o.shared.shapes())?)?;
    }
    if o.shared.json {
        return print(&to_json(&inspection)?, false);
    }
    if o.shared.quiet { Ok(()) } else { print(&text::inspection(&inspection, o.shared.verbose), false) }
}

/// A line each; what fails does not stop the others.
fn several(o: &Opts, paths: &[PathBuf]) -> Result<(), Failure> {
    if o.graph.is_some() {
        return Err(Failure::Usage("--graph draws one model: inspect it alone".into()));
    }
    let outcomes: Vec<Outcome> = paths.iter().map(|p| outcome(o, p)).collect();
    if o.shared.json {
        print(&to_json(&outcomes)?, false)?;
    } else if !o.shared.quiet {
        print(&text::overview(&outcomes), false)?;
    }
    let failed = |o: &&Outcome| matches!(o, Outcome::Failed { .. });
    match outcomes.iter().filter(failed).count() {
        0 => Ok(()),
        n => Err(Failure::Several { failed: n, of: paths.len() }),
    }
}

fn outcome(o: &Opts, path: &Path) -> Outcome {
    match inspected(o, path) {
        Ok(inspection) => Outcome::Inspected(Box::new(inspection)),
        Err(failure) => Outcome::Failed { model: path.display().to_string(), error: failure.to_string() },
    }
}

fn inspected(o: &Opts, path: &Path) -> Result<Inspection, Failure> {
    let inspection = pipeline::inspect(&read_model(path)?, &o.shared.shapes())?;
    o.shared.say_times(&inspection.model, &inspection.times);
    Ok(inspection)
}
