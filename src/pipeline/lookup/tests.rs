//! Integers are as large as the tables that they are looked up in.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::build::{GraphBuilder, Op};
use crate::model::proto::DataType;
use crate::runtime::Feed;

/// Words looked up in two tables, directly and as int64 in a row; a mask; a number of floating point.
fn embedded() -> (Model, Vec<Feed>) {
    let mut g = GraphBuilder::new(17);
    let words = g.input_of("words", DataType::Int32, &[1, 5]);
    let mask = g.input_of("mask", DataType::Int64, &[1, 5]);
    let x = g.input("x", &[1, 5, 4]);
    let (table, small) = (g.weights("table", &[50, 4]), g.weights("small", &[4, 30]));
    let a = g.node(Op::new("Gather", "a"), &[&table, &words], &[1, 5, 4]);
    let wide = g.node(Op::new("Cast", "wide").int("to", 7), &[&words], &[1, 5]);
    let row = g.ints("row", &[5]);
    let flat = g.node(Op::new("Reshape", "flat"), &[&wide, &row], &[5]);
    let b = g.node(Op::new("Gather", "b").int("axis", -1), &[&small, &flat], &[4, 5]);
    let y = g.node(Op::new("Add", "sum"), &[&a, &x], &[1, 5, 4]);
    let m = g.node(Op::new("Cast", "masked").int("to", 1), &[&mask], &[1, 5]);
    for made in [&y, &b, &m] {
        g.output(made);
    }
    let feed = |name: &str, dtype, dims: &[usize]| Feed { name: name.into(), dtype, dims: dims.into() };
    let (ids, float) = ([1, 5], [1, 5, 4]);
    let feeds = vec![
        feed("words", DataType::Int32, &ids),
        feed("mask", DataType::Int64, &ids),
        feed("x", DataType::Float, &float),
    ];
    (g.model().unwrap(), feeds)
}

#[test]
fn the_smallest_table_counts_and_only_for_what_is_looked_up() {
    let (model, feeds) = embedded();
    assert_eq!(rows(&model, &feeds).unwrap(), [Some(30), None, None]);
}
