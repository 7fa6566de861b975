"""Trains the small ResNet that secateur's tests prune, and writes it as ONNX beside this script.

Tests of a pruning tool need a network that is really trained: cutting random weights says nothing about
accuracy. This one is small enough to keep in the repository and to run in milliseconds, and still has what
makes pruning hard: residual additions, projection shortcuts and BatchNormalization with its own statistics.

Writes digits_resnet.onnx, digits_calib256.npz and digits_test.npz; prints the accuracy in onnxruntime.
Needs: numpy jax scikit-learn onnx onnxruntime. Usage: python digits_resnet.py
"""
import os
from pathlib import Path

os.environ["NPROC"] = "1"  # read when JAX starts: how it splits sums, so the rounding, depends on the cores

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FOLDER = Path(__file__).resolve().parent
MODEL = FOLDER / "digits_resnet.onnx"
SEED = 20
TEST_SAMPLES = 597
CALIBRATION_SAMPLES = 256
PIXEL_MAX = 16

STAGES = [(16, 2), (32, 2), (64, 1)]  # (width, blocks)
CLASSES = 10
EPSILON = 1e-5
BN_MOMENTUM = 0.1  # share of the new batch, as PyTorch counts it

EPOCHS = 60
BATCH = 60
PEAK_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


# The network, written once. `ops` decides what it does: make weights, compute, or build a graph.


def resnet(ops, x):
    x = ops.conv(x, "stem", STAGES[0][0], 3, 1)
    x = ops.relu(ops.norm(x, "bn1"), "relu")
    for stage, (width, blocks) in enumerate(STAGES, start=1):
        for index in range(blocks):
            stride = 2 if stage > 1 and index == 0 else 1
            x = basic_block(ops, x, f"layer{stage}.{index}", width, stride)
    return ops.linear(ops.pool(x), "fc", CLASSES)


def basic_block(ops, x, name, width, stride):
    y = ops.norm(ops.conv(x, f"{name}.conv1", width, 3, stride), f"{name}.bn1")
    y = ops.relu(y, f"{name}.relu")
    y = ops.norm(ops.conv(y, f"{name}.conv2", width, 3, 1), f"{name}.bn2")
    if stride > 1:
        x = ops.conv(x, f"{name}.downsample.0", width, 1, stride)
        x = ops.norm(x, f"{name}.downsample.1")
    return ops.relu(ops.add(y, x, name), f"{name}.relu_1")


class Initialise:
    """Makes starting weights; a value is its number of channels."""

    def __init__(self, rng):
        self.rng = rng
        self.weights = {}
        self.statistics = {}

    def conv(self, x, name, width, kernel, stride):
        deviation = np.sqrt(2 / (width * kernel * kernel))
        self.weights[f"{name}.weight"] = self.rng.normal(0, deviation, (width, x, kernel, kernel))
        return width

    def norm(self, x, name):
        self.weights[f"{name}.weight"] = np.ones(x)
        self.weights[f"{name}.bias"] = np.zeros(x)
        self.statistics[f"{name}.running_mean"] = np.zeros(x)
        self.statistics[f"{name}.running_var"] = np.ones(x)
        return x

    def relu(self, x, name):
        return x

    def add(self, a, b, name):
        return a

    def pool(self, x):
        return x

    def linear(self, x, name, width):
        bound = 1 / np.sqrt(x)
        self.weights[f"{name}.weight"] = self.rng.uniform(-bound, bound, (width, x))
        self.weights[f"{name}.bias"] = np.zeros(width)
        return width


class Train:
    """Computes in JAX with the statistics of the batch, and moves the running ones."""

    def __init__(self, weights, statistics):
        self.weights = weights
        self.statistics = dict(statistics)

    def conv(self, x, name, width, kernel, stride):
        pad = kernel // 2
        weight = self.weights[f"{name}.weight"]
        return jax.lax.conv_general_dilated(x, weight, (stride, stride), [(pad, pad)] * 2)

    def norm(self, x, name):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        count = x.size // x.shape[1]
        self._move(f"{name}.running_mean", mean)
        self._move(f"{name}.running_var", var * count / (count - 1))
        scale = self.weights[f"{name}.weight"] / jnp.sqrt(var + EPSILON)
        shift = self.weights[f"{name}.bias"] - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def _move(self, key, value):
        self.statistics[key] += BN_MOMENTUM * (value - self.statistics[key])

    def relu(self, x, name):
        return jax.nn.relu(x)

    def add(self, a, b, name):
        return a + b

    def pool(self, x):
        return x.mean((2, 3))

    def linear(self, x, name, width):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]


