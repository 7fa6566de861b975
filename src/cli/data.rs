//! Options about data: what is measured, on what, and what must hold.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secateur::data::{ChannelOrder, Layout, Preparation, Resize};
use secateur::pipeline::{Gate, Measures};

/// Samples without labels, and what is done to all samples before the model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(super) struct SampleOpts {
    /// Inputs without labels, to heal by and to compare outputs on: .npz or .npy (the first axis counts samples; an .npz names its arrays as
    /// the model its inputs, or the only one x), or a folder of PNG or JPEG images.
    #[arg(long, value_name = "PATH")]
    calibrate: Option<PathBuf>,
    /// Samples to fit on (512 unless said). Of --calibrate, the next ones, at most 512, judge the result; where there are none, the last
    /// eighth of the file. In compare: how many of the first samples are compared (all unless said).
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// What raw data is multiplied by: (x * scale - mean) / std. A number or a fraction, such as 1/255 [default: 1; where images are made up
    /// and none of the three is given, what comes nearest to what the model expects, or in turn all that may]
    #[arg(long, value_name = "S", value_parser = fraction)]
    scale: Option<f64>,
    /// What is subtracted then: one number, or one for each channel.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', allow_hyphen_values = true)]
    mean: Vec<f64>,
    /// What is divided by then: one number, or one for each channel.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', allow_hyphen_values = true)]
    std: Vec<f64>,
    /// Where channels stand in arrays; for images, in the model's input. Default: as the model's input suggests.
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<LayoutName>,
    /// How images come to the input's size; letterbox fills with grey (114).
    #[arg(long, value_name = "HOW", default_value = "stretch")]
    resize: ResizeName,
    /// The order of an image's channels.
    #[arg(long, value_name = "ORDER", default_value = "rgb")]
    channels: ChannelName,
}

/// What is measured of a result, and on which data.
#[derive(Debug, Args)]
#[command(next_help_heading = "Data")]
pub(super) struct DataOpts {
    #[command(flatten)]
    samples: SampleOpts,
    /// Inputs with labels, on which accuracy (top-1) is measured: .npz with x and y, or a folder of class folders, numbered from 0 by name.
    #[arg(long, value_name = "PATH")]
    evaluate: Option<PathBuf>,
    /// Measure latency in tract, before and after in turn: medians of N runs of each, on one thread.
    #[arg(long, value_name = "N")]
    bench: Option<usize>,
}

/// What must hold for a model to be written.
#[derive(Debug, Args)]
pub(super) struct GateOpts {
    /// Write no model (exit 3) unless this holds: 'METRIC>=V' or 'METRIC<=V', repeatable. Metrics: accuracy, accuracy_drop (before - after;
    /// 0.01 is one point), flops_cut, params_cut, top1_agreement, all shares from 0 to 1; cosine and sqnr_db of the worst output;
    /// latency_ratio and size_ratio, after / before.
    #[arg(long, value_name = "GATE")]
    gate: Vec<Gate>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LayoutName {
    Nchw,
    Nhwc,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResizeName {
    Stretch,
    Letterbox,
    Crop,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ChannelName {
    Rgb,
    Bgr,
}

impl SampleOpts {
    /// What outputs are compared on.
    pub(super) fn measures(&self) -> Measures {
        Measures {
            calibrate: self.calibrate.clone(),
            samples: self.samples,
            prepared: self.scale.is_some() || !self.mean.is_empty() || !self.std.is_empty(),
            preparation: Preparation {
                scale: self.scale.unwrap_or(1.0),
                mean: self.mean.clone(),
                std: self.std.clone(),
                layout: self.layout.map(|l| match l {
                    LayoutName::Nchw => Layout::Nchw,
                    LayoutName::Nhwc => Layout::Nhwc,
                }),
                resize: match self.resize {
                    ResizeName::Stretch => Resize::Stretch,
                    ResizeName::Letterbox => Resize::Letterbox,
                    ResizeName::Crop => Resize::Crop,
                },
                channels: match self.channels {
                    ChannelName::Rgb => ChannelOrder::Rgb,
                    ChannelName::Bgr => ChannelOrder::Bgr,
                },
            },
            ..Measures::default()
        }
    }

    /// Files that are read and must not be written to.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.calibrate.iter()
    }
}

impl DataOpts {
    /// What is to be measured; `gates`: what must hold.
    pub(super) fn measures(&self, gates: Option<&GateOpts>) -> Measures {
        Measures {
            evaluate: self.evaluate.clone(),
            bench: self.bench,
            gates: gates.map_or(Vec::new(), |g| g.gate.clone()),
            ..self.samples.measures()
        }
    }

    /// Files that are read and must not be written to.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.samples.files().chain(&self.evaluate)
    }
}

/// A number, or one over another.
fn fraction(text: &str) -> Result<f64, String> {
    let number =
        |t: &str| t.trim().parse::<f64>().map_err(|_| format!("'{t}' is no number; expected one such as 1/255"));
    match text.split_once('/') {
        Some((a, b)) => Ok(number(a)? / number(b)?),
        None => number(text),
    }
}
