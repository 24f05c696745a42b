"""What is neither person nor animal: vehicles, and the things that stand still and hide people or look like them."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from edge.simulate.figures import Body, Figure, between
from edge.simulate.scenario import Thing
from edge.simulate.walks import Stance

VehicleSize = tuple[float, float, float, float]  # length, width, bonnet height, roof height, metres

_SIZES: dict[str, VehicleSize] = {
    "car": (4.3, 1.75, 0.95, 1.48),
    "van": (5.2, 2.0, 1.15, 2.3),
    "truck": (7.8, 2.4, 1.5, 3.3),
}


_RUNNING_WARMER_C = 5.0  # a cold engine warms no tyres


def vehicle_figure(kind: str, stance: Stance, air_c: float, engine_warmer_c: float, object_id: int | None) -> Figure:
    """Build a vehicle: warm bonnet and wheels, cold glass that mirrors the sky, a body near the air's temperature."""
    length, width, bonnet, roof = _SIZES[kind]
    half, side, body = length / 2, width / 2, Body()
    runs = engine_warmer_c > _RUNNING_WARMER_C
    tyre_c = air_c + (6.0 if runs and stance.speed_m_s > 1.0 else 1.0)
    paint_c, glass_c = air_c + (1.2 if runs else -1.5), air_c - 5.0
    engine_c = air_c + engine_warmer_c
    # the floor first, so that a lower engine shows as a glow between the wheels
    body.face(
        [(-half, -side, 0.3), (half, -side, 0.3), (half, side, 0.3), (-half, side, 0.3)], air_c + engine_warmer_c * 0.3
    )
    cabin_back = -half + 0.1
    cabin_front = half - (1.25 if kind == "car" else 0.7)
    body.box((-half, -side, 0.28), (half, side, bonnet), paint_c, paint_c, between(paint_c, engine_c, 0.55))
    hood = bonnet + 0.01
    body.face(
        [
            (cabin_front, -side * 0.85, hood),
            (half - 0.1, -side * 0.85, hood),
            (half - 0.1, side * 0.85, hood),
            (cabin_front, side * 0.85, hood),
        ],
        between(paint_c, engine_c, 0.75),
    )
    _cabin(body, (cabin_back, cabin_front, side, bonnet, roof), paint_c, glass_c, kind)
    for forward in (half - 0.8, -half + 0.8):
        for edge in (side, -side):
            body.limb((forward, edge * 0.88, 0.33), (forward, edge, 0.33), (0.33, 0.33), tyre_c)
            body.ball((forward, edge * 1.02, 0.33), 0.13, tyre_c + (3.0 if runs else 0.0))
    body.limb(
        (-half - 0.05, -side * 0.5, 0.3), (-half + 0.1, -side * 0.5, 0.3), (0.05, 0.05), air_c + engine_warmer_c * 1.3
    )
    return body.put(
        stance.right_m,
        stance.ahead_m,
        stance.heading_rad,
        texture=(0.5, 700),
        object_id=object_id,
        kind=None if object_id is None else "vehicle",
    )


def _cabin(
    body: Body, shape: tuple[float, float, float, float, float], paint_c: float, glass_c: float, kind: str
) -> None:
    back, front, side, low, high = shape
    inner = side * (0.82 if kind == "car" else 0.98)
    slope_front, slope_back = (0.7, 0.5) if kind == "car" else (0.5, 0.02)
    corners = {
        (end, edge, level): (
            (front - (slope_front if level else 0.0)) if end > 0 else (back + (slope_back if level else 0.0)),
            edge * (inner if level else side),
            high if level else low,
        )
        for end in (1, -1)
        for edge in (1, -1)
        for level in (0, 1)
    }
    for end in (1, -1):
        windscreen = [corners[end, -1, 0], corners[end, 1, 0], corners[end, 1, 1], corners[end, -1, 1]]
        body.face(windscreen, glass_c if end > 0 or kind == "car" else paint_c)
    for edge in (1, -1):
        window = [corners[-1, edge, 0], corners[1, edge, 0], corners[1, edge, 1], corners[-1, edge, 1]]
        body.face(window, between(paint_c, glass_c, 0.7) if kind == "car" else paint_c)
    # the roof looks at the sky and loses heat to it all night
    body.face([corners[-1, -1, 1], corners[1, -1, 1], corners[1, 1, 1], corners[-1, 1, 1]], paint_c - 3.0)


def standing_figures(things: tuple[Thing, ...], air_c: float, seed: int) -> list[Figure]:
    """Build everything that stands still, scattered where the scenario asks for a count."""
    figures: list[Figure] = []
    for number, thing in enumerate(things):
        generator = np.random.default_rng([seed, 31, number])
        for _ in range(thing.count):
            shift = generator.uniform(-1, 1, 2) * np.array(thing.spread_m)
            place = (thing.at_m[0] + float(shift[0]), thing.at_m[1] + float(shift[1]))
            figures.extend(_KINDS[thing.kind](thing, place, air_c, generator))
    return figures


