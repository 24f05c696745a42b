"""An int8 twin of an exported file: ``python -m models.training quantise``.

Static quantisation by ONNX Runtime: weights per channel, activations calibrated on pictures of ``train``. The first
convolution and the last one of each head stay in float32: the first sees the picture before it is evened out, and the
last ones hold sizes and logits, in which a rounded step is a visible one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from models.training.measure import padded
from models.training.pictures import SETS, Grey, read_set

PICTURES_PER_SET = 64
QUANTISED = ["Conv", "Concat", "Add", "MaxPool", "Resize", "Relu"]
TRUNK = "/net/"
"""Nodes of the network; the decoding after it, in pixels and probabilities side by side, is not quantised."""
CUT_PX = (288, 384)
"""Calibration wants pictures of one size; both sets are cut to this."""


class Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Every n-th picture of ``train`` of both sets, as the graph wants them."""

    def __init__(self, data: Path, multiple_px: int) -> None:
        chosen: list[Grey] = []
        for name in SETS:
            pictures = read_set(data / name, "train")
            chosen += [p.grey[: CUT_PX[0], : CUT_PX[1]] for p in pictures[:: max(1, len(pictures) // PICTURES_PER_SET)]]
        self._feeds: Iterator[dict[str, object]] = iter([{"image": padded(g, multiple_px)[None, None]} for g in chosen])

    def get_next(self) -> dict[str, object] | None:
        """The next picture, or None after the last."""
        return next(self._feeds, None)


def quantise(model: Path, data: Path, output: Path) -> None:
    """Writes the int8 twin of ``model`` to ``output``."""
    graph = onnx.load(model)
    multiple_px = next((int(p.value) for p in graph.metadata_props if p.key == "multiple_px"), 32)
    convolutions = [node.name for node in graph.graph.node if node.op_type == "Conv"]
    kept = [convolutions[0], *[name for name in convolutions if "/out/" in name]]
    kept += [node.name for node in graph.graph.node if TRUNK not in node.name]
    quantize_static(
        model,
        output,
        Pictures(data, multiple_px),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=QUANTISED,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=kept,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    made = onnx.load(output)
    onnx.helper.set_model_props(made, {"multiple_px": str(multiple_px)})
    onnx.save(made, output)
