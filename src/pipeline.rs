//! The stages strung together: what `secateur inspect`, `prune` and `compare` do, for programs.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::cost;
use crate::couple::{Coupling, Facts, couple, graph};
use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::StringStringEntryProto;
use crate::model::write::Layout;
use crate::model::{Constants, Dims, Graph, Model, ModelProto, Removed, read, write};
use crate::plan::{Budget, Plan, Scope, plan};
use crate::report::{Clock, Inspection, Report};
use crate::score::{self, Scores};
use crate::shape::{InputShapes, Shapes};
use crate::verify::{self, Case, Verification};

mod inexact;
mod summary;

use inexact::Aside;

/// What becomes of a model that cannot be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// It is withheld.
    #[default]
    Required,
    /// It is written where the runtime cannot run it; a proof that fails still withholds it.
    WherePossible,
    /// Nothing is proved.
    Skipped,
}

/// What to prune, and how.
#[derive(Debug, Clone)]
pub struct PruneOptions {
    /// Dims of inputs that the file leaves open.
    pub shapes: InputShapes,
    /// How much is to go.
    pub budget: Budget,
    /// Which groups may lose units.
    pub scope: Scope,
    /// A name from [`score::CRITERIA`].
    pub criterion: String,
    /// Whether groups may lose units of which the removal changes a statistic; the proof sets them aside.
    pub allow_inexact: bool,
    /// Whether the result must be proved.
    pub proof: Proof,
    /// Largest difference allowed in the proof.
    pub tolerance: f64,
    /// Seed of the proof's inputs.
    pub seed: u64,
    /// Whether the file says where it came from.
    pub stamp: bool,
    /// Whether weights go to a file of their own beside the model, also where it is not too large for one.
    pub external_data: bool,
}

impl PruneOptions {
    /// The defaults, at that pruning rate.
    pub fn rate(rate: f64) -> Self {
        Self {
            shapes: InputShapes::default(),
            budget: Budget::Rate(rate),
            scope: Scope::All,
            criterion: score::CRITERIA[0].name().into(),
            allow_inexact: false,
            proof: Proof::Required,
            tolerance: 1e-4,
            seed: 0,
            stamp: true,
            external_data: false,
        }
    }
}

/// Where a pruned model goes.
#[derive(Debug)]
pub enum Destination<'a> {
    /// Into a file, which appears whole or not at all; `replace`: also where one is there.
    File {
        /// The file.
        path: &'a Path,
        /// Whether an existing one may be replaced.
        replace: bool,
    },
    /// Into memory.
    Bytes(&'a mut Vec<u8>),
    /// Nowhere: a rehearsal.
    Nowhere,
}

/// Prunes, proves and writes. The report says whether the model was withheld, and why.
///
/// Errors where the model is malformed, an option does not fit it, or a file cannot be written.
pub fn prune(model: &Model, options: &PruneOptions, to: Destination<'_>) -> Result<Report> {
    let mut clock = Clock::start();
    let analysis = Analysis { inexact: options.allow_inexact, ..Analysis::new(model, &options.shapes)? };
    clock.lap("shape");
    let criterion = score::criterion(&options.criterion).ok_or_else(|| {
        let names: Vec<&str> = score::CRITERIA.iter().map(|c| c.name()).collect();
        Error::new(ErrorKind::BadOption(format!(
            "there is no criterion '{}'; there is: {}",
            options.criterion,
            names.join(", ")
        )))
    })?;
    let (graph, facts) = (&analysis.graph, analysis.facts());
    let coupling = couple(&facts)?;
    clock.lap("couple");
    let scores = score::score(&facts, &coupling, criterion)?;
    clock.lap("score");
    let plan = plan(&coupling, &scores, options.budget, options.scope)?;
    let gone = plan.gone(&coupling)?;
    let removed = coupling.removed(&facts, &gone);
    let mut proto = if plan.is_empty() { model.proto().clone() } else { crate::cut::cut(&facts, &coupling, &gone)? };
    if options.stamp {
        stamp(&mut proto, model, &plan);
    }
    let aside = inexact::set_aside(&facts, &coupling, &plan)?;
    clock.lap("cut");
    let cut = Cut { model, options, analysis: &analysis, removed: &removed, aside: aside.as_ref() };
    let written = cut.write(proto, &to)?;
    clock.lap("write");
    let (after, mut report) = cut.judge(&written)?;
    clock.lap("verify");
    let layers = cost::layers(graph, &analysis.constants, &analysis.shapes.dims);
    summary::fill(
        &mut report,
        &summary::Source { graph, coupling: &coupling, layers: &layers, plan: &plan, removed: &removed, options },
        &after,
    );
    if report.refused.is_none() {
        written.deliver(to)?;
    }
    clock.lap("deliver");
    report.times = clock.times();
    Ok(report)
}

