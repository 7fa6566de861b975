//! Samples: arrays of every element type and order, folders of images, what is done to them, and errors that say what to do.

use std::fs::File;
use std::path::Path;

use image::{Rgb, RgbImage};
use ndarray::{Array1, Array4, ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::{NpzWriter, WritableElement, write_npy};
use secateur::data::{ChannelOrder, Input, Layout, Preparation, Resize, Samples};
use secateur::model::proto::DataType;
use tempfile::TempDir;

fn input(name: &str, dims: &[usize]) -> Input {
    Input { name: name.into(), dtype: DataType::Float, dims: dims.into(), below: None }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// 0, 1, 2, .. in row-major order, as that type.
fn counted<T>(dims: &[usize], of: impl Fn(usize) -> T) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(dims), (0..dims.iter().product()).map(of).collect()).unwrap()
}

fn npz(path: &Path) -> NpzWriter<File> {
    NpzWriter::new_compressed(File::create(path).unwrap())
}

fn open(path: &Path, inputs: &[Input]) -> Samples {
    Samples::open(path, inputs, &Preparation::default()).unwrap()
}

fn floats(samples: &Samples, i: usize) -> Vec<f32> {
    samples.get(i).unwrap()[0].floats().unwrap()
}

/// Fails to open with an error that names the file and holds these words.
fn refused(path: &Path, inputs: &[Input], how: &Preparation, words: &[&str]) {
    let error = Samples::open(path, inputs, how).unwrap_err().to_string();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(words.iter().chain([&name.as_str()]).all(|w| error.contains(w)), "{error}");
}

#[test]
fn every_element_type_gives_the_same_samples() {
    fn check<T: WritableElement>(of: impl Fn(usize) -> T) {
        let dir = folder();
        let path = dir.path().join("a.npy");
        write_npy(&path, &counted(&[3, 2, 2], of)).unwrap();
        let samples = open(&path, &[input("in", &[1, 2, 2])]);
        assert_eq!((samples.len(), floats(&samples, 1)), (3, vec![4.0, 5.0, 6.0, 7.0]));
    }
    check(|i| i as f32);
    check(|i| i as f64);
    check(|i| i as u8);
    check(|i| i as i8);
    check(|i| i as u16);
    check(|i| i as i16);
    check(|i| i as u32);
    check(|i| i as i32);
    check(|i| i as u64);
    check(|i| i as i64);
    let dir = folder();
    write_npy(dir.path().join("b.npy"), &counted(&[2, 2], |i| i % 2 == 1)).unwrap();
    assert_eq!(floats(&open(&dir.path().join("b.npy"), &[input("in", &[2])]), 1), [0.0, 1.0]);
}

