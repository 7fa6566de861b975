//! Runs models, in tract. The only place that names it.
//!
//! Constants are known before tract sees the model: chains of nodes that make them are dropped, which keeps tract from computing wrong
//! shapes on some; large weights go in as inputs of a known type and become constants afterwards, so that they are copied once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use crate::error::{Error, ErrorKind, Result};
use crate::model::proto::DataType;
use crate::model::{Constants, Dims, Graph, Model, Tensor as Constant};

mod light;
mod types;

use light::Light;

/// An input of a model, at the dims it is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The graph input.
    pub name: String,
    /// Its element type.
    pub dtype: DataType,
    /// Its dims.
    pub dims: Vec<usize>,
}

/// A model prepared to run. Threads may share it.
pub struct Session {
    plan: Arc<TypedRunnableModel>,
    feeds: Vec<Feed>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("feeds", &self.feeds).finish_non_exhaustive()
    }
}

impl Session {
    /// Prepares `model` for inputs of those dims, to give the values named `outputs`, inner ones too, in that order.
    ///
    /// Errors where tract lacks an operator or cannot tell a shape.
    pub fn load(model: &Model, feeds: &[Feed], outputs: &[String]) -> Result<Self> {
        guarded(|| {
            let light = Light::new(model, feeds)?;
            let (mut graph, outlets) = light.parse()?;
            let wanted = outputs
                .iter()
                .map(|o| outlets.get(o).copied().with_context(|| format!("no value is called {o}")))
                .collect::<TractResult<Vec<_>>>()?;
            light.restore_constants(&mut graph, &outlets)?;
            let inputs = feeds
                .iter()
                .map(|f| outlets.get(&f.name).copied().with_context(|| format!("no input is called {}", f.name)))
                .collect::<TractResult<Vec<_>>>()?;
            graph.set_input_outlets(&inputs)?;
            graph.select_output_outlets(&wanted)?;
            let plan = graph.into_optimized()?.into_runnable()?;
            Ok(Self { plan, feeds: feeds.to_vec() })
        })
    }

    /// The inputs, in the order in which [`Session::run`] takes them.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// Runs once. Errors where an input does not fit or the runtime fails.
    pub fn run(&self, inputs: &[Constant]) -> Result<Vec<Constant>> {
        guarded(|| {
            let inputs = inputs
                .iter()
                .map(|t| types::to_tract(t).map(IntoTValue::into_tvalue))
                .collect::<TractResult<TVec<_>>>()?;
            let outputs = self.plan.run(inputs)?;
            outputs.iter().map(|t| types::from_tract(t)).collect()
        })
    }
}

/// Dims of every value of the main graph, as far as they follow from the inputs' dims.
///
/// What tract cannot tell is taken from the shapes stored in the file, where these are numbers; the rest stays unknown. Errors where the
/// graph is malformed.
pub fn dims(model: &Model, feeds: &[Feed]) -> Result<Dims> {
    let graph = model.graph()?;
    let constants = Constants::new(&graph)?;
    let mut dims = Dims(vec![None; graph.values().len()]);
    if let Ok(found) = guarded(|| Light::new(model, feeds)?.dims(&graph)) {
        dims = found;
    }
    for info in &model.graph_proto().value_info {
        let stored = info.dims().and_then(|d| d.iter().map(|d| d.fixed()).collect::<Option<Vec<_>>>());
        if let (Some(id), Some(stored)) = (graph.find(info.name()), stored) {
            dims.0[id.index()].get_or_insert(stored);
        }
    }
    for feed in feeds {
        if let Some(id) = graph.find(&feed.name) {
            dims.0[id.index()] = Some(feed.dims.clone());
        }
    }
    for id in graph.value_ids() {
        if let Some(known) = constants.get(id) {
            dims.0[id.index()] = Some(known.dims().to_vec());
        }
    }
    Ok(dims)
}

impl Light<'_> {
    fn dims(&self, graph: &Graph<'_>) -> TractResult<Dims> {
        let (mut model, outlets) = self.parse()?;
        // Analysis goes on after an error: what it found until then counts.
        let _ = model.analyse(true);
        let mut dims = Dims(vec![None; graph.values().len()]);
        for id in graph.value_ids() {
            let shape = outlets
                .get(graph.name(id))
                .and_then(|o| model.outlet_fact(*o).ok())
                .and_then(|f| f.shape.as_concrete_finite().ok().flatten());
            dims.0[id.index()] = shape.map(|s| s.to_vec()).filter(|s: &Vec<usize>| s.iter().all(|d| *d > 0));
        }
        Ok(dims)
    }
}

/// Runs `f`, and turns an error or a panic of the runtime into an error of one line.
fn guarded<T>(f: impl FnOnce() -> TractResult<T>) -> Result<T> {
    let fail = |reason: String| {
        let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Error::new(ErrorKind::Runtime(line.chars().take(400).collect()))
    };
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(e)) => Err(fail(e.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "))),
        Err(panic) => {
            let text =
                panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).into()));
            Err(fail(text.unwrap_or_else(|| "it panicked".into())))
        }
    }
}
