"""Runs the deployed pipeline over clips with truth, so that ``counting`` can judge what it said."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from edge.capture.footage import Footage, truth_path
from edge.config import CameraConfig, Config
from edge.errors import ConfigError
from edge.evaluate.counting import Clip
from edge.evaluate.recorded import degrade, perfect, read_detections, run_from_detections
from edge.evaluate.truth import Truth, load_truth
from edge.pipeline import FindsPeople, Pipeline
from edge.records import Detection, Result
from edge.replay import boot_id_of, footage_camera, pipeline_for, replay

Eyes = Literal["model", "perfect", "degraded"]
Advance = Callable[[int, int | None], None]
_SUFFIX = ".truth.json"
_SEED = 1


def clips_in(folder: Path) -> list[Path]:
    """List the truth files of a folder, by name.

    Raises:
        ConfigError: there is none.
    """
    files = sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []
    if not files:
        raise ConfigError(
            f"{folder}: no NAME{_SUFFIX} in this folder; make some with: edge simulate all --output {folder}"
        )
    return files


def judged(
    folder: Path,
    config: Config,
    detector: FindsPeople,
    *,
    eyes: Eyes,
    recorded: Path | None = None,
    advance: Advance = lambda _done, _total: None,
) -> Iterator[Clip]:
    """Run one clip after another and give its truth with what the node said.

    Args:
        folder: clips with truth beside them; footage itself is needed only for the model's own eyes.
        config: configuration of the pipeline; lines and camera motion come from each clip.
        detector: the model.
        eyes: whose detections are used: the model's, the truth's, or the truth's spoilt by 10 % missed, 5 % false and
            2 px jitter.
        recorded: detections of one clip, in place of any eyes.
        advance: told of progress in clips.

    Raises:
        ConfigError: no clips, or ``recorded`` with more than one clip.
        CameraError: footage that cannot be read.
    """
    files = clips_in(folder)
    if recorded is not None and len(files) > 1:
        raise ConfigError(f"--detections belongs to one clip, but {folder} holds {len(files)}")
    for number, file in enumerate(files, start=1):
        truth = load_truth(file)
        footage = _footage_of(file)
        camera = footage_camera(footage, fps=truth.fps)
        if recorded is None and eyes == "model":
            pipeline = pipeline_for(footage, config, camera, detector)
            results = _watched(footage, pipeline, camera)
        else:
            frames = _given(truth, eyes, recorded)
            pipeline = Pipeline(config, camera, detector, boot_id=boot_id_of(file, config))
            results = run_from_detections(truth, frames, pipeline)
        yield Clip(truth, results)
        advance(number, len(files))


def _given(truth: Truth, eyes: Eyes, recorded: Path | None) -> Sequence[Sequence[Detection]]:
    if recorded is not None:
        return read_detections(recorded, truth)
    return perfect(truth) if eyes == "perfect" else degrade(truth, seed=_SEED)


def _watched(footage: Path, pipeline: Pipeline, camera: CameraConfig) -> list[Result]:
    with Footage(footage, camera_id=camera.id, fps=camera.fps) as opened:
        return [step.result for step in replay(opened, pipeline) if step.result is not None]


def _footage_of(truth: Path) -> Path:
    stem = truth.with_name(truth.name.removesuffix(_SUFFIX))
    candidates = [*sorted(truth.parent.glob(f"{stem.name}.m??")), stem]
    found = next((path for path in candidates if path.exists() and truth_path(path) == truth), None)
    return found or stem.with_name(f"{stem.name}.mkv")
