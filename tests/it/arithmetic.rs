//! Models that compute in another arithmetic than float32 are proved on copies that do, and their constants as they are stored.

use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::proto::{DataType, TypeValue, ValueInfoProto};
use secateur::model::removed::{Kind, Removed};
use secateur::model::{ModelProto, Tensor};
use secateur::plan::Scope;
use secateur::verify::{Case, Status, Values, Verification, verify};

use crate::support::{Analysed, constant, set_constant};

/// x -> Conv, BatchNormalization, Relu -> Conv -> pool -> Gemm, with whatever stands between the input and the first.
fn network(before: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let x = before(&mut g, &x);
    let y = g.conv(&x, "/a", Conv::square(12, 3).pad(1));
    let y = g.batch_norm(&y, "/bn");
    let y = g.relu(&y, "/r");
    let y = g.conv(&y, "/b", Conv::square(8, 3));
    let y = g.global_average_pool(&y, "/pool");
    let y = g.flatten(&y, "/flat");
    let y = g.gemm(&y, "/fc", 5);
    g.output(&y);
    g.model().unwrap()
}

/// The bytes of a number in one of the types; float16 is cut off, not rounded.
fn bytes(v: f32, to: DataType) -> Vec<u8> {
    let bits = v.to_bits();
    match to {
        DataType::Double => f64::from(v).to_le_bytes().to_vec(),
        DataType::Bfloat16 => ((bits >> 16) as u16).to_le_bytes().to_vec(),
        _ => {
            let exponent = (bits >> 23 & 255) as i32 - 112;
            let half = if exponent <= 0 { 0 } else { (exponent as u32) << 10 | (bits >> 13 & 1023) };
            ((bits >> 16 & 0x8000 | half) as u16).to_le_bytes().to_vec()
        }
    }
}

fn tensor_in(t: &Tensor, to: DataType) -> Tensor {
    let data: Vec<u8> = t.floats().unwrap().into_iter().flat_map(|v| bytes(v, to)).collect();
    Tensor { dtype: to, dims: t.dims.clone(), data: data.into() }
}

fn info_in(info: &mut ValueInfoProto, to: DataType) {
    if let Some(TypeValue::TensorType(t)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        t.elem_type = Some(to.into());
    }
}

/// The model with all its constants, its inputs and its outputs in another type.
fn in_type(model: &Model, to: DataType) -> Model {
    let mut proto = model.proto().clone();
    let graph = proto.graph.as_mut().unwrap();
    for t in graph.initializer.iter_mut().filter(|t| t.data_type() == i32::from(DataType::Float)) {
        *t = tensor_in(&Tensor::from_proto(t).unwrap(), to).to_proto(t.name());
    }
    graph.input.iter_mut().chain(&mut graph.output).for_each(|i| info_in(i, to));
    Model::new(proto).unwrap()
}

fn cut(known: &Analysed<'_>) -> (ModelProto, Vec<Removed>) {
    let (coupling, gone) = known.choose(0.5, Scope::All);
    let (pruned, removed) = known.cut(&coupling, &gone);
    let lost: Vec<usize> =
        removed.iter().filter(|r| r.value.ends_with(".weight") && r.axis == 0).map(|r| r.indices.len()).collect();
    assert!(lost.contains(&6) && lost.contains(&4), "{removed:?}");
    (pruned, removed)
}

fn says(v: &Verification, what: &str) -> bool {
    v.notes.iter().any(|n| n.contains(what))
}

#[test]
fn other_floating_point_numbers_are_proved_in_float32() {
    for to in [DataType::Float16, DataType::Bfloat16, DataType::Double] {
        let model = in_type(&network(|_, x| x.clone()), to);
        let known = Analysed::new(&model, &[]);
        let (pruned, removed) = cut(&known);
        let v = known.judge(pruned.clone(), &removed);
        assert_eq!(v.status, Status::Passed, "{to:?}: {:?}", v.reason);
        assert!(v.samples >= 3 && v.compared >= 3 && says(&v, "compute in float32"), "{v:?}");
        let weight = constant(&pruned, "a.weight").unwrap();
        let mut broken = pruned;
        assert!(set_constant(&mut broken, "a.weight", &weight.select(0, &[1, 0, 2, 3, 4, 5]).unwrap()));
        assert_eq!(known.judge(broken, &removed).status, Status::Failed, "{to:?}: two channels are swapped");
    }
}

