"""The model: read and checked once at load, then pictures in and detections out.

A model is ``NAME.onnx`` with its manifest ``NAME.toml`` and the signature ``NAME.toml.sig`` beside it. The signature
covers the manifest, the manifest names the sha256 of the graph, and the graph is asked for its real inputs and outputs:
any disagreement is a ``ModelError`` that says what was expected and what was found.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.config import ModelConfig
from edge.errors import ModelError
from edge.pipeline.bound import BoundSession
from edge.pipeline.decode import DECODERS, OUTPUTS, suppress
from edge.pipeline.manifest import Manifest, read_manifest, signature_holds
from edge.pipeline.session import Opened, open_session
from edge.records import Detection

_INPUT_AXES = 4
_LEAST_SIDE_PX = 64  # of a trial run: smaller pictures vanish in the strides of some models


class Identity(NamedTuple):
    """Which model it was: goes into every alert."""

    id: str
    version: str
    sha256: str


class Detector:
    """One loaded model; shared by all cameras of a node, and used by one thread at a time."""

    def __init__(self, manifest: Manifest, opened: Opened, config: ModelConfig, *, signed: bool) -> None:
        """Hold a checked session; use ``load``."""
        self.manifest = manifest
        self.identity = Identity(manifest.id, manifest.version, manifest.sha256)
        self.signed = signed
        self.multiple_px = manifest.input.multiple_px
        given = manifest.input
        self.fixed_px: tuple[int, int] | None = None if given.dynamic else (given.height_px, given.width_px)
        self.providers = opened.providers
        self.fault = opened.fault
        self.score = config.score if config.score is not None else manifest.thresholds.score
        begin = manifest.thresholds.begin
        self.begin: float = begin if begin is not None and config.score is None else self.score
        low = config.score_low if config.score_low is not None else manifest.thresholds.score_low
        self.score_low = min(low, self.score)
        self._bound = BoundSession(opened.session, manifest.input, manifest.output.names)
        self._decode = DECODERS[manifest.output.kind]

    def detect(self, tensor: npt.NDArray[np.uint8], scale: float, size_px: tuple[int, int]) -> tuple[Detection, ...]:
        """Find what the model knows in one picture.

        Args:
            tensor: (1, 1, h, w) uint8, as ``Preprocessor`` makes it.
            scale: input pixels per frame pixel.
            size_px: height and width of the frame; boxes are clipped to it.

        Returns:
            Detections from ``score_low`` on, best first, boxes in pixels of the frame.
        """
        return self.read(self.infer(tensor), (tensor.shape[2], tensor.shape[3]), scale, size_px)

    def infer(self, tensor: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
        """Run the model alone on a (1, 1, h, w) uint8 tensor; its outputs are overwritten by the next run."""
        return self._bound.run(tensor)

    def read(
        self, outputs: Sequence[npt.NDArray[Any]], input_px: tuple[int, int], scale: float, size_px: tuple[int, int]
    ) -> tuple[Detection, ...]:
        """Turn the model's outputs into detections; ``input_px`` is height and width, the rest as of ``detect``."""
        boxes, scores, kinds = self._decode(outputs, self.score_low, input_px)
        kept, placed = suppress(boxes, scores, kinds, self.manifest.thresholds.nms_iou)
        corners = placed / scale
        corners[:, 0::2] = corners[:, 0::2].clip(0, size_px[1])
        corners[:, 1::2] = corners[:, 1::2].clip(0, size_px[0])
        inside = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
        names = self.manifest.classes.names
        return tuple(
            Detection((x0, y0, x1, y1), score, names[kind])
            for (x0, y0, x1, y1), score, kind in zip(
                corners[inside].tolist(), scores[kept][inside].tolist(), kinds[kept][inside].tolist(), strict=True
            )
        )


def load(path: Path, config: ModelConfig, *, key: Path) -> Detector:
    """Load a model and check that it is what it claims to be.

    Args:
        path: the .onnx file; manifest and signature lie beside it.
        config: ``[model]`` of the configuration.
        key: PEM file with the Ed25519 public key that signs shipped models.

    Raises:
        ModelError: a file is missing, a signature or hash does not match, or the graph's inputs and outputs are not
            those of the manifest.
    """
    manifest_path = path.with_suffix(".toml")
    for file, what in ((path, "model"), (manifest_path, "manifest")):
        if not file.is_file():
            raise ModelError(f"{file}: no such {what}; set model.path to an .onnx file with its .toml beside it")
    manifest_bytes = manifest_path.read_bytes()
    manifest = read_manifest(manifest_bytes, manifest_path)
    graph = path.read_bytes()
    found = hashlib.sha256(graph).hexdigest()
    if found != manifest.sha256:
        raise ModelError(f"{path}: sha256 is {found}, but {manifest_path.name} says {manifest.sha256}")
    signed = signature_holds(manifest_bytes, manifest_path.with_suffix(".toml.sig"), key)
    if not signed and not config.allow_unsigned:
        raise ModelError(f"{manifest_path}: no valid signature; set model.allow_unsigned = true to use your own model")
    opened = open_session(graph, path, config)
    _check_graph(opened.session, manifest, path)
    return Detector(manifest, opened, config, signed=signed)


