//! Methods of healing from outside, and the network that they are tried on.

use std::sync::Mutex;

use secateur::error::{Error, ErrorKind, Result};
use secateur::heal::{Case, Edit, Healed, LayerError, Method, Step};
use secateur::model::proto::{DataType, TypeValue};
use secateur::model::{Constants, Tensor};
use secateur::pipeline::{Destination, Heal, How, Measures, PruneOptions, Watcher, prune};
use secateur::report::Report;
use secateur::{Model, data};

use super::testdata;

/// Puts the classifier's weights, times a factor, and its bias back.
pub(crate) struct Scaled {
    factor: f32,
    pub(crate) seen: Mutex<Vec<usize>>,
}

impl Scaled {
    pub(crate) const fn by(factor: f32) -> Self {
        Self { factor, seen: Mutex::new(Vec::new()) }
    }
}

impl Method for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }

    fn summary(&self) -> &'static str {
        "the last weights are multiplied"
    }

    fn heal(&self, case: &Case<'_>) -> Result<Healed> {
        for i in case.fit.clone() {
            (case.get)(i)?;
            self.seen.lock().unwrap().push(i);
        }
        let graph = case.cut.graph()?;
        let constants = Constants::new(&graph)?;
        let last = graph.nodes().iter().rfind(|n| matches!(n.op(), "Gemm" | "Conv")).unwrap();
        let weights = constants.get(last.input(1).unwrap()).unwrap().tensor();
        assert_eq!(weights.dtype, DataType::Float, "both models compute in float32");
        let scaled: Vec<f32> = weights.floats().unwrap().iter().map(|w| w * self.factor).collect();
        let output = graph.name(last.output(0).unwrap()).to_owned();
        (case.watch)(Step { stage: "heal", name: last.name(), done: 1, of: 1, errors: Some([0.5, 0.25]) });
        let tensor = Tensor::from_floats(weights.dims, &scaled);
        let layer = LayerError { node: last.name().into(), before: 0.5, after: 0.25, outcome: "refit", skipped: None };
        Ok(Healed { edits: vec![Edit { slots: vec![(output, 1)], tensor }], layers: vec![layer] })
    }
}

/// One that cannot do its work.
pub(crate) struct Broken(pub(crate) fn() -> ErrorKind);

impl Method for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn summary(&self) -> &'static str {
        "fails"
    }

    fn heal(&self, case: &Case<'_>) -> Result<Healed> {
        (case.get)(0)?;
        Err(Error::new((self.0)()))
    }
}

/// One that peeks at a sample that judges.
pub(crate) struct Cheat;

impl Method for Cheat {
    fn name(&self) -> &'static str {
        "cheat"
    }

    fn summary(&self) -> &'static str {
        "looks at what judges"
    }

    fn heal(&self, case: &Case<'_>) -> Result<Healed> {
        (case.get)(case.fit.end)?;
        Ok(Healed::default())
    }
}

pub(crate) fn with(method: &'static dyn Method) -> Heal {
    Heal { how: How::With(method), watcher: Watcher::default() }
}

/// Cuts the trained network so that its logits shrink, on its calibration samples.
pub(crate) fn options(heal: Heal) -> PruneOptions {
    let measures = Measures {
        calibrate: Some(testdata("digits_calib256.npz").into()),
        preparation: data::Preparation { scale: 1.0 / 16.0, ..Default::default() },
        ..Measures::default()
    };
    PruneOptions { heal, measures, ..PruneOptions::rate(0.3) }
}

/// The file and the report.
pub(crate) fn pruned(model: &Model, options: &PruneOptions) -> (Vec<u8>, Report) {
    let mut bytes = Vec::new();
    let report = prune(model, options, Destination::Bytes(&mut bytes)).unwrap();
    (bytes, report)
}

pub(crate) fn stamped(bytes: &[u8]) -> String {
    let model = Model::decode(bytes.to_vec().into(), "healed".as_ref()).unwrap();
    let said = model.proto().metadata_props.iter().find(|p| p.key() == "secateur.heal").unwrap();
    said.value().to_owned()
}

/// The same network in float16.
pub(crate) fn half(model: &Model) -> Model {
    let mut proto = model.proto().clone();
    let graph = proto.graph.as_mut().unwrap();
    for t in graph.initializer.iter_mut().filter(|t| t.data_type() == DataType::Float as i32) {
        let whole = Tensor::from_proto(t).unwrap();
        let bits = |v: f32| half_bits(v).to_le_bytes();
        let data: Vec<u8> = whole.floats().unwrap().into_iter().flat_map(bits).collect();
        *t = Tensor { dtype: DataType::Float16, dims: whole.dims, data: data.into() }.to_proto(t.name());
    }
    for info in graph.input.iter_mut().chain(&mut graph.output) {
        if let Some(TypeValue::TensorType(t)) = info.r#type.as_mut().unwrap().value.as_mut() {
            t.elem_type = Some(DataType::Float16.into());
        }
    }
    graph.value_info.clear();
    Model::new(proto).unwrap()
}

/// Float16 bits, cut off; what is too small is zero.
fn half_bits(v: f32) -> u16 {
    let bits = v.to_bits();
    let exponent = ((bits >> 23) & 0xff) as i32 - 112;
    let sign = ((bits >> 16) & 0x8000) as u16;
    if exponent <= 0 { sign } else { sign | ((exponent as u16) << 10) | ((bits >> 13) & 0x3ff) as u16 }
}
