//! Typed attributes of a node, with ONNX's defaults given where they are read, and the way that ONNX counts.

use prost::Message;

use super::proto::attribute_proto::AttributeType;
use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// An axis or an index, which ONNX counts from the end where it is negative, counted from the front; `None` where it is out of range.
pub fn from_front(i: i64, length: usize) -> Option<usize> {
    let i = if i < 0 { i.checked_add(i64::try_from(length).ok()?)? } else { i };
    usize::try_from(i).ok().filter(|&i| i < length)
}

impl NodeProto {
    /// The attribute of that name.
    pub fn attr(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|a| a.name() == name)
    }

    /// An integer attribute.
    pub fn attr_int(&self, name: &str) -> Option<i64> {
        self.attr(name).and_then(|a| a.i)
    }

    /// A list of integers.
    pub fn attr_ints(&self, name: &str) -> Option<&[i64]> {
        self.attr(name).map(|a| a.ints.as_slice())
    }

    /// A string attribute.
    pub fn attr_str(&self, name: &str) -> Option<&str> {
        self.attr(name).and_then(|a| a.s.as_deref()).and_then(|s| std::str::from_utf8(s).ok())
    }

    /// A tensor attribute.
    pub fn attr_tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attr(name).and_then(|a| a.t.as_ref())
    }

    /// The graphs that the node carries (If, Loop, Scan).
    pub fn subgraphs(&self) -> impl Iterator<Item = &GraphProto> {
        self.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs))
    }

    /// Whether the node is an operator of ONNX's default domain.
    pub fn in_default_domain(&self) -> bool {
        matches!(self.domain(), "" | "ai.onnx")
    }

    /// Sets a list of integers, adding the attribute where it is missing.
    pub fn set_ints(&mut self, name: &str, ints: Vec<i64>) {
        let a = self.attr_entry(name);
        a.r#type = Some(AttributeType::Ints.into());
        a.ints = ints;
    }

    /// Sets an integer, adding the attribute where it is missing.
    pub fn set_int(&mut self, name: &str, value: i64) {
        let a = self.attr_entry(name);
        a.r#type = Some(AttributeType::Int.into());
        a.i = Some(value);
    }

    fn attr_entry(&mut self, name: &str) -> &mut AttributeProto {
        let at = self.attribute.iter().position(|a| a.name() == name).unwrap_or_else(|| {
            self.attribute.push(AttributeProto { name: Some(name.into()), ..Default::default() });
            self.attribute.len() - 1
        });
        &mut self.attribute[at]
    }
}

impl AttributeProto {
    /// Whether both say the same, bit for bit: NaN is equal to itself.
    pub fn same_bits(&self, other: &Self) -> bool {
        self.encode_to_vec() == other.encode_to_vec()
    }
}