#[test]
fn parts_in_other_types_are_proved_too() {
    let to = DataType::Float16;
    let mut proto =
        in_type(&network(|g, x| g.node(Op::new("Cast", "/half").int("to", i32::from(to).into()), &[x], &x.dims)), to)
            .into_proto();
    let graph = proto.graph.as_mut().unwrap();
    let gemm = graph.node.iter().find(|n| n.op_type() == "Gemm").unwrap().input.clone();
    for t in graph.initializer.iter_mut().filter(|t| gemm[1..].iter().any(|i| i == t.name())) {
        let floats = Tensor::from_proto(t).unwrap().floats().unwrap();
        *t = Tensor::from_floats(t.dims.iter().map(|d| *d as usize).collect(), &floats).to_proto(t.name());
    }
    graph.input.iter_mut().chain(&mut graph.output).for_each(|i| info_in(i, DataType::Float));
    let mut back = graph.node[0].clone();
    (back.name, back.input, back.output) = (Some("/single".into()), vec![gemm[0].clone()], vec!["single".into()]);
    back.set_int("to", i32::from(DataType::Float).into());
    let at = graph.node.iter().position(|n| n.op_type() == "Gemm").unwrap();
    graph.node[at].input[0] = "single".into();
    graph.node.insert(at, back);
    let model = Model::new(proto).unwrap();
    let known = Analysed::new(&model, &[]);
    let (pruned, removed) = cut(&known);
    let v = known.judge(pruned, &removed);
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
}

/// The same in float32 and yet another weight: only the stored numbers tell.
#[test]
fn what_float32_cannot_tell_apart_is_compared_as_it_is_stored() {
    let model = in_type(&network(|_, x| x.clone()), DataType::Double);
    let known = Analysed::new(&model, &[]);
    let (mut pruned, removed) = cut(&known);
    let weight = constant(&pruned, "a.weight").unwrap();
    let mut data = weight.data.to_vec();
    data[0] ^= 1;
    assert!(set_constant(&mut pruned, "a.weight", &Tensor { data: data.into(), ..weight }));
    let v = known.judge(pruned, &removed);
    assert_eq!(v.status, Status::Failed);
    assert_eq!(v.first_difference.unwrap().node, "/a/Conv");
}

/// Channels between the two quantized convolutions, and those that stay.
const INNER: usize = 6;
const KEPT: [usize; 4] = [0, 2, 3, 5];

