//! The verbs that a rule may say, and the record of what was said. Rules describe; nothing here decides or edits.

use std::ops::Range;

use super::Unsupported;
use super::axes::{Axis, AxisId, AxisTable, Operand, Owner};
use crate::model::{NodeId, ValueId};

/// What scoring and healing look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A weight's axis along which its filters lie: slices of it make the channel.
    Filter,
    /// A weight's axis that a contraction sums over.
    Kernel,
    /// One number a channel: bias, normalisation vectors.
    PerChannel,
    /// An axis at which an Add joins two activations: a residual stream.
    Joined,
}

/// Coordinate `start + i * step` of `whole` is coordinate `i` of `part`: same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The longer axis.
    pub whole: AxisId,
    /// Where the part begins in it.
    pub start: usize,
    /// The distance of the part's coordinates in it.
    pub step: usize,
    /// The shorter axis.
    pub part: AxisId,
}

/// Coordinate `i` of `to` is coordinate `index[i]` of `from`: same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The axis that is looked into.
    pub from: AxisId,
    /// One coordinate of it for each of `to`.
    pub index: Vec<usize>,
    /// The axis that is made.
    pub to: AxisId,
}

/// Row-major digits: a coordinate of `whole` stays where all its digits stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The axis made of the factors.
    pub whole: AxisId,
    /// The factors, outermost first; their lengths multiply to the whole's.
    pub factors: Vec<AxisId>,
    /// The node that says so.
    pub node: NodeId,
}

/// Equal blocks of an axis that must lose equally many coordinates: a constraint on what is chosen, not a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The axis.
    pub axis: AxisId,
    /// Number of blocks.
    pub blocks: usize,
    /// The node that says so.
    pub node: NodeId,
}

/// An axis that may not shrink, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The axis.
    pub axis: AxisId,
    /// The node that needs it whole; `None`: the graph's own interface.
    pub node: Option<NodeId>,
    /// In words a user understands.
    pub reason: String,
}

/// Where an integer that carries shape stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// An input; `replaces`: an attribute that has to go where the input is written.
    Input {
        /// Which.
        slot: usize,
        /// The attribute that says the same in another way.
        replaces: Option<&'static str>,
    },
    /// An attribute.
    Attr(&'static str),
}

impl Slot {
    /// Whether it is that input.
    pub fn is_input(self, slot: usize) -> bool {
        matches!(self, Self::Input { slot: own, .. } if own == slot)
    }
}

/// How an integer counts coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A length or an amount.
    Amount,
    /// A position along the axis, as Slice counts: negative from the end, clamped.
    Position,
    /// An index into the axis, as Gather counts: negative from the end. It stands for the coordinate of `made` with the same number as
    /// its element, and goes from the list where that goes.
    Index {
        /// The axis that the list makes.
        made: AxisId,
    },
}

/// An integer that is the number of kept coordinates of `axis` within `range`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The node that reads the integer.
    pub node: NodeId,
    /// Where it stands.
    pub slot: Slot,
    /// Which element there.
    pub element: usize,
    /// The axis counted.
    pub axis: AxisId,
    /// Which of its coordinates.
    pub range: Range<usize>,
    /// How it counts.
    pub meaning: Meaning,
}

/// What an axis is for, in the eyes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The axis.
    pub axis: AxisId,
    /// What it is for.
    pub role: Role,
    /// The node that says so.
    pub node: NodeId,
}

/// Everything that the rules said of a graph.
#[derive(Debug, Clone, Default)]
pub struct Statements {
    /// Axes of values, then virtual ones, by number.
    pub axes: Vec<Axis>,
    /// Coordinates of one fate.
    pub links: Vec<Link>,
    /// Coordinates of one fate, by a table.
    pub tables: Vec<Table>,
    /// Digits, in the order of the nodes that say so.
    pub products: Vec<Product>,
    /// Blocks that lose equally many.
    pub balanced: Vec<Balance>,
    /// What may not shrink.
    pub pins: Vec<Pin>,
    /// Axes that may shrink only where a changed statistic is accepted, and why.
    pub renormalized: Vec<Pin>,
    /// What axes are for.
    pub roles: Vec<Assignment>,
    /// Integers to recompute.
    pub counts: Vec<Count>,
}

