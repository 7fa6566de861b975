//! Samples that are made of a seed: the same wherever and whenever they are asked for, prepared as a user's images are.

use secateur::data::{ChannelOrder, Input, Layout, Preparation, Samples, is_image_like};
use secateur::model::proto::DataType;

const COUNT: usize = 6;

fn input(dtype: DataType, dims: &[usize]) -> Input {
    Input { name: "x".into(), dtype, dims: dims.into(), below: None }
}

fn image(dims: &[usize]) -> Input {
    input(DataType::Float, dims)
}

fn made(input: &Input, how: &Preparation) -> Samples {
    Samples::generated(std::slice::from_ref(input), how, COUNT, 5).unwrap()
}

fn plain(input: &Input) -> Samples {
    made(input, &Preparation::default())
}

fn floats(samples: &Samples, i: usize) -> Vec<f32> {
    samples.get(i).unwrap()[0].floats().unwrap()
}

#[test]
fn a_sample_follows_from_the_seed_and_its_number() {
    let wanted = image(&[1, 3, 16, 20]);
    let samples = plain(&wanted);
    let all: Vec<Vec<f32>> = (0..COUNT).map(|i| floats(&samples, i)).collect();
    assert_eq!(samples.len(), COUNT);
    for i in (0..COUNT).rev() {
        assert_eq!(floats(&samples, i), all[i], "asked for again, in another order");
        assert!((0..i).all(|j| all[j] != all[i]), "{i} differs from those before");
    }
    let more = Samples::generated(std::slice::from_ref(&wanted), &Preparation::default(), 100, 5).unwrap();
    assert_eq!(floats(&more, 3), all[3], "whatever their number");
    let other = Samples::generated(&[wanted], &Preparation::default(), COUNT, 6).unwrap();
    assert_ne!(floats(&other, 3), all[3], "another seed");
    std::thread::scope(|scope| {
        let ask = |i: usize| {
            scope.spawn({
                let samples = &samples;
                move || floats(samples, i)
            })
        };
        let threads: Vec<_> = (0..COUNT).rev().map(|i| (i, ask(i))).collect();
        threads.into_iter().for_each(|(i, t)| assert_eq!(t.join().unwrap(), all[i], "on another thread"));
    });
}

#[test]
fn images_hold_whole_numbers_up_to_255_where_nothing_is_said() {
    for dtype in [DataType::Float, DataType::Uint8] {
        let samples = plain(&input(dtype, &[1, 3, 32, 32]));
        let tensor = &samples.get(0).unwrap()[0];
        assert_eq!((tensor.dtype, tensor.dims.as_slice()), (dtype, [1, 3, 32, 32].as_slice()));
    }
    let raw = floats(&plain(&image(&[1, 3, 32, 32])), 1);
    assert!(raw.iter().all(|v| v.fract() == 0.0 && (0.0..=255.0).contains(v)));
    assert!(raw.iter().any(|v| *v > 60.0));
    let bytes = plain(&input(DataType::Uint8, &[1, 3, 32, 32])).get(1).unwrap();
    assert_eq!(bytes[0].data.iter().map(|b| f32::from(*b)).collect::<Vec<_>>(), raw);
}

#[test]
fn images_are_prepared_as_those_of_users_are() {
    let wanted = image(&[1, 3, 9, 11]);
    let raw = floats(&plain(&wanted), 2);
    let how = Preparation { scale: 0.5, mean: vec![1.0, 2.0, 3.0], std: vec![4.0], ..Preparation::default() };
    for (k, (a, b)) in raw.iter().zip(floats(&made(&wanted, &how), 2)).enumerate() {
        let mean = [1.0, 2.0, 3.0][k / 99];
        assert_eq!((a * 0.5 - mean) / 4.0, b, "element {k}");
    }
    let bgr = floats(&made(&wanted, &Preparation { channels: ChannelOrder::Bgr, ..Preparation::default() }), 2);
    assert_eq!([&bgr[198..], &bgr[99..198], &bgr[..99]].concat(), raw);
    let wrong = Preparation { mean: vec![1.0, 2.0], ..Preparation::default() };
    let error = Samples::generated(&[wanted], &wrong, COUNT, 5).unwrap_err().to_string();
    assert!(
        error.contains("for 2 channels") && error.contains("a generated image") || error.contains("has 3"),
        "{error}"
    );
}

#[test]
fn channels_stand_where_the_layout_or_the_dims_say() {
    let first = floats(&plain(&image(&[1, 3, 9, 11])), 0);
    let last = floats(&plain(&image(&[1, 9, 11, 3])), 0);
    for (place, c) in (0..99).flat_map(|p| (0..3).map(move |c| (p, c))) {
        assert_eq!(last[place * 3 + c], first[c * 99 + place]);
    }
    let said = Preparation { layout: Some(Layout::Nhwc), ..Preparation::default() };
    assert_eq!(floats(&made(&image(&[1, 9, 11, 3]), &said), 0), last);
    let grey = floats(&plain(&image(&[1, 1, 9, 11])), 0);
    for (p, v) in grey.iter().enumerate() {
        let luma = 0.299 * first[p] + 0.587 * first[99 + p] + 0.114 * first[198 + p];
        assert!((luma - v).abs() < 0.51, "{luma} {v}");
    }
    let two = floats(&plain(&image(&[2, 3, 9, 11])), 0);
    assert_eq!(two.len(), 2 * 297);
    assert!(two[..297] == first && two[297..] != first, "several images of one run differ");
}

