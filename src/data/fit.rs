//! How samples of given dims come to an input's dims and element type.

use super::Input;
use super::prepare::{Layout, Preparation, without_batch};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Tensor;
use crate::model::proto::DataType;

/// How an input is filled.
#[derive(Debug)]
pub(super) struct Fit {
    input: Input,
    /// The order of the data's axes, where it is not the input's.
    pub order: Option<Vec<usize>>,
    preparation: Option<Preparation>,
    /// Channels, and elements behind each of them.
    channels: (usize, usize),
}

impl Fit {
    /// How data of these dims (of one sample) fills the input. Dims agree where they are equal but for axes of length 1; where they do not,
    /// and the layout of the data is given, channels move. `alone`: whether it is the only input. Errors say what is wrong with `what`.
    pub(super) fn new(
        input: &Input,
        dims: &[usize],
        how: &Preparation,
        alone: bool,
        what: &str,
    ) -> std::result::Result<Self, String> {
        let given = how.layout.unwrap_or_else(|| Layout::of(&input.dims));
        let (order, layout) = if squeezed(dims) == squeezed(&input.dims) {
            (None, given)
        } else {
            let order = how.layout.and_then(|l| moved(dims, &input.dims, l));
            (Some(order.ok_or_else(|| differs(input, dims, how, what))?), opposite(given))
        };
        let prepared = input.dtype.is_float() && (alone || input.dims.len() > 2);
        if !prepared && alone && !how.is_nothing() {
            let dtype = input.dtype.as_str_name().to_lowercase();
            return Err(format!(
                "input '{}' takes {dtype}, which --scale, --mean and --std do not apply to: leave them out",
                input.name
            ));
        }
        let channels = channels(&input.dims, layout);
        if let Some(n) = how.channels().filter(|n| prepared && *n != channels.0) {
            return Err(format!(
                "--mean and --std are for {n} channels, and input '{}' ({}) has {}; --layout says which axis they are on",
                input.name,
                join(&input.dims),
                channels.0
            ));
        }
        let preparation = Some(how.clone()).filter(|p| prepared && !p.is_nothing());
        Ok(Self { input: input.clone(), order, preparation, channels })
    }

    /// A sample's elements, in the input's order of axes, as the input takes them. Errors where an element cannot be what the input takes.
    pub(super) fn tensor(&self, mut x: Vec<f64>) -> Result<Tensor> {
        if let Some(p) = &self.preparation {
            p.apply(&mut x, self.channels.0, self.channels.1);
        }
        let dims = self.input.dims.clone();
        if self.input.dtype.is_float() {
            let floats: Vec<f32> = x.iter().map(|v| *v as f32).collect();
            return match floats.iter().find(|v| !v.is_finite()) {
                Some(v) => Err(self.wrong(&format!("it holds {v}"))),
                None => Ok(Tensor::from_floats(dims, &floats)),
            };
        }
        let width = |n: usize, low: f64, high: f64| {
            if let Some(v) = x.iter().find(|v| v.fract() != 0.0 || !(low..=high).contains(*v)) {
                let dtype = self.input.dtype.as_str_name().to_lowercase();
                return Err(self.wrong(&format!("{v} is no {dtype}")));
            }
            Ok(x.iter().flat_map(|v| (*v as i64).to_le_bytes().into_iter().take(n)).collect::<Vec<u8>>())
        };
        let data = match self.input.dtype {
            DataType::Bool => width(1, 0.0, 1.0),
            DataType::Uint8 => width(1, 0.0, 255.0),
            DataType::Int8 => width(1, -128.0, 127.0),
            DataType::Uint16 => width(2, 0.0, 65535.0),
            DataType::Int16 => width(2, -32768.0, 32767.0),
            DataType::Uint32 => width(4, 0.0, f64::from(u32::MAX)),
            DataType::Int32 => width(4, f64::from(i32::MIN), f64::from(i32::MAX)),
            DataType::Int64 | DataType::Uint64 => width(8, -EXACT, EXACT),
            other => Err(self.wrong(&format!("the model takes {}, which samples cannot be", other.as_str_name()))),
        }?;
        Ok(Tensor { dtype: self.input.dtype, dims, data: data.into() })
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::new(ErrorKind::BadOption(format!("input '{}': {reason}", self.input.name)))
    }
}

/// The largest integer up to which float64 holds every one.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn join(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn squeezed(dims: &[usize]) -> Vec<usize> {
    dims.iter().copied().filter(|d| *d != 1).collect()
}

fn opposite(layout: Layout) -> Layout {
    if layout == Layout::Nchw { Layout::Nhwc } else { Layout::Nchw }
}

/// Channels, and elements behind each of them.
fn channels(dims: &[usize], layout: Layout) -> (usize, usize) {
    match (without_batch(dims), layout) {
        ([c, inner @ ..], Layout::Nchw) => (*c, inner.iter().product()),
        ([.., c], Layout::Nhwc) => (*c, 1),
        _ => (1, 1),
    }
}

/// The order of the data's axes in which it fits, channels moved from where `layout` says that they stand to the other end.
fn moved(dims: &[usize], input: &[usize], layout: Layout) -> Option<Vec<usize>> {
    let rank = dims.len();
    let skipped = rank.checked_sub(without_batch(dims).len())?;
    let mut order: Vec<usize> = (0..rank).collect();
    match layout {
        Layout::Nhwc => order.get_mut(skipped..)?.rotate_right(1),
        Layout::Nchw if rank > skipped => order.get_mut(skipped..)?.rotate_left(1),
        Layout::Nchw => {}
    }
    let there: Vec<usize> = order.iter().map(|&a| dims[a]).collect();
    (squeezed(&there) == squeezed(input)).then_some(order)
}

fn differs(input: &Input, dims: &[usize], how: &Preparation, what: &str) -> String {
    let fits = |l: Layout| moved(dims, &input.dims, l).is_some();
    let wanted = join(without_batch(&input.dims));
    let hint = match input.dims.first() {
        _ if how.layout.is_none() && fits(Layout::Nhwc) => "add --layout nhwc".to_owned(),
        _ if how.layout.is_none() && fits(Layout::Nchw) => "add --layout nchw".to_owned(),
        Some(&n) if n > 1 && squeezed(dims) == squeezed(&input.dims[1..]) => format!(
            "its first dim is fixed at {n}, and samples are run one at a time: export the model with a first dim that is open or 1, \
             or give each slice {n} samples"
        ),
        _ => format!(
            "save it as (samples, {wanted}), or give the size that it has with --input-shape where the model leaves it open"
        ),
    };
    format!("{what}: each sample is {}, and input '{}' takes {}; {hint}", join(dims), input.name, join(&input.dims))
}
