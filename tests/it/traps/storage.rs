//! Traps 16 and 17: weights of every element type, wherever the file keeps them, are cut without a changed bit.

use secateur::Model;
use secateur::build::{Conv, Op};
use secateur::model::proto::tensor_proto::DataLocation;
use secateur::model::proto::{DataType, SparseTensorProto, StringStringEntryProto, TensorProto, TypeValue};
use secateur::model::{ModelProto, Tensor};

use super::cut;
use crate::support::{constant, edited, input_of, network};

const WEIGHTS: [&str; 4] = ["stem.weight", "stem.bias", "b.weight", "last.weight"];

fn plain() -> Model {
    network(17, |g, x| g.conv(x, "/b", Conv::square(12, 3).pad(1)))
}

fn initializers(proto: &mut ModelProto) -> &mut Vec<TensorProto> {
    &mut proto.graph.as_mut().unwrap().initializer
}

#[test]
fn trap_16_elements_in_typed_fields() {
    let typed = edited(plain(), |m| {
        for t in initializers(m) {
            let tensor = Tensor::from_proto(t).unwrap();
            t.raw_data = None;
            match tensor.dtype {
                DataType::Float => t.float_data = tensor.floats().unwrap(),
                _ => t.int64_data = tensor.ints().unwrap(),
            }
        }
    });
    let (typed, raw) = (cut(&typed).proved(), cut(&plain()).proved());
    for name in WEIGHTS {
        let found = typed.keeps_bits(name);
        assert!(constant(raw.pruned.proto(), name).unwrap() == found, "'{name}' differs from that of the raw file");
    }
}

/// The bits of a float32 as another type keeps them; the lowest bits are made odd, so that a detour through float32 would show.
fn narrowed(value: f32, dtype: DataType) -> Vec<u8> {
    match dtype {
        DataType::Double => (f64::from(value) + 1e-12).to_le_bytes().to_vec(),
        DataType::Bfloat16 => ((value.to_bits() >> 16) as u16 | 1).to_le_bytes().to_vec(),
        _ => {
            let bits = value.to_bits();
            let exponent = ((bits >> 23 & 255) as i32 - 112).clamp(1, 30) as u16;
            ((bits >> 16 & 0x8000) as u16 | exponent << 10 | (bits >> 13 & 0x3ff) as u16 | 1).to_le_bytes().to_vec()
        }
    }
}

#[test]
fn trap_16_other_floating_point_types() {
    for dtype in [DataType::Float16, DataType::Bfloat16, DataType::Double] {
        let model = edited(plain(), |m| {
            for t in initializers(m).iter_mut().filter(|t| t.data_type() == i32::from(DataType::Float)) {
                let tensor = Tensor::from_proto(t).unwrap();
                let data: Vec<u8> = tensor.floats().unwrap().iter().flat_map(|v| narrowed(*v, dtype)).collect();
                *t = Tensor { dtype, dims: tensor.dims, data: data.into() }.to_proto(t.name());
            }
            let graph = m.graph.as_mut().unwrap();
            for value in graph.input.iter_mut().chain(&mut graph.output) {
                if let Some(TypeValue::TensorType(t)) = value.r#type.as_mut().unwrap().value.as_mut() {
                    t.elem_type = Some(dtype.into());
                }
            }
        });
        let cut = cut(&model).not_refuted();
        assert_eq!(cut.lost("stem.weight", 0), 8, "{dtype:?}");
        WEIGHTS.iter().for_each(|name| assert_eq!(cut.keeps_bits(name).dtype, dtype));
    }
}

#[test]
fn trap_16_external_data_in_several_files_at_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = [("a.bin", vec![7u8; 3]), ("b.bin", vec![9u8; 5])];
    let mut proto = plain().into_proto();
    for (k, t) in initializers(&mut proto).iter_mut().enumerate() {
        let (name, bytes) = &mut files[k % 2];
        let raw = t.raw_data.take().unwrap();
        let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        t.data_location = Some(DataLocation::External.into());
        t.external_data = vec![
            entry("location", (*name).into()),
            entry("offset", bytes.len().to_string()),
            entry("length", raw.len().to_string()),
        ];
        bytes.extend_from_slice(&raw);
    }
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path().join(name), bytes).unwrap());
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, Model::new(proto).unwrap().encode()).unwrap();
    let (apart, whole) = (cut(&Model::read(&path).unwrap()).proved(), cut(&plain()).proved());
    assert!(apart.removed == whole.removed && !apart.removed.is_empty());
    for name in WEIGHTS {
        assert!(apart.keeps_bits(name) == whole.keeps_bits(name), "'{name}'");
    }
}

