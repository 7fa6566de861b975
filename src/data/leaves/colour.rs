//! Colours as photographs have them: mostly brightness, less of red against blue (warm and cold), least of green against both, around one tint an
//! image.

use rand_chacha::ChaCha8Rng;

use super::Pixel;
use crate::data::noise::normal;

/// The mean brightness of images, and how it differs between them.
const BRIGHTNESS: [f64; 2] = [118.0, 32.0];

/// The brightness contrast between an image's leaves: its median, and the spread of its logarithm.
const CONTRAST: [f64; 2] = [58.0, 0.5];

/// Red against blue and green against both, as shares of the brightness contrast.
const CHROMA: [f64; 2] = [0.45, 0.2];

/// How tints differ between images, of 255; photographs are a little warm.
const TINT: [f64; 2] = [20.0, 7.0];
const WARM: [f64; 2] = [10.0, 0.0];

/// The colours of an image.
pub(super) struct Palette {
    brightness: f64,
    contrast: f64,
    tint: [f64; 2],
    saturation: f64,
}

impl Palette {
    /// Another for each image.
    pub(super) fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut n = || normal(rng);
        Self {
            brightness: BRIGHTNESS[0] + BRIGHTNESS[1] * n(),
            contrast: CONTRAST[0] * (CONTRAST[1] * n()).exp(),
            tint: [WARM[0] + TINT[0] * n(), WARM[1] + TINT[1] * n()],
            saturation: (0.5 * n()).exp(),
        }
    }

    /// A leaf's colour.
    pub(super) fn leaf(&self, rng: &mut ChaCha8Rng) -> Pixel {
        let y = self.brightness + self.contrast * normal(rng);
        let [warm, green] = [0, 1].map(|k| self.tint[k] + self.saturation * CHROMA[k] * self.contrast * normal(rng));
        [y + warm / 2.0 - green / 3.0, y + 2.0 * green / 3.0, y - warm / 2.0 - green / 3.0].map(|v| v as f32)
    }
}
