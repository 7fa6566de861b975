//! Trap 14: operators with a state or a body of their own hold the channels that they read, and say so.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::Tensor;
use secateur::model::proto::{DataType, FunctionProto, NodeProto, OperatorSetIdProto};

use super::cut;
use crate::support::network;

/// A condition that depends on the input.
fn condition(g: &mut GraphBuilder, x: &Val) -> Val {
    let mean = g.node(Op::new("ReduceMean", "/mean").int("keepdims", 0), &[x], &[]);
    let zero = g.initializer("zero", &Tensor::from_floats(vec![], &[0.0]));
    g.node(Op::new("Greater", "/positive"), &[&mean, &zero], &[])
}

/// A body of one element-wise node that reads a value of the graph around it.
fn body(op: &str, x: &Val) -> GraphBuilder {
    let mut g = GraphBuilder::new(17);
    let y = g.unary(op, x, &format!("/body_{op}"));
    g.output(&y);
    g
}

#[test]
fn trap_14_values_that_branches_capture() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let chosen = condition(g, &read);
        let op =
            Op::new("If", "/if").graph("then_branch", body("Relu", &read)).graph("else_branch", body("Neg", &read));
        g.node(op, &[&chosen], &read.dims.clone())
    }));
    let cut = cut.not_refuted();
    cut.holds("read.weight", &["a subgraph reads '"]);
    assert_eq!(cut.lost("stem.weight", 0), 8, "what no subgraph reads may still go");
}

#[test]
fn trap_14_a_count_of_channels_that_a_branch_captures() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let shape = g.node(Op::new("Shape", "/shape"), &[&read], &[4]);
        let one = g.initializer("one", &Tensor::from_ints(vec![], &[1]));
        let count = g.node(Op::new("Gather", "/count"), &[&shape, &one], &[]);
        let y = g.conv(&read, "/next", Conv::square(4, 1));
        let chosen = condition(g, &y);
        let scaled = |op: &str| {
            let mut inner = GraphBuilder::new(17);
            let number = inner.node(Op::new("Cast", &format!("/float_{op}")).int("to", 1), &[&count], &[]);
            let z = inner.node(Op::new(op, &format!("/body_{op}")), &[&y, &number], &y.dims.clone());
            inner.output(&z);
            inner
        };
        let op = Op::new("If", "/if").graph("then_branch", scaled("Mul")).graph("else_branch", scaled("Add"));
        g.node(op, &[&chosen], &y.dims.clone())
    }));
    let cut = cut.not_refuted();
    cut.holds("read.weight", &["Gather", "a subgraph reads"]);
    assert_eq!(cut.lost("stem.weight", 0), 8, "what no subgraph counts may still go");
}

#[test]
fn trap_14_a_weight_that_a_branch_reads() {
    let cut = cut(&network(17, |g, x| {
        let w = g.weights("both.weight", &[8, 16, 1, 1]);
        let y = g.node(Op::new("Conv", "/outside"), &[x, &w], &[1, 8, 8, 8]);
        let chosen = condition(g, &y);
        let branch = |name: &str| {
            let mut inner = GraphBuilder::new(17);
            let z = inner.node(Op::new("Conv", name), &[x, &w], &[1, 8, 8, 8]);
            inner.output(&z);
            inner
        };
        let op = Op::new("If", "/if").graph("then_branch", branch("/a")).graph("else_branch", branch("/b"));
        let z = g.node(op, &[&chosen], &[1, 8, 8, 8]);
        g.add(&y, &z, "/add")
    }));
    let cut = cut.not_refuted();
    assert_eq!((cut.lost("both.weight", 0), cut.lost("both.weight", 1), cut.lost("stem.weight", 0)), (0, 0, 0));
    cut.holds("stem.weight", &["a subgraph reads '"]);
}

#[test]
fn trap_14_loops() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let mut inner = GraphBuilder::new(17);
        inner.input_of("turn", DataType::Int64, &[]);
        let go = inner.input_of("go", DataType::Bool, &[]);
        let carried = inner.input("carried", &read.dims);
        let on = inner.unary("Identity", &go, "/on");
        let sum = inner.add(&carried, &read, "/sum");
        inner.output_of(&on, DataType::Bool);
        inner.output(&sum);
        let turns = g.initializer("turns", &Tensor::from_ints(vec![], &[3]));
        let yes = g.initializer("yes", &Tensor { dtype: DataType::Bool, dims: vec![], data: vec![1].into() });
        g.node(Op::new("Loop", "/loop").graph("body", inner), &[&turns, &yes, &read], &read.dims.clone())
    }));
    cut.not_refuted().holds("read.weight", &["a subgraph reads '"]);
}