/// x -> Q, DQ -> Conv -> Relu -> Q, DQ -> Conv -> y, weights in int8 with a scale a channel; `kept`: the inner channels.
fn quantized(kept: &[usize]) -> ModelProto {
    let mut g = GraphBuilder::new(17);
    let n = kept.len();
    let x = g.input("x", &[1, 3, 6, 6]);
    let scale = g.initializer("scale", &Tensor::from_floats(vec![], &[0.05]));
    let zero = g.initializer("zero", &Tensor { dtype: DataType::Int8, dims: vec![], data: vec![7].into() });
    let pass = |g: &mut GraphBuilder, x: &Val, name: &str| {
        let q = g.node(Op::new("QuantizeLinear", &format!("{name}/q")), &[x, &scale, &zero], &x.dims);
        g.node(Op::new("DequantizeLinear", &format!("{name}/dq")), &[&q, &scale, &zero], &x.dims)
    };
    let weight = |g: &mut GraphBuilder, name: &str, dims: [usize; 4], axis: usize| {
        let count: usize = dims.iter().product();
        let data: Vec<u8> = (0..count).map(|i| (i * 37 % 251) as u8).collect();
        let w = Tensor { dtype: DataType::Int8, dims: dims.to_vec(), data: data.into() };
        let scales: Vec<f32> = (0..dims[0]).map(|i| 0.01 + 0.002 * i as f32).collect();
        let (w, scales) = (w.select(axis, kept).unwrap(), Tensor::from_floats(vec![dims[0]], &scales));
        let scales = if axis == 0 { scales.select(0, kept).unwrap() } else { scales };
        let (dims, w) = (w.dims.clone(), g.initializer(&format!("{name}.q"), &w));
        let s = g.initializer(&format!("{name}.s"), &scales);
        g.node(Op::new("DequantizeLinear", &format!("{name}/dq")).int("axis", 0), &[&w, &s], &dims)
    };
    let y = pass(&mut g, &x, "/x");
    let w = weight(&mut g, "a", [INNER, 3, 3, 3], 0);
    let y = g.node(Op::new("Conv", "/a"), &[&y, &w], &[1, n, 4, 4]);
    let y = g.relu(&y, "/r");
    let y = pass(&mut g, &y, "/y");
    let w = weight(&mut g, "b", [5, INNER, 1, 1], 1);
    let y = g.node(Op::new("Conv", "/b"), &[&y, &w], &[1, 5, 4, 4]);
    g.output(&y);
    g.model().unwrap().into_proto()
}

fn judge_quantized(pruned: ModelProto) -> Verification {
    let original = Model::new(quantized(&[0, 1, 2, 3, 4, 5])).unwrap();
    let gone: Vec<usize> = (0..INNER).filter(|i| !KEPT.contains(i)).collect();
    let entry = |(value, kind, axis): (&str, Kind, usize)| Removed {
        value: value.into(),
        kind,
        axis,
        length: INNER,
        indices: gone.clone(),
        blocks: Vec::new(),
        readers: Vec::new(),
    };
    let weights = [("a.q", 0), ("a.s", 0), ("a/dq_output_0", 0), ("b.q", 1), ("b/dq_output_0", 1)];
    let inner = ["/a_output_0", "/r/Relu_output_0", "/r_output_0", "/y/q_output_0", "/y/dq_output_0"];
    let removed: Vec<Removed> = weights
        .into_iter()
        .map(|(v, axis)| (v, Kind::Initializer, axis))
        .chain(inner.into_iter().map(|v| (v, Kind::Activation, 1)))
        .map(entry)
        .collect();
    let feeds = Analysed::new(&original, &[]).shapes.feeds;
    let pruned = Model::new(pruned).unwrap();
    let case = Case {
        original: &original,
        pruned: &pruned,
        removed: &removed,
        values: Values::Original,
        feeds: &feeds,
        grown: None,
        tolerance: 1e-4,
        seed: 0,
    };
    verify(&case).unwrap()
}

#[test]
fn a_quantized_network_is_proved_without_its_quantization() {
    let v = judge_quantized(quantized(&KEPT));
    assert_eq!(v.status, Status::Passed, "{:?}", v.reason);
    assert!(says(&v, "without quantization") && v.sensitivity > 0.01 && v.compared == 2, "{v:?}");
}

#[test]
fn wrong_numbers_in_a_quantized_weight_or_scale_are_found() {
    assert_eq!(judge_quantized(quantized(&[0, 1, 2, 3])).status, Status::Failed, "other channels went");
    let mut scales = quantized(&KEPT);
    let wrong = constant(&scales, "a.s").unwrap().select(0, &[0, 2, 1, 3]).unwrap();
    assert!(set_constant(&mut scales, "a.s", &wrong));
    assert_eq!(judge_quantized(scales).status, Status::Failed, "two scales are swapped");
    let mut per_tensor = quantized(&KEPT);
    assert!(set_constant(&mut per_tensor, "scale", &Tensor::from_floats(vec![], &[0.06])));
    assert_eq!(judge_quantized(per_tensor).status, Status::Failed, "the activations have another scale");
}
