"""The network as the node loads it: ``uint8`` grey in, one tensor of boxes out, sides in multiples of 32 (tiny: 64).

Batch normalisation goes into the convolutions by hand rather than by ONNX Runtime at load, so that other runtimes and
a reader see the same layers.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from models.training.network import ConvAct, PersonNet, flatten

OPSET = 17
AGREEMENT_PX = 0.02
"""Largest difference allowed between torch and ONNX Runtime, in pixels; scores must agree to 1e-3."""


class Exported(nn.Module):
    """The network with its decoding, as one graph."""

    def __init__(self, net: PersonNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """(1, 1, H, W) uint8 to (1, N, 5) float32."""
        boxes, logits = flatten(self.net(image), self.net.strides_px)
        return torch.cat((boxes, logits.sigmoid().unsqueeze(-1)), -1)


def export(net: PersonNet, path: Path, size_px: tuple[int, int] = (512, 640)) -> None:
    """Writes ``path`` and checks it against torch at two sizes.

    Raises:
        AssertionError: ONNX Runtime answers differently from torch.
    """
    module = Exported(fused(net)).eval()
    picture = torch.zeros(1, 1, *size_px, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is called old at each use; the new one needs more packages
        torch.onnx.export(
            module,
            (picture,),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=["image"],
            output_names=["boxes"],
            dynamic_axes={"image": {2: "height", 3: "width"}, "boxes": {1: "candidates"}},
        )
    graph = onnx.load(str(path))
    # The exporter forgets how wide a row is; whoever reads the file should not have to run it to learn that.
    graph.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 5
    onnx.helper.set_model_props(graph, {"multiple_px": str(net.multiple_px)})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for height_px, width_px in (size_px, (320, 384), (128, 192)):
        noise = rng.integers(0, 256, (1, 1, height_px // 8, width_px // 8), np.uint8).repeat(8, 2).repeat(8, 3)
        theirs = cast("np.ndarray[tuple[int, ...], np.dtype[np.float32]]", session.run(None, {"image": noise})[0])
        with torch.no_grad():
            ours = module(torch.from_numpy(noise)).numpy()
        box_px = float(np.abs(ours[..., :4] - theirs[..., :4]).max())
        score = float(np.abs(ours[..., 4] - theirs[..., 4]).max())
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        assert box_px < AGREEMENT_PX, box_px
        assert score < 1e-3, score


def fused(net: PersonNet) -> PersonNet:
    """A copy whose batch normalisations are folded into the convolutions before them."""
    net = copy.deepcopy(net).eval()
    for layer in net.modules():
        if isinstance(layer, ConvAct):
            layer.conv = nn.utils.fuse_conv_bn_eval(layer.conv, layer.bn)
            layer.bn = nn.Identity()  # type: ignore[assignment]
    return net