#[test]
fn the_order_of_elements_in_the_file_does_not_matter() {
    let dir = folder();
    let path = dir.path().join("f.npy");
    let mut fortran = ArrayD::<i32>::zeros(IxDyn(&[2, 3, 2]).f());
    fortran.assign(&counted(&[2, 3, 2], |i| i as i32));
    write_npy(&path, &fortran).unwrap();
    assert!(std::fs::read(&path).unwrap().windows(21).any(|w| w == b"'fortran_order': True"));
    let samples = open(&path, &[input("in", &[1, 3, 2])]);
    assert_eq!(floats(&samples, 1), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
}

/// `(x * scale - mean) / std`, channel by channel, wherever channels are.
#[test]
fn the_formula_of_preparation() {
    let dir = folder();
    let path = dir.path().join("a.npy");
    let how = Preparation { scale: 0.5, mean: vec![1.0, 2.0, 3.0], std: vec![2.0, 4.0, 8.0], ..Preparation::default() };
    write_npy(&path, &counted(&[2, 3, 2, 2], |i| i as u8)).unwrap();
    let first = floats(&Samples::open(&path, &[input("x", &[1, 3, 2, 2])], &how).unwrap(), 0);
    let expected: Vec<f32> = (0..12)
        .map(|i| {
            let c = i / 4;
            (i as f32 * 0.5 - [1.0, 2.0, 3.0][c]) / [2.0, 4.0, 8.0][c]
        })
        .collect();
    assert_eq!(first, expected);
    write_npy(&path, &counted(&[1, 5, 5, 3], |i| i as u8)).unwrap();
    let last = floats(&Samples::open(&path, &[input("x", &[1, 5, 5, 3])], &how).unwrap(), 0);
    assert_eq!(last[3..6], [(1.5 - 1.0) / 2.0, (2.0 - 2.0) / 4.0, (2.5 - 3.0) / 8.0]);
}

#[test]
fn channels_move_where_the_layout_says_that_they_stand_elsewhere() {
    let dir = folder();
    let path = dir.path().join("a.npy");
    write_npy(&path, &counted(&[1, 2, 2, 3], |i| i as u8)).unwrap();
    let how = |layout| Preparation { layout, mean: vec![0.0, 1.0, 2.0], ..Preparation::default() };
    let inputs = [input("x", &[1, 3, 2, 2])];
    refused(&path, &inputs, &how(None), &["2,2,3", "3,2,2", "--layout nhwc"]);
    let samples = Samples::open(&path, &inputs, &how(Some(Layout::Nhwc))).unwrap();
    assert_eq!(floats(&samples, 0), [0.0, 3.0, 6.0, 9.0, 0.0, 3.0, 6.0, 9.0, 0.0, 3.0, 6.0, 9.0]);
}

#[test]
fn several_inputs_are_filled_by_their_names_and_integers_stay_integers() {
    let dir = folder();
    let path = dir.path().join("a.npz");
    let mut file = npz(&path);
    file.add_array("image", &counted(&[2, 1, 2, 2], |i| i as u8)).unwrap();
    file.add_array("ids", &counted(&[2, 3], |i| i as i32)).unwrap();
    file.finish().unwrap();
    let ids = Input { dtype: DataType::Int64, ..input("ids", &[1, 3]) };
    let inputs = [ids, input("image", &[1, 1, 2, 2])];
    let samples = Samples::open(&path, &inputs, &Preparation { scale: 2.0, ..Preparation::default() }).unwrap();
    let second = samples.get(1).unwrap();
    assert_eq!(second[0].ints().unwrap(), [3, 4, 5]);
    assert_eq!((second[1].floats().unwrap(), second[1].dims.clone()), (vec![8.0, 10.0, 12.0, 14.0], vec![1, 1, 2, 2]));
    refused(
        &path,
        &[input("mask", &[1, 3]), input("ids", &[1, 3])],
        &Preparation::default(),
        &["'mask'", "'image', 'ids'"],
    );
}

#[test]
fn labels_are_class_numbers_one_for_each_sample() {
    let dir = folder();
    let write = |name: &str, y: &[f64]| {
        let path = dir.path().join(name);
        let mut file = npz(&path);
        file.add_array("x", &counted(&[3, 2], |i| i as f32)).unwrap();
        file.add_array("y", &Array1::from(y.to_vec())).unwrap();
        file.finish().unwrap();
        path
    };
    let (inputs, how) = ([input("in", &[1, 2])], Preparation::default());
    assert_eq!(open(&write("good.npz", &[2.0, 0.0, 7.0]), &inputs).labels(), Some(&[2, 0, 7][..]));
    refused(&write("few.npz", &[1.0, 2.0]), &inputs, &how, &["'y'", "2 labels for 3 samples"]);
    refused(&write("half.npz", &[0.0, 0.5, 1.0]), &inputs, &how, &["'y'", "0.5", "sample 1"]);
    refused(&write("below.npz", &[0.0, 1.0, -1.0]), &inputs, &how, &["'y'", "-1", "sample 2"]);
    write_npy(dir.path().join("none.npy"), &counted(&[3, 2], |i| i as f32)).unwrap();
    let error = open(&dir.path().join("none.npy"), &inputs).labelled().unwrap_err().to_string();
    assert!(error.contains("none.npy") && error.contains("'y'"), "{error}");
}

#[test]
fn what_does_not_fit_is_said_with_the_way_out() {
    let dir = folder();
    let (path, how) = (dir.path().join("a.npz"), Preparation::default());
    let mut file = npz(&path);
    file.add_array("arr_0", &counted(&[3, 2], |i| i as f32)).unwrap();
    file.finish().unwrap();
    refused(&path, &[input("in", &[1, 2])], &how, &["'in' or 'x'", "'arr_0'"]);
    let path = dir.path().join("b.npy");
    write_npy(&path, &counted(&[4, 3, 8, 8], |i| i as f32)).unwrap();
    refused(&path, &[input("in", &[1, 3, 9, 9])], &how, &["3,8,8", "1,3,9,9", "--input-shape"]);
    refused(&path, &[input("in", &[2, 3, 8, 8])], &how, &["fixed at 2", "one at a time"]);
    refused(&path, &[input("a", &[1, 3, 8, 8]), input("b", &[1, 2])], &how, &["several inputs", ".npz"]);
    let mean = Preparation { mean: vec![0.1, 0.2], ..Preparation::default() };
    refused(&path, &[input("in", &[1, 3, 8, 8])], &mean, &["2 channels", "has 3"]);
    let ids = Input { dtype: DataType::Uint8, ..input("in", &[1, 3, 8, 8]) };
    refused(&path, &[ids], &Preparation { scale: 0.5, ..how.clone() }, &["uint8", "leave them out"]);
    write_npy(&path, &Array4::<f32>::zeros((0, 3, 8, 8))).unwrap();
    refused(&path, &[input("in", &[1, 3, 8, 8])], &how, &["no samples"]);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(3).position(|w| w == b"(0,").unwrap();
    bytes.splice(at..at + 16, *b"(99999999999999)");
    std::fs::write(&path, bytes).unwrap();
    refused(&path, &[input("in", &[1, 3, 8, 8])], &how, &["truncated"]);
    std::fs::write(&path, b"hello").unwrap();
    refused(&path, &[input("in", &[1, 3, 8, 8])], &how, &["b.npy"]);
    std::fs::write(dir.path().join("c.npz"), b"hello").unwrap();
    refused(&dir.path().join("c.npz"), &[input("in", &[1, 2])], &how, &["no .npz"]);
    std::fs::write(dir.path().join("d.csv"), b"hello").unwrap();
    refused(&dir.path().join("d.csv"), &[input("in", &[1, 2])], &how, &["neither .npy, .npz nor a folder"]);
    refused(&dir.path().join("absent.npy"), &[input("in", &[1, 2])], &how, &["No such file"]);
}

/// An archive of one array, deflated, with a header that says another shape.
#[test]
fn an_archive_that_claims_more_than_it_can_hold_is_refused_before_memory_is() {
    let dir = folder();
    let path = dir.path().join("huge.npz");
    let mut header =
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|i1', 'fortran_order': False, 'shape': (99999999999999, 2), }".to_vec();
    header.resize(127, b' ');
    header.push(b'\n');
    for deflate in [false, true] {
        std::fs::write(&path, archive("x.npy", &header, deflate)).unwrap();
        refused(&path, &[input("in", &[1, 2])], &Preparation::default(), &["'x'", "truncated"]);
    }
}

/// A zip archive of one member, in the terms of its specification; deflated as one block that is stored.
fn archive(name: &str, content: &[u8], deflate: bool) -> Vec<u8> {
    let length = (content.len() as u16).to_le_bytes();
    let block = [&[1][..], &length, &length.map(|b| !b), content].concat();
    let data = if deflate { block } else { content.to_vec() };
    let crc = content.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    });
    let method = if deflate { 8u16 } else { 0 };
    let common = [
        &20u16.to_le_bytes()[..],
        &[0; 2],
        &method.to_le_bytes(),
        &[0; 4],
        &(!crc).to_le_bytes(),
        &(data.len() as u32).to_le_bytes(),
        &(content.len() as u32).to_le_bytes(),
        &(name.len() as u16).to_le_bytes(),
        &[0; 2],
    ]
    .concat();
    let local = [b"PK\x03\x04", &common[..], name.as_bytes(), &data].concat();
    let entry = [b"PK\x01\x02", &[20, 0][..], &common, &[0; 14], name.as_bytes()].concat();
    let sizes = [(entry.len() as u32).to_le_bytes(), (local.len() as u32).to_le_bytes()].concat();
    let end = [b"PK\x05\x06", &[0; 4][..], &[1, 0, 1, 0], &sizes, &[0; 2]].concat();
    [local, entry, end].concat()
}

