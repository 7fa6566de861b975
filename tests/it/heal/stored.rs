//! Healing does not ask how a file keeps its weights, and a branch makes up for the shortcut that it is added to.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Val};
use secateur::model::ModelProto;
use secateur::model::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, attribute_proto};
use secateur::runtime::Session;

use super::{FIT, Trial, pair, sample};
use crate::support::{Analysed, edited, input_of, network};

/// Every initializer as a node.
fn in_nodes(graph: &mut GraphProto) {
    let node = |t: TensorProto| NodeProto {
        op_type: Some("Constant".into()),
        name: Some(format!("/of/{}", t.name())),
        output: vec![t.name().to_owned()],
        attribute: vec![AttributeProto {
            name: Some("value".into()),
            r#type: Some(attribute_proto::AttributeType::Tensor as i32),
            t: Some(TensorProto { name: None, ..t }),
            ..AttributeProto::default()
        }],
        ..NodeProto::default()
    };
    let nodes: Vec<NodeProto> = std::mem::take(&mut graph.initializer).into_iter().map(node).collect();
    graph.node.splice(0..0, nodes);
}

/// Every initializer among the inputs, as files of IR version 3 have it.
fn among_inputs(proto: &mut ModelProto) {
    proto.ir_version = Some(3);
    let graph = proto.graph.as_mut().unwrap();
    graph.input.extend(graph.initializer.iter().map(input_of));
}

/// What a model makes of samples that nothing is fitted on.
fn made(model: &Model) -> Vec<f32> {
    let name = model.graph_proto().output[0].name().to_owned();
    let session = Session::load(model, &Analysed::new(model, &[]).shapes.feeds, &[name]).unwrap();
    (FIT..FIT + 8).flat_map(|i| session.run(&sample(i)).unwrap()[0].floats().unwrap()).collect()
}

#[test]
fn weights_heal_to_the_same_numbers_wherever_the_file_keeps_them() {
    let plain = network(17, |g, x| {
        let y = g.conv(x, "/b", Conv::square(12, 3).pad(1).no_bias());
        let y = g.batch_norm(&y, "/b/bn");
        let y = g.relu(&y, "/b/relu");
        g.conv(&y, "/c", Conv::square(6, 1))
    });
    let nodes = edited(plain.clone(), |proto| in_nodes(proto.graph.as_mut().unwrap()));
    let inputs = edited(plain.clone(), among_inputs);
    let healed = |model: Model| {
        let trial = Trial::new(model);
        let (healed, proto) = trial.heal("reconstruct", FIT, &|i| Ok(sample(i)));
        let after = Model::new(proto).unwrap();
        trial.is_proved(&after);
        assert!(!healed.edits.is_empty() && trial.error(&after) < 0.5 * trial.error(&trial.cut), "{:?}", healed.layers);
        made(&after)
    };
    let wanted = healed(plain);
    assert_eq!(healed(nodes), wanted, "in nodes");
    assert_eq!(healed(inputs), wanted, "among the inputs");
}

/// Two convolutions of one cut value: the later, which sees more of it, makes up for what the earlier cannot, where an Add joins them, and cannot
/// where the two are outputs of their own.
#[test]
fn a_branch_makes_up_for_its_shortcut() {
    let branches = |g: &mut GraphBuilder, a: &Val| {
        let a = g.relu(a, "/relu");
        let shortcut = g.conv(&a, "/shortcut", Conv::square(6, 1).group(2));
        [shortcut, g.conv(&a, "/branch", Conv::square(6, 3).pad(1))]
    };
    let joined = pair(8, |g, a| {
        let [s, b] = branches(g, a);
        g.add(&s, &b, "/add")
    });
    let apart = pair(8, |g, a| {
        let [s, b] = branches(g, a);
        g.concat(&[&s, &b], 1, "/concat")
    });
    let after = |trial: &Trial| {
        let (healed, proto) = trial.heal("reconstruct", FIT, &|i| Ok(sample(i)));
        assert!(healed.layers.iter().all(|l| l.outcome == "refit"), "{:?}", healed.layers);
        let model = Model::new(proto).unwrap();
        trial.is_proved(&model);
        [made(&trial.model), made(&model)]
    };
    // The concat's two halves, added up.
    let sums = |v: Vec<f32>| -> Vec<f32> {
        v.chunks(2 * 6 * 64).flat_map(|c| c[..6 * 64].iter().zip(&c[6 * 64..]).map(|(a, b)| a + b)).collect()
    };
    let error = |[y, z]: &[Vec<f32>; 2]| y.iter().zip(z).map(|(y, z)| f64::from(y - z).powi(2)).sum::<f64>();
    let (joined, apart) = (after(&joined), after(&apart).map(sums));
    let near = joined[0].iter().zip(&apart[0]).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(near, "both originals make the same sums");
    assert!(error(&joined) < 0.9 * error(&apart), "{} {}", error(&joined), error(&apart));
}
