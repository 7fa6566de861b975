"""Six small networks to compare variants of healing on, none of which a figure of the README is about.

    pip install numpy scikit-learn torch onnx onnxruntime
    python scripts/small_networks.py train FOLDER                     samples, and each network with BatchNormalization and folded
    python scripts/small_networks.py measure FOLDER SECATEUR [option]...

Scikit-learn's digits (BSD), turned, moved, coloured and in noise, 24 x 24. `measure` cuts 30, 50 and 70 % of the MACs of each network, with 512 unlabelled
samples, and prints top-1, agreement with the original in %, KL divergence and squared error of the scores on 2,000 others, and their means (geometric of the last two).
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

PREPARED = ["--scale", "1/255", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]


def train(folder: Path) -> None:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32) / 16
    labels = torch.tensor(digits.target)
    order = torch.tensor(np.random.RandomState(0).permutation(len(images)))
    seen, held = order[:1200], order[1200:]

    def batch(index, g):
        n = len(index)
        rand = lambda *dims: torch.rand(*dims, generator=g)
        angle, size, shift = rand(n) - 0.5, 1 + (rand(n) - 0.5) * 0.5, (rand(n, 2) - 0.5) * 0.4
        rows = [torch.stack([size * angle.cos(), -size * angle.sin(), shift[:, 0]], 1)]
        rows.append(torch.stack([size * angle.sin(), size * angle.cos(), shift[:, 1]], 1))
        grid = F.affine_grid(torch.stack(rows, 1), (n, 1, 24, 24), align_corners=False)
        mask = F.grid_sample(images[index][:, None], grid, align_corners=False)
        other = images[seen[torch.randint(0, len(seen), (n,), generator=g)]][:, None]
        other = torch.roll(F.interpolate(other, size=(24, 24), mode="bilinear"), (9, 9), (2, 3))
        ink, paper = rand(n, 3, 1, 1), rand(n, 3, 1, 1)
        ink = torch.where((ink - paper).abs() < 0.3, 1 - paper, ink)
        drawn = paper + (ink - paper) * mask + 0.5 * (rand(n, 3, 1, 1) - 0.5) * other
        drawn = drawn + 0.15 * torch.randn(n, 3, 24, 24, generator=g)
        return (drawn.clamp(0, 1) * 255).round().to(torch.uint8)

    def conv(i, o, kernel=3, stride=1, groups=1, act=nn.ReLU):
        layers = [nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
        return layers + ([act()] if act else [])

    class Block(nn.Module):
        def __init__(self, i, o, stride):
            super().__init__()
            self.body = nn.Sequential(*conv(i, o, 3, stride), *conv(o, o, act=None))
            self.short = nn.Sequential(*conv(i, o, 1, stride, act=None)) if stride > 1 or i != o else nn.Identity()

        def forward(self, x):
            return F.relu(self.body(x) + self.short(x))

    def classifier(layers, width):
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))

    def resnet(width, blocks):
        layers, i = conv(3, width), width
        for stage in range(3):
            for block in range(blocks):
                layers.append(Block(i, width << stage, 2 if stage and not block else 1))
                i = width << stage
        return classifier(layers, i)

    def vgg(*stages):
        layers, i = [], 3
        for number, widths in enumerate(stages):
            layers += [nn.MaxPool2d(2)] if number else []
            for width in widths:
                layers, i = layers + conv(i, width), width
        return classifier(layers, i)

    def mobile(width):
        layers, i = conv(3, width, act=nn.ReLU6), width
        for times, stride in [(2, 1), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1)]:
            layers += conv(i, i, 3, stride, i, nn.ReLU6) + conv(i, times * width, 1, act=nn.ReLU6)
            i = times * width
        return classifier(layers, i)

    networks = {
        "resnet-wide": lambda: resnet(12, 2),
        "resnet-short": lambda: resnet(16, 1),
        "resnet-deep": lambda: resnet(8, 4),
        "vgg": lambda: vgg([16, 24], [32, 48], [64, 64]),
        "vgg-deep": lambda: vgg([24] * 3, [40] * 3, [56] * 3),
        "mobile": lambda: mobile(12),
    }
    g = torch.Generator().manual_seed(7)
    draw = lambda among, n: among[torch.randint(0, len(among), (n,), generator=g)]
    np.savez(folder / "calib.npz", x=batch(draw(seen, 1024), g).numpy())
    index = draw(held, 2000)
    np.savez(folder / "test.npz", x=batch(index, g).numpy(), y=labels[index].numpy())
    for number, (name, make) in enumerate(networks.items()):
        torch.manual_seed(number)
        g, net, steps = torch.Generator().manual_seed(number), make(), 900
        optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9, weight_decay=5e-4, nesterov=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.15, steps)
        for _ in range(steps):
            index = draw(seen, 96)
            loss = F.cross_entropy(net((batch(index, g).float() / 255 - 0.5) / 0.25), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        whole = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        for form, how in [("bn", whole), ("fold", {})]:
            one = torch.zeros(1, 3, 24, 24)
            path = str(folder / f"{name}_{form}.onnx")
            torch.onnx.export(net, one, path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}, **how)
        print(name, f"{loss.item():.3f}", flush=True)


def scores(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    made = np.concatenate([session.run(None, {"x": part})[0] for part in np.split(x, 8)])
    made = made - made.max(1, keepdims=True)
    return made - np.log(np.exp(made).sum(1, keepdims=True))


def compared(p: np.ndarray, q: np.ndarray, labels: np.ndarray) -> list[float]:
    centred = lambda v: v - v.mean(1, keepdims=True)
    error = (centred(p - q) ** 2).sum() / (centred(p) ** 2).sum()
    top, agree = [100 * np.mean(q.argmax(1) == of) for of in (labels, p.argmax(1))]
    return [top, agree, (np.exp(p) * (p - q)).sum(1).mean(), error]


def measure(folder: Path, secateur: str, options: list[str]) -> None:
    test = np.load(folder / "test.npz")
    x = ((test["x"].astype(np.float32) / 255 - 0.5) / 0.25).astype(np.float32)
    out, rows = folder / "small.onnx", []
    for path in sorted(folder.glob("*_bn.onnx")) + sorted(folder.glob("*_fold.onnx")):
        for cut in ("0.3", "0.5", "0.7"):
            command = [secateur, "prune", str(path), "-o", str(out), "--force", "--cut-flops", cut]
            command += ["--calibrate", str(folder / "calib.npz"), *PREPARED, *options]
            subprocess.run(command, check=True, capture_output=True)
            rows.append((path.stem, cut, compared(scores(path, x), scores(out, x), test["y"])))
            print(f"{path.stem:18} {cut}  {rows[-1][2][0]:5.1f} {rows[-1][2][1]:5.1f} {rows[-1][2][2]:.4f} {rows[-1][2][3]:.4f}")
    for form in ("bn", "fold"):
        for cut in ("0.3", "0.5", "0.7", "0."):
            some = np.array([r for stem, c, r in rows if stem.endswith(form) and c.startswith(cut)])
            means = [*some[:, :2].mean(0), *np.exp(np.log(some[:, 2:]).mean(0))]
            print(f"{form:5} {'all' if cut == '0.' else cut}  {means[0]:5.2f} {means[1]:5.2f} {means[2]:.4f} {means[3]:.4f}")


if __name__ == "__main__":
    if sys.argv[1] == "train":
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        train(Path(sys.argv[2]))
    else:
        measure(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