def _check_graph(session: Any, manifest: Manifest, path: Path) -> None:
    inputs = {node.name: node for node in session.get_inputs()}
    if set(inputs) != {manifest.input.name}:
        raise ModelError(f"{path}: inputs are {sorted(inputs)}, the manifest says ['{manifest.input.name}']")
    node = inputs[manifest.input.name]
    dtype = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}[manifest.input.dtype]
    if node.type != dtype:
        raise ModelError(f"{path}: input is {node.type}, the manifest says {dtype}")
    wanted = _input_shape(manifest)
    fits = len(node.shape) == _INPUT_AXES and all(
        not isinstance(found, int) or found == side for found, side in zip(node.shape, wanted, strict=True)
    )
    if not fits:
        raise ModelError(f"{path}: input shape is {node.shape}, the manifest says {wanted} ({manifest.input.layout})")
    sides = node.shape[2:] if manifest.input.layout == "NCHW" else node.shape[1:3]
    if manifest.input.dynamic and any(isinstance(side, int) for side in sides):
        raise ModelError(f"{path}: input shape is {node.shape}, but the manifest says input.dynamic = true")
    names = [output.name for output in session.get_outputs()]
    missing = [name for name in manifest.output.names if name not in names]
    if missing or len(manifest.output.names) != OUTPUTS[manifest.output.kind]:
        raise ModelError(f"{path}: outputs are {names}, the manifest says {list(manifest.output.names)}")
    _check_output(session, manifest, wanted, path)


def _check_output(session: Any, manifest: Manifest, wanted: Sequence[int], path: Path) -> None:
    """Run it on grey, in two sizes where the size is free: what a graph leaves open shows only then.

    Those two are small: on the real size a run takes as long as a frame, and the node should be watching by then.
    """
    sizes = [list(wanted)]
    if manifest.input.dynamic:
        sides = slice(2, 4) if manifest.input.layout == "NCHW" else slice(1, 3)
        step_px = manifest.input.multiple_px
        least = -(-_LEAST_SIDE_PX // step_px)
        sizes = [list(wanted), list(wanted)]
        sizes[0][sides] = [(least + 1) * step_px, least * step_px]
        sizes[1][sides] = [least * step_px, (least + 2) * step_px]
    for size in sizes:
        grey = np.full(size, 114, np.uint8 if manifest.input.dtype == "uint8" else np.float32)
        try:
            outputs = session.run(list(manifest.output.names), {manifest.input.name: grey})
        except Exception as error:  # see open_session
            raise ModelError(
                f"{path}: a first run on {size} failed; check input.multiple_px and input.dynamic: {error}"
            ) from error
    classes = len(manifest.classes.names)
    columns = {"boxes": (2, 4 + classes), "yolox": (2, 5 + classes), "yolov8": (1, 4 + classes), "detr": (2, None)}
    axis, expected = columns[manifest.output.kind]
    shape = outputs[0].shape
    if len(shape) != 3 or shape[0] != 1 or (expected is not None and shape[axis] != expected):  # noqa: PLR2004
        raise ModelError(
            f"{path}: output '{manifest.output.names[0]}' has shape {list(shape)}; kind '{manifest.output.kind}' with "
            f"{classes} classes wants {expected} along axis {axis}"
        )
    if manifest.output.kind == "detr":
        found = sorted(output.shape[-1] for output in outputs)
        if found != sorted((4, classes)):
            raise ModelError(
                f"{path}: outputs have {found} columns; kind 'detr' with {classes} classes wants 4 for the boxes and "
                f"{classes} for the logits (name a 'no object' class in classes.names, or leave it out of the export)"
            )


def _input_shape(manifest: Manifest) -> list[int]:
    given = manifest.input
    sides = (given.height_px, given.width_px)
    return [1, given.channels, *sides] if given.layout == "NCHW" else [1, *sides, given.channels]
