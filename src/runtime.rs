//! Runs models and tells the dims of their values: the one place that names tract, so that nothing else depends on its terms.
//!
//! Invariant: values are named as ONNX names them, tensors are ours, and tract's panics become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::TypedSimplePlan;

use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::DataType;
use crate::model::{Constants, Graph, Model, Source, Tensor, ValueId};

mod convert;
mod facts;
mod light;
mod limits;
mod operator;
mod output;
mod rewrite;

pub use facts::dims;

use convert::{Makers, from_tract, to_tract};
use light::{Light, Scope};
use output::Output;

/// An input of a model at the dims it is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Name of the graph input.
    pub name: String,
    /// Element type.
    pub dtype: DataType,
    /// Dims.
    pub dims: Vec<usize>,
}

/// A model prepared to run: one plan, shared by threads.
#[derive(Clone)]
pub struct Session {
    plan: Arc<TypedSimplePlan>,
    feeds: Vec<Feed>,
    outputs: Vec<Output>,
    makers: Makers,
}

/// How many runs a plan is prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Operators become kernels, and that is all.
    Few,
    /// Before that, whole-graph rewrites that take as long as all the rest.
    Many,
}

impl Session {
    /// Prepares the model to run. `outputs` names values of the main graph, inner ones too, in the order wanted; only what they need
    /// has to be fed and is computed.
    ///
    /// Errors where a feed is no input, an output no value, an input that is needed has no feed, or tract cannot prepare the model.
    pub fn load(model: &Model, feeds: &[Feed], outputs: &[String]) -> Result<Self> {
        Self::prepare(model, feeds, outputs, Runs::Few)
    }

    /// As [`Session::load`], for hundreds of runs: twice as long to prepare, and up to a quarter faster to run.
    pub fn load_for_many(model: &Model, feeds: &[Feed], outputs: &[String]) -> Result<Self> {
        Self::prepare(model, feeds, outputs, Runs::Many)
    }

    /// Runs the plan on `inputs`, in the order of the feeds; gives the outputs in the order asked for.
    ///
    /// Errors where an input is not of its feed's type and dims, or tract fails.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.check(inputs)?;
        let computed: Vec<Tensor> = guarded(&self.makers, || {
            let values = inputs.iter().map(|t| Ok(to_tract(t)?.into_tvalue())).collect::<TractResult<_>>()?;
            self.plan.run(values)?.iter().map(|v| from_tract(v)).collect()
        })?;
        let outputs = self.outputs.iter().map(|o| o.pick(&computed, inputs).cloned()).collect::<Option<_>>();
        outputs.ok_or_else(|| Error::internal("a plan without one of its outputs"))
    }

    fn prepare(model: &Model, feeds: &[Feed], outputs: &[String], runs: Runs) -> Result<Self> {
        let graph = model.graph()?;
        limits::check(&graph)?;
        let constants = Constants::new(&graph)?;
        if let Some(f) =
            feeds.iter().find(|f| graph.find(&f.name).is_none_or(|id| graph.value(id).source != Source::Input))
        {
            return Err(runtime(format!("no input '{}' to feed", f.name)));
        }
        let mut wanted = Vec::new();
        let of = |name: &String| Output::of(name, &graph, &constants, feeds, &mut wanted);
        let outputs = outputs.iter().map(of).collect::<Result<_>>()?;
        let light = light(model, &graph, &constants, feeds, &wanted)?;
        operator::check(&light.proto, &graph)?;
        let makers = convert::makers(&graph);
        let plan = guarded(&makers, || plan(&light, feeds, runs))?;
        Ok(Self { plan, feeds: feeds.to_vec(), outputs, makers })
    }

    fn check(&self, inputs: &[Tensor]) -> Result<()> {
        if inputs.len() != self.feeds.len() {
            return Err(runtime(format!("{} inputs given, {} expected", inputs.len(), self.feeds.len())));
        }
        let differs = |(f, t): &(&Feed, &Tensor)| f.dtype != t.dtype || f.dims != t.dims;
        self.feeds.iter().zip(inputs).find(differs).map_or(Ok(()), |(f, t)| {
            let (given, expected) = (t.dtype.as_str_name(), f.dtype.as_str_name());
            Err(runtime(format!("input '{}' is {expected} {:?}, {given} {:?} given", f.name, f.dims, t.dims)))
        })
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("feeds", &self.feeds).field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

/// What is handed over; the dims of inner values are told only where that needs them. Errors at a node that cannot be.
fn light<'c>(
    model: &Model,
    graph: &'c Graph<'_>,
    constants: &'c Constants,
    feeds: &[Feed],
    wanted: &[ValueId],
) -> Result<Light<'c>> {
    let mut light = Light::new(graph, constants, feeds, Scope::For(wanted), &facts::given(graph, constants, feeds));
    if light.waiting() > 0 {
        light = Light::new(graph, constants, feeds, Scope::For(wanted), &dims(model, feeds)?);
    }
    match light.refused.first() {
        Some((node, refusal)) => Err(runtime(refusal.reason.clone()).at(*node)),
        None => Ok(light),
    }
}

fn plan(light: &Light<'_>, feeds: &[Feed], runs: Runs) -> TractResult<Arc<TypedSimplePlan>> {
    let parsed = light::parse(&light.proto)?;
    let (mut model, outlets) = (parsed.model, parsed.outlets_by_name);
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(TractError::msg(format!("the input '{name}' is not fed")));
    }
    light::fill(&mut model, &outlets, &light.sources)?;
    let inputs: Vec<OutletId> = feeds.iter().filter_map(|f| outlets.get(&f.name).copied()).collect();
    model.set_input_outlets(&inputs)?;
    let mut model = model.into_typed()?;
    limits::check_values(&model)?;
    if runs == Runs::Many {
        model.declutter()?;
    }
    model.optimize()?;
    model.into_runnable()
}

/// Runs `f`, turning its errors and panics into ours.
fn guarded<T>(makers: &Makers, f: impl FnOnce() -> TractResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(done) => done.map_err(|e| convert::failure(&e, makers)),
        Err(panic) => Err(runtime(convert::panic_text(panic.as_ref()))),
    }
}

fn runtime(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Runtime(reason.into()))
}

#[cfg(test)]
mod tests;
