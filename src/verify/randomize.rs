//! Random weights for the proof of the structure: where the real ones are equal or their channels dead, a wrong mask would not show.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::contractions::{Look, weight};
use super::inputs::standard_normal;
use super::pairing::Pairing;
use super::twin::BySlot;
use crate::error::Result;
use crate::model::Tensor;
use crate::model::proto::DataType;

/// Random constants: whole for the twin, and the kept part of the same for the pruned model.
pub(super) struct Random {
    pub whole: BySlot,
    pub kept: BySlot,
}

/// One random constant for each float32 weight of each pair.
pub(super) fn weights(pairing: &Pairing<'_>, seed: u64) -> Result<Random> {
    let mut random = Random { whole: BySlot::new(), kept: BySlot::new() };
    for (p, pair) in pairing.pairs.iter().enumerate() {
        let op = pairing.before.nodes()[pair.before].op();
        for operand in pair.operands.iter().filter(|o| o.before.dtype() == DataType::Float) {
            let Some(look) = weight(op, operand.slot) else { continue };
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((p as u64) << 8 | operand.slot as u64));
            let whole = tensor(operand.before.dims(), look, &mut rng);
            let kept = pairing.form.of_weight(&operand.kept, op, operand.slot, &whole)?;
            random.kept.insert((p, operand.slot), kept);
            random.whole.insert((p, operand.slot), whole);
        }
    }
    Ok(random)
}

fn tensor(dims: &[usize], look: Look, rng: &mut ChaCha8Rng) -> Tensor {
    let n: usize = dims.iter().product();
    let fan_in = n.max(1) / dims.first().copied().unwrap_or(1).max(1);
    let scale = (2.0 / fan_in.max(1) as f32).sqrt();
    let values: Vec<f32> = (0..n)
        .map(|_| match look {
            Look::Weight => standard_normal(rng) * scale,
            Look::Positive => rng.random_range(0.5..1.5),
            Look::Offset => standard_normal(rng) * 0.1,
        })
        .collect();
    Tensor::from_floats(dims.to_vec(), &values)
}
