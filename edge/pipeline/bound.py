"""A model's inputs and outputs, tied to buffers that are made once and used for every frame.

The graph reads the camera's own input tensor where it lies and writes its outputs into the same arrays each time, so
that a frame costs no allocation. Only an export that wants another type, layout or number of channels gets a second
buffer, which is filled in place.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.pipeline.manifest import InputManifest

Array = npt.NDArray[Any]
Picture = npt.NDArray[np.uint8]

_MOST_BUFFERS = 16  # a node has up to eight cameras; a folder of pictures of many sizes must not pile up buffers
_WHITE = 255


@dataclass(slots=True)
class _Binding:
    tensor: Picture  # held, so that its address stays its own
    feed: Array
    outputs: list[Array]
    io: Any


class BoundSession:
    """One session with a set of buffers for each input tensor it has met. For one thread at a time."""

    def __init__(self, session: Any, wanted: InputManifest, output_names: tuple[str, ...]) -> None:
        """Bind nothing yet.

        Args:
            session: an ONNX Runtime session.
            wanted: type, layout and number of channels of its input.
            output_names: outputs in the order in which they are returned.
        """
        self._session = session
        self._wanted = wanted
        self._names = list(output_names)
        self._plain = _is_plain(wanted)
        self._bindings: dict[tuple[int, tuple[int, ...], tuple[int, ...]], _Binding] = {}

    def run(self, tensor: Picture) -> list[Array]:
        """Run the graph on a (1, 1, h, w) uint8 tensor; the outputs are overwritten by the next call."""
        place = (tensor.__array_interface__["data"][0], tensor.shape, tensor.strides)
        binding = self._bindings.get(place)
        if binding is None:
            binding = self._bind(tensor)
            if len(self._bindings) >= _MOST_BUFFERS:
                self._bindings.clear()
            self._bindings[place] = binding
            return binding.outputs
        if binding.feed is not tensor:
            fill(binding.feed, binding.tensor, self._wanted)
        if binding.io is None:
            return list(self._session.run(self._names, {self._wanted.name: binding.feed}))
        try:
            self._session.run_with_iobinding(binding.io)
        except Exception:  # noqa: BLE001  onnxruntime has no common class of errors
            binding.io = None  # a graph whose outputs depend on what it sees; a real fault comes again in the plain run
            return list(self._session.run(self._names, {self._wanted.name: binding.feed}))
        return binding.outputs

    def _bind(self, tensor: Picture) -> _Binding:
        """Run once unbound, which tells the shapes of the outputs, and tie the buffers for the next time."""
        feed: Array = tensor
        if not self._plain or not tensor.flags.c_contiguous:
            feed = _feed_for(tensor, self._wanted)
            fill(feed, tensor, self._wanted)
        outputs = [np.ascontiguousarray(found) for found in self._session.run(self._names, {self._wanted.name: feed})]
        io = self._session.io_binding()
        io.bind_cpu_input(self._wanted.name, feed)
        for name, array in zip(self._names, outputs, strict=True):
            io.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return _Binding(tensor, feed, outputs, io)


def fill(feed: Array, tensor: Picture, wanted: InputManifest) -> None:
    """Write a picture into a model's own kind of input, in place.

    Args:
        feed: (1, C, h, w) or (1, h, w, C), uint8 or float32, as ``wanted`` says.
        tensor: (1, 1, h, w) uint8, white-hot.
        wanted: turns it over where the model wants warm dark; a float input is multiplied by ``wanted.scale``.
    """
    target = feed if wanted.layout == "NCHW" else feed.transpose(0, 3, 1, 2)
    if wanted.polarity == "black-hot":
        np.subtract(_WHITE, tensor, out=target, dtype=target.dtype, casting="unsafe")
    else:
        np.copyto(target, tensor)
    if wanted.dtype == "float32":
        np.multiply(target, np.float32(wanted.scale), out=target)


def _is_plain(wanted: InputManifest) -> bool:
    one_channel = wanted.channels == 1 and wanted.layout == "NCHW"
    return one_channel and wanted.dtype == "uint8" and wanted.polarity != "black-hot"


def _feed_for(tensor: Picture, wanted: InputManifest) -> Array:
    height_px, width_px = tensor.shape[2:]
    sides = (
        (1, wanted.channels, height_px, width_px)
        if wanted.layout == "NCHW"
        else (1, height_px, width_px, wanted.channels)
    )
    return np.empty(sides, np.uint8 if wanted.dtype == "uint8" else np.float32)