/// Costs, coupled groups and what stays whole.
pub fn inspect(model: &Model, shapes: &InputShapes) -> Result<Inspection> {
    let mut clock = Clock::start();
    let analysis = Analysis::new(model, shapes)?;
    clock.lap("shape");
    let facts = analysis.facts();
    let coupling = couple(&facts)?;
    clock.lap("couple");
    let scores: Vec<Scores> = score::score(&facts, &coupling, score::CRITERIA[0])?;
    clock.lap("score");
    Ok(Inspection { times: clock.times(), ..summary::inspection::inspection(&facts, &coupling, &scores) })
}

/// The dependency graph in Graphviz's language.
pub fn dependency_graph(model: &Model, shapes: &InputShapes) -> Result<String> {
    let analysis = Analysis::new(model, shapes)?;
    let coupling: Coupling = couple(&analysis.facts())?;
    Ok(graph::dot(&analysis.facts(), &coupling))
}

/// Costs of two models side by side, and how far their outputs differ on seeded inputs.
pub fn compare(before: &Model, after: &Model, shapes: &InputShapes, seed: u64) -> Result<Report> {
    let mut clock = Clock::start();
    let mut report = summary::costs(before, after, shapes)?;
    clock.lap("costs");
    let feeds = Shapes::of(before, shapes)?.feeds;
    match verify::fidelity(before, after, &feeds, seed, FIDELITY_SAMPLES) {
        Ok(f) => report.fidelity = Some(summary::fidelity(&f)),
        Err(e) => report.notes.push(format!("outputs were not compared: {e}")),
    }
    clock.lap("outputs");
    report.times = clock.times();
    Ok(report)
}

/// Random inputs on which outputs are compared.
const FIDELITY_SAMPLES: usize = 4;

/// A model with all that is known of it.
struct Analysis<'m> {
    graph: Graph<'m>,
    constants: Constants,
    shapes: Shapes,
    inexact: bool,
}

impl<'m> Analysis<'m> {
    fn new(model: &'m Model, shapes: &InputShapes) -> Result<Self> {
        let graph = model.graph()?;
        let constants = Constants::new(&graph)?;
        Ok(Self { shapes: Shapes::of(model, shapes)?, graph, constants, inexact: false })
    }

    fn facts(&self) -> Facts<'_> {
        let grown: Option<&Dims> = self.shapes.grown.as_ref().map(|g| &g.dims);
        Facts {
            graph: &self.graph,
            constants: &self.constants,
            dims: &self.shapes.dims,
            open: grown.is_some(),
            grown,
            inexact: self.inexact,
        }
    }
}

/// A cut on its way to the judge.
struct Cut<'a> {
    model: &'a Model,
    options: &'a PruneOptions,
    analysis: &'a Analysis<'a>,
    removed: &'a [Removed],
    aside: Option<&'a Aside>,
}

/// A pruned model in its temporary place.
enum Written {
    File(write::Pending),
    Memory(Vec<u8>),
}

impl Written {
    /// What was written, read again.
    fn read(&self) -> Result<Model> {
        match self {
            Self::File(pending) => pending.read(),
            Self::Memory(bytes) => Model::decode(bytes.clone().into(), Path::new("the pruned model")),
        }
    }

