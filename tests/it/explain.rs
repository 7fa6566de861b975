//! Why channels stay: each layer that keeps some says which node holds them, and what that costs.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::pipeline::{Destination, PruneOptions, inspect, prune};
use secateur::report::{Inspection, Obstacle, Report};
use secateur::shape::InputShapes;

use crate::support::digits;

fn look(g: GraphBuilder) -> Inspection {
    inspect(&g.model().unwrap(), &InputShapes::default()).unwrap()
}

fn at<'a>(i: &'a Inspection, node: &str) -> &'a Obstacle {
    i.obstacles.iter().find(|o| o.node == node).unwrap_or_else(|| panic!("{node}: {:#?}", i.obstacles))
}

/// Three convolutions; what comes between them is up to the test.
fn start() -> (GraphBuilder, Val) {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 3).pad(1));
    (g, y)
}

#[test]
fn an_obstacle_is_the_node_that_pins_with_all_the_layers_that_it_reaches_through_coupling() {
    let (mut g, a) = start();
    let b = g.conv(&a, "/b", Conv::square(8, 3).pad(1));
    let sum = g.node(Op::new("Add", "/add"), &[&a, &b], &a.dims.clone());
    let s = g.node(Op::new("Softmax", "/softmax").int("axis", 1), &[&sum], &sum.dims.clone());
    let c = g.conv(&s, "/c", Conv::square(6, 1));
    let d = g.conv(&c, "/d", Conv::square(5, 1));
    g.output(&d);
    let i = look(g);
    let o = at(&i, "/softmax");
    assert_eq!((o.op.as_str(), o.channels), ("Softmax", 16));
    assert_eq!(o.layers, ["/a/Conv", "/b/Conv"]);
    assert_eq!(o.macs, 64 * 9 * (8 * 3 + 8 * 8));
    assert!((o.macs_share - o.macs as f64 / i.cost.macs as f64).abs() < 1e-12);
    let output = at(&i, "");
    assert!(
        output.reason.contains("graph output") && output.layers == ["/d/Conv"] && output.channels == 5,
        "{output:?}"
    );
    assert_eq!(i.obstacles.iter().map(|o| o.node.as_str()).collect::<Vec<_>>(), ["/softmax", ""], "largest first");
    assert!((i.prunable_share - (64 * 6 * 8) as f64 / i.cost.macs as f64).abs() < 1e-12);
}

#[test]
fn an_operator_without_a_rule_is_named() {
    let (mut g, a) = start();
    let f = g.node(Op::new("Fancy", "/fancy").domain("com.example"), &[&a], &a.dims.clone());
    let b = g.conv(&f, "/b", Conv::square(4, 1));
    g.output(&b);
    let o = at(&look(g), "/fancy").clone();
    assert!(o.reason.contains("Fancy has no rule") && o.layers == ["/a/Conv"] && o.channels == 8, "{o:?}");
}

#[test]
fn where_only_some_channels_are_held_only_these_count() {
    let (mut g, a) = start();
    let b = g.conv(&a, "/b", Conv::square(4, 1));
    let whole = g.concat(&[&a, &b], 1, "/concat");
    let parts = g.split(&whole, 1, &[2, 10], "/split");
    let (s, rest) = (&parts[0], &parts[1]);
    let held = g.node(Op::new("Softmax", "/softmax").int("axis", 1), &[s], &s.dims.clone());
    let y = g.conv(rest, "/y", Conv::square(4, 1));
    let z = g.conv(&held, "/z", Conv::square(4, 1));
    g.output(&y);
    g.output(&z);
    let i = look(g);
    let o = at(&i, "/softmax");
    assert_eq!((o.channels, o.layers.as_slice()), (2, &["/a/Conv".to_owned()][..]));
    assert_eq!(o.macs, 64 * 9 * 3 * 2);
}

