//! The stages strung together: what `secateur inspect`, `prune` and `compare` do, for programs.

use std::path::PathBuf;

use crate::cost;
use crate::couple::{Coupling, Facts, couple, graph};
use crate::error::{ErrorKind, Result};
use crate::model::{Constants, Dims, Graph, Model};
use crate::plan::{Budget, Choice, Decision};
use crate::report::{Clock, Inspection, Report, text};
use crate::score;
use crate::shape::{InputShapes, Shapes};
use crate::verify::Values;

mod allocate;
mod bench;
mod chosen;
mod evaluate;
mod gate;
mod heal;
mod inexact;
mod judge;
mod lookup;
mod lossless;
mod obey;
mod output;
mod range;
mod soft;
mod stamp;
mod summary;
mod trial;
mod unlabelled;
mod what;

pub use allocate::{Allocate, Rank};
pub use evaluate::Measures;
pub use gate::Gate;
pub use heal::{Heal, How, Watcher};
pub use output::Destination;
pub use soft::Form;
pub use stamp::plan_sha256;
pub use trial::{VerifyOptions, verify};
pub use what::What;

use chosen::Chosen;
use evaluate::{Beside, Data};
use heal::{Healing, Outcome};
use judge::{Cut, Version};

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
    /// What goes.
    pub what: What,
    /// What becomes of it.
    pub form: Form,
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
    /// How a budget is split over the groups.
    pub allocate: Allocate,
    /// Who chooses how units are ranked.
    pub rank: Rank,
    /// Whether the result is healed, and how.
    pub heal: Heal,
    /// What is measured of the result, and what must hold.
    pub measures: Measures,
}

impl PruneOptions {
    /// The defaults, at that pruning rate.
    pub fn rate(rate: f64) -> Self {
        Self::new(Choice::rate(rate))
    }

    /// The defaults, with that choice.
    pub fn new(choice: Choice) -> Self {
        Self {
            shapes: InputShapes::default(),
            what: What::Choose(choice),
            form: Form::Hard,
            proof: Proof::Required,
            tolerance: 1e-4,
            seed: 0,
            stamp: true,
            external_data: false,
            allocate: Allocate::default(),
            rank: Rank::default(),
            heal: Heal::default(),
            measures: Measures::default(),
        }
    }

    /// The same, with the dims of inputs that a plan was made with. Errors where options do not go together.
    fn checked(&self) -> Result<Self> {
        self.form.check(self)?;
        self.heal.how.check(self)?;
        self.allocate.check(&self.what)?;
        self.measures.check()?;
        Ok(Self { shapes: self.what.shapes(&self.shapes), ..self.clone() })
    }
}

/// Prunes, heals where that is asked for, proves and writes. The report says whether the model was withheld, and why.
///
/// Errors where the model is malformed, an option does not fit it, a sample is broken, or a file cannot be written.
pub fn prune(model: &Model, options: &PruneOptions, to: Destination<'_>) -> Result<Report> {
    let options = &options.checked()?;
    let mut clock = Clock::start();
    let analysis = Analysis { inexact: options.what.allow_inexact(), ..Analysis::new(model, &options.shapes)? };
    let data = Data::open(&options.measures, model, &analysis.shapes, options.seed)?;
    clock.lap("shape");
    let coupling = couple(&analysis.facts())?;
    clock.lap("couple");
    let chosen = Chosen::new(&analysis, &coupling, options, &data)?;
    clock.lap("plan");
    let proto = chosen.model(&analysis, &coupling, options)?;
    clock.lap("cut");
    let cut =
        Cut { options, analysis: &analysis, chosen: &chosen, values: Values::Original, proof: chosen.proof(options) };
    let (written, after) = cut.write(proto.clone(), &to)?;
    clock.lap("write");
    let unhealed = Version { report: cut.judge(&after)?, written, model: after };
    clock.lap("verify");
    if options.form == Form::Hard {
        options.what.check(&unhealed.report.before, &unhealed.report.after)?;
    }
    let healing = Healing { cut, data: &data, proto, unhealed, to: &to };
    let Outcome { version, said, mut notes, compared } = healing.run(&mut clock)?;
    let proved = version.is_proved();
    let Version { written, model: after, mut report } = version;
    let short = said.is_done() && options.what.check(&report.before, &report.after).is_err();
    notes.extend(short.then(|| SHORT.to_owned()));
    report.heal = Some(said);
    report.notes.extend(notes);
    let beside = Beside { before: model, after: &after, shapes: &analysis.shapes, seed: options.seed };
    data.judge(beside, compared, proved, &mut report)?;
    clock.lap("measure");
    describe(&mut report, &analysis, &coupling, (&chosen, options), &after)?;
    options.measures.decide(&mut report);
    if report.refused.is_none() {
        written.deliver(to)?;
    }
    clock.lap("deliver");
    report.times = clock.times();
    Ok(report)
}

/// Says what was decided and why, and what became of it.
fn describe(
    report: &mut Report,
    analysis: &Analysis<'_>,
    coupling: &Coupling,
    (chosen, options): (&Chosen, &PruneOptions),
    after: &Model,
) -> Result<()> {
    let facts = analysis.facts();
    let layers = cost::layers(&analysis.graph, &analysis.constants, &analysis.shapes.dims);
    let source = summary::Source {
        graph: &analysis.graph,
        coupling,
        layers: &layers,
        plan: &chosen.plan,
        removed: &chosen.removed,
        what: &chosen.what,
        left: &chosen.left,
        shapes: &options.shapes,
    };
    summary::fill(report, &source, after);
    options.form.describe(report, (&facts, coupling, &chosen.gone), options)?;
    if options.what.is_lossless() {
        report.lossless = Some(lossless::reasons(&facts, coupling, &chosen.plan)?);
    }
    report.notes.extend(chosen.notes.iter().cloned());
    Ok(())
}

