//! The networks of the pruning papers, in the layout of PyTorch's exports, with seeded weights.

use super::{Conv, GraphBuilder, Op, Pool, Val};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Model, Tensor};

/// How a CIFAR ResNet's shortcut grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcut {
    /// Strided Slice and channel Pad, whose amounts a chain of nodes computes (option A of the ResNet paper).
    Pad,
    /// A 1x1 convolution (option B).
    Projection,
}

/// Which convolution of a strided bottleneck block has the stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stride {
    /// The first 1x1, as in the ResNet paper, and as the pruning papers count.
    First,
    /// The 3x3, as in PyTorch's networks.
    Second,
}

/// CIFAR ResNet of `6 n + 2` layers (20, 32, 56, 110): 16, 32 and 64 channels, 32x32 inputs, an open batch. Errors at other depths.
pub fn cifar_resnet(depth: usize, shortcut: Shortcut, seed: u64) -> Result<Model> {
    if depth < 8 || depth % 6 != 2 {
        return Err(no_such_depth(depth, "6 n + 2, as 20 or 56"));
    }
    let mut g = GraphBuilder::seeded(17, seed);
    let x = g.input_open("input", &[1, 3, 32, 32]);
    let x = g.conv(&x, "/conv1", Conv::square(16, 3).pad(1).no_bias());
    let x = g.batch_norm(&x, "/bn1");
    let mut x = g.relu(&x, "/Relu");
    for (stage, width) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..(depth - 2) / 6 {
            let path = format!("/layer{0}/layer{0}.{block}", stage + 1);
            x = basic_block(&mut g, &x, &path, width, 1 + usize::from(stage > 0 && block == 0), shortcut);
        }
    }
    classifier(g, &x, "/linear", 10)
}

/// ImageNet ResNet of 18, 34 (basic blocks) or 50, 101 (bottlenecks, stride in the 3x3): 224x224 inputs, an open batch. Errors at
/// other depths.
pub fn resnet(depth: usize, seed: u64) -> Result<Model> {
    resnet_strided(depth, Stride::Second, seed)
}

/// The same, with the stride of bottlenecks where it is asked for.
pub fn resnet_strided(depth: usize, at: Stride, seed: u64) -> Result<Model> {
    let blocks = match depth {
        18 => [2, 2, 2, 2],
        34 | 50 => [3, 4, 6, 3],
        101 => [3, 4, 23, 3],
        _ => return Err(no_such_depth(depth, "18, 34, 50 or 101")),
    };
    let mut g = GraphBuilder::seeded(17, seed);
    let x = g.input_open("input", &[1, 3, 224, 224]);
    let x = g.conv(&x, "/conv1", Conv::square(64, 7).stride(2).pad(3).no_bias());
    let x = g.batch_norm(&x, "/bn1");
    let x = g.relu(&x, "/relu/Relu");
    let mut x = g.max_pool(&x, "/maxpool/MaxPool", Pool(3, 2, 1));
    for (stage, n) in blocks.into_iter().enumerate() {
        for block in 0..n {
            let path = format!("/layer{0}/layer{0}.{block}", stage + 1);
            let stride = 1 + usize::from(stage > 0 && block == 0);
            x = if depth < 50 {
                basic_block(&mut g, &x, &path, 64 << stage, stride, Shortcut::Projection)
            } else {
                bottleneck(&mut g, &x, &path, 64 << stage, if at == Stride::First { (stride, 1) } else { (1, stride) })
            };
        }
    }
    classifier(g, &x, "/fc", 1000)
}

/// VGG-16 for CIFAR-10: 13 convolutions with BatchNormalization, then 512 -> 512 -> 10.
pub fn vgg16(seed: u64) -> Result<Model> {
    let mut g = GraphBuilder::seeded(17, seed);
    let mut x = g.input_open("input", &[1, 3, 32, 32]);
    let mut layer = 0;
    for (width, n) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..n {
            let path = format!("/features/features.{layer}");
            x = g.conv(&x, &path, Conv::square(width, 3).pad(1).no_bias());
            x = g.batch_norm(&x, &format!("/features/features.{}", layer + 1));
            x = g.relu(&x, &format!("/features/features.{}/Relu", layer + 2));
            layer += 3;
        }
        x = g.max_pool(&x, &format!("/features/features.{layer}/MaxPool"), Pool(2, 2, 0));
        layer += 1;
    }
    let x = g.flatten(&x, "/Flatten");
    let x = g.gemm(&x, "/classifier/classifier.0", 512);
    let x = g.relu(&x, "/classifier/classifier.1/Relu");
    let y = g.gemm(&x, "/classifier/classifier.2", 10);
    g.output(&y);
    g.model()
}

