"""Small real ONNX graphs with a known answer, as other people's tools would export them, and their manifests."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MANIFEST = """\
id = "{name}"
version = "1.0.0"
sha256 = "{sha256}"
licence = "none"
smallest_height_px = 10
[input]
name = "image"
dtype = "{dtype}"
layout = "{layout}"
channels = {channels}
height_px = {height_px}
width_px = {width_px}
multiple_px = 32
dynamic = true
polarity = "white-hot"
[output]
kind = "{kind}"
names = [{names}]
[classes]
names = [{classes}]
[thresholds]
score = 0.5
score_low = 0.1
nms_iou = 0.5
"""


def fixed_model(
    folder: Path,
    kind: str,
    outputs: dict[str, np.ndarray],
    *,
    name: str = "model",
    dtype: str = "uint8",
    layout: str = "NCHW",
    channels: int = 1,
    size: tuple[int, int] = (96, 160),
    fixed: bool = False,
    told: dict[str, Any] | None = None,
) -> Path:
    """Write a graph that takes a picture and always answers ``outputs``, with a manifest that says so.

    ``fixed`` makes a graph of one size only; ``told`` replaces facts in the manifest, to make it lie.
    """
    type_of = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}[dtype]
    sides = list(size) if fixed else ["h", "w"]
    shape = [1, channels, *sides] if layout == "NCHW" else [1, *sides, channels]
    nodes, constants, results = [], [], []
    nodes.append(helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMax", ["real"], ["most"], keepdims=0))
    constants.append(numpy_helper.from_array(np.float32(0.0), "nothing"))
    nodes.append(helper.make_node("Mul", ["most", "nothing"], ["zero"]))
    for output, answer in outputs.items():
        constants.append(numpy_helper.from_array(answer.astype(np.float32), f"{output}_answer"))
        nodes.append(helper.make_node("Add", [f"{output}_answer", "zero"], [output]))
        results.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, list(answer.shape)))
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("image", type_of, shape)], results, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    file = folder / f"{name}.onnx"
    onnx.save(model, str(file))
    facts = {
        "name": name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "dtype": dtype, "layout": layout,
        "channels": channels, "height_px": size[0], "width_px": size[1], "kind": kind,
        "classes": '"person"',
        "names": ", ".join(f'"{output}"' for output in outputs),
    }  # fmt: skip
    file.with_suffix(".toml").write_text(MANIFEST.format(**(facts | (told or {}))))
    return file
