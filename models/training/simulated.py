"""Training pictures from the project's own simulator: what the recordings lack, above all warm things that are nobody.

The recordings hold no deer, no cattle, hardly a tree by night, nobody who crawls, and two cameras. A drawn scene differs
from the next in season, ground, camera, height and everybody who passes; about a third hold no person at all. None is
one of the shipped scenarios, which stay the exam. The labels follow those of the recordings: a body that is mostly
hidden, too small or without contrast is an ignored area, since nobody would have labelled it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.render import Painter
from edge.simulate.scenario import Scenario
from edge.simulate.sensor import Imager
from edge.simulate.truth import Chronicle, Stage
from models.training.augment import stands_out

Random = np.random.Generator

LABELLED_VISIBLE = 0.4
"""Share of a body that must be seen for it to be a labelled person; from 0.1 on the rest is ignored."""

LABELLED_HEIGHT_PX = 8.0
LABELLED_CONTRAST_LEVELS = 7.0
"""Grey levels between a body's brightest or darkest parts and its surroundings; less is ignored."""

PICTURES_PER_SCENE = 8
SECONDS_BETWEEN = 7.0
SIZES_PX = ((320, 256), (384, 288), (384, 288), (640, 512), (640, 512), (640, 480), (256, 192))


def make(folder: Path, scenes: int, seed: int) -> Path:
    """Writes ``folder/images/*.png`` and ``folder/train.json`` (COCO, as the recordings have it); the path of the json."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for n in range(scenes):
        rng = np.random.default_rng((seed, n))
        for k, (grey, objects) in enumerate(film(draw_scenario(rng, n), rng)):
            name = f"sim_{n:04d}_{k}.png"
            cv2.imwrite(str(folder / "images" / name), grey)
            h, w = grey.shape
            images.append({"id": len(images), "file_name": name, "width": w, "height": h, "date": f"sim-{n:04d}"})
            for thing in objects:
                labels += label(thing, grey, len(images) - 1, len(labels))
        if n % 20 == 19:
            print(f"{n + 1} of {scenes} scenes", flush=True)
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "other"}]
    told = folder / "train.json"
    told.write_text(json.dumps({"images": images, "annotations": labels, "categories": categories}))
    return told


def film(scenario: Scenario, rng: Random) -> list[tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]]:
    """A few far-apart pictures of a scene, as 8 bits, with the objects that the simulator's truth knows."""
    stage = Stage(scenario)
    chronicle, painter, imager = Chronicle(stage), Painter(stage), Imager(scenario)
    low, high = float(np.exp(rng.uniform(-3.0, 0.5))), 100 - float(np.exp(rng.uniform(-5.0, -0.5)))
    pictures = []
    for number, t_s in stage.frame_times():
        moment = stage.at(number, t_s)
        chronicle.note(moment)
        counts = imager.expose(painter.paint(moment), number, t_s).astype(np.float32)
        black, white = (float(v) for v in np.percentile(counts, (low, high)))
        span = max(white - black, 200.0)
        grey = np.clip((counts - (black + white - span) / 2) * (255 / span), 0, 255).astype(np.uint8)
        pictures.append(grey)
    frames = chronicle.finish()["frames"]
    return [(grey, frame["objects"]) for grey, frame in zip(pictures, frames, strict=True)]


def label(thing: dict[str, Any], grey: npt.NDArray[np.uint8], image: int, number: int) -> list[dict[str, Any]]:
    """The label of one object: a person, an ignored area, something else, or none."""
    x0, y0, x1, y1 = thing["box"]
    entry = {"id": number + 1, "image_id": image, "bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": 0, "category_id": 2}
    if thing["visible"] < 0.1:
        return []
    if thing["kind"] != "person":
        return [entry]
    seen = thing["visible"] >= LABELLED_VISIBLE and max(y1 - y0, x1 - x0) >= LABELLED_HEIGHT_PX
    clear = stands_out(grey, (x0, y0, x1, y1)) >= LABELLED_CONTRAST_LEVELS
    return [entry | {"category_id": 1, "iscrowd": 0 if seen and clear else 1}]


