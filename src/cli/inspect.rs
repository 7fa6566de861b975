//! `secateur inspect`: what a model costs, what can go, and what cannot.

use std::path::PathBuf;

use secateur::{pipeline, report};

use super::{Failure, Shared, print, read_model, to_json, write_file};

/// Costs per layer, coupled groups, and what stays whole and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  secateur inspect model.onnx
  secateur inspect model.onnx --input-shape input:1,3,224,224 --json
  secateur inspect model.onnx --graph groups.dot && dot -Tsvg groups.dot > groups.svg

Exit status: 0 done; 1 failed; 2 usage.")]
pub(super) struct Opts {
    /// The model; `-` is stdin.
    model: PathBuf,
    /// Write the dependency graph in Graphviz's language: groups as clusters, layers that stay whole in red.
    #[arg(long, value_name = "FILE.dot")]
    graph: Option<PathBuf>,
    #[command(flatten)]
    shared: Shared,
}

pub(super) fn run(o: &Opts) -> Result<(), Failure> {
    o.shared.apply();
    let model = read_model(&o.model)?;
    let inspection = pipeline::inspect(&model, &o.shared.shapes())?;
    if let Some(path) = &o.graph {
        write_file(path, &pipeline::dependency_graph(&model, &o.shared.shapes())?)?;
    }
    if o.shared.json {
        return print(&to_json(&inspection)?, false);
    }
    if o.shared.quiet { Ok(()) } else { print(&report::text::inspection(&inspection, o.shared.verbose), false) }
}
