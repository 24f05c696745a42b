"""What the network is told: which cells answer for a person, and what a wrong answer costs.

Cells are given to people as in SimOTA (arXiv:2107.08430): of the cells near a person's centre, those whose box and
score fit best, as many as the sum of the best overlaps says. Two things differ. The target of a chosen cell is the
square root of its overlap instead of one, so that of several boxes on one body the best placed survives the
suppression. And easy empty cells weigh less than confident mistakes, since false boxes on lamps, not missed people, are
what ruins a new site.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.training.network import cell_centres, flatten

CENTRE_RADIUS_STRIDES = 1.6
"""A cell may answer for a person whose centre is nearer than this, in strides, on both axes."""

BEST_OVERLAPS = 8
EMPTY_WEIGHT = 3.0
"""An empty cell's cost is weighted by its score times this: from 0 where nothing is claimed to threefold where all is."""

BOX_WEIGHT = 2.5


def detection_loss(
    maps: list[Tensor], size_px: tuple[int, int], persons: list[Tensor], ignored: list[Tensor]
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch and its parts.

    Args:
        maps: raw maps as the network returns them, float32.
        size_px: height and width of the crops.
        persons: per crop (G, 4) boxes, x0, y0, x1, y1 in pixels.
        ignored: per crop (I, 4) areas in which empty cells cost nothing.
    """
    strides_px = [size_px[0] // m.shape[-2] for m in maps]
    boxes, logits = flatten(maps, strides_px)
    centres, strides = cell_centres(*size_px, strides_px)
    target = torch.zeros_like(logits)
    weight = torch.ones_like(logits)
    box_losses = []
    for n, (truth, areas) in enumerate(zip(persons, ignored, strict=True)):
        if len(areas):
            weight[n][inside(centres, areas).any(0)] = 0
        if not len(truth):
            continue
        cells, owners = assign(boxes[n].detach(), logits[n].detach(), centres, strides, truth)
        if not len(cells):
            continue
        overlap = generalised_iou(boxes[n, cells], truth[owners])
        box_losses.append(1 - overlap)
        target[n, cells] = paired_iou(boxes[n, cells].detach(), truth[owners]).clamp(0.05, 1).sqrt()
        weight[n, cells] = 1
    chosen = max(1, sum(len(b) for b in box_losses))
    score = logits.detach().sigmoid()
    focus = torch.where(target > 0, 1.0, EMPTY_WEIGHT * score)
    cost = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    score_loss = (cost * weight * focus).sum() / chosen
    box_loss = torch.cat(box_losses).sum() / chosen if box_losses else boxes.sum() * 0
    total = score_loss + BOX_WEIGHT * box_loss
    return total, {"score": score_loss.item(), "box": box_loss.item(), "cells": float(chosen)}


@torch.no_grad()
def assign(boxes: Tensor, logits: Tensor, centres: Tensor, strides: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cells chosen to answer and the person (index into ``truth``) each answers for."""
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    distance = (centres[None] - middle[:, None]).abs().amax(2) / strides
    near = distance < CENTRE_RADIUS_STRIDES
    cells = near.any(0).nonzero().squeeze(1)
    near, distance = near[:, cells], distance[:, cells]
    overlap = iou(truth, boxes[cells])
    cost = F.softplus(-logits[cells])[None] - 3 * overlap.clamp_min(1e-6).log() + 0.3 * distance + 1e5 * ~near
    wanted = (overlap * near).topk(min(BEST_OVERLAPS, len(cells)), 1).values.sum(1).int().clamp_min(1)
    order = cost.argsort(1)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(len(cells)).expand_as(order))
    mine = (rank < wanted[:, None]) & near
    # A cell wanted by two people goes to the one it costs less.
    owner = torch.where(mine, cost, cost.new_full((), 1e9)).argmin(0)
    taken = mine.any(0)
    return cells[taken], owner[taken]


def inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(B, P) bool: point within box."""
    return ((points[None] >= boxes[:, None, :2]) & (points[None] <= boxes[:, None, 2:])).all(2)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """(A, B) overlaps of all pairs."""
    size = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])).clamp_min(0)
    shared = size.prod(2)
    return shared / (_area(a)[:, None] + _area(b)[None] - shared).clamp_min(1e-6)


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N,) overlaps of row with row."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(1)
    return shared / (_area(a) + _area(b) - shared).clamp_min(1e-6)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """(N,) GIoU of row with row (arXiv:1902.09630): negative where boxes do not touch, so that they still attract."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(1)
    union = (_area(a) + _area(b) - shared).clamp_min(1e-6)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp_min(0).prod(1).clamp_min(1e-6)
    return shared / union - (hull - union) / hull


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)
