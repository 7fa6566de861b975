//! Graphs written as expressions, with seeded weights: for tests, examples and measurements.
//!
//! ```
//! use secateur::build::{Conv, GraphBuilder};
//!
//! let mut g = GraphBuilder::new(17);
//! let x = g.input("x", &[1, 3, 8, 8]);
//! let y = g.conv(&x, "conv1", Conv::square(16, 3).pad(1));
//! let y = g.relu(&y, "relu1");
//! let y = g.global_average_pool(&y, "pool");
//! let y = g.flatten(&y, "flat");
//! let y = g.gemm(&y, "fc", 10);
//! g.output(&y);
//! let model = g.model()?;
//! # Ok::<(), secateur::Error>(())
//! ```

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::model::proto::attribute_proto::AttributeType;
use crate::model::proto::tensor_shape_proto::Dimension;
use crate::model::proto::{
    AttributeProto, DataType, DimValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto,
    TypeProto, TypeValue, ValueInfoProto, type_proto,
};
use crate::model::{Model, Tensor};

pub mod layers;
pub mod networks;

pub use layers::{Conv, Pool};

/// A value of the graph being built. Its dims are those at batch 1, where the batch is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Val {
    /// Its name.
    pub name: String,
    /// Its dims.
    pub dims: Vec<usize>,
}

/// A node to add: operator, name, attributes.
#[derive(Debug, Clone)]
pub struct Op {
    proto: NodeProto,
}

impl Op {
    /// An operator of ONNX's default domain, under the name that its node gets; its first output is `NAME_output_0`.
    pub fn new(op_type: &str, name: &str) -> Self {
        Self { proto: NodeProto { op_type: Some(op_type.into()), name: Some(name.into()), ..NodeProto::default() } }
    }

    /// In another domain.
    pub fn domain(mut self, domain: &str) -> Self {
        self.proto.domain = Some(domain.into());
        self
    }

    /// With an integer attribute.
    pub fn int(mut self, name: &str, value: i64) -> Self {
        self.proto.set_int(name, value);
        self
    }

    /// With a list of integers.
    pub fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.proto.set_ints(name, values.to_vec());
        self
    }

    /// With a number.
    pub fn float(mut self, name: &str, value: f32) -> Self {
        self.proto.attribute.push(AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::Float.into()),
            f: Some(value),
            ..AttributeProto::default()
        });
        self
    }

    /// With a list of numbers.
    pub fn floats(mut self, name: &str, values: &[f32]) -> Self {
        self.proto.attribute.push(AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::Floats.into()),
            floats: values.to_vec(),
            ..AttributeProto::default()
        });
        self
    }

    /// With a subgraph: the body of an If, a Loop or a Scan. It may read values of the graph around it by name.
    pub fn graph(mut self, name: &str, body: GraphBuilder) -> Self {
        self.proto.attribute.push(AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::Graph.into()),
            g: Some(body.graph),
            ..AttributeProto::default()
        });
        self
    }

    /// With a string attribute.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.proto.attribute.push(AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::String.into()),
            s: Some(value.as_bytes().to_vec().into()),
            ..AttributeProto::default()
        });
        self
    }

    /// With a tensor attribute.
    pub fn tensor(mut self, name: &str, value: &Tensor) -> Self {
        self.proto.attribute.push(AttributeProto {
            name: Some(name.into()),
            r#type: Some(AttributeType::Tensor.into()),
            t: Some(value.to_proto("")),
            ..AttributeProto::default()
        });
        self
    }
}

/// Builds a model, node by node.
#[derive(Debug, Clone)]
pub struct GraphBuilder {
    opset: i64,
    seed: u64,
    graph: GraphProto,
}

impl GraphBuilder {
    /// An empty graph in that operator set.
    pub fn new(opset: i64) -> Self {
        Self::seeded(opset, 0)
    }

    /// The same, with other weights.
    pub fn seeded(opset: i64, seed: u64) -> Self {
        Self { opset, seed, graph: GraphProto { name: Some("built".into()), ..GraphProto::default() } }
    }

    /// A float32 input of those dims.
    pub fn input(&mut self, name: &str, dims: &[usize]) -> Val {
        self.input_of(name, DataType::Float, dims)
    }

    /// An input of that element type and those dims.
    pub fn input_of(&mut self, name: &str, dtype: DataType, dims: &[usize]) -> Val {
        let value = Val { name: name.into(), dims: dims.to_vec() };
        self.graph.input.push(info(&value, dtype, false));
        value
    }

