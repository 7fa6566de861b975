//! The language between plan, cut and verify: which coordinates of which axis of which value go.

use serde::{Deserialize, Serialize};

use super::tensor::Tensor;
use crate::error::{Error, Result};

/// Where a value comes from, as far as a cut is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any constant: stored, or made by nodes.
    Initializer,
    /// Everything that depends on an input.
    Activation,
}

/// The coordinates that one axis of one value loses, in the original model's own coordinates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Removed {
    /// The value's name in the original model.
    pub value: String,
    /// Constant or activation.
    pub kind: Kind,
    /// The axis, from 0.
    pub axis: usize,
    /// The axis's length in the original model.
    pub length: usize,
    /// What goes: sorted, without repeats. Empty where `blocks` says it.
    #[serde(rename = "remove")]
    pub indices: Vec<usize>,
    /// The weight of a grouped convolution: what each block of rows (equal parts of axis 0) loses of this axis, equally many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Vec<usize>>,
    /// Which nodes read it so; empty where all readers agree. A constant that is cut differently for different readers has one entry for each cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<String>,
}

/// What stays of one axis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// The same coordinates everywhere.
    Along {
        /// The axis.
        axis: usize,
        /// Its coordinates that stay, sorted.
        index: Vec<usize>,
    },
    /// Each block of rows (equal parts of axis 0) keeps coordinates of its own.
    Blocks {
        /// The axis.
        axis: usize,
        /// What each block keeps of it, sorted; equally many.
        index: Vec<Vec<usize>>,
    },
}

impl Removed {
    /// What stays.
    pub fn kept(&self) -> Kept {
        if self.blocks.is_empty() {
            return Kept::Along { axis: self.axis, index: self.kept_indices() };
        }
        Kept::Blocks { axis: self.axis, index: self.blocks.iter().map(|b| complement(self.length, b)).collect() }
    }

    /// What stays where no block has its own: sorted.
    pub fn kept_indices(&self) -> Vec<usize> {
        complement(self.length, &self.indices)
    }

    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty() && self.blocks.iter().all(Vec::is_empty)
    }

    /// Whether the same goes of the same value, readers aside.
    pub fn is_same_cut(&self, other: &Self) -> bool {
        self.value == other.value
            && self.axis == other.axis
            && self.indices == other.indices
            && self.blocks == other.blocks
    }

    /// Whether this entry is about what `node` reads.
    pub fn concerns(&self, value: &str, node: &str) -> bool {
        self.value == value && (self.readers.is_empty() || self.readers.iter().any(|r| r == node))
    }
}

impl Kept {
    /// The axis.
    pub fn axis(&self) -> usize {
        match self {
            Self::Along { axis, .. } | Self::Blocks { axis, .. } => *axis,
        }
    }

    /// How many coordinates stay.
    pub fn len(&self) -> usize {
        match self {
            Self::Along { index, .. } => index.len(),
            Self::Blocks { index, .. } => index.first().map_or(0, Vec::len),
        }
    }

    /// Whether no coordinate stays.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which elements of a tensor of those dims do not stay, by row-major number. `None` where the dims have no such axis or blocks.
    pub fn lost(kept: &[Self], dims: &[usize]) -> Option<Vec<bool>> {
        let mut lost = vec![false; dims.iter().product()];
        for k in kept {
            let length = *dims.get(k.axis())?;
            let inner = dims[k.axis() + 1..].iter().product::<usize>().max(1);
            let lists: Vec<&[usize]> = match k {
                Self::Along { index, .. } => vec![index],
                Self::Blocks { index, .. } => index.iter().map(Vec::as_slice).collect(),
            };
            if lists.is_empty() || lists.iter().any(|l| l.last().is_some_and(|&i| i >= length)) {
                return None;
            }
            let stays: Vec<Vec<bool>> =
                lists.iter().map(|l| (0..length).map(|i| l.binary_search(&i).is_ok()).collect()).collect();
            let block = lost.len().div_ceil(lists.len()).max(1);
            lost.iter_mut().enumerate().for_each(|(f, lost)| *lost |= !stays[f / block][f / inner % length]);
        }
        Some(lost)
    }

    /// The part of a tensor that stays. Errors where it does not fit the tensor.
    pub fn select(&self, whole: &Tensor) -> Result<Tensor> {
        match self {
            Self::Along { axis, index } => whole.select(*axis, index),
            Self::Blocks { axis, index } => select_blocks(whole, *axis, index),
        }
    }

    /// What stays of a tensor of which several axes shrink. Blocks count the rows that were there before.
    pub fn select_all(kept: &[Self], whole: &Tensor) -> Result<Tensor> {
        let (blocks, along): (Vec<&Self>, Vec<&Self>) = kept.iter().partition(|k| matches!(k, Self::Blocks { .. }));
        blocks.into_iter().chain(along).try_fold(whole.clone(), |t, k| k.select(&t))
    }
}

/// `whole` with the elements of `part` at the kept coordinates. Errors where they do not fit each other.
pub fn scatter(kept: &[Kept], whole: &Tensor, part: &Tensor) -> Result<Tensor> {
    let numbers = Tensor::from_ints(whole.dims.clone(), &(0..whole.len() as i64).collect::<Vec<_>>());
    let places = Kept::select_all(kept, &numbers)?;
    let width = whole.data.len() / whole.len().max(1);
    if places.dims != part.dims || whole.dtype != part.dtype || part.data.len() != width * part.len() {
        return Err(Error::internal(format!("{:?} does not fit what is kept of {:?}", part.dims, whole.dims)));
    }
    let mut data = whole.data.to_vec();
    for (i, place) in places.ints().unwrap_or_default().into_iter().enumerate() {
        let at = place as usize * width;
        data[at..at + width].copy_from_slice(&part.data[i * width..(i + 1) * width]);
    }
    Ok(Tensor { data: data.into(), ..whole.clone() })
}

fn complement(length: usize, gone: &[usize]) -> Vec<usize> {
    let mut gone = gone.iter().copied().peekable();
    (0..length).filter(|i| gone.next_if_eq(i).is_none()).collect()
}

fn select_blocks(whole: &Tensor, axis: usize, index: &[Vec<usize>]) -> Result<Tensor> {
    let rows = whole.dims.first().copied().unwrap_or(0);
    let fail = || Error::internal(format!("{} unequal blocks in {:?}", index.len(), whole.dims));
    if axis == 0 || index.is_empty() || !rows.is_multiple_of(index.len()) {
        return Err(fail());
    }
    let m = rows / index.len();
    let part = |(b, kept): (usize, &Vec<usize>)| {
        whole.select(0, &(b * m..(b + 1) * m).collect::<Vec<_>>())?.select(axis, kept)
    };
    let parts = index.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?;
    let dims = parts[0].dims.clone();
    if parts.iter().any(|p| p.dims != dims) {
        return Err(fail());
    }
    let data: Vec<u8> = parts.iter().flat_map(|p| p.data.iter().copied()).collect();
    Ok(Tensor { dtype: whole.dtype, dims: [&[rows], &dims[1..]].concat(), data: data.into() })
}
