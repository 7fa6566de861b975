//! What the tests share: models to try, and a prune that keeps every intermediate result in reach.

use std::path::PathBuf;

use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::couple::{Coupling, Facts, Gone, couple};
use secateur::cut::cut;
use secateur::model::constant::Known;
use secateur::model::proto::{
    DataType, DimValue, TensorProto, TensorShapeProto, TypeProto, TypeValue, ValueInfoProto, tensor_shape_proto,
    type_proto,
};
use secateur::model::{Constants, Model, ModelProto, Removed, Tensor};
use secateur::plan::{Choice, Scope, decide};
use secateur::shape::{InputShapes, Shapes};
use secateur::verify::{Case, Values, Verification, verify};

/// A real model. Tests that need one are ignored where `build.rs` did not find them.
pub(crate) fn zoo(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/zoo").join(path)
}

/// The trained network that the project carries.
pub(crate) fn digits() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/digits_resnet.onnx")
}

/// A network with an open batch: a stem of 16 filters, what `build` makes of it, a last convolution where that is an image, and a Gemm.
pub(crate) fn network(opset: i64, build: impl Fn(&mut GraphBuilder, &Val) -> Val) -> Model {
    let mut g = GraphBuilder::new(opset);
    let x = g.input_open("x", &[1, 3, 8, 8]);
    let stem = g.conv(&x, "/stem", Conv::square(16, 3).pad(1));
    let stem = g.relu(&stem, "/stem/Relu");
    let y = build(&mut g, &stem);
    let y = if y.dims.len() == 4 { head(&mut g, &y) } else { y };
    let y = g.gemm(&y, "/fc", 5);
    g.output(&y);
    g.model().unwrap()
}

/// A network with an operator of a foreign domain behind two convolutions.
pub(crate) fn foreign() -> Model {
    let mut g = GraphBuilder::new(17);
    let x = g.input("x", &[1, 3, 8, 8]);
    let y = g.conv(&x, "/a", Conv::square(8, 1));
    let y = g.conv(&y, "/b", Conv::square(8, 1));
    let y = g.node(Op::new("Fancy", "/fancy").domain("com.example"), &[&y], &y.dims.clone());
    g.output(&y);
    g.model().unwrap()
}

/// A last convolution of 8 filters, pooled to a row.
pub(crate) fn head(g: &mut GraphBuilder, y: &Val) -> Val {
    let y = g.conv(y, "/last", Conv::square(8, 1));
    let y = g.global_average_pool(&y, "/pool");
    g.flatten(&y, "/flat")
}

/// Everything known of a model.
pub(crate) struct Analysed<'m> {
    pub model: &'m Model,
    pub graph: secateur::model::Graph<'m>,
    pub constants: Constants,
    pub shapes: Shapes,
}

impl<'m> Analysed<'m> {
    pub(crate) fn new(model: &'m Model, shapes: &[&str]) -> Self {
        let given = InputShapes(shapes.iter().map(|s| s.parse().unwrap()).collect());
        let graph = model.graph().unwrap();
        let constants = Constants::new(&graph).unwrap();
        Self { model, graph, constants, shapes: Shapes::of(model, &given).unwrap() }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        let grown = self.shapes.grown.as_ref().map(|g| &g.dims);
        Facts { graph: &self.graph, constants: &self.constants, dims: &self.shapes.dims, grown, inexact: false }
    }

    /// What goes at that rate, by the paper's criterion.
    pub(crate) fn choose(&self, rate: f64, scope: Scope) -> (Coupling, Gone) {
        let coupling = couple(&self.facts()).unwrap();
        let decision = decide(&self.facts(), &coupling, &Choice { scope, ..Choice::rate(rate) }, None).unwrap();
        let gone = decision.plan.gone(&coupling).unwrap();
        (coupling, gone)
    }

    pub(crate) fn cut(&self, coupling: &Coupling, gone: &Gone) -> (ModelProto, Vec<Removed>) {
        (cut(&self.facts(), coupling, gone).unwrap(), coupling.removed(&self.facts(), gone))
    }

    /// The judge's word on a cut.
    pub(crate) fn judge(&self, pruned: ModelProto, removed: &[Removed]) -> Verification {
        let pruned = Model::decode(Model::new(pruned).unwrap().encode().into(), "pruned".as_ref()).unwrap();
        verify(&Case {
            original: self.model,
            pruned: &pruned,
            removed,
            values: Values::Original,
            feeds: &self.shapes.feeds,
            grown: self.shapes.grown.as_ref().map(|g| g.feeds.as_slice()),
            tolerance: 1e-4,
            seed: 0,
        })
        .unwrap()
    }
}

/// The same network with seeded random weights where they are made by ConstantOfShape.
pub(crate) fn with_random_weights(model: &Model) -> Model {
    let graph = model.graph().unwrap();
    let constants = Constants::new(&graph).unwrap();
    let mut proto = model.proto().clone();
    let g = proto.graph.as_mut().unwrap();
    let mut weights = GraphBuilder::new(17);
    let mut made = Vec::new();
    for id in graph.value_ids() {
        if let Some(Known::Fill { dtype: DataType::Float, dims, .. }) = constants.get(id) {
            let name = graph.name(id);
            if dims.len() > 1 {
                weights.weights(name, dims)
            } else {
                weights.uniform(name, dims, 0.5, 1.5)
            };
            made.push(name.to_owned());
        }
    }
    g.node.retain(|n| n.output.iter().all(|o| !made.contains(o)));
    let x = weights.input("secateur_unused", &[1]);
    weights.output(&x);
    g.initializer.extend(weights.model().unwrap().graph_proto().initializer.iter().cloned());
    proto.ir_version = Some(8);
    Model::new(proto).unwrap()
}

/// The constant of that name in a model, wherever it is kept.
pub(crate) fn constant(proto: &ModelProto, name: &str) -> Option<Tensor> {
    let model = Model::new(proto.clone()).unwrap();
    let graph = model.graph().ok()?;
    let constants = Constants::new(&graph).ok()?;
    constants.get(graph.find(name)?).map(Known::tensor)
}

/// Puts another tensor into the place of a stored constant.
pub(crate) fn set_constant(proto: &mut ModelProto, name: &str, tensor: &Tensor) -> bool {
    let graph = proto.graph.as_mut().unwrap();
    if let Some(t) = graph.initializer.iter_mut().find(|t| t.name() == name) {
        *t = tensor.to_proto(name);
        return true;
    }
    let node = graph.node.iter_mut().find(|n| n.op_type() == "Constant" && n.output.iter().any(|o| o == name));
    let Some(attribute) = node.and_then(|n| n.attribute.iter_mut().find(|a| a.name() == "value")) else { return false };
    attribute.t = Some(tensor.to_proto(""));
    true
}

/// A model of which the content is edited.
pub(crate) fn edited(model: Model, edit: impl Fn(&mut ModelProto)) -> Model {
    let mut proto = model.into_proto();
    edit(&mut proto);
    Model::new(proto).unwrap()
}

/// An initializer as an input, which files of IR version 3 want.
pub(crate) fn input_of(t: &TensorProto) -> ValueInfoProto {
    let dim = |&d: &i64| tensor_shape_proto::Dimension { value: Some(DimValue::DimValue(d)), denotation: None };
    let shape = Some(TensorShapeProto { dim: t.dims.iter().map(dim).collect() });
    let tensor = type_proto::Tensor { elem_type: t.data_type, shape };
    let r#type = TypeProto { value: Some(TypeValue::TensorType(tensor)), denotation: None };
    ValueInfoProto { name: t.name.clone(), r#type: Some(r#type), ..ValueInfoProto::default() }
}
