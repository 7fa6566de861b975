//! In which order nodes with shared weights come.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::build::{GraphBuilder, Op, Val};

/// A convolution with the weights of that name.
fn conv(g: &mut GraphBuilder, x: &Val, w: &Val, name: &str) -> Val {
    g.node(Op::new("Conv", name), &[x, w], &[1, 4, 8, 8])
}

/// The names of the nodes in order; nothing where the file's order stays.
fn order(build: impl Fn(&mut GraphBuilder, &Val, [&Val; 3]) -> Val) -> Option<Vec<String>> {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 4, 8, 8]);
    let [u, v, w] = ["u", "v", "w"].map(|name| g.weights(name, &[4, 4, 1, 1]));
    let y = build(&mut g, &x, [&u, &v, &w]);
    g.output(&y);
    let model = g.model().unwrap();
    let ordered = together(&model).unwrap()?;
    ordered.graph().unwrap();
    Some(ordered.graph_proto().node.iter().map(|n| n.name().to_owned()).collect())
}

#[test]
fn without_shared_weights_the_order_of_the_file_stays() {
    let nodes = order(|g, x, [u, v, _]| {
        let y = conv(g, x, u, "a");
        conv(g, &y, v, "b")
    });
    assert_eq!(nodes, None);
}

#[test]
fn twins_take_turns() {
    let nodes = order(|g, x, [u, v, w]| {
        let a = conv(g, x, u, "a1");
        let a = conv(g, &a, v, "a2");
        let b = conv(g, x, w, "b0");
        let b = conv(g, &b, u, "b1");
        let b = conv(g, &b, v, "b2");
        g.add(&a, &b, "add")
    });
    assert_eq!(nodes.unwrap(), ["b0", "a1", "b1", "a2", "b2", "add"]);
}

#[test]
fn what_depends_on_another_reader_comes_when_it_can() {
    let nodes = order(|g, x, [u, v, w]| {
        let y = conv(g, x, u, "once");
        let z = conv(g, x, u, "beside");
        let y = conv(g, &y, v, "between");
        let y = conv(g, &y, u, "again");
        let y = g.add(&y, &z, "add");
        conv(g, &y, w, "last")
    });
    assert_eq!(nodes.unwrap(), ["once", "beside", "between", "again", "add", "last"]);
}

#[test]
fn pairs_that_cross_are_all_there() {
    let nodes = order(|g, x, [u, v, _]| {
        let a = conv(g, x, u, "u1");
        let a = conv(g, &a, v, "v1");
        let b = conv(g, x, v, "v2");
        let b = conv(g, &b, u, "u2");
        g.add(&a, &b, "add")
    });
    assert_eq!(nodes.unwrap(), ["u1", "v1", "v2", "u2", "add"]);
}
