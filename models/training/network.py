"""The person network: one grey channel in, boxes at strides 4, 8 and 16 out.

The trunk follows the layer table of YOLOX-nano (arXiv:2107.08430), so that its published weights can start it, with
five changes, measured in ONNX Runtime on one thread before they were made:

* the picture has one channel, so the space-to-depth stem and its 3x3 convolution are folded into one 6x6 convolution of
  stride 2, which is the same function when the three colour channels are equal;
* ReLU instead of SiLU: ONNX Runtime fuses ReLU into the convolution before it and runs SiLU as two passes over memory
  (0.87 against 0.67 of YOLOX-nano's time for the same layers);
* the pools of 9 and 13 are pools of 5 applied again, the same numbers for a fraction of the work;
* the way back down (1/8 to 1/32) and the 1/32 head are gone: people are 8-130 px tall here, the deepest stage stays
  only as context for the others;
* a 1/4 level is added for people of 8-20 px, and box and person score share one tower, since there is one class.

The picture is brought to zero mean and unit spread inside the network, so that gain and offset of the camera's AGC
cancel before the first layer sees them; clipped pixels are all that remains of such a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

STRIDES_PX = (4, 8, 16)
"""Of the levels that answer, in pixels of the picture the trunk sees."""

SPREAD_FLOOR_LEVELS = 6.0
"""Added to the picture's standard deviation: a featureless picture must not be blown up to noise."""

STEM_SCALE = 50.0
"""Grey levels per unit of spread for which the starting weights were made; taken into the stem's weights."""


class ConvAct(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.05)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return cast("Tensor", self.act(self.bn(self.conv(x))))


