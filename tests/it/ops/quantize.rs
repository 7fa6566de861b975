//! QuantizeLinear-DequantizeLinear networks: int8 weights are cut as int8, with their scales and zero points.

use secateur::build::{GraphBuilder, Op, Val};
use secateur::model::proto::DataType;
use secateur::model::{Model, Tensor};
use secateur::plan::Scope;
use secateur::verify::Status;

use super::reason_at;
use crate::oracle::{check, lost};
use crate::support::{Analysed, constant, network, set_constant};

fn int8(g: &mut GraphBuilder, name: &str, dims: &[usize], at: impl Fn(usize) -> i8) -> Val {
    let data: Vec<u8> = (0..dims.iter().product()).map(|i| at(i) as u8).collect();
    g.initializer(name, &Tensor { dtype: DataType::Int8, dims: dims.to_vec(), data: data.into() })
}

/// An activation to int8 and back, one scale for all.
fn there_and_back(g: &mut GraphBuilder, x: &Val, name: &str) -> Val {
    let scale = g.initializer(&format!("{name}.s"), &Tensor::from_floats(vec![], &[0.05]));
    let zero = int8(g, &format!("{name}.z"), &[], |_| 3);
    let q = g.node(Op::new("QuantizeLinear", &format!("{name}/q")), &[x, &scale, &zero], &x.dims);
    g.node(Op::new("DequantizeLinear", &format!("{name}/dq")), &[&q, &scale, &zero], &x.dims)
}

/// A 1x1 convolution of which the weight is int8, a scale for each filter.
fn quantised_conv(g: &mut GraphBuilder, x: &Val, name: &str, out: usize) -> Val {
    let dims = [out, x.dims[1], 1, 1];
    let w = int8(g, &format!("{name}.weight"), &dims, |i| ((i * 37 + i * i % 101) % 255) as i8);
    let scale = g.uniform(&format!("{name}.scale"), &[out], 0.001, 0.01);
    let zero = int8(g, &format!("{name}.zero"), &[out], |_| 0);
    let op = Op::new("DequantizeLinear", &format!("{name}/dq_w")).int("axis", 0);
    let w = g.node(op, &[&w, &scale, &zero], &dims);
    g.node(Op::new("Conv", &format!("{name}/Conv")), &[x, &w], &[1, out, x.dims[2], x.dims[3]])
}

fn block(g: &mut GraphBuilder, x: &Val) -> Val {
    let x = there_and_back(g, x, "in");
    quantised_conv(g, &x, "q", 12)
}

#[test]
fn int8_weights_lose_filters_and_inputs() {
    let cuts = check(block);
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "q.weight")), (8, 6), "the judge proves it");
    let model = network(17, block);
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (pruned, _) = known.cut(&coupling, &gone);
    let of = |name: &str| constant(&pruned, name).map(|t| (t.dtype, t.dims));
    assert_eq!(of("q.weight"), Some((DataType::Int8, vec![6, 8, 1, 1])));
    assert_eq!(of("q.scale"), Some((DataType::Float, vec![6])));
    assert_eq!(of("q.zero"), Some((DataType::Int8, vec![6])));
    assert_eq!(of("stem.weight").unwrap().1[0], 8);
}

#[test]
fn the_cut_of_a_weight_that_is_quantised_alone_is_proved() {
    let cuts = check(|g, x| quantised_conv(g, x, "q", 12));
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "q.weight")), (8, 6));
}

/// A float32 weight that the graph itself quantizes, as training aware of quantization and TensorRT leave it.
fn fake_quantised_conv(g: &mut GraphBuilder, x: &Val) -> Val {
    let dims = [12, x.dims[1], 1, 1];
    let w = g.weights("q.weight", &dims);
    let scale = g.uniform("q.scale", &[12], 0.001, 0.01);
    let zero = int8(g, "q.zero", &[12], |_| 0);
    let q = g.node(Op::new("QuantizeLinear", "/q_w").int("axis", 0), &[&w, &scale, &zero], &dims);
    let w = g.node(Op::new("DequantizeLinear", "/dq_w").int("axis", 0), &[&q, &scale, &zero], &dims);
    g.node(Op::new("Conv", "/q/Conv"), &[x, &w], &[1, 12, x.dims[2], x.dims[3]])
}

#[test]
fn float_weights_that_the_graph_quantises_are_filters() {
    let cuts = check(fake_quantised_conv);
    assert_eq!((lost(&cuts, "stem.weight"), lost(&cuts, "q.weight")), (8, 6));
}

/// The copies that are run hold no scales: that these are the kept ones is seen in the file.
#[test]
fn scales_of_other_filters_are_refused() {
    let model = network(17, fake_quantised_conv);
    let known = Analysed::new(&model, &[]);
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (mut pruned, removed) = known.cut(&coupling, &gone);
    let scales = constant(&pruned, "q.scale").unwrap();
    assert!(set_constant(&mut pruned, "q.scale", &scales.select(0, &[1, 0, 2, 3, 4, 5]).unwrap()));
    assert_eq!(known.judge(pruned, &removed).status, Status::Failed);
}

/// Filters of equal integers but different scales: the scale tells them apart.
#[test]
fn filters_are_scored_as_what_they_stand_for() {
    let model = network(17, |g, x| {
        let dims = [12, 16, 1, 1];
        let w = int8(g, "q.weight", &dims, |i| (i % 16 + 1) as i8);
        let scales: Vec<f32> = (0..12).map(|i| if i == 7 { 0.0 } else { 0.01 * (i + 1) as f32 }).collect();
        let scale = g.initializer("q.scale", &Tensor::from_floats(vec![12], &scales));
        let w = g.node(Op::new("DequantizeLinear", "/dq").int("axis", 0), &[&w, &scale], &dims);
        g.node(Op::new("Conv", "/q/Conv"), &[x, &w], &[1, 12, 8, 8])
    });
    assert!(removed_first(&model).contains(&7), "a filter of scale 0 goes before all others");
}

fn removed_first(model: &Model) -> Vec<usize> {
    let known = Analysed::new(model, &[]);
    let (coupling, gone) = known.choose(0.1, Scope::All);
    let (_, removed) = known.cut(&coupling, &gone);
    removed.into_iter().find(|r| r.value == "q.weight" && r.axis == 0).map(|r| r.indices).unwrap_or_default()
}

#[test]
fn a_scale_for_each_block_keeps_the_axes() {
    let reason = reason_at(21, |g, x| {
        let scale = g.uniform("s", &[1, 4, 8, 8], 0.01, 0.05);
        let op = |name| Op::new(name, &format!("/{name}")).int("axis", 1).int("block_size", 4);
        let q = g.node(op("QuantizeLinear"), &[x, &scale], &x.dims);
        g.node(op("DequantizeLinear"), &[&q, &scale], &x.dims)
    });
    assert!(reason.contains("a scale for each block"), "{reason}");
}