def draw_scenario(rng: Random, number: int) -> Scenario:
    """A scene nobody has thought of: place, season, camera and cast are drawn."""
    drone = rng.random() < 0.4
    camera, centre, reach_m = draw_camera(rng, drone)
    weather, surface = draw_weather(rng)
    with_people = rng.random() < 0.65

    def near() -> tuple[float, float]:
        return near_by(rng, centre, reach_m)

    return Scenario.model_validate(
        {
            "name": f"drawn-{number}",
            "seed": int(rng.integers(1, 2**30)),
            "duration_s": PICTURES_PER_SCENE * SECONDS_BETWEEN,
            "camera": camera,
            "sensor": {
                "netd_c": float(rng.uniform(0.02, 0.15)),
                "fixed_pattern_c": float(rng.uniform(0.0, 0.12)),
                "pattern_growth_c_per_min": float(rng.uniform(0.0, 0.08)),
                "column_c": float(rng.uniform(0.0, 0.12)),
                "blur_px": float(rng.uniform(0.3, 1.1)),
                "sharpen": float(rng.choice([0.0, 0.0, 0.5, 1.0])),
            },
            "weather": weather,
            "terrain": {
                "surface": surface,
                "contrast": float(np.exp(rng.uniform(-1.2, 1.0))),
                "skyline_deg": float(rng.uniform(0.3, 5)),
                "roads": [
                    {
                        "path_m": [near(), near(), near()],
                        "width_m": float(rng.uniform(1, 14)),
                        "warmer_c": float(rng.uniform(-8, 8)),
                        "edge_warmer_c": float(rng.uniform(-1, 2)),
                    }
                    for _ in range(rng.integers(0, 3))
                ],
            },
            "things": [draw_thing(rng, near(), reach_m) for _ in range(rng.integers(2, 9))],
            "parties": [draw_party(rng, near(), reach_m) for _ in range(rng.integers(1, 6))] if with_people else [],
            "herds": [draw_herd(rng, near(), reach_m) for _ in range(rng.integers(0, 4))] if rng.random() < 0.6 else [],
            "vehicles": [draw_vehicle(rng, near(), reach_m) for _ in range(rng.integers(0, 3))],
        }
    )


def draw_camera(rng: Random, drone: bool) -> tuple[dict[str, Any], tuple[float, float], float]:
    """A camera, the ground point (m) that it looks at and how far around it (m) things may stand."""
    width_px, height_px = SIZES_PX[rng.integers(len(SIZES_PX))]
    hfov_deg = float(rng.uniform(14, 50))
    camera: dict[str, Any] = {"width_px": width_px, "height_px": height_px, "hfov_deg": hfov_deg}
    camera["fps"] = 1 / SECONDS_BETWEEN
    focal_px = width_px / 2 / np.tan(np.radians(hfov_deg / 2))
    person_px = float(np.exp(rng.uniform(np.log(9), np.log(28 if drone else 90))))
    distance_m = 1.7 * focal_px / person_px
    if drone:
        tilt_deg = float(rng.uniform(-88, -30))
        height_m = float(np.clip(distance_m * np.sin(np.radians(-tilt_deg)), 8, 300))
        motion = {"kind": "orbit", "orbit_radius_m": max(1.0, height_m / np.tan(np.radians(-tilt_deg)))}
        camera["motion"] = motion | {"orbit_period_s": float(rng.uniform(60, 400))}
    else:
        height_m = float(np.clip(rng.uniform(2, 12), 1.5, distance_m * 0.7))
        tilt_deg = -float(np.degrees(np.arctan2(height_m, distance_m))) - float(rng.uniform(-3, 3))
    camera |= {"height_m": height_m, "tilt_deg": float(np.clip(tilt_deg, -90, 20))}
    ahead_m = height_m / np.tan(np.radians(max(2.0, -tilt_deg))) if tilt_deg < 0 else distance_m
    ahead_m = float(np.clip(ahead_m, 0, 2.5 * distance_m))
    reach_m = distance_m * float(np.tan(np.radians(hfov_deg / 2)))
    return camera, (0.0, ahead_m), max(4.0, reach_m)


def draw_weather(rng: Random) -> tuple[dict[str, Any], str]:
    """Air, ground and sky of some season and hour, and a surface that goes with it."""
    air_c = float(rng.uniform(-20, 32))
    by_day = rng.random() < 0.45
    ground_c = air_c + (float(rng.uniform(-2, 16)) if by_day else float(rng.uniform(-7, 3)))
    surface = str(rng.choice(["snow", "grass", "stone", "asphalt", "soil"]))
    if surface == "snow" and air_c > 4:
        surface = "grass"
    weather: dict[str, Any] = {
        "air_c": air_c,
        "ground_c": min(ground_c, 0.0) if surface == "snow" else ground_c,
        "sky_c": air_c - float(rng.uniform(5, 45)),
        "sun_c": float(rng.uniform(0, 12)) if by_day else 0.0,
        "wind_m_s": float(rng.uniform(-6, 6)),
    }
    falls = rng.random()
    if falls < 0.12:
        weather["fog_m"] = float(rng.uniform(60, 600))
    elif falls < 0.24:
        key = "snowfall_mm_h" if air_c < 1 else "rain_mm_h"
        weather[key] = float(rng.uniform(0.3, 4))
    return weather, surface