#[test]
fn what_an_image_is_like() {
    let like = |dtype, dims: &[usize], layout| is_image_like(&[input(dtype, dims)], layout);
    let float = |dims: &[usize]| like(DataType::Float, dims, None);
    assert!(float(&[1, 3, 8, 8]) && float(&[1, 8, 8, 3]) && float(&[1, 1, 28, 28]) && float(&[4, 3, 32, 32]));
    assert!(like(DataType::Uint8, &[1, 224, 224, 3], None) && like(DataType::Float16, &[1, 3, 32, 32], None));
    assert!(!float(&[1, 3, 7, 8]) && !float(&[1, 4, 8, 8]) && !float(&[3, 32, 32]) && !float(&[1, 3, 32]));
    assert!(!float(&[1, 16, 3, 8, 8]) && !float(&[1, 3, 0, 8]) && !float(&[0, 3, 8, 8]));
    assert!(float(&[1, 49, 10, 1]), "a spectrogram of one channel is a grey image as far as dims tell");
    assert!(!like(DataType::Int64, &[1, 3, 32, 32], None));
    assert!(!like(DataType::Float, &[1, 3, 32, 32], Some(Layout::Nhwc)), "32 channels, behind");
    assert!(!is_image_like(&[image(&[1, 3, 32, 32]), image(&[1, 3, 32, 32])], None), "two inputs");
    assert!(!is_image_like(&[], None));
}

/// Noise is what the model takes: of zero mean and unit variance, and slow changes are strong, along the longest axis.
#[test]
fn other_inputs_get_coloured_noise() {
    for dims in [&[1, 16_000][..], &[1, 4000, 1], &[1, 2, 3000], &[1, 3000, 2]] {
        let how = Preparation { scale: 0.1, ..Preparation::default() };
        let all = floats(&made(&image(dims), &how), 0);
        let n = all.len() as f32;
        let mean = all.iter().sum::<f32>() / n;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-2, "{dims:?}: {mean} {variance}");
        let inner = if dims == [1, 3000, 2] { 2 } else { 1 };
        let near = |step: usize| all.iter().zip(&all[step..]).map(|(a, b)| a * b).sum::<f32>() / n;
        assert!(near(inner) > 0.4 && near(50 * inner) < near(inner), "{dims:?}: {} {}", near(inner), near(50 * inner));
    }
    let few = plain(&image(&[1, 4]));
    assert!((0..COUNT).all(|i| floats(&few, i).iter().all(|v| v.abs() < 6.0)) && floats(&few, 0) != floats(&few, 1));
}

#[test]
fn integers_are_small_and_each_input_is_filled() {
    let inputs = [
        Input { name: "image".into(), ..image(&[1, 3, 16, 16]) },
        Input { name: "ids".into(), ..input(DataType::Int64, &[1, 50]) },
        Input { name: "words".into(), below: Some(30), ..input(DataType::Int32, &[1, 50]) },
        Input { name: "mask".into(), ..input(DataType::Bool, &[1, 50]) },
        Input { name: "bytes".into(), ..input(DataType::Uint8, &[1, 50]) },
    ];
    let sample = Samples::generated(&inputs, &Preparation::default(), 1, 0).unwrap().get(0).unwrap();
    for (tensor, input) in sample.iter().zip(&inputs) {
        assert_eq!((tensor.dtype, &tensor.dims), (input.dtype, &input.dims));
    }
    let ids = sample[1].ints().unwrap();
    assert!(ids.iter().all(|v| (0..=1).contains(v)) && ids.contains(&0) && ids.contains(&1));
    let words = sample[2].ints().unwrap();
    assert!(words.iter().all(|v| (0..30).contains(v)) && words.iter().any(|v| *v > 15), "as many as a table has rows");
    assert!(sample[4].data.iter().any(|b| *b > 1));
    assert!(sample[0].floats().unwrap().iter().all(|v| v.fract() == 0.0), "an image among others is one too");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refused = |inputs: &[Input], count| Samples::generated(inputs, &Preparation::default(), count, 0).is_err();
    assert!(refused(&[image(&[1, 3, 8, 8])], 0));
    assert!(refused(&[], 1));
    assert!(refused(&[input(DataType::String, &[1, 3])], 1));
    assert!(plain(&image(&[1, 3, 8, 8])).get(COUNT).is_err());
    assert!(plain(&image(&[1, 3, 8, 8])).labelled().unwrap_err().to_string().contains("generated samples"));
}
