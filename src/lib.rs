//! secateur prunes ONNX models for real: it finds which channels live and die together, picks the ones that the others can best replace,
//! cuts them out of the graph, and proves the result by running it.
//!
//! The pipeline is the architecture. Each stage is one module, takes what came before by reference and returns a new value:
//!
//! ```text
//! read -> shape -> couple -> score -> plan -> cut -> heal -> write -> verify -> report
//! ```
//!
//! | stage | module | takes | gives |
//! |---|---|---|---|
//! | read, write | [`model`] | a file | a [`Model`], and back: what no stage edits is written as it was |
//! | shape | [`shape`] | dims of inputs | dims of every value, and once more where open dims are larger |
//! | couple | [`couple`] | what the rules of [`op`] say | units, coupled groups, and what holds the other channels |
//! | lossless | [`lossless`] | weights and units | the units that can go and change nothing |
//! | score | [`score`] | the filters of each group | a score for each unit |
//! | plan | [`plan`] | a budget | the units that go |
//! | cut | [`cut`] | the coordinates that go | the file's content without them, or with zeros in their place |
//! | heal | [`heal`] | the original, the cut model and samples | numbers for the layers behind the cut |
//! | verify | [`verify`] | the original, and the file that was written | a proof, or the first difference |
//! | report | [`report`] | what happened | plain data, and text |
//!
//! [`pipeline`] strings them together: the model is written to a temporary place, judged there, and put into its own only where the judge
//! agrees. [`data`] reads the samples that users bring, [`runtime`] is all that knows of tract, [`cost`] counts, [`build`] writes graphs as
//! expressions. What a module may import stands in `tests/it/tidy.rs`, which keeps it true.
//!
//! ```no_run
//! use secateur::{Model, pipeline::{prune, Destination, PruneOptions}};
//!
//! let model = Model::read("model.onnx".as_ref())?;
//! let report = prune(&model, &PruneOptions::rate(0.3), Destination::File { path: "small.onnx".as_ref(), replace: false })?;
//! println!("{} -> {} MACs", report.before.macs, report.after.macs);
//! # Ok::<(), secateur::Error>(())
//! ```
//!
//! What goes first is a [`score::Criterion`]; a program may bring its own (`examples/criterion.rs` has one that it explains):
//!
//! ```
//! use secateur::{Model, plan::Choice, pipeline::{prune, Destination, PruneOptions}, score::{Criterion, Units}};
//!
//! struct LargestWeight;
//! impl Criterion for LargestWeight {
//!     fn name(&self) -> &'static str { "largest-weight" }
//!     fn summary(&self) -> &'static str { "smallest largest weight first" }
//!     fn scores(&self, units: &Units<'_>) -> Vec<f64> {
//!         units.filters.rows().into_iter().map(|f| f.iter().fold(0.0, |m, w| w.abs().max(m))).collect()
//!     }
//! }
//! let mut choice = Choice::rate(0.3);
//! choice.ranking.criterion = &LargestWeight;
//! # let model = secateur::build::networks::cifar_resnet(8, secateur::build::networks::Shortcut::Pad, 0)?;
//! let report = prune(&model, &PruneOptions::new(choice), Destination::Nowhere)?;
//! # assert_eq!(report.verification.map(|v| v.status).as_deref(), Some("passed"));
//! # Ok::<(), secateur::Error>(())
//! ```
//!
//! A plan in between, for people to edit, and the judge for what came of it elsewhere:
//!
//! ```no_run
//! use secateur::pipeline::{self, Destination, PruneOptions, VerifyOptions, What};
//! use secateur::{Model, plan::Choice, report::PlanFile};
//!
//! let model = Model::read("model.onnx".as_ref())?;
//! let planned = pipeline::plan(&model, &Default::default(), &Choice::rate(0.3))?;
//! std::fs::write("plan.json", planned.plan.ok_or("no plan")?.to_text()?)?;
//!
//! let file = PlanFile::read("plan.json".as_ref())?;
//! let options = PruneOptions { what: What::Obey(file.plan.clone()), ..PruneOptions::rate(0.3) };
//! let to = Destination::File { path: "small.onnx".as_ref(), replace: false };
//! pipeline::prune(&model, &options, to).map_err(|e| file.locate(e))?;
//!
//! let trained = Model::read("trained.onnx".as_ref())?;
//! let healed = VerifyOptions { healed: true, ..VerifyOptions::default() };
//! assert!(pipeline::verify(&model, &trained, &file.plan, &healed)?.refused.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What makes it right: rules only describe how the coordinates of an operator's axes relate ([`op`]); one solver turns the statements into
//! units and groups ([`couple`]); one pass edits ([`cut`]); and a judge that knows nothing of the analysis runs the written file beside
//! the masked original ([`verify`]).

pub mod build;
pub mod cost;
pub mod couple;
pub mod cut;
pub mod data;
pub mod divergence;
pub mod error;
pub mod heal;
pub mod lossless;
pub mod model;
pub mod op;
mod parallel;
pub mod pipeline;
pub mod plan;
pub mod report;
pub mod runtime;
pub mod score;
pub mod shape;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
