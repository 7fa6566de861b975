//! Writing in front of the leaves: lines of marks made of even strokes, dark on light or light on dark, as signs, pages and screens have them.
//! Networks that look for text, or read it, see next to nothing in an image without.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::colour::Palette;
use super::shape::Shape;
use super::texture::Texture;
use super::{POINTS, Pixel};
use crate::data::noise::normal;

/// The share of images with writing, and of blocks on a plate of one colour.
const WRITTEN: f64 = 0.5;
const ON_PLATE: f64 = 0.6;

/// The smallest side of an image that has room for writing, in pixels.
const ROOM: usize = 40;

/// The height of letters: from so many pixels to so much of the smaller side, the logarithm evenly drawn. In an image that is several times as long
/// as high, as those of single lines are, to as many times that, at most [`LONG`].
const SMALLEST: f64 = 8.0;
const LARGEST: f64 = 0.2;
const LONG: f64 = 4.0;

/// How far ink and plate are apart, of 255.
const INK: [f64; 2] = [70.0, 200.0];

/// Shapes with their colours, the front first; none in an image that has no room for it. `size` in points.
pub(super) fn writing(size: [usize; 2], palette: &Palette, rng: &mut ChaCha8Rng) -> Vec<(Shape, Texture)> {
    let smaller = size[0].min(size[1]);
    if smaller < ROOM * POINTS || !rng.random_bool(WRITTEN) {
        return Vec::new();
    }
    let blocks = rng.random_range(1..5);
    (0..blocks).flat_map(|_| Block::new(size.map(|n| n as f64), palette, rng).painted(rng)).collect()
}

/// Some lines of one height, ink and slant.
struct Block {
    /// The upper left corner, `[y, x]`.
    corner: [f64; 2],
    turn: f64,
    height: f64,
    lines: usize,
    length: f64,
    /// Ink and plate.
    colours: [Pixel; 2],
}

impl Block {
    fn new(size: [f64; 2], palette: &Palette, rng: &mut ChaCha8Rng) -> Self {
        let smallest = SMALLEST * POINTS as f64;
        let most = LARGEST * size[0].min(size[1]) * (size[1] / size[0]).clamp(1.0, LONG);
        let height = smallest * (most / smallest).max(1.0).powf(rng.random());
        let plate = palette.leaf(rng);
        let darker = rng.random_bool(if plate[1] > 128.0 { 0.9 } else { 0.1 });
        let apart = rng.random_range(INK[0]..INK[1]) as f32 * if darker { -1.0 } else { 1.0 };
        Self {
            corner: [size[0] * rng.random_range(-0.1..0.9), size[1] * rng.random_range(-0.1..0.8)],
            turn: normal(rng) * if rng.random_bool(0.2) { 0.3 } else { 0.02 },
            height,
            lines: rng.random_range(1..5),
            length: size[1] * rng.random_range(0.15..0.9),
            colours: [plate.map(|v| v + apart), plate],
        }
    }

    /// From `[down, along]` of the block to the image.
    fn at(&self, [down, along]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.turn.sin_cos();
        [self.corner[0] + cos * down + sin * along, self.corner[1] + cos * along - sin * down]
    }

    fn painted(&self, rng: &mut ChaCha8Rng) -> Vec<(Shape, Texture)> {
        let (step, mut out) = (1.5 * self.height, Vec::new());
        let stroke = (self.height * rng.random_range(0.08..0.2)).max(POINTS as f64);
        for line in 0..self.lines {
            let (mut along, end) = (0.0, self.length * rng.random_range(0.5..1.0));
            while along < end {
                let width = self.height * rng.random_range(0.3..0.8);
                if !rng.random_bool(0.15) {
                    out.extend(self.letter([step * line as f64, along], width, stroke, rng));
                }
                along += width + self.height * rng.random_range(0.1..0.25);
            }
        }
        if rng.random_bool(ON_PLATE) {
            let middle = (step * self.lines as f64 - self.height / 2.0) / 2.0;
            let [from, to] = [-self.height, self.length + self.height].map(|along| self.at([middle, along]));
            out.push((Shape::bar(from, to, step * self.lines as f64 + self.height), Texture::plain(self.colours[1])));
        }
        out
    }

    /// A few bars between the corners and middles of a box, and on some a ring. `place` is the box's upper left corner.
    fn letter(&self, place: [f64; 2], width: f64, stroke: f64, rng: &mut ChaCha8Rng) -> Vec<(Shape, Texture)> {
        let at = |[v, u]: [f64; 2]| self.at([place[0] + v * self.height, place[1] + u * width]);
        let bar = |[from, to]: [[f64; 2]; 2]| (Shape::bar(at(from), at(to), stroke), Texture::plain(self.colours[0]));
        let mut out = Vec::new();
        for _ in 0..rng.random_range(1..4) {
            let mut corner = || [0, 1].map(|_| f64::from(rng.random_range(0..3u8)) / 2.0);
            out.push(bar([corner(), corner()]));
        }
        if rng.random_bool(0.5) {
            let (middle, half) = (rng.random_range(0.3..0.7), rng.random_range(0.25..0.5));
            let on = |k: u32| {
                let (sin, cos) = (TAU * f64::from(k) / 10.0).sin_cos();
                [middle + half * sin, 0.5 + 0.5 * cos]
            };
            out.extend((0..10).map(|k| bar([on(k), on(k + 1)])));
        }
        out
    }
}
