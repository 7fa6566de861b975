//! Which of several splits of a budget is nearest to the original once it is healed: each is cut and healed on a few samples, and compared on
//! others. It costs a fraction of a healing, and tells what the costs of groups, each measured alone, do not.

use std::ops::Range;

use rayon::prelude::*;

use super::measure::Splitting;
use crate::error::{ErrorKind, Result};
use crate::heal::{self, Case, Method, Step, Study};
use crate::model::Model;
use crate::parallel::in_order;
use crate::pipeline::unlabelled::Unlabelled;
use crate::plan::Decision;
use crate::runtime::Feed;
use crate::verify;

/// Samples that a rehearsal fits on, none of which it is compared on: the study has others for that.
const FITTED: usize = 32;

/// What rehearsals go by.
pub(super) struct Rehearsal<'a> {
    pub splitting: &'a Splitting<'a>,
    pub method: &'static dyn Method,
    /// The model before, computing in float32, and its inputs.
    pub original: (&'a Model, &'a [Feed]),
    pub samples: &'a Unlabelled<'a>,
    pub study: &'a Study<'a>,
}

impl Rehearsal<'_> {
    /// The split that ends nearest; of equal ones the first, and where none can be rehearsed, too. Errors where a sample is broken.
    pub(super) fn nearest(&self, splits: Vec<Decision>) -> Result<Option<Decision>> {
        let distances: Vec<f64> =
            in_order(splits.par_iter().enumerate().map(|(number, split)| match self.distance(split, number == 0) {
                Err(e) if matches!(e.kind, ErrorKind::Runtime(_) | ErrorKind::Internal(_)) => Ok(f64::INFINITY),
                distance => distance,
            }))?;
        let all = distances.into_iter().zip(splits);
        let nearer = |a: (f64, Decision), b: (f64, Decision)| if b.0 < a.0 { b } else { a };
        Ok(all.reduce(nearer).map(|(_, split)| split))
    }

    /// How far a split's outputs are from the original's; `aloud`: who watches is told. Errors where one of the models cannot be run.
    fn distance(&self, split: &Decision, aloud: bool) -> Result<f64> {
        let Splitting { analysis, coupling, options, .. } = self.splitting;
        let facts = analysis.facts();
        let gone = split.plan.gone(coupling)?;
        let proto = options.form.make(&facts, coupling, &gone, &[])?;
        let cut = verify::float32(&analysis.graph.model().edited(proto))?;
        let (original, feeds) = self.original;
        let healed = self.method.heal(&Case {
            original,
            cut: &cut,
            removed: &coupling.removed(&facts, &gone),
            feeds,
            fit: &self.fit(),
            get: &|i| self.samples.get(i),
            watch: &|step| {
                if aloud {
                    options.heal.watcher.hears(Step { stage: "rehearse", ..step });
                }
            },
        })?;
        let mut proto = cut.proto().clone();
        heal::apply(&mut proto, &healed.edits)?;
        self.study.distance(&cut.edited(proto))
    }

    /// The first samples, and no more than half: the study compares on the last.
    fn fit(&self) -> Range<usize> {
        let fit = &self.samples.fit;
        fit.start..fit.end.min(fit.start + FITTED.min(fit.len().div_ceil(2)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::build::{Conv, GraphBuilder};
    use crate::couple::{Gone, couple};
    use crate::model::Tensor;
    use crate::pipeline::evaluate::Data;
    use crate::pipeline::{Analysis, PruneOptions};
    use crate::plan::{Choice, decide};
    use crate::shape::InputShapes;

    /// A convolution of eight filters of which the last four are twins of the first, half as long, and one that reads them.
    fn twins() -> Model {
        let mut g = GraphBuilder::new(17);
        let x = g.input("x", &[1, 3, 16, 16]);
        let y = g.conv(&x, "/a", Conv::square(8, 3).pad(1).no_bias());
        let y = g.relu(&y, "/a/Relu");
        let y = g.conv(&y, "/b", Conv::square(6, 3).pad(1));
        g.output(&y);
        let model = g.model().unwrap();
        let mut proto = model.proto().clone();
        let weights = &mut proto.graph.as_mut().unwrap().initializer[0];
        let (dims, name) = (vec![8, 3, 3, 3], weights.name().to_owned());
        let filter = |f: usize, k: usize| ((f * 27 + k) as f32 * 1.7).sin() * if k % 4 == f { 1.0 } else { 0.2 };
        let all: Vec<f32> = (0..8 * 27).map(|i| filter(i / 27 % 4, i % 27) / (1 + i / 108) as f32).collect();
        *weights = Tensor::from_floats(dims, &all).to_proto(&name);
        model.edited(proto)
    }

    #[test]
    fn the_split_goes_on_that_ends_nearest_whatever_stands_first() {
        let model = twins();
        let options = PruneOptions::new(Choice::rate(0.5));
        let analysis = Analysis::new(&model, &InputShapes::default()).unwrap();
        let coupling = couple(&analysis.facts()).unwrap();
        let data = Data::open(&options.measures, &model, &analysis.shapes, 0).unwrap();
        let (samples, feeds) = (data.unlabelled().unwrap(), analysis.shapes.feeds.as_slice());
        let facts = analysis.facts();
        let all = coupling.removed(&facts, &Gone::new(coupling.groups[0].units.iter()));
        let study = Study::new(&model, feeds, &[all], (&samples.fit, &|i| samples.get(i))).unwrap();
        let rehearsal = Rehearsal {
            splitting: &Splitting { analysis: &analysis, coupling: &coupling, options: &options, data: &data },
            method: heal::method("reconstruct").unwrap(),
            original: (&model, feeds),
            samples: &samples,
            study: &study,
        };
        let split = |remove: &[usize]| {
            let mut decision = decide(&facts, &coupling, &Choice::rate(0.5), None).unwrap();
            decision.plan.groups[0].remove = remove.to_vec();
            decision
        };
        let (twins, pairs) = (split(&[4, 5, 6, 7]), split(&[0, 1, 4, 5]));
        assert!(rehearsal.distance(&twins, false).unwrap() < 1e-4 && rehearsal.distance(&pairs, false).unwrap() > 0.01);
        for order in [[&twins, &pairs], [&pairs, &twins]] {
            assert_eq!(rehearsal.nearest(order.map(Clone::clone).to_vec()).unwrap().as_ref(), Some(&twins));
        }
        assert_eq!(rehearsal.nearest(Vec::new()).unwrap(), None);
    }
}