#[test]
fn trap_14_scans() {
    let cut = cut(&network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        let line = [1, 8, 8];
        let mut inner = GraphBuilder::new(17);
        let (state, row) = (inner.input("state", &line), inner.input("row", &line));
        let sum = inner.add(&state, &row, "/sum");
        let kept = inner.unary("Identity", &sum, "/kept");
        inner.output(&sum);
        inner.output(&kept);
        let start = g.initializer("start", &Tensor::from_floats(line.to_vec(), &[0.0; 64]));
        let op = Op::new("Scan", "/scan")
            .int("num_scan_inputs", 1)
            .ints("scan_input_axes", &[2])
            .ints("scan_output_axes", &[2])
            .graph("body", inner);
        g.node_multi(op, &[&start, &read], &[line.to_vec(), read.dims.clone()]).remove(1)
    }));
    cut.not_refuted().holds("read.weight", &["Scan"]);
}

#[test]
fn trap_14_recurrent_operators() {
    for (op, gates) in [("LSTM", 4), ("GRU", 3), ("RNN", 1)] {
        let cut = cut(&network(17, |g, x| {
            let read = g.conv(x, "/read", Conv::square(8, 1));
            let y = g.transpose(&read, &[2, 3, 0, 1], "/turn");
            let y = g.reshape(&y, &[64, -1, 8], &[64, 1, 8], "/sequence");
            let (w, r) = (g.weights("w", &[1, gates * 4, 8]), g.weights("r", &[1, gates * 4, 4]));
            let y = g.node(Op::new(op, "/cells").int("hidden_size", 4), &[&y, &w, &r], &[64, 1, 1, 4]);
            let y = g.transpose(&y, &[2, 1, 3, 0], "/turn_back");
            g.reshape(&y, &[-1, 256], &[1, 256], "/flat")
        }));
        let cut = cut.not_refuted();
        cut.holds("read.weight", &[op]);
        assert_eq!(cut.lost("stem.weight", 0), 8);
    }
}

#[test]
fn trap_14_attention() {
    let cut = cut(&network(23, |g, x| {
        let y = g.reshape(x, &[0, 16, 64], &[1, 16, 64], "/tokens");
        let y = g.transpose(&y, &[0, 2, 1], "/turn");
        let part = |g: &mut GraphBuilder, name: &str| {
            let w = g.weights(&format!("{name}.weight"), &[16, 8]);
            g.node(Op::new("MatMul", &format!("/{name}")), &[&y, &w], &[1, 64, 8])
        };
        let (q, k, v) = (part(g, "q"), part(g, "k"), part(g, "v"));
        let op = Op::new("Attention", "/attention").int("q_num_heads", 2).int("kv_num_heads", 2);
        let y = g.node(op, &[&q, &k, &v], &[1, 64, 8]);
        let y = g.transpose(&y, &[0, 2, 1], "/back");
        g.reshape(&y, &[0, 8, 8, 8], &[1, 8, 8, 8], "/map")
    }));
    let cut = cut.not_refuted();
    ["q.weight", "k.weight", "v.weight"].iter().for_each(|w| {
        assert!(cut.lost(w, 1) > 0 || cut.reason(w).contains("Attention"), "{w}: {}", cut.reason(w));
    });
}

#[test]
fn trap_14_functions_of_the_model_itself() {
    let plain = network(17, |g, x| {
        let read = g.conv(x, "/read", Conv::square(8, 1));
        g.node(Op::new("Twice", "/twice").domain("local"), &[&read], &read.dims.clone())
    });
    let mut proto = plain.into_proto();
    let add = NodeProto {
        op_type: Some("Add".into()),
        input: vec!["a".into(), "a".into()],
        output: vec!["b".into()],
        ..NodeProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) };
    proto.opset_import.push(opset("local", 1));
    proto.functions.push(FunctionProto {
        name: Some("Twice".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: vec![add],
        opset_import: vec![opset("", 17)],
        ..FunctionProto::default()
    });
    let cut = cut(&Model::new(proto).unwrap()).not_refuted();
    cut.holds("read.weight", &["Twice"]);
    assert_eq!(cut.pruned.proto().functions, cut.original.proto().functions);
}
