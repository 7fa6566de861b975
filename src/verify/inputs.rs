//! Seeded inputs for the proof. Samples differ in distribution, so that what one leaves dead another wakes.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::Tensor;
use crate::model::proto::DataType;
use crate::runtime::Feed;

/// One sample: normal where the seed is even, 0..1 where it is odd; integers are small.
pub fn seeded(feeds: &[Feed], seed: u64) -> Vec<Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    feeds.iter().map(|f| one(f, seed.is_multiple_of(2), &mut rng)).collect()
}

fn one(feed: &Feed, normal: bool, rng: &mut ChaCha8Rng) -> Tensor {
    let n: usize = feed.dims.iter().product();
    let floats: Vec<f32> = (0..n).map(|_| if normal { standard_normal(rng) } else { rng.random() }).collect();
    let float = Tensor::from_floats(feed.dims.clone(), &floats);
    let bytes = |width: usize, rng: &mut ChaCha8Rng| {
        (0..n)
            .flat_map(|_| (rng.random_range(0..2i64)).to_le_bytes().into_iter().take(width).collect::<Vec<_>>())
            .collect::<Vec<u8>>()
    };
    match feed.dtype {
        DataType::Double => {
            let data: Vec<u8> = floats.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
            Tensor { dtype: feed.dtype, data: data.into(), ..float }
        }
        DataType::Uint8 => {
            let data: Vec<u8> = (0..n).map(|_| rng.random()).collect();
            Tensor { dtype: feed.dtype, data: data.into(), ..float }
        }
        DataType::Int64 | DataType::Uint64 => Tensor { dtype: feed.dtype, data: bytes(8, rng).into(), ..float },
        DataType::Int32 | DataType::Uint32 => Tensor { dtype: feed.dtype, data: bytes(4, rng).into(), ..float },
        DataType::Int8 | DataType::Bool => Tensor { dtype: feed.dtype, data: bytes(1, rng).into(), ..float },
        _ => float,
    }
}

/// Box and Muller's normal numbers.
pub(super) fn standard_normal(rng: &mut ChaCha8Rng) -> f32 {
    let (u, v): (f32, f32) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
