//! The layers that networks are made of, named as PyTorch's exporter names them: node `/a/b/Conv`, weights `a.b.weight`.

use super::{GraphBuilder, Op, Val};

/// A two-dimensional convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// Filters.
    pub out: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Padding on every side.
    pub pad: usize,
    /// Groups.
    pub group: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl Conv {
    /// `out` filters of `kernel` x `kernel`, stride 1, no padding, one group, with a bias.
    pub fn square(out: usize, kernel: usize) -> Self {
        Self { out, kernel, stride: 1, pad: 0, group: 1, bias: true }
    }

    /// With that stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// With that padding.
    pub fn pad(self, pad: usize) -> Self {
        Self { pad, ..self }
    }

    /// In groups.
    pub fn group(self, group: usize) -> Self {
        Self { group, ..self }
    }

    /// Without a bias, as before a BatchNormalization.
    pub fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

/// A window that slides: kernel, stride, padding.
#[derive(Debug, Clone, Copy)]
pub struct Pool(pub usize, pub usize, pub usize);

fn slid(n: usize, kernel: usize, stride: usize, pad: usize) -> usize {
    (n + 2 * pad - kernel) / stride + 1
}

fn pair(n: usize) -> [i64; 2] {
    [n as i64; 2]
}

impl GraphBuilder {
    /// Conv, with weights `NAME.weight` and `NAME.bias`.
    pub fn conv(&mut self, x: &Val, name: &str, c: Conv) -> Val {
        let w = self.weights(&format!("{}.weight", dotted(name)), &[c.out, x.dims[1] / c.group, c.kernel, c.kernel]);
        let mut inputs = vec![x.clone(), w];
        if c.bias {
            inputs.push(self.uniform(&format!("{}.bias", dotted(name)), &[c.out], -0.1, 0.1));
        }
        let op = Op::new("Conv", &format!("{name}/Conv"))
            .int("group", c.group as i64)
            .ints("kernel_shape", &pair(c.kernel))
            .ints("strides", &pair(c.stride))
            .ints("pads", &[c.pad as i64; 4]);
        let space = |n| slid(n, c.kernel, c.stride, c.pad);
        let dims = [x.dims[0], c.out, space(x.dims[2]), space(x.dims[3])];
        self.node(op, &inputs.iter().collect::<Vec<_>>(), &dims)
    }

    /// BatchNormalization in inference, with realistic statistics.
    pub fn batch_norm(&mut self, x: &Val, name: &str) -> Val {
        let (base, n) = (dotted(name), [x.dims[1]]);
        let scale = self.uniform(&format!("{base}.weight"), &n, 0.5, 1.5);
        let bias = self.uniform(&format!("{base}.bias"), &n, -0.2, 0.2);
        let mean = self.uniform(&format!("{base}.running_mean"), &n, -0.2, 0.2);
        let var = self.uniform(&format!("{base}.running_var"), &n, 0.5, 1.5);
        let op = Op::new("BatchNormalization", &format!("{name}/BatchNormalization"));
        self.node(op, &[x, &scale, &bias, &mean, &var], &x.dims)
    }

    /// A function of each element.
    pub fn unary(&mut self, op: &str, x: &Val, name: &str) -> Val {
        self.node(Op::new(op, name), &[x], &x.dims)
    }

    /// Relu.
    pub fn relu(&mut self, x: &Val, name: &str) -> Val {
        self.unary("Relu", x, name)
    }

    /// Add of two values of the same dims.
    pub fn add(&mut self, a: &Val, b: &Val, name: &str) -> Val {
        self.node(Op::new("Add", name), &[a, b], &a.dims)
    }

    /// Concat along an axis.
    pub fn concat(&mut self, parts: &[&Val], axis: usize, name: &str) -> Val {
        let mut dims = parts[0].dims.clone();
        dims[axis] = parts.iter().map(|p| p.dims[axis]).sum();
        self.node(Op::new("Concat", name).int("axis", axis as i64), parts, &dims)
    }

    /// Split along an axis into parts of those sizes.
    pub fn split(&mut self, x: &Val, axis: usize, sizes: &[usize], name: &str) -> Vec<Val> {
        let list: Vec<i64> = sizes.iter().map(|&n| n as i64).collect();
        let given = self.ints(&format!("{name}.sizes"), &list);
        let part = |&n: &usize| x.dims.iter().enumerate().map(|(k, &d)| if k == axis { n } else { d }).collect();
        let dims: Vec<Vec<usize>> = sizes.iter().map(part).collect();
        self.node_multi(Op::new("Split", name).int("axis", axis as i64), &[x, &given], &dims)
    }

    /// MaxPool.
    pub fn max_pool(&mut self, x: &Val, name: &str, Pool(kernel, stride, pad): Pool) -> Val {
        let op = Op::new("MaxPool", name)
            .ints("kernel_shape", &pair(kernel))
            .ints("strides", &pair(stride))
            .ints("pads", &[pad as i64; 4]);
        let space = |n| slid(n, kernel, stride, pad);
        self.node(op, &[x], &[x.dims[0], x.dims[1], space(x.dims[2]), space(x.dims[3])])
    }

    /// GlobalAveragePool.
    pub fn global_average_pool(&mut self, x: &Val, name: &str) -> Val {
        self.node(Op::new("GlobalAveragePool", name), &[x], &[x.dims[0], x.dims[1], 1, 1])
    }

    /// Flatten behind the first axis.
    pub fn flatten(&mut self, x: &Val, name: &str) -> Val {
        self.node(Op::new("Flatten", name).int("axis", 1), &[x], &[x.dims[0], x.dims[1..].iter().product()])
    }

    /// Reshape to a constant shape.
    pub fn reshape(&mut self, x: &Val, shape: &[i64], dims: &[usize], name: &str) -> Val {
        let target = self.ints(&format!("{name}.shape"), shape);
        self.node(Op::new("Reshape", name), &[x, &target], dims)
    }

    /// Transpose.
    pub fn transpose(&mut self, x: &Val, perm: &[usize], name: &str) -> Val {
        let order: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        let dims: Vec<usize> = perm.iter().map(|&p| x.dims[p]).collect();
        self.node(Op::new("Transpose", name).ints("perm", &order), &[x], &dims)
    }

    /// Gemm with a transposed weight and a bias.
    pub fn gemm(&mut self, x: &Val, name: &str, out: usize) -> Val {
        let w = self.weights(&format!("{}.weight", dotted(name)), &[out, x.dims[1]]);
        let b = self.uniform(&format!("{}.bias", dotted(name)), &[out], -0.1, 0.1);
        self.node(Op::new("Gemm", &format!("{name}/Gemm")).int("transB", 1), &[x, &w, &b], &[x.dims[0], out])
    }
}

/// `/layer1/layer1.0/conv1` is the module `layer1.0.conv1`: each part of a path repeats what stands before it.
fn dotted(path: &str) -> String {
    let mut module = String::new();
    for part in path.split('/').filter(|p| !p.is_empty()) {
        if module.is_empty() || part.starts_with(&format!("{module}.")) {
            module = part.into();
        } else {
            module = format!("{module}.{part}");
        }
    }
    module
}
