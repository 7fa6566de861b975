//! What a network tells of the images that it takes.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::build::{Conv, GraphBuilder, Val};
use crate::model::proto::DataType;

const IMAGE: [usize; 4] = [1, 3, 16, 16];

fn feed(name: &str, dims: &[usize]) -> Feed {
    Feed { name: name.into(), dtype: DataType::Float, dims: dims.into() }
}

/// How images are prepared for it.
fn told(model: &Model, feeds: &[Feed]) -> Vec<&'static str> {
    let input = |f: &Feed| Input { name: f.name.clone(), dtype: f.dtype, dims: f.dims.clone(), below: None };
    let inputs: Vec<Input> = feeds.iter().map(input).collect();
    let suited = suited(model, feeds, &inputs, &Preparation::default(), 0).unwrap();
    suited.into_iter().map(|s| s.1).collect()
}

/// A normalization of three channels whose statistics are those of pixels from 0 to 1.
fn of_pixels(g: &mut GraphBuilder, x: &Val) -> Val {
    let vector = |g: &mut GraphBuilder, name: &str, value: f32| g.uniform(name, &[3], value, value + 1e-6);
    let [scale, bias] = [("scale", 1.0), ("bias", 0.0)].map(|(name, v)| vector(g, name, v));
    let [mean, variance] = [("mean", 0.5), ("var", 0.06)].map(|(name, v)| vector(g, name, v));
    g.node(crate::build::Op::new("BatchNormalization", "bn"), &[x, &scale, &bias, &mean, &variance], &IMAGE)
}

#[test]
fn statistics_tell_one_preparation() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &IMAGE);
    let y = of_pixels(&mut g, &x);
    g.output(&y);
    assert_eq!(told(&g.model().unwrap(), &[feed("x", &IMAGE)]), ["--scale 1/255"]);
}

#[test]
fn weights_alone_leave_several_and_tell_bytes_from_the_rest() {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &IMAGE);
    let y = g.conv(&x, "/a", Conv::square(8, 3).pad(1));
    g.output(&y);
    let ways = told(&g.model().unwrap(), &[feed("x", &IMAGE)]);
    assert!(ways.len() > 1 && !ways.contains(&"--scale 1"), "{ways:?}");
}

#[test]
fn statistics_of_another_input_say_nothing_of_images() {
    let mut g = GraphBuilder::new(17);
    let other = g.input("other", &[1, 3, 2, 2]);
    let y = of_pixels(&mut g, &other);
    g.output(&y);
    let x = g.input("x", &IMAGE);
    let y = g.conv(&x, "/a", Conv::square(8, 3).pad(1));
    g.output(&y);
    let feeds = [feed("other", &[1, 3, 2, 2]), feed("x", &IMAGE)];
    assert!(told(&g.model().unwrap(), &feeds).len() > 1);
}