#[test]
fn weights_that_the_graph_computes_are_held_by_the_node_that_does() {
    let (mut g, a) = start();
    let w = g.weights("w", &[4, 8, 1, 1]);
    let made = g.node(Op::new("Fancy", "/make").domain("com.example"), &[&w], &w.dims.clone());
    let b = g.node(Op::new("Conv", "/b"), &[&a, &made], &[1, 4, 8, 8]);
    let c = g.conv(&b, "/c", Conv::square(4, 1));
    g.output(&c);
    let o = at(&look(g), "/make").clone();
    assert!(o.layers == ["/a/Conv", "/b", "/c/Conv"] && o.reason.contains("Fancy"), "{o:?}");
}

#[test]
fn a_product_of_activations_has_no_weights() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 6, 8]);
    let w = g.weights("w", &[8, 8]);
    let q = g.node(Op::new("MatMul", "/q"), &[&x, &w], &[1, 6, 8]);
    let k = g.transpose(&x, &[0, 2, 1], "/t");
    let y = g.node(Op::new("MatMul", "/scores"), &[&q, &k], &[1, 6, 6]);
    g.output(&y);
    let i = look(g);
    let o = i.obstacles.iter().find(|o| o.layers == ["/scores"]).unwrap();
    assert!(o.reason.contains("two activations") && o.channels == 0 && o.macs == 6 * 6 * 8, "{o:?}");
}

#[test]
fn a_layer_has_a_reason_exactly_where_nothing_of_it_went() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let a = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.conv(&a, "/grouped", Conv::square(8, 1).group(2));
    let z = g.conv(&y, "/z", Conv::square(4, 1));
    g.output(&z);
    let report = pruned(g, 0.9);
    for layer in &report.layers {
        let same = layer.channels.is_none_or(|[a, b]| a == b);
        assert_eq!(same, layer.reason.is_some(), "{layer:#?}");
    }
}

fn pruned(g: GraphBuilder, rate: f64) -> Report {
    prune(&g.model().unwrap(), &PruneOptions::rate(rate), Destination::Nowhere).unwrap()
}

#[test]
fn every_layer_of_which_nothing_went_says_why() {
    let model = Model::read(&digits()).unwrap();
    for rate in [0.01, 0.05, 0.3] {
        let report = prune(&model, &PruneOptions::rate(rate), Destination::Nowhere).unwrap();
        let whole: Vec<_> = report.layers.iter().filter(|l| l.channels.is_none_or(|[a, b]| a == b)).collect();
        assert!(whole.iter().all(|l| l.reason.as_deref().is_some_and(|r| !r.is_empty())), "{whole:#?}");
        assert!(whole.iter().any(|l| l.node == "/fc/Gemm"));
    }
}

#[test]
fn layers_of_unknown_cost_are_counted_not_taken_for_nothing() {
    let (mut g, a) = start();
    let f = g.node(Op::new("Fancy", "/fancy").domain("com.example"), &[&a], &a.dims.clone());
    let b = g.conv(&f, "/b", Conv::square(4, 1));
    let c = g.conv(&b, "/c", Conv::square(4, 1));
    g.output(&c);
    let i = look(g);
    assert_eq!(i.cost.uncounted_layers, 1);
    assert!(secateur::report::text::inspection(&i, false).contains("MACs (without 1 layer of unknown cost)"));
    assert_eq!(inspect(&Model::read(&digits()).unwrap(), &InputShapes::default()).unwrap().cost.uncounted_layers, 0);
}

#[test]
fn channels_of_dequantized_weights_count_once() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let quantized = secateur::model::Tensor {
        dtype: secateur::model::proto::DataType::Int8,
        dims: vec![4, 3, 1, 1],
        data: (0..12u8).collect::<Vec<_>>().into(),
    };
    let q = g.initializer("q", &quantized);
    let scale = g.uniform("scale", &[4], 0.5, 1.5);
    let w = g.node(Op::new("DequantizeLinear", "/dequantize").int("axis", 0), &[&q, &scale], &[4, 3, 1, 1]);
    let y = g.node(Op::new("Conv", "/conv"), &[&x, &w], &[1, 4, 8, 8]);
    g.output(&y);
    let i = look(g);
    let held: usize = i.obstacles.iter().map(|o| o.channels).sum();
    let macs: u64 = i.obstacles.iter().map(|o| o.macs).sum();
    assert_eq!((held, macs), (4, i.cost.macs), "{:#?}", i.obstacles);
}
