//! The place where a block is built: names of its own, digits to decide with, and layers of any shape that fits.

use secateur::build::{Conv, GraphBuilder, Op, Val};
use secateur::model::Tensor;

/// A number as a stream of digits. A block that has no more gets zeros.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick(pub u64);

impl Pick {
    /// A digit below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let digit = self.0 % n as u64;
        self.0 /= n as u64;
        digit as usize
    }

    /// One of these; the first is the plainest.
    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A coin.
    pub(super) fn yes(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// What the blocks of a network share.
pub(super) struct Ground {
    /// The graph.
    pub g: GraphBuilder,
    /// Its operator set.
    pub opset: i64,
    /// What earlier blocks have read.
    pub saved: Vec<Val>,
    /// Graph outputs besides the last.
    pub outputs: Vec<Val>,
}

/// Where one block stands.
pub(super) struct Site<'n> {
    /// The network so far.
    pub ground: &'n mut Ground,
    /// Begins every name.
    pub at: String,
    /// Decides.
    pub pick: Pick,
    /// Channels to make.
    pub width: usize,
}

impl Site<'_> {
    /// A name inside the block.
    pub(super) fn name(&self, part: &str) -> String {
        format!("{}/{part}", self.at)
    }

    /// A node with one output.
    pub(super) fn node(&mut self, op: &str, part: &str, inputs: &[&Val], dims: &[usize]) -> Val {
        let name = self.name(part);
        self.ground.g.node(Op::new(op, &name), inputs, dims)
    }

    /// A node with attributes.
    pub(super) fn node_with(
        &mut self,
        op: &str,
        part: &str,
        with: impl Fn(Op) -> Op,
        inputs: &[&Val],
        dims: &[usize],
    ) -> Val {
        let name = self.name(part);
        self.ground.g.node(with(Op::new(op, &name)), inputs, dims)
    }

    /// An element-wise operator whose output has the dims of the first input.
    pub(super) fn like(&mut self, op: &str, part: &str, inputs: &[&Val]) -> Val {
        let dims = inputs[0].dims.clone();
        self.node(op, part, inputs, &dims)
    }

    /// A convolution that keeps height and width.
    pub(super) fn conv(&mut self, x: &Val, part: &str, out: usize) -> Val {
        let c = Conv::square(out, 1);
        self.conv_as(x, part, c)
    }

    /// A convolution. A kernel that does not fit becomes 1x1, a stride without room 1.
    pub(super) fn conv_as(&mut self, x: &Val, part: &str, mut c: Conv) -> Val {
        let space = x.dims[2].min(x.dims[3]);
        if space + 2 * c.pad < c.kernel {
            (c.kernel, c.pad) = (1, 0);
        }
        if space < 2 {
            c.stride = 1;
        }
        let name = self.name(part);
        self.ground.g.conv(x, &name, c)
    }

    /// Relu.
    pub(super) fn relu(&mut self, x: &Val, part: &str) -> Val {
        self.like("Relu", part, &[x])
    }

    /// A constant list of integers.
    pub(super) fn ints(&mut self, part: &str, values: &[i64]) -> Val {
        let name = self.name(part);
        self.ground.g.ints(&name, values)
    }

    /// A constant of random numbers around 1.
    pub(super) fn numbers(&mut self, part: &str, dims: &[usize]) -> Val {
        let name = self.name(part);
        self.ground.g.uniform(&name, dims, 0.5, 1.5)
    }

    /// A constant of random weights.
    pub(super) fn weights(&mut self, part: &str, dims: &[usize]) -> Val {
        let name = self.name(part);
        self.ground.g.weights(&name, dims)
    }

    /// A constant of one number without dims.
    pub(super) fn scalar(&mut self, part: &str, value: f32) -> Val {
        let name = self.name(part);
        self.ground.g.initializer(&name, &Tensor::from_floats(vec![], &[value]))
    }

    /// A constant of one integer without dims.
    pub(super) fn scalar_int(&mut self, part: &str, value: i64) -> Val {
        let name = self.name(part);
        self.ground.g.initializer(&name, &Tensor::from_ints(vec![], &[value]))
    }

    /// Transpose.
    pub(super) fn transpose(&mut self, x: &Val, part: &str, perm: &[usize]) -> Val {
        let name = self.name(part);
        self.ground.g.transpose(x, perm, &name)
    }

    /// Concat along the channels.
    pub(super) fn concat(&mut self, parts: &[&Val], part: &str) -> Val {
        let name = self.name(part);
        self.ground.g.concat(parts, 1, &name)
    }

    /// Split of the channels; the sizes are an attribute before operator set 13.
    pub(super) fn split(&mut self, x: &Val, part: &str, sizes: &[usize]) -> Vec<Val> {
        let name = self.name(part);
        if self.ground.opset >= 13 {
            return self.ground.g.split(x, 1, sizes, &name);
        }
        let list: Vec<i64> = sizes.iter().map(|&n| n as i64).collect();
        let dims: Vec<Vec<usize>> = sizes.iter().map(|&n| vec![x.dims[0], n, x.dims[2], x.dims[3]]).collect();
        self.ground.g.node_multi(Op::new("Split", &name).int("axis", 1).ints("split", &list), &[x], &dims)
    }

    /// A reduction; the axes are an attribute before operator set 18, those of ReduceSum before 13.
    pub(super) fn reduce(&mut self, op: &str, part: &str, x: &Val, axes: &[i64], keep: bool) -> Val {
        let reduced: Vec<usize> = axes.iter().map(|a| a.rem_euclid(x.dims.len() as i64) as usize).collect();
        let length = |(k, &d): (usize, &usize)| match (reduced.contains(&k), keep) {
            (true, true) => Some(1),
            (true, false) => None,
            _ => Some(d),
        };
        let dims: Vec<usize> = x.dims.iter().enumerate().filter_map(length).collect();
        let with = |node: Op| node.int("keepdims", i64::from(keep));
        if self.ground.opset >= if op == "ReduceSum" { 13 } else { 18 } {
            let given = self.ints(&format!("{part}.axes"), axes);
            return self.node_with(op, part, with, &[x, &given], &dims);
        }
        self.node_with(op, part, |node| with(node).ints("axes", axes), &[x], &dims)
    }

    /// Unsqueeze at axes behind the last; they are an attribute before operator set 13.
    pub(super) fn unsqueeze(&mut self, x: &Val, part: &str, axes: &[i64]) -> Val {
        let dims: Vec<usize> = x.dims.iter().copied().chain(axes.iter().map(|_| 1)).collect();
        if self.ground.opset >= 13 {
            let given = self.ints(&format!("{part}.axes"), axes);
            return self.node("Unsqueeze", part, &[x, &given], &dims);
        }
        self.node_with("Unsqueeze", part, |node| node.ints("axes", axes), &[x], &dims)
    }

    /// A Reshape behind the batch axis, its target written in one of the ways in which exporters write it.
    pub(super) fn reshape(&mut self, x: &Val, part: &str, tail: &[usize]) -> Val {
        let dims = [&[x.dims[0]], tail].concat();
        let known: Vec<i64> = tail.iter().map(|&d| d as i64).collect();
        let copied = |(k, &d): (usize, &i64)| if x.dims.get(k + 1) == Some(&(d as usize)) { 0 } else { d };
        let target: Vec<i64> = match self.pick.below(4) {
            0 => [&[0], known.as_slice()].concat(),
            1 => [&[-1], known.as_slice()].concat(),
            2 => [0].into_iter().chain(known.iter().enumerate().map(copied)).collect(),
            _ => [&[0], &known[..known.len() - 1], &[-1]].concat(),
        };
        let name = self.name(part);
        self.ground.g.reshape(x, &target, &dims, &name)
    }

    /// One element of a value's shape, as a list of one integer.
    pub(super) fn length(&mut self, x: &Val, part: &str, axis: usize) -> Val {
        let shape = self.node("Shape", &format!("{part}.shape"), &[x], &[x.dims.len()]);
        let at = self.ints(&format!("{part}.at"), &[axis as i64]);
        self.node("Gather", part, &[&shape, &at], &[1])
    }

    /// A Reshape of which every length is computed from shapes: a value and an axis for each, or -1.
    pub(super) fn reshape_by_shape(
        &mut self,
        x: &Val,
        part: &str,
        from: &[Option<(&Val, usize)>],
        dims: &[usize],
    ) -> Val {
        let mut lengths = Vec::new();
        for (k, source) in from.iter().enumerate() {
            lengths.push(match source {
                Some((value, axis)) => self.length(value, &format!("{part}.{k}"), *axis),
                None => self.ints(&format!("{part}.{k}"), &[-1]),
            });
        }
        let name = self.name(&format!("{part}.target"));
        let target = self.ground.g.concat(&lengths.iter().collect::<Vec<_>>(), 0, &name);
        self.node("Reshape", part, &[x, &target], dims)
    }
}
