//! What a group costs whose reader cannot be fitted.

use secateur::Model;
use secateur::build::{GraphBuilder, Op};
use secateur::couple::{Gone, couple};
use secateur::heal::{Study, Trial};
use secateur::model::Tensor;

use crate::support::Analysed;

const UNITS: usize = 6;

/// Queries and keys of so many units, of which the second matrix of queries is without one; and their products, which no weights make.
fn attention(without: Option<usize>) -> Model {
    let mut g = GraphBuilder::seeded(17, 3);
    let x = g.input("x", &[1, 5, 4]);
    let (q, k) = (g.weights("q.weight", &[4, UNITS]), g.weights("k.weight", &[4, UNITS]));
    let q = g.node(Op::new("MatMul", "q"), &[&x, &q], &[1, 5, UNITS]);
    let k = g.node(Op::new("MatMul", "k"), &[&x, &k], &[1, 5, UNITS]);
    let k = g.node(Op::new("Transpose", "t").ints("perm", &[0, 2, 1]), &[&k], &[1, UNITS, 5]);
    let y = g.node(Op::new("MatMul", "qk"), &[&q, &k], &[1, 5, 5]);
    g.output(&y);
    let model = g.model().unwrap();
    let Some(unit) = without else { return model };
    let mut proto = model.proto().clone();
    let weights = &mut proto.graph.as_mut().unwrap().initializer[0];
    let mut floats = Tensor::from_proto(weights).unwrap().floats().unwrap();
    floats.iter_mut().skip(unit).step_by(UNITS).for_each(|w| *w = 0.0);
    *weights = Tensor::from_floats(vec![4, UNITS], &floats).to_proto(weights.name());
    Model::new(proto).unwrap()
}

fn sample(i: usize) -> secateur::error::Result<Vec<Tensor>> {
    let numbers: Vec<f32> = (0..20).map(|k| ((i * 20 + k) as f32 * 0.7).sin()).collect();
    Ok(vec![Tensor::from_floats(vec![1, 5, 4], &numbers)])
}

#[test]
fn a_reader_that_cannot_be_fitted_is_measured_without_what_goes() {
    let model = attention(None);
    let known = Analysed::new(&model, &[]);
    let (facts, coupling) = (known.facts(), couple(&known.facts()).unwrap());
    let units = &coupling.groups[0].units;
    assert_eq!((coupling.groups.len(), units.len()), (1, UNITS));
    let all = coupling.removed(&facts, &Gone::new(units.iter()));
    let study = Study::new(&model, &known.shapes.feeds, &[all], (&(0..32), &sample)).unwrap();
    for unit in [0, 4] {
        let removed = coupling.removed(&facts, &Gone::new([&units[unit]].into_iter()));
        let trial = Trial { name: "qk".into(), levels: vec![removed] };
        let cost = study.costs(&[trial], &|_| ()).unwrap()[0].as_ref().unwrap()[0];
        let wanted = study.distance(&attention(Some(unit))).unwrap();
        assert!(wanted > 1e-3 && (cost.outputs / wanted - 1.0).abs() < 1e-4, "{} {wanted}", cost.outputs);
    }
}