    /// A float32 input of which the first axis is open, and called `N`.
    pub fn input_open(&mut self, name: &str, dims: &[usize]) -> Val {
        let value = Val { name: name.into(), dims: dims.to_vec() };
        self.graph.input.push(info(&value, DataType::Float, true));
        value
    }

    /// Makes a float32 value a graph output; its first axis is open where that of the first input is.
    pub fn output(&mut self, value: &Val) {
        self.output_of(value, DataType::Float);
    }

    /// Makes a value of that element type a graph output.
    pub fn output_of(&mut self, value: &Val, dtype: DataType) {
        let open = self
            .graph
            .input
            .first()
            .and_then(|i| i.dims())
            .and_then(|d| d.first())
            .is_some_and(|d| d.fixed().is_none());
        self.graph.output.push(info(value, dtype, open));
    }

    /// A constant.
    pub fn initializer(&mut self, name: &str, tensor: &Tensor) -> Val {
        self.graph.initializer.push(tensor.to_proto(name));
        Val { name: name.into(), dims: tensor.dims.clone() }
    }

    /// A constant list of integers.
    pub fn ints(&mut self, name: &str, values: &[i64]) -> Val {
        self.initializer(name, &Tensor::from_ints(vec![values.len()], values))
    }

    /// Normal weights, scaled to keep the variance: `sqrt(2 / fan-in)`.
    pub fn weights(&mut self, name: &str, dims: &[usize]) -> Val {
        let fan_in = dims.iter().skip(1).product::<usize>().max(1);
        let scale = (2.0 / fan_in as f32).sqrt();
        let mut rng = self.rng(name);
        self.random(name, dims, move || {
            let (u, v): (f32, f32) = (rng.random(), rng.random());
            scale * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
        })
    }

    /// Numbers between two bounds.
    pub fn uniform(&mut self, name: &str, dims: &[usize], low: f32, high: f32) -> Val {
        let mut rng = self.rng(name);
        self.random(name, dims, move || rng.random_range(low..high))
    }

    /// A node with one output of those dims.
    pub fn node(&mut self, op: Op, inputs: &[&Val], dims: &[usize]) -> Val {
        let mut out = self.node_multi(op, inputs, &[dims.to_vec()]);
        out.remove(0)
    }

    /// A node with several outputs. An input of an empty name is an optional one that is left out.
    pub fn node_multi(&mut self, op: Op, inputs: &[&Val], dims: &[Vec<usize>]) -> Vec<Val> {
        let mut proto = op.proto;
        let name = proto.name().to_owned();
        proto.input = inputs.iter().map(|v| v.name.clone()).collect();
        let outputs: Vec<Val> =
            dims.iter().enumerate().map(|(k, d)| Val { name: format!("{name}_output_{k}"), dims: d.clone() }).collect();
        proto.output = outputs.iter().map(|v| v.name.clone()).collect();
        self.graph.node.push(proto);
        outputs
    }

    /// The model. Errors where names clash.
    pub fn model(self) -> Result<Model> {
        let opset = OperatorSetIdProto { domain: Some(String::new()), version: Some(self.opset) };
        let proto = ModelProto {
            ir_version: Some(8),
            producer_name: Some("secateur".into()),
            opset_import: vec![opset],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        let model = Model::new(proto)?;
        model.graph()?;
        Ok(model)
    }

    fn random(&mut self, name: &str, dims: &[usize], mut next: impl FnMut() -> f32) -> Val {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| next()).collect();
        self.initializer(name, &Tensor::from_floats(dims.to_vec(), &values))
    }

    /// A generator that depends on the seed and the name alone, so that a layer's weights do not depend on its place.
    fn rng(&self, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(Sha256::digest(format!("{}:{name}", self.seed)).into())
    }
}

fn info(value: &Val, dtype: DataType, open: bool) -> ValueInfoProto {
    let dim = |(k, &n): (usize, &usize)| {
        let length = if open && k == 0 { DimValue::DimParam("N".into()) } else { DimValue::DimValue(n as i64) };
        Dimension { value: Some(length), denotation: None }
    };
    let shape = TensorShapeProto { dim: value.dims.iter().enumerate().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(dtype.into()), shape: Some(shape) };
    let r#type = TypeProto { value: Some(TypeValue::TensorType(tensor)), denotation: None };
    ValueInfoProto { name: Some(value.name.clone()), r#type: Some(r#type), ..ValueInfoProto::default() }
}
