"""Buffers that are made once: every frame is the one that lies in them now, whatever the graph wants to be fed with."""

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.pipeline import bound
from edge.pipeline.bound import BoundSession, fill
from edge.pipeline.manifest import InputManifest

WANTED = InputManifest(name="image", dtype="uint8", layout="NCHW", channels=1, height_px=96, width_px=160, dynamic=True)


def session_of(nodes, constants, shape=(1, 1, "h", "w"), dtype=TensorProto.UINT8):
    """Build a real session whose output is called ``out``."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", dtype, list(shape))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def halved_picture():
    """Give a graph that answers with half of every second pixel."""
    nodes = [
        helper.make_node("Slice", ["image", "start", "end", "axes", "steps"], ["thin"]),
        helper.make_node("Cast", ["thin"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "half"], ["out"]),
    ]
    ends = np.array([2**31, 2**31], np.int64)
    constants = {"start": np.array([0, 0]), "end": ends, "axes": np.array([2, 3]), "steps": np.array([2, 2])}
    return session_of(nodes, constants | {"half": np.float32(0.5)})


def bright_pixels():
    """Give a graph whose answer is as long as there are bright pixels."""
    nodes = [
        helper.make_node("Greater", ["image", "dim"], ["bright"]),
        helper.make_node("NonZero", ["bright"], ["places"]),
        helper.make_node("Cast", ["places"], ["out"], to=TensorProto.FLOAT),
    ]
    return session_of(nodes, {"dim": np.uint8(200)})


def test_what_lies_in_the_buffer_now_is_what_the_graph_sees():
    """Written in place, ten frames give ten different answers into the same arrays."""
    runner, tensor = BoundSession(halved_picture(), WANTED, ("out",)), np.zeros((1, 1, 33, 57), np.uint8)
    first = runner.run(tensor)[0]
    for number in range(10):
        tensor[:] = np.random.default_rng(number).integers(0, 256, tensor.shape)
        (found,) = runner.run(tensor)
        assert found is first
        assert np.array_equal(found, tensor[:, :, ::2, ::2] / 2)


def test_several_cameras_do_not_share_a_buffer():
    """Frames of two sizes and two buffers of one size take turns, and none sees the other's answer."""
    runner = BoundSession(halved_picture(), WANTED, ("out",))
    tensors = [
        np.full(shape, 10 * number, np.uint8) for number, shape in enumerate(3 * [(1, 1, 31, 64)] + [(1, 1, 7, 5)])
    ]
    for _ in range(3):
        answers = [runner.run(tensor)[0] for tensor in tensors]
        assert [set(answer.ravel()) for answer in answers] == [{5.0 * number} for number in range(4)]


def test_a_folder_of_many_sizes_piles_up_no_buffers():
    """A hundred sizes one after the other leave a few buffers behind."""
    runner = BoundSession(halved_picture(), WANTED, ("out",))
    for side in range(1, 101):
        assert runner.run(np.full((1, 1, side, 2 * side), 8, np.uint8))[0].shape == (1, 1, -(-side // 2), side)
    assert len(runner._bindings) <= bound._MOST_BUFFERS


def test_an_answer_whose_size_depends_on_the_picture_is_read_too():
    """A graph with its own suppression inside gives one row today and three tomorrow."""
    runner, tensor = BoundSession(bright_pixels(), WANTED, ("out",)), np.zeros((1, 1, 9, 13), np.uint8)
    for bright in (0, 1, 3, 0, 5):
        tensor[:] = 0
        tensor[0, 0, 0, :bright] = 255
        assert runner.run(tensor)[0].shape == (4, bright)


def test_a_strided_tensor_is_read_as_it_looks():
    """A view into a larger picture is copied, not read as if it were whole."""
    runner, whole = (
        BoundSession(halved_picture(), WANTED, ("out",)),
        np.arange(2 * 9 * 14, dtype=np.uint8).reshape(1, 2, 9, 14),
    )
    view = whole[:, 1:, :, 3:9]
    for _ in range(3):
        whole += 7
        assert np.array_equal(runner.run(view)[0], view[:, :, ::2, ::2] / 2)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["uint8", "float32"]), st.sampled_from(["NCHW", "NHWC"]), st.sampled_from([1, 3]),
    st.sampled_from(["any", "white-hot", "black-hot"]), st.sampled_from([1.0, 1 / 255]),
    st.integers(1, 37), st.integers(1, 23),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_kind_of_input_gets_the_picture(dtype, layout, channels, polarity, scale, height, width, seed):
    """Type, layout, channels, polarity and scale are what the plain formula says."""
    wanted = WANTED.model_copy(
        update={"dtype": dtype, "layout": layout, "channels": channels, "polarity": polarity, "scale": scale}
    )
    tensor = np.random.default_rng(seed).integers(0, 256, (1, 1, height, width)).astype(np.uint8)
    plain = np.repeat(255 - tensor if polarity == "black-hot" else tensor, channels, axis=1)
    plain = plain.transpose(0, 2, 3, 1) if layout == "NHWC" else plain
    plain = plain.astype(np.float32) * np.float32(scale) if dtype == "float32" else plain
    feed = bound._feed_for(tensor, wanted)
    fill(feed, tensor, wanted)
    assert (feed.dtype, feed.shape) == (plain.dtype, plain.shape)
    assert np.array_equal(feed, plain)


def test_a_graph_that_fails_says_so():
    """A run that cannot work raises, bound or not."""
    runner = BoundSession(halved_picture(), WANTED.model_copy(update={"name": "nothing"}), ("out",))
    with pytest.raises(Exception, match="nothing"):
        runner.run(np.zeros((1, 1, 8, 8), np.uint8))
