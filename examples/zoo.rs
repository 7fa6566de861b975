//! Prunes and proves every model of a folder, in memory: a table of what goes and what stands in the way.
//!
//! `cargo run --release --example zoo -- FOLDER --rate 0.3 [--scope inner] [--only GLOB]`. The models are those of the folder's
//! `index.json`, with the input shapes given there, else every `.onnx` file below it. Exit status: 1 where a model that the runtime can
//! run was not proved.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use secateur::Model;
use secateur::pipeline::{Destination, PruneOptions, prune};
use secateur::plan::{Choice, Scope};
use secateur::report::{Report, text};
use secateur::shape::{InputShape, InputShapes};

const USAGE: &str = "zoo FOLDER [--rate 0.3] [--scope all|inner] [--only GLOB]";

/// What was asked for.
struct Request {
    folder: PathBuf,
    rate: f64,
    scope: Scope,
    only: String,
}

/// A model, and the shapes that its inputs are run with.
struct Entry {
    path: String,
    shapes: InputShapes,
}

/// What a sweep amounts to.
#[derive(Default)]
struct Totals {
    verified: usize,
    unverified: usize,
    wrong: usize,
    little: usize,
}

/// Below this share of the multiply-adds, a model loses little.
const LITTLE: f64 = 0.3;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let request = Request::parse(std::env::args().skip(1))?;
    let entries: Vec<Entry> = entries(&request.folder)?.into_iter().filter(|e| fits(&request.only, &e.path)).collect();
    if entries.is_empty() {
        return Err(format!("no model of {} fits '{}'", request.folder.display(), request.only).into());
    }
    let width = entries.iter().map(|e| e.path.chars().count()).max().unwrap_or(0);
    println!("{:width$}  {:>19}  {:>6}  {:10}  {:>6}  largest obstacle", "model", "MACs", "cut", "proof", "s");
    let mut totals = Totals::default();
    for entry in &entries {
        println!("{:width$}  {}", entry.path, row(&request, entry, &mut totals));
        std::io::stdout().flush()?;
    }
    let Totals { verified, unverified, wrong, little } = totals;
    println!(
        "{} models: {verified} verified, {unverified} not run by the runtime, {wrong} failed; {little} lose less than 30 % of their MACs",
        entries.len()
    );
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Request {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut out = Self { folder: PathBuf::new(), rate: 0.3, scope: Scope::All, only: "*".into() };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match arg.as_str() {
                "--rate" => out.rate = value()?.parse()?,
                "--only" => out.only = value()?,
                "--scope" => {
                    out.scope = match value()?.as_str() {
                        "all" => Scope::All,
                        "inner" => Scope::Inner,
                        _ => return Err(USAGE.into()),
                    }
                }
                _ if arg.starts_with('-') || !out.folder.as_os_str().is_empty() => return Err(USAGE.into()),
                _ => out.folder = arg.into(),
            }
        }
        if out.folder.as_os_str().is_empty() { Err(USAGE.into()) } else { Ok(out) }
    }
}

/// One model, from the file to the table.
fn row(request: &Request, entry: &Entry, totals: &mut Totals) -> String {
    let started = Instant::now();
    let options = PruneOptions {
        shapes: entry.shapes.clone(),
        ..PruneOptions::new(Choice { scope: request.scope, ..Choice::rate(request.rate) })
    };
    let model = Model::read(&request.folder.join(&entry.path));
    let report = match model.and_then(|m| prune(&m, &options, Destination::Nowhere)) {
        Ok(report) => report,
        Err(e) => {
            totals.wrong += 1;
            return format!("error: {}", text::printable(&e.to_string()));
        }
    };
    let status = report.verification.as_ref().map_or("skipped", |v| v.status.as_str());
    match status {
        "passed" => totals.verified += 1,
        "unverified" => totals.unverified += 1,
        _ => totals.wrong += 1,
    }
    let cut = cut(&report);
    totals.little += usize::from(cut < LITTLE);
    let macs = format!("{} -> {}", text::count(report.before.macs), text::count(report.after.macs));
    let proof = if status == "passed" { "verified" } else { status };
    let obstacle = text::largest(&report.obstacles).unwrap_or_default();
    let why = report.refused_reason.map(|r| format!("{}; ", text::printable(&r))).unwrap_or_default();
    let seconds = started.elapsed().as_secs_f64();
    format!("{macs:>19}  {:>5.1}%  {proof:10}  {seconds:>6.2}  {why}{obstacle}", 100.0 * cut)
}

fn cut(report: &Report) -> f64 {
    1.0 - report.after.macs as f64 / report.before.macs.max(1) as f64
}

/// The models of a folder: those of its index, else every file below it, by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, Box<dyn Error>> {
    let index = folder.join("index.json");
    if !index.exists() {
        let mut paths = Vec::new();
        walk(folder, &mut paths)?;
        paths.sort();
        let relative = |p: &PathBuf| p.strip_prefix(folder).unwrap_or(p).to_string_lossy().into_owned();
        return Ok(paths.iter().map(|p| Entry { path: relative(p), shapes: InputShapes::default() }).collect());
    }
    let index: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(index)?)?;
    let models = index.as_array().ok_or("index.json is no list")?;
    models.iter().map(|m| entry(m).ok_or_else(|| format!("index.json: {m} has no path").into())).collect()
}

fn entry(model: &serde_json::Value) -> Option<Entry> {
    let inputs = model["inputs"].as_array().map_or(&[][..], Vec::as_slice);
    let shape = |input: &serde_json::Value| {
        let dims: Option<Vec<usize>> =
            input["run_shape"].as_array()?.iter().map(|d| usize::try_from(d.as_u64()?).ok()).collect();
        Some(InputShape { name: input["name"].as_str()?.to_owned(), dims: dims? })
    };
    let shapes = InputShapes(inputs.iter().filter_map(shape).collect());
    Some(Entry { path: model["path"].as_str()?.to_owned(), shapes })
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "onnx") {
            out.push(path);
        }
    }
    Ok(())
}

/// Whether a name fits a pattern, in which `*` stands for any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices().map(|(i, _)| i).chain([tail.len()]).any(|i| fits(rest, &tail[i..]))
        }),
    }
}
