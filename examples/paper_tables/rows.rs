//! The rows of the FPGM paper's tables: network, rate, and the share of FLOPs that the paper takes away.

use secateur::build::networks::{Shortcut, Stride, cifar_resnet, resnet_strided, vgg16};
use secateur::{Model, Result};

/// A network of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// ResNet for CIFAR-10, option-A shortcuts.
    Cifar(usize),
    /// VGG-16 for CIFAR-10.
    Vgg16,
    /// ResNet for ILSVRC-2012.
    Ilsvrc(usize),
}

/// A row of a table.
pub(super) struct Row {
    /// The network.
    pub(super) network: Network,
    /// The rate of its convolutions, in the graph's order.
    pub(super) rates: Rates,
    /// What the paper takes away, in percent.
    pub(super) paper: f64,
    /// What the authors' code gives where the paper prints another figure.
    pub(super) code: Option<f64>,
}

/// How much each convolution loses.
pub(super) enum Rates {
    /// All the same.
    Same(f64),
    /// Half of the filters of these convolutions, counted from 1, none of the others.
    Half(&'static [usize]),
}

/// VGG-16's first figure is that of Li et al. (2017), whose widths the authors' scripts take over: half of the filters of layers 1 and 8 to
/// 13. Its last is the same 20 % for every layer, the rate of their other runs.
pub(super) const ROWS: [Row; 13] = [
    row(Network::Cifar(20), Rates::Same(0.3), 42.2),
    row(Network::Cifar(20), Rates::Same(0.4), 54.0),
    row(Network::Cifar(32), Rates::Same(0.3), 41.5),
    row(Network::Cifar(32), Rates::Same(0.4), 53.2),
    row(Network::Cifar(56), Rates::Same(0.4), 52.6),
    row(Network::Cifar(110), Rates::Same(0.4), 52.3),
    row(Network::Vgg16, Rates::Half(&[1, 8, 9, 10, 11, 12, 13]), 34.2),
    row(Network::Vgg16, Rates::Same(0.2), 35.9),
    row(Network::Ilsvrc(18), Rates::Same(0.3), 41.8),
    row(Network::Ilsvrc(34), Rates::Same(0.3), 41.1),
    row(Network::Ilsvrc(50), Rates::Same(0.3), 42.2),
    row(Network::Ilsvrc(50), Rates::Same(0.4), 53.5),
    Row { code: Some(44.1), ..row(Network::Ilsvrc(101), Rates::Same(0.3), 42.2) },
];

const fn row(network: Network, rates: Rates, paper: f64) -> Row {
    Row { network, rates, paper, code: None }
}

impl Network {
    /// The network, bottlenecks strided where it is asked for.
    pub(super) fn build(self, stride: Stride) -> Result<Model> {
        match self {
            Self::Cifar(depth) => cifar_resnet(depth, Shortcut::Pad, 0),
            Self::Vgg16 => vgg16(0),
            Self::Ilsvrc(depth) => resnet_strided(depth, stride, 0),
        }
    }
}

impl Rates {
    /// The rate of the k-th convolution, counted from 0.
    pub(super) fn of(&self, k: usize) -> f64 {
        match self {
            Self::Same(rate) => *rate,
            Self::Half(which) => {
                if which.contains(&(k + 1)) {
                    0.5
                } else {
                    0.0
                }
            }
        }
    }
}