fn no_such_depth(depth: usize, expected: &str) -> Error {
    Error::new(ErrorKind::BadOption(format!("there is no ResNet of {depth} layers here; expected {expected}")))
}

fn classifier(mut g: GraphBuilder, x: &Val, name: &str, classes: usize) -> Result<Model> {
    let x = g.global_average_pool(x, "/avgpool/GlobalAveragePool");
    let x = g.flatten(&x, "/Flatten");
    let y = g.gemm(&x, name, classes);
    g.output(&y);
    g.model()
}

/// Conv, BatchNormalization, and a Relu unless it is the last of a branch.
fn unit(g: &mut GraphBuilder, x: &Val, (path, n): (&str, usize), conv: Conv, relu: bool) -> Val {
    let y = g.conv(x, &format!("{path}/conv{n}"), conv.no_bias());
    let y = g.batch_norm(&y, &format!("{path}/bn{n}"));
    if relu { g.relu(&y, &format!("{path}/relu{n}/Relu")) } else { y }
}

fn basic_block(g: &mut GraphBuilder, x: &Val, path: &str, width: usize, stride: usize, shortcut: Shortcut) -> Val {
    let y = unit(g, x, (path, 1), Conv::square(width, 3).stride(stride).pad(1), true);
    let y = unit(g, &y, (path, 2), Conv::square(width, 3).pad(1), false);
    let same = x.dims == y.dims;
    let z = match shortcut {
        _ if same => x.clone(),
        Shortcut::Pad => pad_shortcut(g, x, &format!("{path}/shortcut"), width),
        Shortcut::Projection => projection(g, x, path, width, stride),
    };
    let y = g.add(&y, &z, &format!("{path}/Add"));
    g.relu(&y, &format!("{path}/relu/Relu"))
}

fn bottleneck(g: &mut GraphBuilder, x: &Val, path: &str, width: usize, strides: (usize, usize)) -> Val {
    let y = unit(g, x, (path, 1), Conv::square(width, 1).stride(strides.0), true);
    let y = unit(g, &y, (path, 2), Conv::square(width, 3).stride(strides.1).pad(1), true);
    let y = unit(g, &y, (path, 3), Conv::square(4 * width, 1), false);
    let z = if x.dims == y.dims { x.clone() } else { projection(g, x, path, 4 * width, strides.0 * strides.1) };
    let y = g.add(&y, &z, &format!("{path}/Add"));
    g.relu(&y, &format!("{path}/relu/Relu"))
}

fn projection(g: &mut GraphBuilder, x: &Val, path: &str, width: usize, stride: usize) -> Val {
    let y = g.conv(x, &format!("{path}/downsample/downsample.0"), Conv::square(width, 1).stride(stride).no_bias());
    g.batch_norm(&y, &format!("{path}/downsample/downsample.1"))
}

/// Every second row and column, and zero channels on both sides up to `width`.
fn pad_shortcut(g: &mut GraphBuilder, x: &Val, path: &str, width: usize) -> Val {
    let mut dims = x.dims.clone();
    let mut y = x.clone();
    for axis in [2, 3] {
        dims[axis] = dims[axis].div_ceil(2);
        let bounds = [("start", 0), ("end", i64::MAX), ("axis", axis as i64), ("step", 2)];
        let bounds = bounds.map(|(what, v)| g.ints(&format!("{path}.{what}{axis}"), &[v]));
        let [start, end, at, step] = &bounds;
        y = g.node(Op::new("Slice", &format!("{path}/Slice{axis}")), &[&y, start, end, at, step], &dims);
    }
    let amounts = pad_amounts(g, path, (width - x.dims[1]) / 2);
    dims[1] = width;
    let zero = g.initializer(&format!("{path}.zero"), &Tensor::from_floats(vec![], &[0.0]));
    g.node(Op::new("Pad", &format!("{path}/Pad")).text("mode", "constant"), &[&y, &amounts, &zero], &dims)
}

