//! Folders of images: decoded as they are asked for, brought to the input's size, their channels in the order that the model takes.

use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{ImageReader, Rgb, RgbImage};

use super::fit::{Fit, join};
use super::prepare::{ChannelOrder, Layout, Preparation, Resize, without_batch};
use super::{Input, bad};
use crate::error::{Error, Result};
use crate::model::Tensor;
use crate::model::proto::DataType;

/// What a letterbox is filled with, of 255.
const GREY: u8 = 114;

/// Images in a fixed order, and how they fill the input.
#[derive(Debug)]
pub(super) struct Images {
    files: Vec<PathBuf>,
    classes: Option<usize>,
    fit: Fit,
    layout: Layout,
    size: (u32, u32),
    channels: usize,
    resize: Resize,
    order: ChannelOrder,
}

impl Images {
    /// Lists the PNG and JPEG files of a folder by name, or those of its class folders. Errors where there are none, or the model takes no
    /// image.
    pub(super) fn open(folder: &Path, inputs: &[Input], how: &Preparation) -> Result<(Self, Option<Vec<usize>>)> {
        let [input] = inputs else {
            let names: Vec<String> = inputs.iter().map(|i| format!("'{}'", i.name)).collect();
            let reason = format!("images fill one input, and the model has {}: give an .npz", names.join(", "));
            return Err(bad(folder, reason));
        };
        let (files, classes) = list(folder)?;
        let layout = how.layout.unwrap_or_else(|| Layout::of(&input.dims));
        let Some((channels, height, width)) = image_dims(input, layout) else {
            let (dims, reason) =
                (join(&input.dims), "no image of 1 or 3 channels; --layout says where its channels are");
            return Err(bad(folder, format!("input '{}' takes {dims}, {reason}", input.name)));
        };
        let fit = Fit::new(input, &input.dims, how, true, "an image").map_err(|reason| bad(folder, reason))?;
        let labels = classes.is_some().then(|| files.iter().map(|(class, _)| *class).collect());
        let images = Self {
            files: files.into_iter().map(|(_, file)| file).collect(),
            classes,
            fit,
            layout,
            size: (width as u32, height as u32),
            channels,
            resize: how.resize,
            order: how.channels,
        };
        Ok((images, labels))
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Image `i` as the input takes it.
    pub(super) fn get(&self, i: usize) -> Result<Tensor> {
        let path = self.files.get(i).ok_or_else(|| Error::internal(format!("image {i} of {}", self.files.len())))?;
        let reader =
            ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|e| Error::io(path, &e))?;
        let image = reader.decode().map_err(|e| bad(path, format!("cannot be decoded: {e}")))?;
        let pixels = resized(&image.to_rgb8(), self.size, self.resize);
        self.fit.tensor(if self.channels == 1 { grey(&pixels) } else { self.planes(&pixels) })
    }

    /// The pixels' channels in the input's order and place.
    fn planes(&self, image: &RgbImage) -> Vec<f64> {
        let channels: [usize; 3] = if self.order == ChannelOrder::Bgr { [2, 1, 0] } else { [0, 1, 2] };
        let at = |p: &Rgb<u8>, c: usize| f64::from(p.0[c]);
        match self.layout {
            Layout::Nchw => channels.iter().flat_map(|&c| image.pixels().map(move |p| at(p, c))).collect(),
            Layout::Nhwc => image.pixels().flat_map(|p| channels.map(|c| at(p, c))).collect(),
        }
    }
}

/// Brightness as ITU-R BT.601 weighs it, rounded to a whole number.
fn grey(image: &RgbImage) -> Vec<f64> {
    let luma = |p: &Rgb<u8>| {
        let [r, g, b] = p.0.map(f64::from);
        (0.299 * r + 0.587 * g + 0.114 * b).round()
    };
    image.pixels().map(luma).collect()
}

/// The image at that size (width, height), by bilinear interpolation over all source pixels.
fn resized(image: &RgbImage, (w, h): (u32, u32), how: Resize) -> RgbImage {
    let (from_w, from_h) = image.dimensions();
    if (from_w, from_h) == (w, h) {
        return image.clone();
    }
    let fill = |image: &RgbImage| imageops::resize(image, w, h, FilterType::Triangle);
    let side = |n: u32, part: u32, of: u32| ((f64::from(n) * f64::from(part) / f64::from(of)).round() as u32).max(1);
    let margin = |all: u32, part: u32| all.saturating_sub(part) / 2;
    match how {
        Resize::Stretch => fill(image),
        Resize::Letterbox => {
            let (in_w, in_h) = (w.min(side(from_w, h, from_h)), h.min(side(from_h, w, from_w)));
            let inside = imageops::resize(image, in_w, in_h, FilterType::Triangle);
            let mut out = RgbImage::from_pixel(w, h, Rgb([GREY; 3]));
            imageops::replace(&mut out, &inside, margin(w, in_w).into(), margin(h, in_h).into());
            out
        }
        Resize::Crop => {
            let (cut_w, cut_h) = (from_w.min(side(w, from_h, h)), from_h.min(side(h, from_w, w)));
            let (left, top) = (margin(from_w, cut_w), margin(from_h, cut_h));
            fill(&imageops::crop_imm(image, left, top, cut_w, cut_h).to_image())
        }
    }
}

/// Channels, height and width of an input that takes an image.
pub(super) fn image_dims(input: &Input, layout: Layout) -> Option<(usize, usize, usize)> {
    let (c, h, w) = match (without_batch(&input.dims), layout) {
        (&[c, h, w], Layout::Nchw) | (&[h, w, c], Layout::Nhwc) => (c, h, w),
        _ => return None,
    };
    let takes = input.dtype.is_float() || input.dtype == DataType::Uint8;
    let sized = [h, w].iter().all(|n| (1..=1 << 15).contains(n));
    (takes && sized && matches!(c, 1 | 3)).then_some((c, h, w))
}

/// Files with their class, and how many class folders there are.
type Listed = (Vec<(usize, PathBuf)>, Option<usize>);

fn list(folder: &Path) -> Result<Listed> {
    let (images, folders) = entries(folder)?;
    if !images.is_empty() {
        return Ok((images.into_iter().map(|file| (0, file)).collect(), None));
    }
    let mut files = Vec::new();
    for (class, folder) in folders.iter().enumerate() {
        files.extend(entries(folder)?.0.into_iter().map(|file| (class, file)));
    }
    if files.is_empty() {
        return Err(bad(folder, "holds no image: .png, .jpg or .jpeg files, or class folders of them, are needed"));
    }
    Ok((files, Some(folders.len())))
}

/// The images and the folders in a folder, each sorted by name; hidden ones are not seen.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let read =
        std::fs::read_dir(folder).and_then(|d| d.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>());
    let mut all = read.map_err(|e| Error::io(folder, &e))?;
    all.retain(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')));
    all.sort();
    let (folders, files): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| p.is_dir());
    let is_image = |p: &PathBuf| {
        let extension = p.extension().map(|e| e.to_string_lossy().to_lowercase());
        matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
    };
    Ok((files.into_iter().filter(is_image).collect(), folders))
}
