"""The training run: crops, schedule, averaged weights, checkpoints.

The n-th crop of a run depends on the seed and n alone, so that a run that was cut off and resumed sees what it would
have seen. What the run does not promise is the same weights bit for bit: sums in several threads are not ordered.
"""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.training.augment import Augmenter
from models.training.export import export
from models.training.loss import detection_loss
from models.training.measure import Detector, average_precision, count_scores, find_all
from models.training.network import PersonNet, start_from_coco, start_from_release
from models.training.pictures import SETS, Labelled, draw_weights, read_set


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a run. ``steps`` may be changed when a run is resumed; the schedule then bends."""

    size: str = "thermal-person"
    steps: int = 9000
    batch: int = 16
    crop_px: int = 320
    mosaic_share: float = 0.3
    rate: float = 1.2e-3
    weight_decay: float = 0.03
    warmup_steps: int = 300
    flat_share: float = 0.5
    average_decay: float = 0.999
    hit_uav_share: float = 0.6
    ltd_share: float = 0.4
    simulated_share: float = 0.0
    day_weight: float = 1.0
    seed: int = 1
    threads: int = 2
    workers: int = 2
    look_every: int = 1000
    leave_out: str = ""


class Crops(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """The endless row of crops, numbered from 0."""

    def __init__(self, augmenter: Augmenter, seed: int, first: int, last: int) -> None:
        self.augmenter, self.seed, self.first, self.last = augmenter, seed, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor, Tensor]:
        grey, persons, ignored = self.augmenter.draw(np.random.default_rng((self.seed, self.first + n)))
        return torch.from_numpy(grey)[None], torch.from_numpy(persons), torch.from_numpy(ignored)


def train(  # noqa: C901, PLR0915  one run from top to bottom reads best in one piece
    data: Path, work: Path, plan: Plan, start_weights: Path | None, resume: bool, simulated: Path | None = None
) -> Path:
    """Runs the plan and returns the path of the last checkpoint in ``work``.

    ``start_weights`` is a fused COCO checkpoint (``.pt``) or a released model (``.onnx``).
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    cv2.setNumThreads(1)
    pictures = [p for name in SETS for p in read_set(data / name, "train") if not _left_out(p, plan.leave_out)]
    shares = {"hit-uav": plan.hit_uav_share, "ltd": plan.ltd_share}
    if simulated is not None:
        pictures += read_set(simulated, "train")
        shares[simulated.name] = plan.simulated_share
    augmenter = Augmenter(pictures, draw_weights(pictures, shares, plan.day_weight), plan.crop_px, plan.mosaic_share)
    looked_at = {name: read_set(data / name, "val") for name in SETS}
    if plan.leave_out:
        held_back = [p for name in SETS for p in read_set(data / name, "train") if _left_out(p, plan.leave_out)]
        looked_at[f"left out {plan.leave_out}"] = held_back

    net = PersonNet(plan.size)
    step, spent_s = 0, 0.0
    if start_weights is not None and not resume:
        first = [augmenter.draw(np.random.default_rng((plan.seed, 10**9 + n)))[0] for n in range(32)]
        start = start_from_release if start_weights.suffix == ".onnx" else start_from_coco
        start(net, start_weights, torch.from_numpy(np.stack(first))[:, None].float())
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(net).eval()
    optimiser = torch.optim.AdamW(_groups(net, plan.weight_decay), lr=plan.rate)
    kept = work / "last.pt"
    if resume:
        state = torch.load(kept, map_location="cpu", weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent_s = state["step"], state["spent_s"]
    _log(work, {"plan": asdict(plan), "pictures": len(pictures), "from_step": step, "machine": machine()})

    started_s = time.monotonic()
    told: dict[str, float] = {}
    for images, persons, ignored in _batches(augmenter, plan, step):
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * rate_share(step, plan)
        net.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = net(images.to(memory_format=torch.channels_last))
        size_px = (int(images.shape[2]), int(images.shape[3]))
        loss, parts = detection_loss([m.float() for m in maps], size_px, persons, ignored)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        step += 1
        follow(average, net, min(plan.average_decay, (1 + step) / (10 + step)))
        for name, value in {"loss": loss.item(), **parts}.items():
            told[name] = 0.98 * told.get(name, value) + 0.02 * value
        now_s = spent_s + time.monotonic() - started_s
        if step % 100 == 0:
            _log(work, {"step": step, "spent_s": round(now_s), **{k: round(v, 4) for k, v in told.items()}})
        if step % 200 == 0 or step == plan.steps:
            keep = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save({**keep, "size": plan.size, "step": step, "spent_s": now_s}, work / "next.pt")
            (work / "next.pt").replace(kept)
        if step % plan.look_every == 0 or step == plan.steps:
            _log(work, {"step": step, **look(average, work / f"step-{step:05d}.onnx", looked_at)})
    return kept


def look(net: PersonNet, path: Path, pictures: dict[str, list[Labelled]]) -> dict[str, float]:
    """Exports the averaged weights and scores them on ``val``."""
    export(net, path)
    detector = Detector(path)
    scores: dict[str, float] = {}
    for name, of_set in pictures.items():
        found = find_all(detector, of_set)
        both = {**average_precision(found), **count_scores(found, 0.4)}
        scores |= {f"{name} {key}": round(value, 4) for key, value in both.items()}
    return scores


@torch.no_grad()
def follow(average: PersonNet, net: PersonNet, decay: float) -> None:
    """Moves the averaged weights and statistics a little towards the present ones."""
    now = net.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - decay)
        else:
            value.copy_(now[name])


def rate_share(step: int, plan: Plan) -> float:
    """Learning rate as a share of the highest: a short climb, flat, then half a cosine down to a hundredth."""
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    flat = plan.flat_share * plan.steps
    if step < flat:
        return 1.0
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - flat) / (plan.steps - flat)))


def machine() -> str:
    """Processor and software, for the card."""
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _batches(augmenter: Augmenter, plan: Plan, step: int) -> Iterator[tuple[Tensor, list[Tensor], list[Tensor]]]:
    crops = Crops(augmenter, plan.seed, step * plan.batch, plan.steps * plan.batch)
    loader = DataLoader(crops, plan.batch, num_workers=plan.workers, collate_fn=_stack, worker_init_fn=_quiet_worker)
    yield from loader


def _stack(crops: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    images, persons, ignored = zip(*crops, strict=True)
    return torch.stack(images).float(), list(persons), list(ignored)


def _quiet_worker(_number: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _groups(net: PersonNet, weight_decay: float) -> list[dict[str, object]]:
    """Only filters shrink; scales and biases do not."""
    filters = [p for p in net.parameters() if p.dim() > 1]
    rest = [p for p in net.parameters() if p.dim() <= 1]
    return [{"params": filters, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def _left_out(picture: Labelled, date: str) -> bool:
    return bool(date) and str(picture.facts["date"]) == date


def _log(work: Path, line: dict[str, object]) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with (work / "log.jsonl").open("a") as file:
        file.write(text + "\n")