/// A file of four float16 numbers, `descr` saying their order of bytes.
fn halves(descr: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 2), }}");
    let mut bytes = [b"\x93NUMPY\x01\x00\x76\x00", head.as_bytes()].concat();
    bytes.resize(127, b' ');
    [&bytes, &b"\n"[..], data].concat()
}

#[test]
fn half_precision_is_read_in_either_order_of_bytes() {
    let dir = folder();
    let path = dir.path().join("half.npy");
    let numbers = [0x3c00u16, 0x3800, 0xc000, 0x7bff];
    let little: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = numbers.iter().flat_map(|v| v.to_be_bytes()).collect();
    for (descr, data) in [("<f2", &little), (">f2", &big)] {
        std::fs::write(&path, halves(descr, data)).unwrap();
        let samples = open(&path, &[input("in", &[1, 2])]);
        assert_eq!([floats(&samples, 0), floats(&samples, 1)], [[1.0, 0.5], [-2.0, 65504.0]]);
    }
    std::fs::write(&path, halves("<f2", &little[..7])).unwrap();
    refused(&path, &[input("in", &[1, 2])], &Preparation::default(), &[]);
}

#[test]
fn what_is_no_number_is_named() {
    let dir = folder();
    let path = dir.path().join("nan.npy");
    write_npy(&path, &counted(&[2, 2], |i| if i == 3 { f32::NAN } else { 0.0 })).unwrap();
    let samples = open(&path, &[input("in", &[1, 2])]);
    assert!(samples.get(0).is_ok());
    let error = samples.get(1).unwrap_err().to_string();
    assert!(error.ends_with("nan.npy: sample 1: input 'in': it holds NaN"), "{error}");
}

