//! Two models prepared to run beside each other on many samples.

use rayon::prelude::*;

use super::{inputs, plain};
use crate::error::{Error, Result};
use crate::model::{Model, Tensor};
use crate::parallel::in_order;
use crate::runtime::{Feed, Session};

/// From how many runs on the slower preparation pays.
const MANY: usize = 64;

/// Two models, prepared to give the outputs of the first.
#[derive(Debug)]
pub struct Pair {
    before: Session,
    after: Session,
    feeds: Vec<Feed>,
    outputs: Vec<String>,
}

impl Pair {
    /// Both in float32, so that float16 and bfloat16 models run too; prepared for that many runs. Errors where one of them does not run, or
    /// the second lacks an output of the first.
    pub fn load(before: &Model, after: &Model, feeds: &[Feed], runs: usize) -> Result<Self> {
        Self::prepare(&plain::float32(before)?, &plain::float32(after)?, plain::feeds(feeds), runs)
    }

    /// Both in their own arithmetic. Errors as [`Pair::load`].
    pub fn load_as_stored(before: &Model, after: &Model, feeds: &[Feed], runs: usize) -> Result<Self> {
        Self::prepare(before, after, feeds.to_vec(), runs)
    }

    fn prepare(before: &Model, after: &Model, feeds: Vec<Feed>, runs: usize) -> Result<Self> {
        let outputs: Vec<String> = before.graph_proto().output.iter().map(|o| o.name().to_owned()).collect();
        let load = if runs < MANY { Session::load } else { Session::load_for_many };
        Ok(Self { before: load(before, &feeds, &outputs)?, after: load(after, &feeds, &outputs)?, feeds, outputs })
    }

    /// The same first model beside another second one. Errors as [`Pair::load`].
    pub fn beside(&self, after: &Model, runs: usize) -> Result<Self> {
        let load = if runs < MANY { Session::load } else { Session::load_for_many };
        let after = load(&plain::float32(after)?, &self.feeds, &self.outputs)?;
        Ok(Self { before: self.before.clone(), after, feeds: self.feeds.clone(), outputs: self.outputs.clone() })
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Seeded inputs.
    pub fn seeded(&self, seed: u64) -> Vec<Tensor> {
        inputs::seeded(&self.feeds, seed)
    }

    /// The first model's outputs.
    pub fn run_before(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.before.run(inputs)
    }

    /// The second model's outputs.
    pub fn run_after(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.after.run(inputs)
    }

    /// What `look` makes of both models' outputs for each of `samples`, in their order; `get` gives a sample's inputs. Samples are run one
    /// at a time on every thread there is, and the result is the same for any number of them.
    ///
    /// Errors with the first sample that cannot be had or run.
    pub fn each<T: Send>(
        &self,
        samples: std::ops::Range<usize>,
        get: impl Fn(usize) -> Result<Vec<Tensor>> + Sync,
        look: impl Fn(usize, &[Tensor], &[Tensor]) -> T + Sync,
    ) -> Result<Vec<T>> {
        Self::each_of(&[self], samples, get, |i, p, all| look(i, p, all.first().map_or(&[], Vec::as_slice)))
    }

    /// The same of several pairs of one first model, which runs once for all: `look` sees its outputs, and those of each second model.
    ///
    /// Errors with the first sample that cannot be had or run, and where there is no pair.
    pub fn each_of<T: Send>(
        pairs: &[&Self],
        samples: std::ops::Range<usize>,
        get: impl Fn(usize) -> Result<Vec<Tensor>> + Sync,
        look: impl Fn(usize, &[Tensor], &[Vec<Tensor>]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let first = pairs.first().ok_or_else(|| Error::internal("no pair to run"))?;
        let one = |i: usize| {
            let x = get(i)?;
            let before = first.run_before(&x)?;
            let after: Vec<Vec<Tensor>> = pairs.iter().map(|p| p.run_after(&x)).collect::<Result<_>>()?;
            Ok(look(i, &before, &after))
        };
        in_order(samples.into_par_iter().map(one))
    }
}