#[test]
fn trap_16_sparse_initializers_hold_what_they_touch() {
    let model = network(17, |g, x| {
        let scale = g.uniform("sparse", &[16, 1, 1], 0.5, 1.5);
        let y = g.node(Op::new("Mul", "/mul"), &[x, &scale], &x.dims.clone());
        g.conv(&y, "/b", Conv::square(12, 3).pad(1))
    });
    let model = edited(model, |m| {
        let graph = m.graph.as_mut().unwrap();
        graph.initializer.retain(|t| t.name() != "sparse");
        graph.sparse_initializer.push(SparseTensorProto {
            values: Some(Tensor::from_floats(vec![2], &[1.5, 0.5]).to_proto("sparse")),
            indices: Some(Tensor::from_ints(vec![2], &[0, 9]).to_proto("")),
            dims: vec![16, 1, 1],
        });
    });
    let cut = cut(&model).not_refuted();
    assert_eq!(cut.lost("stem.weight", 0), 0);
    assert_ne!(cut.reason("stem.weight"), "nothing holds it");
    assert_eq!(cut.pruned.graph_proto().sparse_initializer, cut.original.graph_proto().sparse_initializer);
}

#[test]
fn trap_17_weights_in_constant_nodes() {
    let values: Vec<f32> = (0..12 * 16).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    let tensor = Tensor::from_floats(vec![12, 16, 1, 1], &values);
    let cut = cut(&network(17, |g, x| {
        let w = g.node(Op::new("Constant", "/w").tensor("value", &tensor), &[], &[12, 16, 1, 1]);
        let bias = g.node(Op::new("Constant", "/bias").floats("value_floats", &[0.5; 12]), &[], &[12]);
        g.node(Op::new("Conv", "/conv"), &[x, &w, &bias], &[1, 12, 8, 8])
    }));
    let cut = cut.proved();
    assert_eq!((cut.lost("stem.weight", 0), cut.lost("/w_output_0", 0), cut.lost("/bias_output_0", 0)), (8, 6, 6));
    assert_eq!(cut.keeps_bits("/w_output_0").dims, [6, 8, 1, 1]);
    assert_eq!(cut.keeps_bits("/bias_output_0").dims, [6]);
}

#[test]
fn trap_17_weights_made_by_constant_of_shape() {
    for several in [false, true] {
        let cut = cut(&network(17, |g, x| {
            let shape = g.ints("shape", &[16, 16, 1, 1]);
            let fill = Op::new("ConstantOfShape", "/w").tensor("value", &Tensor::from_floats(vec![1], &[0.125]));
            let w = g.node(fill, &[&shape], &[16, 16, 1, 1]);
            let y = g.node(Op::new("Conv", "/a"), &[x, &w], &[1, 16, 8, 8]);
            let y = g.relu(&y, "/between");
            if several { g.node(Op::new("Conv", "/b"), &[&y, &w], &[1, 16, 8, 8]) } else { y }
        }));
        let cut = cut.proved();
        assert_eq!((cut.lost("stem.weight", 0), cut.lost("/w_output_0", 0)), (8, 8), "several readers: {several}");
        assert_eq!(cut.keeps_bits("/w_output_0").dims, [8, 8, 1, 1]);
    }
}

/// Before IR 4 every initializer is a graph input too; both must say the same afterwards.
#[test]
fn trap_17_initializers_that_are_graph_inputs() {
    let old = network(11, |g, x| {
        let parts = g.node_multi(
            Op::new("Split", "/split").int("axis", 1).ints("split", &[4, 12]),
            &[x],
            &[vec![1, 4, 8, 8], vec![1, 12, 8, 8]],
        );
        let shape = g.ints("shape", &[-1, 12, 64]);
        let y = g.node(Op::new("Reshape", "/line"), &[&parts[1], &shape], &[1, 12, 64]);
        let w = g.weights("line.weight", &[6, 12, 1]);
        let y = g.node(Op::new("Conv", "/conv1d"), &[&y, &w], &[1, 6, 64]);
        let y = g.reshape(&y, &[-1, 6, 8, 8], &[1, 6, 8, 8], "/map");
        let z = g.conv(&parts[0], "/a", Conv::square(6, 1));
        g.add(&y, &z, "/add")
    });
    let old = edited(old, |m| {
        m.ir_version = Some(3);
        let graph = m.graph.as_mut().unwrap();
        for t in &graph.initializer {
            graph.input.push(input_of(t));
        }
    });
    let cut = cut(&old).proved();
    assert_eq!(cut.lost("stem.weight", 0), 8);
    let graph = cut.pruned.graph_proto();
    assert_eq!(graph.input.len(), graph.initializer.len() + 1);
    for t in &graph.initializer {
        let input = graph.input.iter().find(|i| i.name() == t.name());
        assert_eq!(input, Some(&input_of(t)), "'{}' as an input", t.name());
    }
}
