//! Of two splits the one that healing mends goes on.
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
