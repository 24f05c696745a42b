"""Small scenes for the simulator's tests: odd, non-square frames, few seconds, few people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.simulate import Scenario

MakeScene = Callable[..., Scenario]
ReadClip = Callable[[Path], list[np.ndarray]]

QUIET = {
    "netd_c": 0.0,
    "fixed_pattern_c": 0.0,
    "column_c": 0.0,
    "pattern_growth_c_per_min": 0.0,
    "drift_c_per_min": 0.0,
}
ODD_CAMERA = {"width_px": 203, "height_px": 131, "fps": 5, "height_m": 4, "tilt_deg": -6, "hfov_deg": 24}
WALKER = {"path_m": [[-4, 30], [6, 30]], "speed_m_s": 1.0}


@pytest.fixture
def scene() -> MakeScene:
    """Give a maker of scenes: one walker on quiet, even ground, with any section replaced or added to."""

    def make(**sections: Any) -> Scenario:
        table: dict[str, Any] = {
            "name": "scene",
            "duration_s": 4.0,
            "camera": {**ODD_CAMERA, **sections.pop("camera", {})},
            "sensor": {**QUIET, **sections.pop("sensor", {})},
            "terrain": {"contrast": 0.0, **sections.pop("terrain", {})},
            "parties": [WALKER],
            **sections,
        }
        return Scenario.model_validate(table)

    return make


@pytest.fixture
def read_clip() -> ReadClip:
    """Give a reader of clips: every frame as (H, W) uint16."""

    def read(path: Path) -> list[np.ndarray]:
        with av.open(str(path)) as container:
            return [frame.to_ndarray() for frame in container.decode(video=0)]

    return read
