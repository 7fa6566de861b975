//! Dead leaves: images of shapes that hide each other, which have much of what photographs have (edges, flat and textured areas, detail at
//! every scale, spectra that fall as `1/f^2`), made without any photograph. In front of some there is writing.
//!
//! The scene is painted from the front: a leaf covers only what no leaf before it covers, until nearly all is covered. Radii have the density
//! `p(r) ~ r^-3` between a pixel or more and the image's size, so that every scale covers the same area. Each image has its own finest detail,
//! brightness, contrast, tint, light and sharpness.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::noise::normal;
use colour::Palette;
use shape::Shape;
use texture::Texture;
use writing::writing;

mod colour;
mod shape;
mod texture;
mod writing;

/// Red, green and blue, of 255.
pub(super) type Pixel = [f32; 3];

/// Points in a pixel, along each side.
const POINTS: usize = 2;

/// The share of an image that no leaf needs to cover.
const BARE: f64 = 0.005;

/// The radius of an image's finest leaves: between a pixel and this share of its size, the logarithm evenly drawn.
const FINEST: f64 = 0.125;

/// An image of that size: rows of pixels, whole numbers from 0 to 255.
pub(super) fn image(height: usize, width: usize, rng: &mut ChaCha8Rng) -> Vec<Pixel> {
    let mut scene = Scene::new(height * POINTS, width * POINTS);
    let light = Light::new(rng);
    scene.paint(rng);
    let mut pixels = scene.halved();
    blur(&mut pixels, (height, width), rng.random_range(0.0..0.25));
    let at = |i: usize, n: usize| (i as f32 + 0.5) / n as f32 - 0.5;
    for (i, p) in pixels.iter_mut().enumerate() {
        let gain = light.at(at(i / width, height), at(i % width, width));
        *p = p.map(|v| (255.0 * toned(v * gain / 255.0)).round());
    }
    pixels
}

/// As film and cameras have it: the middle stays, the ends bend towards 0 and 1 instead of being cut off. With `t = 2 v - 1`,
/// `(1 + t (1 + t^4)^(-1/4)) / 2`.
fn toned(v: f32) -> f32 {
    let t = 2.0 * v - 1.0;
    0.5 + 0.5 * t / (1.0 + t.powi(4)).sqrt().sqrt()
}

/// A radius of the density `p(r) = 2 r^-3 / (a^-2 - b^-2)` between `a` and `b`, from a number between 0 and 1.
fn radius(u: f64, [a, b]: [f64; 2]) -> f64 {
    (u * a.powi(-2) + (1.0 - u) * b.powi(-2)).powf(-0.5)
}

/// What is painted so far.
struct Scene {
    height: usize,
    width: usize,
    points: Vec<Pixel>,
    covered: Vec<bool>,
}

impl Scene {
    fn new(height: usize, width: usize) -> Self {
        let n = height * width;
        Self { height, width, points: vec![[0.0; 3]; n], covered: vec![false; n] }
    }

    /// Writing, and behind it leaf after leaf, until as little as [`BARE`] would be bare if leaves fell evenly; one that is as large as the image
    /// lies behind all.
    fn paint(&mut self, rng: &mut ChaCha8Rng) {
        let palette = Palette::new(rng);
        for (shape, texture) in writing([self.height, self.width], &palette, rng) {
            self.add(&shape, &texture);
        }
        let size = self.height.max(self.width) as f64;
        let pixel = POINTS as f64;
        let finest = pixel * (FINEST * size / pixel).max(1.0).powf(rng.random());
        let range = [finest, size];
        let mut bare = -BARE.ln() * (self.points.len() as f64);
        while bare > 0.0 {
            let r = radius(rng.random(), range);
            let (y, x) = (self.somewhere(self.height, r, rng), self.somewhere(self.width, r, rng));
            let shape = Shape::new([y, x], r, rng);
            bare -= self.add(&shape, &Texture::new([y, x], r, palette.leaf(rng), rng));
        }
        let middle = [self.height as f64 / 2.0, self.width as f64 / 2.0];
        self.add(&Shape::disc(middle, 2.0 * size), &Texture::new(middle, size, palette.leaf(rng), rng));
    }

    /// A centre from which the leaf may reach into the image.
    fn somewhere(&self, n: usize, r: f64, rng: &mut ChaCha8Rng) -> f64 {
        rng.random_range(-r..n as f64 + r)
    }

    /// Paints a leaf where nothing is painted yet. Returns how many points of the image it has, hidden or not.
    fn add(&mut self, shape: &Shape, texture: &Texture) -> f64 {
        let mut points = 0;
        let [top, bottom] = shape.rows().map(|y| y.ceil().clamp(0.0, self.height as f64) as usize);
        for y in top..bottom {
            let Some(span) = shape.span(y as f64) else { continue };
            let [from, to] = span.map(|x| x.ceil().clamp(0.0, self.width as f64) as usize);
            points += to.saturating_sub(from);
            for x in from..to {
                let i = y * self.width + x;
                if !std::mem::replace(&mut self.covered[i], true) {
                    self.points[i] = texture.at(y as f32, x as f32);
                }
            }
        }
        points as f64
    }

    /// The means of the points in each pixel.
    fn halved(&self) -> Vec<Pixel> {
        let (height, width) = (self.height / POINTS, self.width / POINTS);
        let mut out = vec![[0.0; 3]; height * width];
        for (i, p) in self.points.iter().enumerate() {
            let (y, x) = (i / self.width / POINTS, i % self.width / POINTS);
            (0..3).for_each(|c| out[y * width + x][c] += p[c] / (POINTS * POINTS) as f32);
        }
        out
    }
}

/// How bright the light is: it changes slowly along a direction, and in a wide wave.
struct Light {
    slope: [f32; 2],
    wave: [f32; 4],
}

impl Light {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut n = |sigma: f64| (sigma * normal(rng)) as f32;
        Self { slope: [n(0.35), n(0.2)], wave: [n(0.1), n(4.0), n(4.0), n(3.0)] }
    }

    /// At a place between -1/2 and 1/2: `exp(a y + b x + c sin(p y + q x + s))`.
    fn at(&self, y: f32, x: f32) -> f32 {
        let [size, p, q, s] = self.wave;
        (self.slope[0] * y + self.slope[1] * x + size * (p * y + q * x + s).sin()).exp()
    }
}

/// Mixes each pixel with its neighbours along both axes: `(s, 1 - 2 s, s)`, the image's edge repeated.
fn blur(pixels: &mut Vec<Pixel>, (height, width): (usize, usize), s: f32) {
    for (step, n) in [(1, width), (width, height)] {
        let mixed = |(i, p): (usize, &Pixel)| {
            let at = i / step % n;
            let before = pixels[if at > 0 { i - step } else { i }];
            let after = pixels[if at + 1 < n { i + step } else { i }];
            std::array::from_fn(|c| (1.0 - 2.0 * s) * p[c] + s * (before[c] + after[c]))
        };
        *pixels = pixels.iter().enumerate().map(mixed).collect();
    }
}

#[cfg(test)]
mod tests;
