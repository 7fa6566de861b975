"""Exports networks of torchvision and timm with seeded random weights, as users export theirs: a corpus for the example `zoo` and for
outside judges.

usage: torch_exports.py FOLDER [NAME...]     then: cargo run --release --example zoo -- FOLDER --rate 0.3

Needs torch, torchvision, timm, onnx and onnxscript; without them it says so and exits 0. A network that these versions cannot export is
named and left out. Nothing that it writes belongs into the project.
"""
import os
import sys
import warnings

try:
    import timm
    import torch
    import torchvision.models as vision
    from torch import nn
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

VISION = """mobilenet_v2 mobilenet_v3_small efficientnet_b0 shufflenet_v2_x1_0 resnext50_32x4d regnet_y_400mf densenet121 googlenet
inception_v3 mnasnet0_5 convnext_tiny swin_t""".split()
SEGMENTATION = "lraspp_mobilenet_v3_large deeplabv3_mobilenet_v3_large".split()
TIMM = """ghostnet_100 mixnet_s res2net50_14w_8s resnest14d dla34 hrnet_w18_small repvgg_a0 skresnet18 mobilevit_xxs mobileone_s0
edgenext_xx_small ecaresnet26t cspresnet50 ese_vovnet19b_dw xception41 dpn68 poolformer_s12 lcnet_050 tf_efficientnet_lite0 rexnet_100
selecsls42 fastvit_t8 repghostnet_050 mobilenetv4_conv_small starnet_s1 resnetv2_50 gernet_s""".split()
TIMM_OWN_SIZE = "efficientformer_l1 levit_128s mixer_s32_224 botnet26t_256 cait_xxs24_224".split()
# These are exported by the newer exporter too.
DYNAMO = {"mobilenet_v3_small", "shufflenet_v2_x1_0", "resnext50_32x4d", "convnext_tiny", "ghostnet_100", "res2net50_14w_8s", "mobilevit_xxs"}
SIDE = 96


class Segmentation(nn.Module):
    """The map alone, of the outputs that torchvision names."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)["out"]


def networks():
    """Names, how to build each, and the side of its input."""
    for name in VISION:
        more = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        yield name, lambda: getattr(vision, name)(weights=None, **more), 128 if name == "inception_v3" else SIDE
    for name in SEGMENTATION:
        yield name, lambda: Segmentation(getattr(vision.segmentation, name)(weights=None, weights_backbone=None)), SIDE
    for name in TIMM:
        yield name, lambda: timm.create_model(name, pretrained=False), SIDE
    for name in TIMM_OWN_SIZE:
        yield name, lambda: timm.create_model(name, pretrained=False), 256 if name.endswith("256") else 224


def settle(model):
    """Normalisations with statistics of their own, so that no layer is the identity."""
    for m in model.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
            if m.affine:
                m.weight.uniform_(0.5, 1.5)
                m.bias.normal_(0, 0.1)
    return model.eval()


def export(model, side, path, dynamo):
    x = torch.randn(1, 3, side, side)
    if dynamo:
        torch.onnx.export(model, (x,), path, dynamo=True, opset_version=18, external_data=False)
    else:
        open_batch = {"x": {0: "N"}, "y": {0: "N"}}
        torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"], dynamic_axes=open_batch)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, only = sys.argv[1], set(sys.argv[2:])
    os.makedirs(folder, exist_ok=True)
    warnings.filterwarnings("ignore")
    for name, build, side in networks():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        for dynamo in [False, True] if name in DYNAMO else [False]:
            path = f"{folder}/{name}{'_dynamo' if dynamo else ''}.onnx"
            try:
                with torch.no_grad():
                    export(settle(build()), side, path, dynamo)
                print(path, flush=True)
            except Exception as e:  # what this version of torch cannot export is no fault of ours
                print(f"{path}: not exported: {' '.join(str(e).split())[:120]}", flush=True)


if __name__ == "__main__":
    main()
