//! Samples made of nothing but a seed, for who has no data at hand: images of dead leaves and writing for inputs that take images,
//! coloured noise for others.
//!
//! Invariant: sample `i` follows from the inputs, the preparation, the seed and `i` alone.
//!
//! Images are raw: whole numbers from 0 to 255, then prepared as a user's images are. Whether a model wants them so, or between 0 and 1, or
//! normalized, cannot be read off its graph with certainty: a first BatchNormalization's statistics, or weights, fit any scale equally well.
//! So nothing is guessed: without `--scale`, `--mean` and `--std` the model gets 0 to 255, and who asks for samples should be told so.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fit::Fit;
use super::images::image_dims;
use super::prepare::{ChannelOrder, Layout, Preparation};
use super::{Input, leaves, noise};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;
use crate::model::proto::DataType;

/// Fewer rows or columns are no image, but a table.
const SMALLEST: usize = 8;

/// Whether samples are generated as images: there is one input, it takes float or uint8 numbers, it has four axes (the first may count several
/// images), 1 or 3 of them are channels, where `layout` or else the dims say that channels are, and the others are at least 8 long.
pub fn is_image_like(inputs: &[Input], layout: Option<Layout>) -> bool {
    matches!(inputs, [input] if input.takes_images(layout))
}

impl Input {
    /// Whether its samples are generated as images, as [`is_image_like`] has it of one alone.
    pub fn takes_images(&self, layout: Option<Layout>) -> bool {
        Picture::of(self, layout).is_some()
    }
}

/// Samples to be made.
#[derive(Debug)]
pub(super) struct Generated {
    kinds: Vec<Kind>,
    count: usize,
    seed: u64,
}

/// How one input is filled.
#[derive(Debug)]
enum Kind {
    Picture(Picture, Fit, ChannelOrder),
    Numbers(Input, Fit),
}

impl Generated {
    /// Errors where there is nothing to make, the preparation does not fit the images, or an input takes what no sample can be.
    pub(super) fn new(inputs: &[Input], how: &Preparation, count: usize, seed: u64) -> Result<Self> {
        let bad = |reason: String| Error::new(ErrorKind::BadOption(reason));
        if count == 0 || inputs.is_empty() {
            return Err(bad("no samples can be generated: at least one, for at least one input, is needed".into()));
        }
        let kind = |input: &Input| {
            let alone = inputs.len() == 1;
            let Some(picture) = Picture::of(input, how.layout) else {
                // The noise is what the model takes: nothing raw comes before it.
                let fit = Fit::new(input, &input.dims, &Preparation::default(), alone, "noise").map_err(bad)?;
                return Ok(Kind::Numbers(input.clone(), fit));
            };
            let one = picture.input(input);
            let fit = Fit::new(&one, &one.dims, how, alone, "a generated image").map_err(bad)?;
            Ok(Kind::Picture(picture, fit, how.channels))
        };
        let kinds = inputs.iter().map(kind).collect::<Result<_>>()?;
        let generated = Self { kinds, count, seed };
        generated.get(0)?;
        Ok(generated)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The inputs of sample `i`.
    pub(super) fn get(&self, i: usize) -> Result<Vec<Tensor>> {
        if i >= self.count {
            return Err(Error::internal(format!("sample {i} of {}", self.count)));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(i as u64);
        self.kinds.iter().map(|kind| kind.tensor(&mut rng)).collect()
    }
}

impl Kind {
    fn tensor(&self, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        match self {
            Self::Numbers(input, fit) => fit.tensor(numbers(input, rng)),
            Self::Picture(picture, fit, order) => {
                let images = (0..picture.images).map(|_| fit.tensor(picture.elements(*order, rng)));
                let mut images = images.collect::<Result<Vec<Tensor>>>()?;
                match (images.pop(), images.is_empty()) {
                    (Some(only), true) => Ok(only),
                    (last, _) => Ok(stacked(images.into_iter().chain(last).collect())),
                }
            }
        }
    }
}

/// Images of one run, the first axis counting them.
fn stacked(images: Vec<Tensor>) -> Tensor {
    let mut dims = images.first().map_or(Vec::new(), |t| t.dims.clone());
    dims.iter_mut().take(1).for_each(|n| *n = images.len());
    let dtype = images.first().map_or(DataType::Float, |t| t.dtype);
    let data: Vec<u8> = images.iter().flat_map(|t| t.data.iter().copied()).collect();
    Tensor { dtype, dims, data: data.into() }
}

/// Elements of an input that takes no image: [`noise::signal`] for floating-point numbers, integers as large as the input takes
/// them; where that is not known, any byte for uint8, 0 and 1 for others.
fn numbers(input: &Input, rng: &mut ChaCha8Rng) -> Vec<f64> {
    if input.dtype.is_float() {
        return noise::signal(&input.dims, rng);
    }
    let below = input.below.unwrap_or(if input.dtype == DataType::Uint8 { 256 } else { 2 });
    (0..input.dims.iter().product()).map(|_| rng.random_range(0..below.max(1) as u64) as f64).collect()
}

/// What an input that takes images holds.
#[derive(Debug)]
struct Picture {
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    layout: Layout,
}

impl Picture {
    fn of(input: &Input, layout: Option<Layout>) -> Option<Self> {
        let &[images, ref rest @ ..] = input.dims.as_slice() else { return None };
        let dims: Vec<usize> = [&[1], rest].concat();
        let layout = layout.unwrap_or_else(|| Layout::of(&dims));
        let (channels, height, width) = image_dims(&Input { dims, ..input.clone() }, layout)?;
        let large = images > 0 && height >= SMALLEST && width >= SMALLEST;
        (large && rest.len() == 3).then_some(Self { images, channels, height, width, layout })
    }

    /// The input as one image fills it.
    fn input(&self, input: &Input) -> Input {
        let mut dims = input.dims.clone();
        dims.iter_mut().take(1).for_each(|n| *n = 1);
        Input { dims, ..input.clone() }
    }

    /// One image's elements, channels in the input's order and place.
    fn elements(&self, order: ChannelOrder, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let pixels = leaves::image(self.height, self.width, rng);
        if self.channels == 1 {
            return pixels.iter().map(|[r, g, b]| f64::from((0.299 * r + 0.587 * g + 0.114 * b).round())).collect();
        }
        let channels: [usize; 3] = if order == ChannelOrder::Bgr { [2, 1, 0] } else { [0, 1, 2] };
        match self.layout {
            Layout::Nchw => channels.iter().flat_map(|&c| pixels.iter().map(move |p| f64::from(p[c]))).collect(),
            Layout::Nhwc => pixels.iter().flat_map(|p| channels.map(|c| f64::from(p[c]))).collect(),
        }
    }
}
