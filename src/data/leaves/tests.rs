//! What dead leaves are like.

use rand::SeedableRng;

use super::*;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `P(R > r) = (r^-2 - b^-2) / (a^-2 - b^-2)`.
#[test]
fn radii_have_the_density_of_their_inverse_cube() {
    let (range, n) = ([1.0, 32.0], 20_000);
    let mut rng = rng(3);
    let all: Vec<f64> = (0..n).map(|_| radius(rng.random(), range)).collect();
    assert!(all.iter().all(|r| (1.0..=32.0).contains(r)));
    for r in [1.2f64, 2.0, 4.0, 8.0] {
        let larger = all.iter().filter(|v| **v > r).count() as f64 / f64::from(n);
        let wanted = (r.powi(-2) - 32f64.powi(-2)) / (1.0 - 32f64.powi(-2));
        assert!((larger - wanted).abs() < 4.0 * (wanted / f64::from(n)).sqrt(), "{r}: {larger}, not {wanted}");
    }
}

#[test]
fn a_leaf_is_hidden_by_those_in_front_of_it() {
    let mut scene = Scene::new(16, 16);
    let plain = |v: f32| Texture::plain([v; 3]);
    scene.add(&Shape::disc([8.0, 8.0], 3.0), &plain(10.0));
    scene.add(&Shape::disc([8.0, 8.0], 100.0), &plain(20.0));
    assert_eq!(scene.points[8 * 16 + 8], [10.0; 3]);
    assert_eq!(scene.points[8 * 16 + 14], [20.0; 3]);
    assert!(scene.covered.iter().all(|c| *c));
}

#[test]
fn pixels_are_whole_numbers_up_to_255_and_use_the_range() {
    let all: Vec<f32> = (0..20).flat_map(|i| image(32, 48, &mut rng(i))).flatten().collect();
    assert!(all.iter().all(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)));
    let share = |is: fn(&f32) -> bool| all.iter().filter(|v| is(v)).count() as f64 / all.len() as f64;
    assert!(share(|v| *v < 64.0) > 0.1 && share(|v| *v > 192.0) > 0.1, "dark and bright ones");
    assert!(share(|v| *v == 0.0 || *v == 255.0) < 0.15, "few are cut off");
}

/// Neighbours are alike, channels are alike, images differ: unlike uniform noise in all three.
#[test]
fn images_are_like_photographs_in_what_goes_together() {
    let (mut near, mut channels, mut means) = (0.0, 0.0, Vec::new());
    let n = 50;
    for i in 0..n {
        let pixels = image(32, 32, &mut rng(i));
        let green: Vec<f64> = pixels.iter().map(|p| f64::from(p[1])).collect();
        let red: Vec<f64> = pixels.iter().map(|p| f64::from(p[0])).collect();
        let (a, b): (Vec<f64>, Vec<f64>) =
            (0..32 * 32).filter(|i| i % 32 < 31).map(|i| (green[i], green[i + 1])).unzip();
        near += correlation(&a, &b) / n as f64;
        channels += correlation(&red, &green) / n as f64;
        means.push(green.iter().sum::<f64>() / green.len() as f64);
    }
    let spread = means.iter().copied().fold(f64::MIN, f64::max) - means.iter().copied().fold(f64::MAX, f64::min);
    assert!(near > 0.6 && channels > 0.8 && spread > 80.0, "{near} {channels} {spread}");
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (m, n) = (mean(a), mean(b));
    let product = |f: &dyn Fn(usize) -> f64| (0..a.len()).map(f).sum::<f64>();
    let both = product(&|i| (a[i] - m) * (b[i] - n));
    both / (product(&|i| (a[i] - m).powi(2)) * product(&|i| (b[i] - n).powi(2))).sqrt()
}

#[test]
fn images_with_room_for_it_have_writing_on_about_every_second() {
    let written = |size: [usize; 2], i: u64| {
        let mut rng = rng(i);
        let palette = Palette::new(&mut rng);
        writing::writing(size, &palette, &mut rng)
    };
    let large = (0..200).filter(|&i| written([640, 480], i).len() > 3).count();
    assert!((70..130).contains(&large), "{large} of 200");
    assert!((0..50).all(|i| written([64, 64], i).is_empty()), "letters of 8 pixels have no room in 32");
}

#[test]
fn a_bar_is_as_long_and_broad_as_it_was_said() {
    let bar = Shape::bar([10.0, 10.0], [10.0, 20.0], 4.0);
    assert_eq!(bar.rows(), [8.0, 12.0]);
    assert_eq!(bar.span(10.5), Some([8.0, 22.0]));
    let upright = Shape::bar([10.0, 10.0], [30.0, 10.0], 4.0);
    let [top, bottom] = upright.rows();
    assert!((top - 8.0).abs() < 1e-9 && (bottom - 32.0).abs() < 1e-9);
}
