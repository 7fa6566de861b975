//! A random network as data: a list of blocks, from which the graph is built. Every list is valid, so a failing one can be made smaller.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use secateur::Model;
use secateur::build::{Conv, GraphBuilder, Val};

use super::heads::HEADS;
use super::site::{Ground, Pick, Site};
use super::{families, joins, layouts, odd, plain};

/// A block: what it is, how wide what it makes may be, and the digits that decide all else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Names its nodes and weights, so that these stay when other blocks go.
    pub id: usize,
    /// Its position in [`BLOCKS`].
    pub kind: usize,
    /// Channels that it makes, where it may choose.
    pub width: usize,
    /// Digits; 0 is the plainest form.
    pub dice: u64,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Net {
    /// Of its weights.
    pub seed: u64,
    /// Operator set.
    pub opset: i64,
    /// Whether the batch is open.
    pub open: bool,
    /// Filters of the first convolution.
    pub stem: usize,
    /// From the input to the output.
    pub blocks: Vec<Block>,
    /// Its position in [`HEADS`].
    pub head: usize,
    /// The head's digits.
    pub dice: u64,
}

/// Operator sets: the forms of Split, Unsqueeze and the reductions differ.
const OPSETS: [i64; 4] = [17, 11, 13, 18];

/// A kind of block: its name, and what it adds behind a value of rank 4.
pub(super) type Kind = (&'static str, fn(&mut Site<'_>, Val) -> Val);

/// Every kind. The tally of cuts is kept by these names.
pub(super) static BLOCKS: &[Kind] = &[
    ("conv", plain::conv),
    ("depthwise", plain::depthwise),
    ("grouped", plain::grouped),
    ("batch_norm", plain::batch_norm),
    ("activation", plain::activation),
    ("constants", plain::constants),
    ("pool", plain::pool),
    ("merged_constants", plain::merged_constants),
    ("stored_otherwise", plain::stored_otherwise),
    ("tied", plain::tied),
    ("residual", joins::residual),
    ("projected", joins::projected),
    ("long_skip", joins::long_skip),
    ("option_a", joins::option_a),
    ("concat", joins::concat),
    ("grouped_branches", joins::grouped_branches),
    ("split", joins::split),
    ("c2f", joins::c2f),
    ("gate", joins::gate),
    ("squeeze_excite", joins::squeeze_excite),
    ("elementwise", joins::elementwise),
    ("pinned_reader", joins::pinned_reader),
    ("tap", joins::tap),
    ("over_channels", joins::over_channels),
    ("shuffle", layouts::shuffle),
    ("space_depth", layouts::space_depth),
    ("channels_last", layouts::channels_last),
    ("reshape_chain", layouts::reshape_chain),
    ("conv1d", layouts::conv1d),
    ("matmul", layouts::matmul),
    ("attention", layouts::attention),
    ("slices", layouts::slices),
    ("no_rule", layouts::no_rule),
    ("focus", odd::focus),
    ("spatial_concat", odd::spatial_concat),
    ("gram", odd::gram),
    ("outer", odd::outer),
    ("itself", odd::itself),
    ("spread", odd::spread),
    ("misaligned", odd::misaligned),
    ("shuffles", odd::shuffles),
    ("refactor", odd::refactor),
    ("boxes", odd::boxes),
    ("bottleneck", odd::bottleneck),
    ("computed_weight", odd::computed_weight),
    ("padded", odd::padded),
    ("transposed", families::transposed),
    ("pixels", families::pixels),
    ("resized", families::resized),
    ("gathered", families::gathered),
    ("reversed", families::reversed),
    ("repeated", families::repeated),
    ("normalised", families::normalised),
    ("einsum", families::einsum),
    ("quantized", families::quantized),
    ("along", families::along),
];

impl Net {
    /// The network of a seed.
    pub(super) fn random(seed: u64, rng: &mut ChaCha8Rng) -> Self {
        let count = rng.random_range(1..7);
        let block = |id| Block {
            id,
            kind: rng.random_range(0..BLOCKS.len()),
            width: rng.random_range(2..13),
            dice: rng.random(),
        };
        let blocks = (0..count).map(block).collect();
        let stem = rng.random_range(2..13);
        let opset = OPSETS[rng.random_range(0..OPSETS.len())];
        Self {
            seed,
            opset,
            open: rng.random(),
            stem,
            blocks,
            head: rng.random_range(0..HEADS.len()),
            dice: rng.random(),
        }
    }

    /// Its graph.
    pub(super) fn model(&self) -> Model {
        let mut g = GraphBuilder::seeded(self.opset, self.seed);
        let dims = [1, 3, 8, 8];
        let x = if self.open { g.input_open("x", &dims) } else { g.input("x", &dims) };
        let mut value = g.conv(&x, "/stem", Conv::square(self.stem, 3).pad(1));
        let mut ground = Ground { g, opset: self.opset, saved: Vec::new(), outputs: Vec::new() };
        for block in &self.blocks {
            let (name, build) = BLOCKS[block.kind];
            let at = format!("/{}_{name}", block.id);
            let mut site = Site { ground: &mut ground, at, pick: Pick(block.dice), width: block.width };
            let before = value.clone();
            value = build(&mut site, value);
            ground.saved.push(before);
        }
        let at = format!("/head_{}", HEADS[self.head].0);
        let mut site = Site { ground: &mut ground, at, pick: Pick(self.dice), width: 5 };
        let y = HEADS[self.head].1(&mut site, value);
        ground.outputs.push(y);
        let Ground { mut g, outputs, .. } = ground;
        outputs.iter().for_each(|o| g.output(o));
        g.model().unwrap()
    }

    /// The names of its blocks' kinds and of its head, without repeats.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = self.blocks.iter().map(|b| BLOCKS[b.kind].0).chain([HEADS[self.head].0]).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Smaller networks of the same make, the smallest first.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut out = Vec::new();
        for k in 0..self.blocks.len() {
            let mut net = self.clone();
            net.blocks.remove(k);
            out.push(net);
        }
        let with = |edit: &dyn Fn(&mut Self)| {
            let mut net = self.clone();
            edit(&mut net);
            net
        };
        for k in 0..self.blocks.len() {
            out.push(with(&|n| n.blocks[k].dice = 0));
            out.push(with(&|n| n.blocks[k].width = 2));
            out.push(with(&|n| n.blocks[k].width = (n.blocks[k].width - 1).max(2)));
            out.push(with(&|n| n.blocks[k].dice >>= 8));
        }
        out.push(with(&|n| n.open = false));
        out.push(with(&|n| n.opset = OPSETS[0]));
        out.push(with(&|n| n.head = 0));
        out.push(with(&|n| n.dice = 0));
        out.push(with(&|n| n.stem = 2));
        out.push(with(&|n| n.stem = (n.stem - 1).max(2)));
        out.retain(|n| n != self);
        out
    }
}
