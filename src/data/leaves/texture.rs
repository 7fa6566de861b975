//! What is inside a leaf: its colour, brighter at one side, with waves or grain on some.

use std::f32::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Pixel;
use crate::data::noise::normal;

/// The share of leaves with waves, and with grain.
const WAVY: f64 = 0.4;
const GRAINY: f64 = 0.5;

/// A leaf's colour from place to place.
pub(super) struct Texture {
    centre: [f32; 2],
    colour: Pixel,
    /// Brightness that is gained by point.
    slope: [f32; 2],
    /// Amplitude, and what one point adds to the phase.
    wave: Option<[f32; 3]>,
    /// Amplitude, points of a cell, and which grain.
    grain: Option<(f32, f32, u32)>,
}

impl Texture {
    /// Of a leaf around `centre` (`[y, x]`) of that radius.
    pub(super) fn new(centre: [f64; 2], r: f64, colour: Pixel, rng: &mut ChaCha8Rng) -> Self {
        let slope = [0, 1].map(|_| (10.0 * normal(rng) / r) as f32);
        let wave = rng.random_bool(WAVY).then(|| {
            let (size, length) = ((12.0 * normal(rng)) as f32, 4.0 * (r as f32 / 2.0).max(1.0).powf(rng.random()));
            let (sin, cos) = (TAU * rng.random::<f32>()).sin_cos();
            [size, sin * TAU / length, cos * TAU / length]
        });
        let grain = rng.random_bool(GRAINY).then(|| {
            let size = (10.0 * normal(rng)) as f32;
            (size, 2.0 * 4f32.powf(rng.random()), rng.random())
        });
        Self { centre: centre.map(|v| v as f32), colour, slope, wave, grain }
    }

    /// One colour all over.
    pub(super) fn plain(colour: Pixel) -> Self {
        Self { centre: [0.0; 2], colour, slope: [0.0; 2], wave: None, grain: None }
    }

    /// The colour at a point.
    pub(super) fn at(&self, y: f32, x: f32) -> Pixel {
        let (dy, dx) = (y - self.centre[0], x - self.centre[1]);
        let wave = self.wave.map_or(0.0, |[size, p, q]| size * (p * dy + q * dx).sin());
        let grain = self.grain.map_or(0.0, |(size, cell, which)| size * grain(y / cell, x / cell, which));
        let more = self.slope[0] * dy + self.slope[1] * dx + wave + grain;
        self.colour.map(|v| v + more)
    }
}

/// Smooth noise between -1 and 1: numbers at whole places, and between them as a plane would be.
fn grain(y: f32, x: f32, which: u32) -> f32 {
    let (y0, x0) = (y.floor(), x.floor());
    let (v, u) = (y - y0, x - x0);
    let at = |dy: u32, dx: u32| mixed((y0 as i32 as u32).wrapping_add(dy), (x0 as i32 as u32).wrapping_add(dx), which);
    let along = |dy: u32| at(dy, 0) * (1.0 - u) + at(dy, 1) * u;
    along(0) * (1.0 - v) + along(1) * v
}

/// A number between -1 and 1 for a place.
fn mixed(y: u32, x: u32, which: u32) -> f32 {
    let mut h = y.wrapping_mul(0x9E37_79B1) ^ x.wrapping_mul(0x85EB_CA77) ^ which;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1 << 23) as f32 - 1.0
}