fn paint(path: &Path, (w, h): (u32, u32), of: impl Fn(u32, u32) -> [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(w, h, |x, y| Rgb(of(x, y))).save(path).unwrap();
}

#[test]
fn images_come_by_name_and_classes_are_numbered_by_folder() {
    let dir = folder();
    for (name, value) in [("b/2.png", 30), ("b/1.png", 20), ("a/9.PNG", 10), ("c/notes.txt.png", 40)] {
        paint(&dir.path().join(name).with_extension("png"), (2, 2), |_, _| [value; 3]);
    }
    std::fs::write(dir.path().join("b/readme.txt"), b"not an image").unwrap();
    std::fs::create_dir(dir.path().join(".cache")).unwrap();
    let samples = open(dir.path(), &[input("x", &[1, 3, 2, 2])]);
    assert_eq!((samples.labels(), samples.class_folders()), (Some(&[0, 1, 1, 2][..]), Some(3)));
    let values: Vec<f32> = (0..4).map(|i| floats(&samples, i)[0]).collect();
    assert_eq!(values, [10.0, 20.0, 30.0, 40.0]);
    let flat = open(&dir.path().join("b"), &[input("x", &[1, 3, 2, 2])]);
    assert_eq!((flat.len(), flat.labels()), (2, None));
}

#[test]
fn channels_stand_where_the_model_wants_them() {
    let dir = folder();
    paint(&dir.path().join("a.png"), (2, 1), |x, _| [10 + x as u8, 20 + x as u8, 30 + x as u8]);
    let take =
        |dims: &[usize], how: Preparation| floats(&Samples::open(dir.path(), &[input("x", dims)], &how).unwrap(), 0);
    let plain = Preparation::default;
    assert_eq!(take(&[1, 3, 1, 2], plain()), [10.0, 11.0, 20.0, 21.0, 30.0, 31.0]);
    let bgr = Preparation { channels: ChannelOrder::Bgr, ..plain() };
    assert_eq!(take(&[1, 3, 1, 2], bgr.clone()), [30.0, 31.0, 20.0, 21.0, 10.0, 11.0]);
    let nhwc = Preparation { layout: Some(Layout::Nhwc), ..bgr };
    assert_eq!(take(&[1, 1, 2, 3], nhwc), [30.0, 20.0, 10.0, 31.0, 21.0, 11.0]);
    assert_eq!(take(&[1, 1, 1, 2], plain()), [18.0, 19.0]);
}

#[test]
fn images_are_brought_to_size() {
    let dir = folder();
    // Twice as wide as high: black, white in the middle half, black.
    paint(&dir.path().join("a.png"), (16, 8), |x, _| [if (4..12).contains(&x) { 255 } else { 0 }; 3]);
    let take = |resize| {
        let how = Preparation { resize, ..Preparation::default() };
        floats(&Samples::open(dir.path(), &[input("x", &[1, 3, 8, 8])], &how).unwrap(), 0)[..64].to_vec()
    };
    let (stretched, boxed, cropped) = (take(Resize::Stretch), take(Resize::Letterbox), take(Resize::Crop));
    assert_eq!((stretched[0], stretched[4]), (0.0, 255.0));
    assert!(cropped.iter().all(|v| *v == 255.0));
    assert!(boxed[..16].iter().chain(&boxed[48..]).all(|v| *v == 114.0));
    assert_eq!(boxed[16..48], stretched[16..48]);
    // The most extreme proportions take no more memory than the image and the input have.
    paint(&dir.path().join("a.png"), (1, 20_000), |_, _| [200; 3]);
    for resize in [Resize::Stretch, Resize::Letterbox, Resize::Crop] {
        assert!(take(resize).contains(&200.0), "{resize:?}");
    }
}

#[test]
fn folders_without_images_and_broken_images_are_named() {
    let dir = folder();
    let (one, how) = ([input("x", &[1, 3, 2, 2])], Preparation::default());
    refused(dir.path(), &one, &how, &["no image", ".png"]);
    std::fs::write(dir.path().join("a.png"), b"hello").unwrap();
    let error = open(dir.path(), &one).get(0).unwrap_err().to_string();
    assert!(error.contains("a.png") && error.contains("cannot be decoded"), "{error}");
    refused(dir.path(), &[input("x", &[1, 5])], &how, &["'x'", "no image", "--layout"]);
    refused(dir.path(), &[input("a", &[1, 3, 2, 2]), input("b", &[1, 2])], &how, &["'a', 'b'", ".npz"]);
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let check = |how: Preparation, word: &str| assert!(how.check().unwrap_err().to_string().contains(word));
    let plain = Preparation::default;
    check(Preparation { scale: 0.0, ..plain() }, "--scale");
    check(Preparation { std: vec![1.0, 0.0], ..plain() }, "--std");
    check(Preparation { mean: vec![f64::NAN], ..plain() }, "--mean");
    check(Preparation { mean: vec![0.0; 3], std: vec![1.0; 2], ..plain() }, "--mean has 3");
}
