"""From a driver's bytes to pixels: whatever the driver says, the picture has its shape or there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.capture import profile
from edge.capture.layout import unpack
from edge.capture.v4l2 import Mode

WHOLE = profile.shipped()["generic-y16"]
SPLIT = profile.shipped()["tiny1c-split"]
ROWS = profile.shipped()["lepton-y16-telemetry"]


@given(
    fourcc=st.sampled_from(["Y16 ", "GREY", "YUYV", "UYVY", "NV12", "YU12", "MJPG"]),
    width=st.integers(1, 40), height=st.integers(3, 30), pitch=st.sampled_from([0, 1, 7, 64, 97, 2**32 - 1]),
    size=st.integers(0, 4000), which=st.sampled_from([WHOLE, SPLIT, ROWS]),
)  # fmt: skip
def test_odd_sizes_strides_and_short_frames_give_a_picture_or_none(fourcc, width, height, pitch, size, which):
    """Too few bytes are a damaged frame; nothing is read behind them, and no shape is invented."""
    raw = bytes(index % 251 for index in range(size))
    mode = Mode(fourcc, width, height, pitch)
    unpacked = unpack(memoryview(raw), mode, which)
    per_pixel = 1 if fourcc in ("GREY", "NV12", "YU12") else 2
    split = which is SPLIT
    stride = max(pitch, width * (2 if split else per_pixel))
    if (fourcc == "MJPG" and not split) or size < stride * (height - 1) + width * (2 if split else per_pixel):
        assert unpacked is None
    else:
        rows = height - height // 2 if split else height - which.picture.telemetry_rows
        assert unpacked.pixels.shape == (rows, width)
        assert unpacked.pixels.flags.owndata or unpacked.pixels.base is not None


def test_a_padded_row_never_reaches_the_picture():
    """Row by row, at an odd width."""
    padded = np.zeros((5, 16), np.uint8)
    padded[:, :14] = np.arange(70, dtype=np.uint8).reshape(5, 14)
    padded[:, 14:] = 255
    unpacked = unpack(memoryview(padded.tobytes()), Mode("Y16 ", 7, 5, 16), WHOLE)
    assert np.array_equal(unpacked.pixels, padded[:, :14].copy().view("<u2"))


def test_a_profile_whose_telemetry_leaves_no_picture_is_refused():
    """It would give a picture of no rows."""
    with pytest.raises(ValidationError, match="leave nothing"):
        profile.Profile.model_validate(
            {"name": "x", "verified": "no", "source": "x",
             "picture": {"fourcc": ["Y16 "], "sizes_px": [[80, 2]], "telemetry_rows": 2}}
        )  # fmt: skip
