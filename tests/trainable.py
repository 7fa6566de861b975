#!/usr/bin/env python3
"""What secateur writes can be trained on: a pruned ResNet-20 goes through onnx2torch, learns for a few steps, and is exported again.

usage: trainable.py [MODEL] [--binary target/release/secateur] [--rate 0.3] [--steps 5] [--keep DIR]

MODEL takes a batch of images and gives logits; by default it is the ResNet-20 of `cargo run --release --example networks`. Checked are: PyTorch
computes what the pruned file says; every parameter is reached by a gradient; the loss falls; the exported file gives in onnxruntime what PyTorch
gives, with the pruned widths; secateur reads it, and prunes and proves it once more. Exit 0 where all of it holds, 1 where something does not, 0
with a notice where torch, onnx2torch, onnx or onnxruntime is missing.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    import onnx
    import onnx2torch
    import onnxruntime as ort
    import torch
except ImportError as missing:
    print(f"SKIPPED: {missing}")
    sys.exit(0)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BATCH = 8
TOLERANCE = 1e-4


def check(holds, what):
    print(("ok      " if holds else "FAILED  ") + what)
    if not holds:
        sys.exit(1)


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        check(False, f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def in_onnxruntime(path, x):
    session = ort.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def difference(a, b):
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-12))


def widths(path):
    """The filters of every convolution, in the graph's order."""
    graph = onnx.load(path).graph
    dims = {t.name: list(t.dims) for t in graph.initializer}
    return [dims[n.input[1]][0] for n in graph.node if n.op_type == "Conv"]


def train(network, x, steps):
    """The loss of each step, on one batch of random images and classes."""
    network.train()
    y = torch.randint(0, network(x).shape[1], (BATCH,))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        losses.append(float(loss))
        optimizer.step()
    network.eval()
    return losses


def export(network, x, path):
    axes = {"input": {0: "N"}, "logits": {0: "N"}}
    torch.onnx.export(network, (x[:1],), path, dynamo=False, opset_version=17, input_names=["input"],
                      output_names=["logits"], dynamic_axes=axes)


def trial(o, folder):
    model = o.model
    if not model:
        run("cargo", "run", "--release", "--quiet", "--example", "networks", "--", os.path.join(folder, "networks"))
        model = os.path.join(folder, "networks", "resnet20.onnx")
    pruned, again = os.path.join(folder, "pruned.onnx"), os.path.join(folder, "trained.onnx")
    cut = json.loads(run(o.binary, "prune", model, "-o", pruned, "--rate", str(o.rate), "--force", "--json"))
    before, after = cut["before"]["macs"], cut["after"]["macs"]
    check(cut["verification"]["status"] == "passed" and after < before, f"pruned and proved: {before} -> {after} MACs")

    torch.manual_seed(0)
    network = onnx2torch.convert(onnx.load(pruned)).eval()
    shape = [d.dim_value or 1 for d in onnx.load(pruned).graph.input[0].type.tensor_type.shape.dim]
    x = torch.randn(BATCH, *shape[1:])
    untrained = network(x).detach().numpy()
    gap = difference(untrained, in_onnxruntime(pruned, x))
    check(gap <= TOLERANCE, f"onnx2torch computes what the file says: relative difference {gap:.1e}")

    losses = train(network, x, o.steps)
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    check(not idle, f"a gradient reaches every parameter{': all but ' + ', '.join(idle) if idle else ''}")
    check(losses[-1] < losses[0], f"the loss falls: {losses[0]:.3f} -> {losses[-1]:.3f} in {o.steps} steps")

    export(network, x, again)
    trained, exported = network(x).detach().numpy(), in_onnxruntime(again, x)
    gap = difference(trained, exported)
    check(gap <= TOLERANCE, f"the exported file gives in onnxruntime what PyTorch gives: relative difference {gap:.1e}")
    check(difference(untrained, exported) > TOLERANCE, "and that is not what it was before training")
    check(widths(again) == widths(pruned), f"its {len(widths(again))} convolutions have the pruned widths")

    costs = json.loads(run(o.binary, "inspect", again, "--json"))
    check(costs["cost"]["macs"] == after, f"secateur reads it: {costs['cost']['macs']} MACs, {len(costs['groups'])} groups")
    more = os.path.join(folder, "pruned_again.onnx")
    twice = json.loads(run(o.binary, "prune", again, "-o", more, "--rate", str(o.rate), "--force", "--json"))
    check(twice["verification"]["status"] == "passed", f"and prunes and proves it again: {twice['after']['macs']} MACs")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--binary", default=os.path.join(ROOT, "target/release/secateur"))
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--keep", metavar="DIR")
    o = parser.parse_args()
    o.model = o.model and os.path.abspath(o.model)
    o.binary = os.path.abspath(o.binary)
    warnings.simplefilter("ignore")
    if o.keep:
        os.makedirs(o.keep, exist_ok=True)
        trial(o, os.path.abspath(o.keep))
    else:
        with tempfile.TemporaryDirectory() as folder:
            trial(o, folder)


if __name__ == "__main__":
    main()