class Export:
    """Builds ONNX nodes; a value is its name. Names are those that a PyTorch export gives."""

    def __init__(self):
        self.nodes = []

    def _node(self, op, inputs, module, output=None, **attributes):
        name = f"{scope(module)}/{op}"
        output = output or f"{name}_output_0"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def conv(self, x, name, width, kernel, stride):
        return self._node(
            "Conv", [x, f"{name}.weight"], name,
            dilations=[1, 1], group=1, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=[stride] * 2,
        )

    def norm(self, x, name):
        parts = ("weight", "bias", "running_mean", "running_var")
        inputs = [x] + [f"{name}.{part}" for part in parts]
        return self._node(
            "BatchNormalization", inputs, name, epsilon=EPSILON, momentum=1 - BN_MOMENTUM, training_mode=0
        )

    def relu(self, x, name):
        return self._node("Relu", [x], name)

    def add(self, a, b, name):
        return self._node("Add", [a, b], name)

    def pool(self, x):
        return self._node("Flatten", [self._node("GlobalAveragePool", [x], "avgpool")], "", axis=1)

    def linear(self, x, name, width):
        inputs = [x, f"{name}.weight", f"{name}.bias"]
        return self._node("Gemm", inputs, name, "logits", alpha=1.0, beta=1.0, transB=1)


def scope(module):
    """layer1.0.conv1 -> /layer1/layer1.0/conv1: a numbered child repeats its parent's name."""
    path, parent = "", ""
    for part in module.split(".") if module else []:
        path += f"/{parent}.{part}" if part.isdigit() else f"/{part}"
        parent = part
    return path


# Data.


def load_split():
    """Training images, test images, training labels, test labels; images are uint8 [n, 1, 8, 8], 0..16."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    return train_test_split(images, labels, test_size=TEST_SAMPLES, random_state=SEED, stratify=labels)


def to_input(images):
    return images.astype(np.float32) / PIXEL_MAX


def shift(images, rng):
    """Moves each image by up to one pixel each way."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, (2, len(images)))
    return np.stack([p[:, r:r + 8, c:c + 8] for p, r, c in zip(padded, rows, columns)])


# Training.


def loss(weights, statistics, x, y):
    ops = Train(weights, statistics)
    likelihoods = jax.nn.log_softmax(resnet(ops, x))
    return -jnp.take_along_axis(likelihoods, y[:, None], 1).mean(), ops.statistics


@jax.jit
def step(weights, statistics, velocity, x, y, rate):
    """One step of SGD with Nesterov momentum."""
    gradients, statistics = jax.grad(loss, has_aux=True)(weights, statistics, x, y)
    gradients = jax.tree.map(lambda g, w: g + WEIGHT_DECAY * w, gradients, weights)
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
    weights = jax.tree.map(lambda w, g, v: w - rate * (g + MOMENTUM * v), weights, gradients, velocity)
    return weights, statistics, velocity


def learning_rates(steps):
    """Rises over the first tenth, then falls to zero along a cosine."""
    progress = (np.arange(steps) + 0.5) / steps
    return PEAK_RATE * np.minimum(progress * 10, (1 + np.cos(np.pi * progress)) / 2)


def train(images, labels, rng):
    """Trained weights and running statistics, by name, in float32."""
    start = Initialise(rng)
    resnet(start, images.shape[1])
    weights, statistics = jax.tree.map(jnp.float32, (start.weights, start.statistics))
    velocity = jax.tree.map(jnp.zeros_like, weights)
    batches = len(images) // BATCH
    rates = iter(learning_rates(EPOCHS * batches).astype(np.float32))
    for _ in range(EPOCHS):
        x = to_input(shift(images, rng))
        order = rng.permutation(len(images))[:batches * BATCH].reshape(batches, BATCH)
        for rows in order:
            weights, statistics, velocity = step(weights, statistics, velocity, x[rows], labels[rows], next(rates))
    return {name: np.asarray(value) for name, value in (weights | statistics).items()}


# Writing and checking.


def to_onnx(tensors):
    ops = Export()
    resnet(ops, "input")
    in_order_of_use = [name for node in ops.nodes for name in node.input if name in tensors]
    graph = helper.make_graph(
        ops.nodes,
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(tensors[name], name) for name in in_order_of_use],
    )
    model = helper.make_model(
        graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)], producer_name="secateur testdata"
    )
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(path, images, labels):
    """Top-1 in onnxruntime, in percent."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"input": to_input(images)})
    return 100 * (logits.argmax(1) == labels).mean()


def main():
    train_images, test_images, train_labels, test_labels = load_split()
    rng = np.random.default_rng(SEED)
    calibration = rng.choice(len(train_images), CALIBRATION_SAMPLES, replace=False)
    np.savez(FOLDER / "digits_calib256.npz", x=train_images[calibration])
    np.savez(FOLDER / "digits_test.npz", x=test_images, y=test_labels)
    tensors = train(train_images, train_labels, rng)
    onnx.save(to_onnx(tensors), MODEL)
    print(f"parameters: {sum(value.size for value in tensors.values())}")
    print(f"training accuracy: {accuracy(MODEL, train_images, train_labels):.2f} %")
    print(f"test accuracy: {accuracy(MODEL, test_images, test_labels):.2f} %")


if __name__ == "__main__":
    main()