/// Decides what goes and what that would come to: the model is cut in memory, and nothing is proved or written. The report has the plan.
///
/// Errors where the model is malformed, or an option does not fit it.
pub fn plan(model: &Model, shapes: &InputShapes, choice: &Choice) -> Result<Report> {
    plan_for(model, &PruneOptions { shapes: shapes.clone(), ..PruneOptions::new(choice.clone()) })
}

/// Decides what [`prune`] with these options removes, and does nothing else of what they say.
///
/// Errors where the model is malformed, or an option does not fit it.
pub fn plan_for(model: &Model, options: &PruneOptions) -> Result<Report> {
    let options = &PruneOptions { proof: Proof::Skipped, ..options.checked()? };
    let mut clock = Clock::start();
    let analysis = Analysis { inexact: options.what.allow_inexact(), ..Analysis::new(model, &options.shapes)? };
    let data = Data::open(&options.measures, model, &analysis.shapes, options.seed)?;
    clock.lap("shape");
    let coupling = couple(&analysis.facts())?;
    clock.lap("couple");
    let chosen = Chosen::new(&analysis, &coupling, options, &data)?;
    clock.lap("plan");
    let proto = chosen.model(&analysis, &coupling, options)?;
    let cut = Cut { options, analysis: &analysis, chosen: &chosen, values: Values::Original, proof: options.proof };
    let (_, after) = cut.write(proto, &Destination::Nowhere)?;
    let mut report = cut.judge(&after)?;
    describe(&mut report, &analysis, &coupling, (&chosen, options), &after)?;
    Ok(Report { verification: None, times: clock.times(), ..report })
}

/// Costs, coupled groups and what stays whole. Errors where the model is malformed, or a dim that it leaves open is not given.
pub fn inspect(model: &Model, shapes: &InputShapes) -> Result<Inspection> {
    let mut clock = Clock::start();
    let analysis = Analysis::new(model, shapes)?;
    clock.lap("shape");
    let facts = analysis.facts();
    let coupling = couple(&facts)?;
    clock.lap("couple");
    let norms = score::norms(&facts, &coupling)?;
    clock.lap("norms");
    Ok(Inspection { times: clock.times(), ..summary::inspection::inspection(&facts, &coupling, &norms) })
}

/// The dependency graph in Graphviz's language. Errors where the model is malformed, or a dim that it leaves open is not given.
pub fn dependency_graph(model: &Model, shapes: &InputShapes) -> Result<String> {
    let analysis = Analysis::new(model, shapes)?;
    let coupling: Coupling = couple(&analysis.facts())?;
    Ok(graph::dot(&analysis.facts(), &coupling))
}

/// Two models side by side: costs, how far their outputs differ, and what else is to be measured; `dump`: files for both models' outputs.
///
/// Errors where a model is malformed or data does not fit it; where the runtime cannot run them, a note of the report says so.
pub fn compare(before: &Model, after: &Model, options: &CompareOptions) -> Result<Report> {
    let mut clock = Clock::start();
    options.measures.check()?;
    let shapes = Shapes::of(before, &options.shapes)?;
    let data = Data::open(&options.measures, before, &shapes, options.seed)?;
    let mut report = summary::costs(before, after, &options.shapes)?;
    clock.lap("costs");
    data.compare(Beside { before, after, shapes: &shapes, seed: options.seed }, options.dump.as_ref(), &mut report)?;
    clock.lap("measure");
    report.times = clock.times();
    Ok(report)
}

/// How two models are compared.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// Dims of inputs that the files leave open.
    pub shapes: InputShapes,
    /// Seed of inputs where no samples are given.
    pub seed: u64,
    /// What is measured.
    pub measures: Measures,
    /// Where both models' outputs are saved.
    pub dump: Option<[PathBuf; 2]>,
}

/// What is said where the cut is as large as was promised, and the file a little larger.
const SHORT: &str =
    "the biases that healing added take a little of what was cut: less goes than was asked for; --heal none adds none";

/// Where nodes keep less than this share of the MACs, they are not what stands in the way of a budget.
const MATTERS: f64 = 0.01;

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

    /// Decides what goes; where a budget is out of reach, the error says what stands in the way.
    fn decide(&self, coupling: &Coupling, what: &What) -> Result<Decision> {
        what.decide(&self.facts(), coupling).map_err(|mut e| {
            if let ErrorKind::Unreachable { obstacle, .. } = &mut e.kind {
                let layers = cost::layers(&self.graph, &self.constants, &self.shapes.dims);
                let total = layers.iter().map(|l| l.cost.macs).sum();
                let held = summary::obstacles(&self.graph, coupling, &layers, total);
                // A share of MACs says nothing of parameters.
                let of_params = matches!(what, What::Choose(Choice { budget: Budget::CutParams(_), .. }));
                if of_params || held.iter().map(|o| o.macs_share).sum::<f64>() >= MATTERS {
                    *obstacle = text::largest(&held).or(obstacle.take());
                }
            }
            e
        })
    }

    fn facts(&self) -> Facts<'_> {
        let grown: Option<&Dims> = self.shapes.grown.as_ref().map(|g| &g.dims);
        Facts { graph: &self.graph, constants: &self.constants, dims: &self.shapes.dims, grown, inexact: self.inexact }
    }
}