/// The recorder that a rule speaks to, for one node.
#[derive(Debug)]
pub struct Relations<'s> {
    said: &'s mut Statements,
    mentioned: Vec<AxisId>,
    node: NodeId,
}

impl Statements {
    /// Nothing said yet about the axes of a table.
    pub fn new(table: &AxisTable<'_>) -> Self {
        Self { axes: table.axes().to_vec(), ..Self::default() }
    }

    /// The recorder for one node.
    pub fn about(&mut self, node: NodeId) -> Relations<'_> {
        Relations { said: self, mentioned: Vec::new(), node }
    }

    /// All axes with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (AxisId, &Axis)> {
        self.axes.iter().enumerate().map(|(id, axis)| (AxisId(id as u32), axis))
    }

    /// Length of an axis.
    pub fn length(&self, axis: AxisId) -> usize {
        self.axes[axis.index()].length
    }

    /// The axis of a value that all its readers see alike.
    pub fn axis_of(&self, value: ValueId, k: usize) -> Option<AxisId> {
        let wanted = Owner::Value { value, reader: None, axis: k };
        self.numbered().find(|(_, axis)| axis.owner == wanted).map(|(id, _)| id)
    }
}

impl Relations<'_> {
    /// Same index, same fate. A size-1 axis is never linked to a longer one: it is broadcast.
    pub fn link(&mut self, a: AxisId, b: AxisId) {
        match (self.said.length(a), self.said.length(b)) {
            (m, n) if m == n => self.said.links.push(Link { whole: a, start: 0, step: 1, part: b }),
            (1, _) | (_, 1) => {}
            (m, n) => {
                let reason = format!("it relates an axis of {m} to one of {n}");
                self.pin(a, &reason);
                self.pin(b, &reason);
            }
        }
        self.mentioned.extend([a, b]);
    }

    /// Each axis of `x` is that of `y`. Errors where these have different ranks.
    pub fn link_all(&mut self, x: &Operand<'_>, y: &Operand<'_>) -> Result<(), Unsupported> {
        if x.rank() != y.rank() {
            return Unsupported::shapes();
        }
        x.axes().zip(y.axes()).for_each(|(a, b)| self.link(a, b));
        Ok(())
    }

    /// Offset and stride: `part[i]` is `whole[start + i * step]`.
    pub fn link_at(&mut self, whole: AxisId, start: usize, step: usize, part: AxisId) {
        self.mentioned.extend([whole, part]);
        let n = self.said.length(part);
        if n > 0 && start + (n - 1) * step >= self.said.length(whole) {
            self.pin(whole, "its parts are longer than the whole");
            self.pin(part, "its parts are longer than the whole");
        } else {
            self.said.links.push(Link { whole, start, step, part });
        }
    }

    /// A table: `to[i]` is `from[index[i]]`. What no index names is free.
    pub fn link_by(&mut self, from: AxisId, index: Vec<usize>, to: AxisId) {
        self.mentioned.extend([from, to]);
        let n = self.length(from);
        if index.len() == self.length(to) && index.iter().all(|&i| i < n) {
            self.said.tables.push(Table { from, index, to });
        } else {
            self.pin(from, "its indices do not fit the axes");
            self.pin(to, "its indices do not fit the axes");
        }
    }

    /// Row-major digits: keep(whole) = keep(f1) x keep(f2) x ...
    pub fn product(&mut self, whole: AxisId, factors: &[AxisId]) {
        self.mentioned.push(whole);
        self.mentioned.extend(factors);
        let size: usize = factors.iter().map(|f| self.said.length(*f)).product();
        if size == self.said.length(whole) {
            self.said.products.push(Product { whole, factors: factors.to_vec(), node: self.node });
        } else {
            self.pin(whole, "its factors do not multiply to its length");
            factors.iter().for_each(|f| self.pin(*f, "its factors do not multiply to its length"));
        }
    }

    /// The `blocks` equal parts of this axis lose equally many coordinates.
    pub fn balanced(&mut self, axis: AxisId, blocks: usize) {
        self.mentioned.push(axis);
        self.said.balanced.push(Balance { axis, blocks, node: self.node });
    }

    /// Axis 1 of a weight of which each of the `blocks` parts of axis 0 has coordinates of its own.
    pub fn block_axis(&mut self, weight: &Operand<'_>, blocks: usize) -> AxisId {
        self.mentioned.push(weight.axis(1));
        let length = blocks * weight.dims.get(1).copied().unwrap_or(0);
        self.add(Axis { owner: Owner::Blocks { value: weight.value, blocks }, length })
    }

    /// Mentioned, and not related to anything: a contraction sums over it, or only part of it is read.
    pub fn free(&mut self, axis: AxisId) {
        self.mentioned.push(axis);
    }

    /// May not shrink.
    pub fn pin(&mut self, axis: AxisId, reason: &str) {
        self.mentioned.push(axis);
        self.said.pins.push(Pin { axis, node: Some(self.node), reason: reason.into() });
    }

    /// None of these may shrink.
    pub fn pin_all(&mut self, axes: impl IntoIterator<Item = AxisId>, reason: &str) {
        axes.into_iter().for_each(|a| self.pin(a, reason));
    }

    /// May shrink, and a statistic over it then changes: the cut is not exact, and stays undone unless that is asked for.
    pub fn renormalizes(&mut self, axis: AxisId, reason: &str) {
        self.mentioned.push(axis);
        self.said.renormalized.push(Pin { axis, node: Some(self.node), reason: reason.into() });
    }

    /// A virtual axis of which the length is the integer attribute `name`.
    pub fn attr_axis(&mut self, name: &'static str, length: usize) -> AxisId {
        self.add_virtual(Some(name), length)
    }

    /// A virtual axis that stands for nothing in the file.
    pub fn factor(&mut self, length: usize) -> AxisId {
        self.add_virtual(None, length)
    }

    /// The integer at `element` of `slot` counts the kept coordinates of `axis` within `range`.
    pub fn count(&mut self, (slot, element): (Slot, usize), meaning: Meaning, axis: AxisId, range: Range<usize>) {
        self.said.counts.push(Count { node: self.node, slot, element, axis, range, meaning });
    }

    /// The integer at `element` of `slot` is the axis's length.
    pub fn count_all(&mut self, at: (Slot, usize), axis: AxisId) {
        let n = self.length(axis);
        self.count(at, Meaning::Amount, axis, 0..n);
    }

    /// What the axis is for.
    pub fn role(&mut self, axis: AxisId, role: Role) {
        self.said.roles.push(Assignment { axis, role, node: self.node });
    }

    /// Length of an axis.
    pub fn length(&self, axis: AxisId) -> usize {
        self.said.length(axis)
    }

    /// Closed world: pins what the rule did not mention of the node's operands.
    pub fn close<'a>(self, operands: impl Iterator<Item = Operand<'a>>, reason: &str) {
        for axis in operands.flat_map(|o| o.axes().collect::<Vec<_>>()) {
            if !self.mentioned.contains(&axis) {
                self.said.pins.push(Pin { axis, node: Some(self.node), reason: reason.into() });
            }
        }
    }

    fn add_virtual(&mut self, attr: Option<&'static str>, length: usize) -> AxisId {
        self.add(Axis { owner: Owner::Virtual { node: self.node, attr }, length })
    }

    fn add(&mut self, axis: Axis) -> AxisId {
        let id = AxisId(self.said.axes.len() as u32);
        self.said.axes.push(axis);
        id
    }
}
