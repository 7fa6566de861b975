//! What is known of values without running the model: constants, what nodes compute from constants alone, and the integers that
//! Shape chains compute once dims are given. The file keeps its form; this only knows.

use bytes::Bytes;

use super::graph::{Graph, Node, Source, ValueId};
use super::proto::{DataType, NodeProto};
use super::tensor::{Tensor, element_bits};
use crate::error::Result;

mod alias;
mod fold;
pub(crate) mod movement;

/// Elements that a computed value may have beyond which it stays unknown, where it depends on dims.
const LARGEST_FROM_DIMS: usize = 1 << 16;

/// Dims of values, by number; `None` where unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dims(pub Vec<Option<Vec<usize>>>);

impl Dims {
    /// The dims of a value, where known.
    pub fn get(&self, id: ValueId) -> Option<&[usize]> {
        self.0.get(id.index())?.as_deref()
    }
}

/// A value that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its elements.
    Dense(Tensor),
    /// The same element everywhere, as ConstantOfShape makes it: never materialised unless asked for.
    Fill {
        /// Element type.
        dtype: DataType,
        /// Dims.
        dims: Vec<usize>,
        /// The element, little-endian.
        element: Bytes,
    },
}

impl Known {
    /// Its dims.
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::Dense(t) => &t.dims,
            Self::Fill { dims, .. } => dims,
        }
    }

    /// Its element type.
    pub fn dtype(&self) -> DataType {
        match self {
            Self::Dense(t) => t.dtype,
            Self::Fill { dtype, .. } => *dtype,
        }
    }

    /// Its elements, materialised.
    pub fn tensor(&self) -> Tensor {
        match self {
            Self::Dense(t) => t.clone(),
            Self::Fill { dtype, dims, element } => {
                let count: usize = dims.iter().product();
                Tensor { dtype: *dtype, dims: dims.clone(), data: element.repeat(count).into() }
            }
        }
    }

    /// Its elements, if they are integers.
    pub fn ints(&self) -> Option<Vec<i64>> {
        match self {
            Self::Dense(t) => t.ints(),
            Self::Fill { dtype, dims, element } => {
                let one = Tensor { dtype: *dtype, dims: vec![1], data: element.clone() }.ints()?;
                Some(vec![one[0]; dims.iter().product()])
            }
        }
    }
}

/// Everything known of a graph's values.
#[derive(Debug, Clone)]
pub struct Constants {
    values: Vec<Option<Known>>,
    from_dims: Vec<bool>,
}

impl Constants {
    /// What follows from the file alone. Errors where a constant is malformed.
    pub fn new(graph: &Graph<'_>) -> Result<Self> {
        let mut known = Self { values: vec![None; graph.values().len()], from_dims: vec![false; graph.values().len()] };
        for id in graph.value_ids() {
            if let Some(t) = graph.initializer(id)
                && t.data_type() != i32::from(DataType::String)
            {
                known.values[id.index()] = Some(Known::Dense(Tensor::from_proto(t)?));
            }
        }
        for node in graph.nodes() {
            known.visit(graph, node, None)?;
        }
        Ok(known)
    }

    /// What follows from these constants and the given dims: also the integers of Shape chains.
    pub fn at(&self, graph: &Graph<'_>, dims: &Dims) -> Result<Self> {
        let mut known = self.clone();
        for node in graph.nodes().iter().filter(|n| !self.covers(n)) {
            known.visit(graph, node, Some(dims))?;
        }
        Ok(known)
    }

    /// What is known of a value.
    pub fn get(&self, id: ValueId) -> Option<&Known> {
        self.values.get(id.index())?.as_ref()
    }

    /// Whether the value is known from the file alone.
    pub fn is_constant(&self, id: ValueId) -> bool {
        self.get(id).is_some() && !self.is_from_dims(id)
    }

    /// Whether what is known of the value depends on the given dims.
    pub fn is_from_dims(&self, id: ValueId) -> bool {
        self.from_dims.get(id.index()).copied().unwrap_or(false)
    }

    /// Whether every output of the node is known, so that it computes nothing that depends on an input's numbers.
    pub fn covers(&self, node: &Node<'_>) -> bool {
        node.outputs.iter().flatten().all(|&o| self.get(o).is_some())
    }

    /// Whether a constant has more than one axis that is longer than 1.
    pub(crate) fn is_matrix(&self, id: ValueId) -> bool {
        self.is_constant(id) && self.get(id).is_some_and(|k| k.dims().iter().filter(|&&d| d > 1).count() > 1)
    }