def draw_thing(rng: Random, at_m: tuple[float, float], reach_m: float) -> dict[str, Any]:
    """Trees, posts, lamps, stones, parked cars: alone or scattered."""
    kinds = ["bush", "tree", "conifer", "post", "fence", "ridge", "house", "stone", "lamp", "car", "van", "truck"]
    shares = np.array([3, 3, 3, 3, 1, 1, 1, 3, 4, 2, 1, 1], float)
    kind = str(rng.choice(kinds, p=shares / shares.sum()))
    thing: dict[str, Any] = {"kind": kind, "at_m": at_m, "turned_deg": float(rng.uniform(-180, 180))}
    if kind not in ("ridge", "house", "fence", "truck"):
        thing |= {"count": int(rng.integers(1, 10)), "spread_m": [reach_m * 0.6, reach_m * 0.6]}
    if kind in ("stone", "post"):
        thing["warmer_c"] = float(rng.uniform(-3, 12))
        thing["height_m"] = float(rng.uniform(0.3, 2.2))
    if kind in ("tree", "bush", "conifer") and rng.random() < 0.5:
        thing["warmer_c"] = float(rng.uniform(-3, 5))
    return thing


def draw_party(rng: Random, at_m: tuple[float, float], reach_m: float) -> dict[str, Any]:
    """People: walking through ``at_m``, or staying there sitting, lying, standing."""
    adults, children = int(rng.choice([1, 1, 2, 3, 4, 6, 9])), int(rng.choice([0, 0, 0, 1, 2, 3]))
    party: dict[str, Any] = {
        "adults": adults,
        "children": children,
        "formation": str(rng.choice(["line", "abreast", "cluster"])),
        "spacing_m": float(np.exp(rng.uniform(np.log(0.7), np.log(5)))),
        "insulation": float(rng.uniform(0.3, 0.92)),
        "backpacks": int(rng.integers(0, adults + 1)),
        "suitcases": int(rng.choice([0, 0, 0, 1])),
        "sledge": bool(rng.random() < 0.04),
        "dogs": int(rng.choice([0, 0, 0, 0, 1])),
    }
    if rng.random() < 0.25:
        pose = str(rng.choice(["stand", "sit", "sit", "lie", "crouch"]))
        return party | {"path_m": [at_m], "pose": pose, "facing_deg": float(rng.uniform(0, 360)), "start_s": -30}
    gait = str(rng.choice(["walk", "walk", "walk", "run", "crawl"], p=[0.3, 0.25, 0.2, 0.1, 0.15]))
    speed_m_s = {"walk": 1.1, "run": 2.6, "crawl": 0.3}[gait] * float(rng.uniform(0.7, 1.3))
    path, start_s = crossing(rng, at_m, speed_m_s, reach_m)
    return party | {"gait": gait, "speed_m_s": speed_m_s, "path_m": path, "start_s": start_s}


def draw_herd(rng: Random, at_m: tuple[float, float], reach_m: float) -> dict[str, Any]:
    """Animals walking through ``at_m``, or grazing there."""
    speed_m_s = float(rng.choice([0.0, 0.3, 1.0, 2.0]))
    path, start_s = crossing(rng, at_m, max(speed_m_s, 0.1), reach_m)
    return {
        "kind": str(rng.choice(["deer", "cattle", "dog", "coyote", "horse"], p=[0.35, 0.25, 0.1, 0.15, 0.15])),
        "count": int(rng.integers(1, 9)),
        "spacing_m": float(rng.uniform(2, 8)),
        "speed_m_s": max(speed_m_s, 0.05),
        "path_m": path,
        "start_s": start_s,
    }


def draw_vehicle(rng: Random, at_m: tuple[float, float], reach_m: float) -> dict[str, Any]:
    """A vehicle that drives through ``at_m``."""
    speed_m_s = float(rng.uniform(0.5, 8))
    path, start_s = crossing(rng, at_m, speed_m_s, reach_m)
    kind = str(rng.choice(["car", "car", "van", "truck"]))
    engine_c = float(rng.uniform(5, 50))
    return {"kind": kind, "path_m": path, "speed_m_s": speed_m_s, "start_s": start_s, "engine_warmer_c": engine_c}


def crossing(
    rng: Random, at_m: tuple[float, float], speed_m_s: float, reach_m: float
) -> tuple[list[tuple[float, float]], float]:
    """A path through ``at_m`` and the start that puts its middle into the scene's middle."""
    course = rng.uniform(0, 2 * np.pi)
    half_m = max(3.0, min(speed_m_s * PICTURES_PER_SCENE * SECONDS_BETWEEN / 2, 1.5 * reach_m))
    dx, dy = half_m * float(np.cos(course)), half_m * float(np.sin(course))
    path = [(at_m[0] - dx, max(1.5, at_m[1] - dy)), (at_m[0] + dx, max(1.5, at_m[1] + dy))]
    return path, float(np.clip(PICTURES_PER_SCENE * SECONDS_BETWEEN / 2 - half_m / speed_m_s, -3000, 3000))


def near_by(rng: Random, centre: tuple[float, float], reach_m: float) -> tuple[float, float]:
    """A ground point about where the camera looks."""
    x, y = rng.normal(0, 0.45 * reach_m), centre[1] + rng.normal(0, 0.6 * reach_m)
    return float(x), float(max(2.0, y))
