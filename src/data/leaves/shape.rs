//! The outline of a leaf: an ellipse, or a polygon with its corners on one. Both are convex: each row has one span.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How long a leaf may be for its breadth.
const LONGEST: f64 = 4.0;

/// The corners of a rectangle, as shares of half its sides.
const SQUARE: [[f64; 2]; 4] = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]];

/// A leaf's outline.
pub(super) enum Shape {
    /// `a dx^2 + 2 b dx dy + c dy^2 <= 1` around the centre.
    Ellipse { centre: [f64; 2], form: [f64; 3] },
    /// Corners, in order.
    Polygon { corners: Vec<[f64; 2]> },
}

impl Shape {
    /// A disc.
    pub(super) fn disc(centre: [f64; 2], r: f64) -> Self {
        Self::Ellipse { centre, form: [r.powi(-2), 0.0, r.powi(-2)] }
    }

    /// A disc, an ellipse, a rectangle or another polygon, about as large as a disc of that radius and turned at random. Places are `[y, x]`.
    pub(super) fn new(centre: [f64; 2], r: f64, rng: &mut ChaCha8Rng) -> Self {
        let (kind, turn) = (rng.random_range(0..4), rng.random_range(0.0..PI));
        let stretch = LONGEST.powf(rng.random::<f64>() / 2.0);
        match kind {
            0 => Self::disc(centre, r),
            1 => Self::ellipse(centre, [r * stretch, r / stretch], turn),
            2 => {
                // Half the side of the square of the same area.
                let half = r * PI.sqrt() / 2.0;
                Self::polygon(centre, &SQUARE, [half * stretch, half / stretch], turn)
            }
            _ => {
                let n = rng.random_range(3..8);
                let angle = |k: usize, jitter: f64| TAU * (k as f64 + 0.7 * jitter) / n as f64;
                let corners: Vec<[f64; 2]> = (0..n)
                    .map(|k| {
                        let (sin, cos) = angle(k, rng.random()).sin_cos();
                        [sin, cos]
                    })
                    .collect();
                // Corners stand out, so that the area is about a disc's.
                Self::polygon(centre, &corners, [1.2 * r * stretch.sqrt(), 1.2 * r / stretch.sqrt()], turn)
            }
        }
    }

    /// A straight stroke of that breadth, both ends half of it longer.
    pub(super) fn bar(from: [f64; 2], to: [f64; 2], breadth: f64) -> Self {
        let [dy, dx] = [to[0] - from[0], to[1] - from[1]];
        let centre = [from[0] + dy / 2.0, from[1] + dx / 2.0];
        Self::polygon(centre, &SQUARE, [dy.hypot(dx) / 2.0 + breadth / 2.0, breadth / 2.0], dy.atan2(dx))
    }

    fn ellipse(centre: [f64; 2], [p, q]: [f64; 2], turn: f64) -> Self {
        let ((sin, cos), [p, q]) = (turn.sin_cos(), [p.powi(-2), q.powi(-2)]);
        Self::Ellipse {
            centre,
            form: [cos * cos * p + sin * sin * q, cos * sin * (p - q), sin * sin * p + cos * cos * q],
        }
    }

    fn polygon(centre: [f64; 2], corners: &[[f64; 2]], size: [f64; 2], turn: f64) -> Self {
        let (sin, cos) = turn.sin_cos();
        let placed = corners.iter().map(|[v, u]| {
            let (u, v) = (u * size[0], v * size[1]);
            [centre[0] + sin * u + cos * v, centre[1] + cos * u - sin * v]
        });
        Self::Polygon { corners: placed.collect() }
    }

    /// The first row and the last, between which it lies.
    pub(super) fn rows(&self) -> [f64; 2] {
        match self {
            Self::Ellipse { centre, form: [a, b, c] } => {
                let reach = (a / (a * c - b * b)).sqrt();
                [centre[0] - reach, centre[0] + reach]
            }
            Self::Polygon { corners } => extent(corners.iter().map(|c| c[0])),
        }
    }

    /// Where it begins and ends in a row.
    pub(super) fn span(&self, y: f64) -> Option<[f64; 2]> {
        match self {
            Self::Ellipse { centre, form: [a, b, c] } => {
                let dy = y - centre[0];
                let root = (b * b * dy * dy - a * (c * dy * dy - 1.0)).sqrt();
                let middle = centre[1] - b * dy / a;
                (root > 0.0).then(|| [middle - root / a, middle + root / a])
            }
            Self::Polygon { corners } => {
                let next = corners.iter().cycle().skip(1);
                let edges = corners.iter().zip(next).filter(|(p, q)| (p[0] <= y) != (q[0] <= y));
                let [from, to] = extent(edges.map(|(p, q)| p[1] + (y - p[0]) / (q[0] - p[0]) * (q[1] - p[1])));
                (from < to).then_some([from, to])
            }
        }
    }
}

/// The smallest and the largest.
fn extent(all: impl Iterator<Item = f64>) -> [f64; 2] {
    all.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Counted over many, the area is that of discs of the same radius; no leaf leaves its rows.
    #[test]
    fn leaves_are_as_large_as_discs_of_their_radius() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (r, n) = (20.0, 2000);
        let mut area = 0.0;
        for _ in 0..n {
            let shape = Shape::new([0.0, 0.0], r, &mut rng);
            let [top, bottom] = shape.rows();
            assert!(top < 0.0 && bottom > 0.0 && shape.span(top - 0.1).is_none() && shape.span(bottom + 0.1).is_none());
            area += (-100..100).filter_map(|y| shape.span(f64::from(y))).map(|[a, b]| b - a).sum::<f64>();
        }
        let mean = area / f64::from(n) / (PI * r * r);
        assert!((0.9..1.1).contains(&mean), "{mean}");
    }
}
