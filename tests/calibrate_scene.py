"""Marked points of a simulated camera, projected by the simulator and not by what is tested."""

import math
from typing import Any

import numpy as np

from edge.simulate.camera import Globe, Mount
from edge.simulate.scenario import Camera


def marked_points(
    camera: Camera, places_m: list[tuple[float, float, float]], *, luck: float = 0.0, seed: int = 0
) -> list[dict[str, Any]]:
    """Mark scene places (right, ahead, up) in the picture, each off by so many pixels (one sigma)."""
    pixels, _ = Mount(camera, 1).at(0.0).project(np.array(places_m))
    noise = np.random.default_rng(seed).normal(0, luck, pixels.shape) if luck else np.zeros(pixels.shape)
    globe, points = Globe(camera), []
    for (x_px, y_px), place, off in zip(pixels, places_m, noise, strict=True):
        where = globe.position(place[0], place[1])
        points.append({
            "name": f"post {len(points) + 1}", "x_px": float(x_px + off[0]), "y_px": float(y_px + off[1]),
            "lat_deg": where["lat"], "lon_deg": where["lon"], "height_m": place[2],
        })  # fmt: skip
    assert all(0 <= point["x_px"] <= camera.width_px and 0 <= point["y_px"] <= camera.height_px for point in points)
    assert not any(math.isnan(point["x_px"]) for point in points)
    return points


def as_toml(points: list[dict[str, Any]], camera: dict[str, float] | None = None) -> str:
    """Write a file of points as a person would."""
    head = "[camera]\n" + "".join(f"{name} = {value}\n" for name, value in (camera or {}).items())
    return head + "".join(
        "\n[[point]]\n" + "".join(f"{key} = {value!r}\n" for key, value in point.items()) for point in points
    ).replace("'", '"')