def _turned(place: tuple[float, float], across_m: float, turned_rad: float) -> tuple[float, float]:
    return place[0] + across_m * math.cos(turned_rad), place[1] - across_m * math.sin(turned_rad)


def _temperature(thing: Thing, air_c: float, natural_c: float) -> float:
    return air_c + (natural_c if thing.warmer_c is None else thing.warmer_c)


def _bush(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height = (thing.height_m or 1.6) * float(generator.uniform(0.8, 1.15))
    warm_c, body = _temperature(thing, air_c, -0.5), Body()
    for _ in range(34):
        # stems from the root outwards, each with twigs: a net of branches, dense in the middle, open at the rim
        angle, lean = float(generator.uniform(0, 2 * math.pi)), float(generator.uniform(0.1, 1.05))
        reach = height * float(generator.uniform(0.55, 1.0))
        tip = (
            reach * math.sin(lean) * math.cos(angle),
            reach * math.sin(lean) * math.sin(angle),
            reach * math.cos(lean) + 0.05,
        )
        body.limb((0.0, 0.0, 0.02), tip, (0.02, 0.012), warm_c - 0.6)
        for _ in range(3):
            share = float(generator.uniform(0.35, 1.0))
            root = (tip[0] * share, tip[1] * share, tip[2] * share)
            spread = height * 0.16 * generator.normal(0, 1, 3)
            end = (root[0] + float(spread[0]), root[1] + float(spread[1]), max(0.03, root[2] + abs(float(spread[2]))))
            body.limb(root, end, (height * 0.03, height * 0.014), warm_c + float(generator.normal(0, 0.5)))
    yield body.put(*place, 0.0, texture=(0.7, int(generator.integers(1000))))


def _tree(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height = (thing.height_m or 9.0) * float(generator.uniform(0.8, 1.15))
    warm_c, body = _temperature(thing, air_c, 1.0), Body()
    body.limb((0.0, 0.0, 0.0), (0.0, 0.0, height * 0.85), (0.022 * height, 0.006 * height), warm_c)
    for level in np.linspace(0.3, 0.88, 12):
        angle = float(generator.uniform(0, 2 * math.pi))
        reach = height * float(0.42 * (1.15 - level))
        start = (0.0, 0.0, float(level) * height)
        end = (reach * math.cos(angle), reach * math.sin(angle), float(level) * height + reach * 0.7)
        body.limb(start, end, (0.009 * height, 0.004 * height), warm_c - 0.8)
        for twig in (0.45, 0.7):
            root = tuple(a + (b - a) * twig for a, b in zip(start, end, strict=True))
            bend = angle + float(generator.choice((-0.8, 0.8)))
            tip = (
                root[0] + reach * 0.4 * math.cos(bend),
                root[1] + reach * 0.4 * math.sin(bend),
                root[2] + reach * 0.35,
            )
            body.limb((root[0], root[1], root[2]), tip, (0.005 * height, 0.003 * height), warm_c - 1.2)
    yield body.put(*place, 0.0, texture=(0.5, int(generator.integers(1000))))


def _conifer(
    thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator
) -> Iterator[Figure]:
    height = (thing.height_m or 8.0) * float(generator.uniform(0.75, 1.2))
    warm_c, body = _temperature(thing, air_c, -1.8), Body()
    body.limb((0.0, 0.0, 0.0), (0.0, 0.0, height * 0.3), (0.02 * height,) * 2, warm_c + 0.5)
    for level in np.linspace(0.1, 0.9, 9):
        radius = 0.2 * height * float(1.02 - level)
        for _ in range(4):
            angle = float(generator.uniform(0, 2 * math.pi))
            tip = (radius * math.cos(angle), radius * math.sin(angle), height * float(level))
            body.limb(
                (0.0, 0.0, height * (float(level) + 0.1)),
                tip,
                (0.012 * height, 0.035 * height * float(1.1 - level)),
                warm_c - float(generator.uniform(0, 1.4)),
            )
    yield body.put(*place, 0.0, texture=(0.8, int(generator.integers(1000))), gaps=0.06)


def _post(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, body = thing.height_m or 1.5, Body()
    body.limb((0.0, 0.0, 0.0), (0.0, 0.0, height), (0.07, 0.065), _temperature(thing, air_c, 0.8))
    yield body.put(*place, 0.0, texture=(0.3, int(generator.integers(1000))))


def _fence(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, turned = thing.height_m or 1.3, math.radians(thing.turned_deg)
    warm_c = _temperature(thing, air_c, 0.5)
    for across in np.arange(-thing.length_m / 2, thing.length_m / 2, 3.0):
        body = Body()
        body.limb((0.0, 0.0, 0.0), (0.0, 0.0, height), (0.05, 0.045), warm_c)
        for level in (0.35, 0.65, 0.95):
            body.limb((0.0, 0.0, level * height), (0.0, -3.0, level * height), (0.008, 0.008), warm_c - 1.0)
        yield body.put(*_turned(place, float(across), turned), turned, texture=(0.2, int(generator.integers(1000))))


def _ridge(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, turned = thing.height_m or 1.2, math.radians(thing.turned_deg)
    warm_c, step = _temperature(thing, air_c, -2.5), 2.0
    count = max(2, round(thing.length_m / step))
    profile = height * np.clip(np.convolve(generator.uniform(0.35, 1.35, count + 5), np.ones(3) / 3, "valid"), 0.2, 1.3)
    taper = np.clip(np.minimum(np.arange(count + 1), count - np.arange(count + 1)) / 3 + 0.15, 0, 1)
    tops = profile[: count + 1] * taper
    for piece in range(count):
        body, low, high = Body(), float(tops[piece + 1]), float(tops[piece])
        # a bank: its near slope leans away, so that its brightness differs from the flat ground before it
        body.face([(-0.9, step, 0.0), (-0.9, -0.05, 0.0), (0.0, -0.05, low), (0.0, step, high)][::-1], warm_c)
        across = (piece - count / 2) * step
        yield body.put(*_turned(place, across, turned), turned, texture=(0.9, 40), hangs_on_m=place)


def _house(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, half, body = thing.height_m or 3.0, thing.length_m / 2, Body()
    wall_c = _temperature(thing, air_c, 2.5)
    body.box((-3.0, -half, 0.0), (3.0, half, height), wall_c, wall_c, wall_c)
    for end in (3.4, -3.4):
        body.face(
            [
                (end, -half - 0.3, height),
                (end, half + 0.3, height),
                (0.0, half, height + 1.8),
                (0.0, -half, height + 1.8),
            ],
            air_c - 4.0,
        )
    for across in np.arange(-half + 1.2, half - 1.0, 2.4):
        at = float(across)
        body.face(
            [(-3.02, at, 0.9), (-3.02, at + 1.0, 0.9), (-3.02, at + 1.0, 2.1), (-3.02, at, 2.1)],
            wall_c + float(generator.uniform(0.5, 4)),
        )
    yield body.put(*place, math.radians(thing.turned_deg), texture=(0.2, int(generator.integers(1000))))


def _stone(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, body = (thing.height_m or 0.5) * float(generator.uniform(0.7, 1.3)), Body()
    warm_c = _temperature(thing, air_c, 3.0)
    for _ in range(5):
        # lying capsules half in the ground: a boulder has a flat foot and no two alike
        across, ahead = (float(v) for v in generator.uniform(-0.5, 0.5, 2) * height)
        turn, size = float(generator.uniform(0, math.pi)), height * float(generator.uniform(0.25, 0.42))
        step_x, step_y = size * math.cos(turn), size * math.sin(turn)
        low = height * float(generator.uniform(0.05, 0.25))
        body.limb(
            (ahead - step_x, across - step_y, low),
            (ahead + step_x, across + step_y, low * 0.6),
            (size, size * 0.6),
            warm_c,
        )
    yield body.put(*place, 0.0, texture=(0.6, int(generator.integers(1000))))


def _lamp(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    height, body = thing.height_m or 4.0, Body()
    body.limb((0.0, 0.0, 0.0), (0.0, 0.0, height), (0.07, 0.05), air_c + 0.5)
    body.limb((0.0, -0.18, height), (0.0, 0.18, height), (0.11, 0.11), _temperature(thing, air_c, 25.0))
    yield body.put(*place, 0.0, texture=(0.2, int(generator.integers(1000))))


def _parked(thing: Thing, place: tuple[float, float], air_c: float, generator: np.random.Generator) -> Iterator[Figure]:
    heading = math.radians(90 + thing.turned_deg)
    stance = Stance(place[0], place[1], heading, 0.0, float(generator.uniform(0, 1)), "stand")
    yield vehicle_figure(thing.kind, stance, air_c, thing.warmer_c or 0.0, None)


_KINDS: dict[str, Callable[[Thing, tuple[float, float], float, np.random.Generator], Iterator[Figure]]] = {
    "bush": _bush,
    "tree": _tree,
    "conifer": _conifer,
    "post": _post,
    "fence": _fence,
    "ridge": _ridge,
    "house": _house,
    "stone": _stone,
    "lamp": _lamp,
    "car": _parked,
    "van": _parked,
    "truck": _parked,
}
