//! Axes by number: one for each axis of each value, and virtual ones that belong to a node. Their coordinates are what couples.

use std::collections::HashMap;

use super::Unsupported;
use crate::model::attr::from_front;
use crate::model::{Constants, Dims, Graph, NodeId, ValueId};

/// An axis of a value, or a virtual axis of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AxisId(pub u32);

impl AxisId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an axis belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// An axis of a value; `reader`: of the value as that node alone reads it.
    Value {
        /// The value.
        value: ValueId,
        /// The only node that reads it so, where readers do not share it.
        reader: Option<NodeId>,
        /// Which axis.
        axis: usize,
    },
    /// Axis 1 of the weight of a grouped convolution, taken block by block: coordinate `b * n + i` is coordinate `i`, of `n`, in the
    /// `b`-th of equal blocks of rows (axis 0).
    Blocks {
        /// The weight.
        value: ValueId,
        /// Number of blocks.
        blocks: usize,
    },
    /// A virtual axis of a node; its length is that integer attribute, if one is named.
    Virtual {
        /// The node.
        node: NodeId,
        /// The attribute that counts it.
        attr: Option<&'static str>,
    },
}

impl Owner {
    /// The value, and which axis of it; `None` for a virtual axis.
    pub fn place(self) -> Option<(ValueId, usize)> {
        match self {
            Self::Value { value, axis, .. } => Some((value, axis)),
            Self::Blocks { value, .. } => Some((value, 1)),
            Self::Virtual { .. } => None,
        }
    }
}

/// An axis: its owner and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// What it belongs to.
    pub owner: Owner,
    /// Number of coordinates.
    pub length: usize,
}

/// A value as a node sees it: its dims and the numbers of its axes.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// The value.
    pub value: ValueId,
    /// Its dims.
    pub dims: &'a [usize],
    /// Whether it is a constant.
    pub constant: bool,
    first: AxisId,
}

impl Operand<'_> {
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The number of axis `k`; of the last axis where there are fewer, so that a rule need not check twice. A scalar has one of length 1.
    pub fn axis(&self, k: usize) -> AxisId {
        AxisId(self.first.0 + k.min(self.rank().saturating_sub(1)) as u32)
    }

    /// The numbers of all axes.
    pub fn axes(&self) -> impl Iterator<Item = AxisId> + use<> {
        (self.first.0..self.first.0 + self.rank() as u32).map(AxisId)
    }

    /// An axis that is counted from the end if negative. Errors where there is no such axis.
    pub fn from_front(&self, axis: i64) -> Result<usize, Unsupported> {
        from_front(axis, self.rank()).ok_or_else(|| Unsupported("has an axis out of range".into()))
    }

    /// The same for a list.
    pub fn all_from_front(&self, axes: &[i64]) -> Result<Vec<usize>, Unsupported> {
        axes.iter().map(|&a| self.from_front(a)).collect()
    }
}

/// The axes of all values of a graph.
///
/// A constant with at most one axis longer than 1 and several readers has axes of its own for each reader: simplifiers merge equal
/// biases and normalisation vectors of layers that have nothing to do with each other. Larger constants with several readers are tied on purpose,
/// also where some read them by another name, which Identity gives them.
#[derive(Debug, Clone)]
pub struct AxisTable<'a> {
    dims: &'a Dims,
    known: &'a Constants,
    axes: Vec<Axis>,
    first: HashMap<(ValueId, Option<NodeId>), AxisId>,
}

impl<'a> AxisTable<'a> {
    /// Numbers the axes of every value of known dims.
    pub fn new(graph: &Graph<'_>, dims: &'a Dims, known: &'a Constants) -> Self {
        let mut table = Self { dims, known, axes: Vec::new(), first: HashMap::new() };
        for value in graph.value_ids() {
            let readers = &graph.value(value).readers;
            let several = readers.iter().any(|r| r.0 != readers[0].0);
            if several && table.is_vector_constant(value) {
                readers.iter().for_each(|r| table.add(value, Some(r.0)));
            } else {
                table.add(value, None);
            }
        }
        table
    }

    /// All axes of values, by number.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// The value as `reader` sees it; `None` where its dims are unknown.
    pub fn operand(&self, value: ValueId, reader: NodeId) -> Option<Operand<'a>> {
        let first = self.first.get(&(value, None)).or_else(|| self.first.get(&(value, Some(reader))))?;
        Some(Operand { value, dims: self.dims_of(value)?, constant: self.known.is_constant(value), first: *first })
    }

    /// The axes of the value, for every reader that has its own.
    pub fn all_axes(&self, graph: &Graph<'_>, value: ValueId) -> Vec<AxisId> {
        let own = graph.value(value).readers.iter().map(|r| Some(r.0));
        let mut firsts: Vec<AxisId> = own.chain([None]).filter_map(|r| self.first.get(&(value, r))).copied().collect();
        firsts.sort_unstable();
        firsts.dedup();
        let rank = self.dims_of(value).map_or(0, <[usize]>::len) as u32;
        firsts.iter().flat_map(|f| (f.0..f.0 + rank).map(AxisId)).collect()
    }

    fn dims_of(&self, value: ValueId) -> Option<&'a [usize]> {
        let constant = self.known.is_constant(value).then(|| self.known.get(value)).flatten();
        constant.map(|k| k.dims()).or_else(|| self.dims.get(value))
    }

    fn is_vector_constant(&self, value: ValueId) -> bool {
        self.known.is_constant(value) && !self.known.is_matrix(value)
    }

    fn add(&mut self, value: ValueId, reader: Option<NodeId>) {
        let Some(dims) = self.dims_of(value) else { return };
        if self.first.contains_key(&(value, reader)) {
            return;
        }
        self.first.insert((value, reader), AxisId(self.axes.len() as u32));
        let owner = |axis| Owner::Value { value, reader, axis };
        self.axes.extend(dims.iter().enumerate().map(|(axis, &length)| Axis { owner: owner(axis), length }));
        if dims.is_empty() {
            // What a rule that takes a scalar for a vector speaks of: it cannot shrink.
            self.axes.push(Axis { owner: owner(0), length: 1 });
        }
    }
}