    fn visit(&mut self, graph: &Graph<'_>, node: &Node<'_>, dims: Option<&Dims>) -> Result<()> {
        let (Some(out), true) = (node.output(0), node.proto.in_default_domain()) else { return Ok(()) };
        if node.outputs.len() > 1 {
            return Ok(());
        }
        let (value, from_dims) = if matches!(node.op(), "Shape" | "Size") {
            self.shape_of(node, dims)
        } else {
            (self.compute(graph, node)?, node.inputs.iter().flatten().any(|&i| self.is_from_dims(i)))
        };
        // Numbers laid out in an activation's shape are an activation, and no shape.
        let laid_out = |v: &Known| {
            let spread = node.op() == "Expand" && node.input(0).is_some_and(|x| self.is_constant(x));
            (matches!(v, Known::Fill { .. }) || spread) && v.dtype().is_float()
        };
        let value = value.filter(|v| !(from_dims && laid_out(v)));
        let too_large =
            from_dims && value.as_ref().is_some_and(|v| v.dims().iter().product::<usize>() > LARGEST_FROM_DIMS);
        if !too_large {
            self.from_dims[out.index()] = from_dims && value.is_some();
            self.values[out.index()] = value;
        }
        Ok(())
    }

    /// The value of a Shape or Size node, and whether it depends on the given dims.
    fn shape_of(&self, node: &Node<'_>, dims: Option<&Dims>) -> (Option<Known>, bool) {
        let Some(x) = node.input(0) else { return (None, false) };
        let constant = self.is_constant(x).then(|| self.get(x)).flatten().map(Known::dims);
        let Some(d) = constant.or_else(|| dims.and_then(|d| d.get(x))) else { return (None, false) };
        let all: Vec<i64> = d.iter().map(|&n| n as i64).collect();
        let t = if node.op() == "Size" {
            Tensor::from_ints(vec![], &[all.iter().product()])
        } else {
            let rank = all.len() as i64;
            let bound = |name: &str, default: i64| {
                let b = node.proto.attr_int(name).unwrap_or(default);
                (if b < 0 { b + rank } else { b }).clamp(0, rank) as usize
            };
            let (start, end) = (bound("start", 0), bound("end", rank));
            let part = all.get(start..end.max(start)).unwrap_or(&[]);
            Tensor::from_ints(vec![part.len()], part)
        };
        (Some(Known::Dense(t)), constant.is_none())
    }

    fn compute(&self, graph: &Graph<'_>, node: &Node<'_>) -> Result<Option<Known>> {
        if node.op() == "Constant" {
            return fold::constant_node(node.proto).map(|t| t.map(Known::Dense));
        }
        if node.op() == "ConstantOfShape" {
            return Ok(self.fill(node));
        }
        if node.op() == "CastLike" {
            return Ok(self.cast_like(graph, node));
        }
        if node.inputs.is_empty() || node.inputs.iter().flatten().any(|&i| self.get(i).is_none()) {
            return Ok(None);
        }
        let inputs: Vec<Option<Tensor>> =
            node.inputs.iter().map(|i| i.and_then(|i| self.get(i)).map(Known::tensor)).collect();
        Ok(fold::compute(node.proto, &inputs, graph.model().opset()).map(Known::Dense))
    }

    /// CastLike, whose second operand lends nothing but its element type: where that value is unknown, its declared type says as much.
    fn cast_like(&self, graph: &Graph<'_>, node: &Node<'_>) -> Option<Known> {
        let (x, like) = (self.get(node.input(0)?)?, node.input(1)?);
        let dtype = self.get(like).map(Known::dtype).or_else(|| graph.declared_type(like))?;
        fold::cast(&x.tensor(), dtype).map(Known::Dense)
    }

    fn fill(&self, node: &Node<'_>) -> Option<Known> {
        let dims = self.get(node.input(0)?)?.ints()?;
        let dims = dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>()?;
        dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| *n <= movement::LARGEST)?;
        let zero = Tensor::from_floats(vec![1], &[0.0]);
        let value = node.proto.attr_tensor("value").map_or(Some(zero), |t| Tensor::from_proto(t).ok())?;
        (element_bits(value.dtype)? >= 8 && value.len() == 1).then_some(Known::Fill {
            dtype: value.dtype,
            dims,
            element: value.data,
        })
    }
}

/// The first output of a node on the given inputs; `None` where its operator is not one that constants and shapes are made with.
pub(crate) fn computed(node: &NodeProto, inputs: &[Option<Tensor>], opset: i64) -> Option<Tensor> {
    fold::compute(node, inputs, opset)
}

/// Whether a value is stored as a tensor: an initializer, or a Constant node's.
pub fn is_stored(graph: &Graph<'_>, id: ValueId) -> bool {
    match graph.value(id).source {
        Source::Initializer(_) => true,
        Source::Node(n, _) => graph.node(n).op() == "Constant",
        _ => false,
    }
}