/// PyTorch's list of amounts, last axis first, turned into ONNX's by a chain of nodes.
fn pad_amounts(g: &mut GraphBuilder, path: &str, side: usize) -> Val {
    let n = side as i64;
    let given = g.ints(&format!("{path}.pads"), &[0, 0, 0, 0, n, n]);
    let two = g.ints(&format!("{path}.two"), &[2]);
    let rest = g.node(
        Op::new("ConstantOfShape", &format!("{path}/ConstantOfShape"))
            .tensor("value", &Tensor::from_ints(vec![1], &[0])),
        &[&two],
        &[2],
    );
    let all = g.node(Op::new("Concat", &format!("{path}/Concat")).int("axis", 0), &[&given, &rest], &[8]);
    let pairs = g.reshape(&all, &[-1, 2], &[4, 2], &format!("{path}/Reshape"));
    let bounds = [("from", -1), ("to", -i64::MAX), ("along", 0), ("back", -1)]
        .map(|(what, v)| g.ints(&format!("{path}.{what}"), &[v]));
    let [from, to, along, back] = &bounds;
    let reversed = g.node(Op::new("Slice", &format!("{path}/Slice")), &[&pairs, from, to, along, back], &[4, 2]);
    let sides = g.transpose(&reversed, &[1, 0], &format!("{path}/Transpose"));
    let flat = g.reshape(&sides, &[-1], &[8], &format!("{path}/Reshape_1"));
    g.node(Op::new("Cast", &format!("{path}/Cast")).int("to", 7), &[&flat], &[8])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::proto::NodeProto;

    /// Multiply-adds of all convolutions, from kernels and the widths that strides leave, without shape inference.
    fn conv_macs(model: &Model, input: usize) -> u64 {
        let graph = model.graph_proto();
        let mut width = std::collections::HashMap::from([("input".to_owned(), input)]);
        let mut sum = 0;
        for node in &graph.node {
            let Some(&w) = node.input.first().and_then(|i| width.get(i)) else { continue };
            let one = |name: &str, k: usize| node.attr_ints(name).and_then(|v| v.get(k)).map_or(0, |&v| v as usize);
            let out = match node.op_type() {
                "Conv" | "MaxPool" => (w + 2 * one("pads", 0) - one("kernel_shape", 0)) / one("strides", 0) + 1,
                "Slice" if node.name().ends_with('3') => w.div_ceil(2),
                _ => w,
            };
            width.insert(node.output[0].clone(), out);
            sum += weights(model, node) * (out * out) as u64;
        }
        sum
    }

    fn weights(model: &Model, node: &NodeProto) -> u64 {
        let is_weight = |name: &str| node.op_type() == "Conv" && node.input[1] == name;
        let weight = model.graph_proto().initializer.iter().find(|t| is_weight(t.name()));
        weight.map_or(0, |t| t.dims.iter().product::<i64>() as u64)
    }

    #[test]
    fn convolutions_cost_what_the_papers_say() {
        let cifar = |depth| conv_macs(&cifar_resnet(depth, Shortcut::Pad, 0).unwrap(), 32);
        assert_eq!([cifar(20), cifar(32), cifar(56), cifar(110)], [40_550_400, 68_861_952, 125_485_056, 252_887_040]);
        assert_eq!(conv_macs(&vgg16(0).unwrap(), 32), 313_196_544);
        let imagenet = |depth| conv_macs(&resnet(depth, 0).unwrap(), 224);
        assert_eq!([imagenet(18), imagenet(34), imagenet(50)], [1_813_561_344, 3_663_249_408, 4_087_136_256]);
        assert_eq!(conv_macs(&resnet_strided(50, Stride::First, 0).unwrap(), 224), 3_855_925_248);
    }

    #[test]
    fn other_depths_are_refused() {
        assert!(cifar_resnet(21, Shortcut::Pad, 0).is_err() && resnet(152, 0).is_err());
    }
}