    fn deliver(self, to: Destination<'_>) -> Result<()> {
        match (self, to) {
            (Self::File(pending), Destination::File { replace, .. }) => pending.commit(replace),
            (Self::Memory(bytes), Destination::Bytes(out)) => {
                *out = bytes;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Cut<'_> {
    fn write(&self, proto: ModelProto, to: &Destination<'_>) -> Result<Written> {
        match to {
            Destination::File { path, .. } => {
                self.spare_the_input(path)?;
                let layout = Layout { external: self.options.external_data, ..Layout::default() };
                write::write_beside(&self.model.edited(proto), path, layout).map(Written::File)
            }
            Destination::Bytes(_) if !Layout::default().fits(&proto) => {
                let reason = "the pruned model has more than 2 GiB, and its weights need a file of their own: write it to a file";
                Err(Error::new(ErrorKind::BadOption(reason.into())))
            }
            _ => {
                let pruned = self.model.edited(proto);
                write::write_to(&pruned, Vec::new(), Path::new("the pruned model")).map(Written::Memory)
            }
        }
    }

    /// Errors where the output would take the place of a file that the input is made of.
    fn spare_the_input(&self, target: &Path) -> Result<()> {
        let origin = self.model.origin();
        let parts: Vec<_> = origin.path.iter().chain(&origin.data).filter_map(|p| p.canonicalize().ok()).collect();
        for place in [target.to_owned(), write::data_beside(target)] {
            if place.canonicalize().is_ok_and(|p| parts.contains(&p)) {
                let reason = format!("{}: the output would overwrite the input; choose another name", place.display());
                return Err(Error::new(ErrorKind::BadOption(reason)));
            }
        }
        Ok(())
    }

    /// Proves what was written and compares its costs.
    fn judge(&self, written: &Written) -> Result<(Model, Report)> {
        let after = written.read()?;
        let mut report = summary::costs(self.model, &after, &self.options.shapes)?;
        report.exact = self.aside.is_none();
        if self.options.proof == Proof::Skipped {
            report.verification = Some(summary::skipped(self.options.tolerance));
            return Ok((after, report));
        }
        let case = Case {
            original: self.model,
            pruned: &after,
            removed: self.removed,
            feeds: &self.analysis.shapes.feeds,
            grown: self.analysis.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
            tolerance: self.options.tolerance,
            seed: self.options.seed,
        };
        let v = self.prove(&case)?;
        report.refused = match v.status {
            verify::Status::Passed => None,
            verify::Status::Failed => Some("verification".into()),
            verify::Status::Unverified => (self.options.proof == Proof::Required).then(|| "unverified".into()),
        };
        report.refused_reason = report.refused.as_ref().and(v.reason.clone());
        if v.status == verify::Status::Passed {
            match verify::fidelity(self.model, &after, case.feeds, self.options.seed, FIDELITY_SAMPLES) {
                Ok(f) => report.fidelity = Some(summary::fidelity(&f)),
                Err(e) => report.notes.push(format!("outputs were not compared with the original: {e}")),
            }
        }
        report.verification = Some(summary::verification(&v, self.options.tolerance));
        Ok((after, report))
    }
}

impl Cut<'_> {
    /// The proof; what is set aside is cut from the original first, and its constants are compared alone.
    fn prove(&self, case: &Case<'_>) -> Result<Verification> {
        let Some(aside) = self.aside else { return verify::verify(case) };
        let mut v = verify::constants(case)?;
        if v.status == verify::Status::Passed {
            v = verify::verify(&Case { original: &aside.base, removed: &aside.removed, ..*case })?;
        }
        v.notes.push(format!(
            "not exact, and set aside by the proof: removing channels of {} changes a statistic",
            aside.groups.iter().map(|g| format!("'{g}'")).collect::<Vec<_>>().join(", ")
        ));
        Ok(v)
    }
}

/// Says in the file where it came from.
fn stamp(proto: &mut ModelProto, model: &Model, plan: &Plan) {
    let source = &model.origin().sha256;
    let entries = [
        ("secateur.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("secateur.source_sha256", source.clone()),
        ("secateur.plan_sha256", plan_sha256(source, plan)),
        ("secateur.heal", "none".to_owned()),
    ];
    proto.metadata_props.retain(|p| entries.iter().all(|e| e.0 != p.key()));
    proto.metadata_props.extend(entries.map(|(k, v)| StringStringEntryProto { key: Some(k.into()), value: Some(v) }));
}

/// The hash of the model's hash and of every group's number and removed units.
pub fn plan_sha256(model_sha256: &str, plan: &Plan) -> String {
    let mut hash = Sha256::new();
    hash.update(model_sha256);
    for group in &plan.groups {
        let units: Vec<String> = group.remove.iter().map(ToString::to_string).collect();
        hash.update(format!("\n{}:{}", group.id, units.join(",")));
    }
    read::hex(&hash.finalize())
}