def separable(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A depthwise and then a pointwise convolution."""
    return nn.Sequential(ConvAct(c_in, c_in, kernel, stride, groups=c_in), ConvAct(c_in, c_out, 1))


class Residual(nn.Module):
    """A pointwise and a separable convolution, added to what came in where ``shortcut`` says so."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.reduce = ConvAct(channels, channels, 1)
        self.spatial = separable(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        y = cast("Tensor", self.spatial(self.reduce(x)))
        return y + x if self.shortcut else y


class CrossStage(nn.Module):
    """Half of the channels pass through the blocks, half go past them."""

    def __init__(self, c_in: int, c_out: int, blocks: int, shortcut: bool) -> None:
        super().__init__()
        half = c_out // 2
        self.left = ConvAct(c_in, half, 1)
        self.right = ConvAct(c_in, half, 1)
        self.blocks = nn.Sequential(*[Residual(half, shortcut) for _ in range(blocks)])
        self.merge = ConvAct(2 * half, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return cast("Tensor", self.merge(torch.cat((self.blocks(self.left(x)), self.right(x)), 1)))


class Pools(nn.Module):
    """Maxima over 5, 9 and 13 cells side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvAct(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.merge = ConvAct(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        x = self.reduce(x)
        five = self.pool(x)
        nine = self.pool(five)
        return cast("Tensor", self.merge(torch.cat((x, five, nine, self.pool(nine)), 1)))


class Head(nn.Module):
    """Per cell: centre offset in cells (2), log size in strides (2), person logit (1)."""

    def __init__(self, c_in: int, channels: int) -> None:
        super().__init__()
        self.stem = ConvAct(c_in, channels, 1)
        self.tower = nn.Sequential(separable(channels, channels, 3), separable(channels, channels, 3))
        self.out = nn.Conv2d(channels, 5, 1)
        nn.init.constant_(
            cast("Tensor", self.out.bias)[4:], -4.6
        )  # a person in one cell of a hundred, until learned better

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return cast("Tensor", self.out(self.tower(self.stem(x))))


@dataclass(frozen=True, slots=True)
class Size:
    """Channels at strides 2 to 32, blocks at strides 4 to 32, and who answers at strides 4, 8 and 16.

    ``near`` is the width of the stride-4 level, ``heads`` that of the heads; a single head answers at stride 4 for
    people of all sizes (the centre-point design, after arXiv:1904.07850).

    ``shrink`` averages so many pixels in each direction before the trunk. Two makes a network of a quarter of the cost
    that can start from the weights of the full one; networks with fewer channels at full resolution, which cost the
    same, can not, and were far behind after as long a training (see the card).

    ``glance`` adds the mean of the deepest stage over the whole picture to each level. Whether dark things may be people
    is a matter of the whole picture: without it half of the confident false boxes were dark bushes, the price of
    accepting black-hot cameras.
    """

    stages: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int]
    near: int
    heads: tuple[int, ...]
    shrink: int = 1
    glance: bool = False


_FULL = Size((16, 32, 64, 128, 256), (1, 3, 3, 1), near=32, heads=(16, 64, 64))
SIZES = {
    "thermal-person": replace(_FULL, glance=True),
    "thermal-person-tiny": replace(_FULL, shrink=2),
    "centre": replace(_FULL, heads=(32,)),
}


class PersonNet(nn.Module):
    """Grey picture (N, 1, H, W), 0..255, H and W multiples of ``multiple_px``, to raw maps.

    ``strides_px`` are those of the maps, in pixels of the picture.
    """

    def __init__(self, size: str = "thermal-person") -> None:
        super().__init__()
        self.size = size
        s = SIZES[size]
        c1, c2, c3, c4, c5 = s.stages
        n2, n3, n4, n5 = s.blocks
        self.strides_px = tuple(s.shrink * stride_px for stride_px in STRIDES_PX[: len(s.heads)])
        self.shrink = nn.AvgPool2d(s.shrink) if s.shrink > 1 else nn.Identity()
        self.stem = ConvAct(1, c1, 6, 2)
        self.stage2 = nn.Sequential(separable(c1, c2, 3, 2), CrossStage(c2, c2, n2, True))
        self.stage3 = nn.Sequential(separable(c2, c3, 3, 2), CrossStage(c3, c3, n3, True))
        self.stage4 = nn.Sequential(separable(c3, c4, 3, 2), CrossStage(c4, c4, n4, True))
        self.stage5 = nn.Sequential(separable(c4, c5, 3, 2), Pools(c5), CrossStage(c5, c5, n5, False))
        self.lat5 = ConvAct(c5, c4, 1)
        self.td4 = CrossStage(2 * c4, c4, 1, False)
        self.lat4 = ConvAct(c4, c3, 1)
        self.td3 = CrossStage(2 * c3, c3, 1, False)
        self.lat3 = ConvAct(c3, c2, 1)
        self.td2 = CrossStage(2 * c2, s.near, 1, False)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        widths = zip((s.near, c3, c4), s.heads, strict=False)
        self.glance = nn.ModuleList([nn.Conv2d(c5, c_in, 1) for c_in in (s.near, c3, c4)] if s.glance else [])
        for layer in self.glance:  # nothing at first, so that weights trained without it keep their meaning
            nn.init.zeros_(cast("nn.Conv2d", layer).weight)
            nn.init.zeros_(cast("Tensor", layer.bias))
        self.heads = nn.ModuleList([Head(c_in, channels) for c_in, channels in widths])

    @property
    def multiple_px(self) -> int:
        """Sides of the picture are multiples of this: the deepest stage lies at stride 32 of what the trunk sees."""
        return 8 * self.strides_px[0]

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Raw maps (N, 5, H / stride, W / stride), one for each stride that answers."""
        x2 = self.stage2(self.stem(even_out(self.shrink(picture.float()))))
        x3 = self.stage3(x2)
        x4 = self.stage4(x3)
        x5 = self.stage5(x4)
        m4 = self.td4(torch.cat((self.up(self.lat5(x5)), x4), 1))
        m3 = self.td3(torch.cat((self.up(self.lat4(m4)), x3), 1))
        m2 = self.td2(torch.cat((self.up(self.lat3(m3)), x2), 1))
        levels = [m2, m3, m4]
        if len(self.glance):
            whole = x5.mean((2, 3), keepdim=True)
            levels = [m + layer(whole) for m, layer in zip(levels, self.glance, strict=True)]
        return [head(m) for head, m in zip(self.heads, levels, strict=False)]


def even_out(picture: Tensor) -> Tensor:
    """The picture at zero mean and about unit spread, each picture by itself."""
    mean = picture.mean((1, 2, 3), keepdim=True)
    centred = picture - mean
    spread = (centred * centred).mean((1, 2, 3), keepdim=True).sqrt()
    return centred / (spread + SPREAD_FLOOR_LEVELS)


def flatten(maps: list[Tensor], strides_px: Sequence[int] = STRIDES_PX) -> tuple[Tensor, Tensor]:
    """Maps to boxes (N, A, 4) as x0, y0, x1, y1 in input pixels, and person logits (N, A)."""
    boxes, logits = [], []
    for stride_px, m in zip(strides_px, maps, strict=True):
        rows, columns = m.shape[-2:]
        row = torch.arange(rows, device=m.device).view(1, rows, 1)
        column = torch.arange(columns, device=m.device).view(1, 1, columns)
        x, y = (m[:, 0] + column) * stride_px, (m[:, 1] + row) * stride_px
        half_w = m[:, 2].clamp(-4.0, 6.0).exp() * (stride_px / 2)
        half_h = m[:, 3].clamp(-4.0, 6.0).exp() * (stride_px / 2)
        boxes.append(torch.stack((x - half_w, y - half_h, x + half_w, y + half_h), -1).flatten(1, 2))
        logits.append(m[:, 4].flatten(1))
    return torch.cat(boxes, 1), torch.cat(logits, 1)


def cell_centres(height_px: int, width_px: int, strides_px: Sequence[int] = STRIDES_PX) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) in input pixels and strides (A,) of all cells, in the order of :func:`flatten`."""
    centres, strides = [], []
    for stride_px in strides_px:
        y, x = torch.meshgrid(torch.arange(height_px // stride_px), torch.arange(width_px // stride_px), indexing="ij")
        centres.append((torch.stack((x, y), -1).reshape(-1, 2) + 0.5) * stride_px)
        strides.append(torch.full((centres[-1].shape[0],), float(stride_px)))
    return torch.cat(centres), torch.cat(strides)


def start_from_coco(net: PersonNet, weights: Path, pictures: Tensor) -> None:
    """Takes over the fused COCO weights of YOLOX-nano, where layers correspond; see :func:`take_over`."""
    state: dict[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    fused = {}
    for name, layer in net.named_modules():
        source = _coco_name(name) if isinstance(layer, ConvAct) else None
        if source is not None and f"{source}.conv.weight" in state:
            weight = state[f"{source}.conv.weight"]
            weight = fold_stem(weight) * STEM_SCALE if name == "stem" else weight
            fused[name] = (weight, state[f"{source}.conv.bias"])
    for k in range(len(net.heads) - 1):
        weight = torch.cat((state[f"preg.{k}.weight"], state[f"pobj.{k}.weight"]))
        fused[f"heads.{k + 1}.out"] = (weight, torch.cat((state[f"preg.{k}.bias"], state[f"pobj.{k}.bias"])))
    take_over(net, fused, pictures)


def start_from_release(net: PersonNet, graph: Path, pictures: Tensor) -> None:
    """Takes over all weights of a released ``.onnx`` of the same network; see :func:`take_over`."""
    kept = {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in onnx.load(graph).graph.initializer}
    fused = {}
    for name, layer in net.named_modules():
        stem = f"net.{name}.conv" if isinstance(layer, ConvAct) else f"net.{name}"
        plain = isinstance(layer, nn.Conv2d) and layer.bias is not None and f"{stem}.bias" in kept
        if isinstance(layer, ConvAct) or plain:
            fused[name] = (kept[f"{stem}.weight"], kept[f"{stem}.bias"])
    take_over(net, fused, pictures)


@torch.no_grad()
def take_over(net: PersonNet, fused: dict[str, tuple[Tensor, Tensor]], pictures: Tensor) -> None:
    """Starts layers from weights whose batch normalisation is already folded in.

    Normalisation is put back with the statistics of ``pictures`` (N, 1, H, W), so that each layer computes what the
    fused one did. ``fused`` holds weight and bias by the name of a ``ConvAct`` or of an output layer; layers that are
    not in it keep their random start.
    """
    hooks: list[RemovableHandle] = []

    def adopt(layer: ConvAct, weight: Tensor, bias: Tensor) -> None:
        layer.conv.weight.copy_(weight)

        def see(_module: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
            mean, var = out.mean((0, 2, 3)), out.var((0, 2, 3))
            layer.bn.running_mean.copy_(mean)  # type: ignore[union-attr]
            layer.bn.running_var.copy_(var)  # type: ignore[union-attr]
            layer.bn.weight.copy_((var + layer.bn.eps).sqrt())
            layer.bn.bias.copy_(mean + bias)

        hooks.append(layer.conv.register_forward_hook(see))

    net.eval()
    layers = dict(net.named_modules())
    for name, (weight, bias) in fused.items():
        layer = layers[name]
        if isinstance(layer, ConvAct):
            adopt(layer, weight, bias)
        else:
            out = cast("nn.Conv2d", layer)
            out.weight.copy_(weight)
            cast("Tensor", out.bias).copy_(bias)
    net(pictures)
    for hook in hooks:
        hook.remove()


def fold_stem(weight: Tensor) -> Tensor:
    """(C, 12, 3, 3) on four colour quarters to (C, 1, 6, 6) on one grey picture, stride 2, the same sums.

    The quarters come in the order top left, bottom left, top right, bottom right, three colours each.
    """
    grey = weight.reshape(weight.shape[0], 4, 3, 3, 3).sum(2)
    folded = weight.new_zeros(weight.shape[0], 1, 6, 6)
    for quarter, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        folded[:, 0, row::2, column::2] = grey[:, quarter]
    return folded


def _coco_name(name: str) -> str | None:
    first, _, rest = name.partition(".")
    if first == "heads":
        level, _, rest = rest.partition(".")
        if level == "0":
            return None
        part, _, rest = rest.partition(".")
        place = int(level) - 1
        return f"hstem.{place}" if part == "stem" else f"hreg.{place}.{rest}"
    return name
