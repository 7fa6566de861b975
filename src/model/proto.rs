//! The protobuf messages of `proto/onnx.proto`, as prost makes them, and the few helpers that every reader of them needs.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/onnx.rs"));

pub use tensor_proto::DataType;
pub use tensor_shape_proto::dimension::Value as DimValue;
pub use type_proto::Value as TypeValue;

/// A graph of nothing.
pub(crate) const fn empty_graph() -> GraphProto {
    GraphProto {
        node: Vec::new(),
        name: None,
        initializer: Vec::new(),
        sparse_initializer: Vec::new(),
        doc_string: None,
        input: Vec::new(),
        output: Vec::new(),
        value_info: Vec::new(),
        quantization_annotation: Vec::new(),
        metadata_props: Vec::new(),
    }
}

impl DataType {
    /// Whether its elements are floating-point numbers, of 16 bits or more.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double | Self::Float16 | Self::Bfloat16)
    }
}

impl ValueInfoProto {
    /// The tensor type, if the value is a tensor.
    pub fn tensor_type(&self) -> Option<&type_proto::Tensor> {
        match self.r#type.as_ref()?.value.as_ref()? {
            TypeValue::TensorType(t) => Some(t),
            _ => None,
        }
    }

    /// The dims, if the value is a tensor of known rank.
    pub fn dims(&self) -> Option<&[tensor_shape_proto::Dimension]> {
        self.tensor_type()?.shape.as_ref().map(|s| s.dim.as_slice())
    }
}

impl tensor_shape_proto::Dimension {
    /// The length, where it is a positive number.
    pub fn fixed(&self) -> Option<usize> {
        match self.value {
            Some(DimValue::DimValue(n)) if n > 0 => usize::try_from(n).ok(),
            _ => None,
        }
    }
}
