"""The building blocks of everything that stands on the ground: warm tapered capsules and flat four-cornered faces.

A body of twenty capsules looks right from any side, from eye level to straight down, and its silhouette is exact; a
mesh would be slower, and sprites cut from real pictures would carry other people's footage into this repository.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Kind = Literal["person", "deer", "cattle", "dog", "coyote", "horse", "vehicle"]

NO_CAPSULES: Floats = np.zeros((0, 9))
NO_QUADS: Floats = np.zeros((0, 4, 3))


def between(first_c: float, second_c: float, share: float) -> float:
    """Mix two temperatures: 0 gives the first, 1 the second."""
    return first_c + (second_c - first_c) * share


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing at one moment.

    Attributes:
        capsules: (N, 9) x0, y0, z0, radius0, x1, y1, z1, radius1 in metres of the scene, and a surface temperature, C.
        quads: (M, 4, 3) corners in metres of flat faces, and ``quad_c`` (M,) their temperatures.
        foot_m: where it touches the ground.
        texture_c: unevenness of its surface temperature; ``texture_seed`` which one it has for life.
        object_id: id in the truth, None for what is not in it.
        hangs_on_m: the ground point its texture hangs on, where several figures share one; None for the foot.
        gaps: share of holes (leaves, twigs) through which the background is seen.
    """

    capsules: Floats
    foot_m: tuple[float, float]
    quads: Floats = field(default_factory=lambda: NO_QUADS)
    quad_c: Floats = field(default_factory=lambda: np.zeros(0))
    texture_c: float = 0.0
    texture_seed: int = 0
    object_id: int | None = None
    kind: Kind | None = None
    gaps: float = 0.0
    hangs_on_m: tuple[float, float] | None = None


class Body:
    """Collects the parts of one figure in its own axes (forward, left, up) and puts them into the scene."""

    def __init__(self) -> None:
        self._capsules: list[tuple[float, ...]] = []
        self._quads: list[list[tuple[float, float, float]]] = []
        self._quad_c: list[float] = []

    def limb(
        self,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        radii_m: tuple[float, float],
        warm_c: float,
    ) -> None:
        """Add a tapered capsule between two joints."""
        self._capsules.append((*start, radii_m[0], *end, radii_m[1], warm_c))

    def ball(self, centre: tuple[float, float, float], radius_m: float, warm_c: float) -> None:
        """Add a sphere."""
        self._capsules.append((*centre, radius_m, *centre, radius_m, warm_c))

    def box(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        side_c: float,
        top_c: float,
        front_c: float,
    ) -> None:
        """Add an upright box without a bottom; the front is the side of larger ``forward``."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        self.face([(x1, y0, z0), (x1, y1, z0), (x1, y1, z1), (x1, y0, z1)], front_c)
        self.face([(x0, y0, z0), (x0, y1, z0), (x0, y1, z1), (x0, y0, z1)], side_c)
        self.face([(x0, y0, z0), (x1, y0, z0), (x1, y0, z1), (x0, y0, z1)], side_c)
        self.face([(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)], side_c)
        self.face([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)], top_c)

    def face(self, corners: list[tuple[float, float, float]], warm_c: float) -> None:
        """Add a flat face of four corners, convex, seen from both sides."""
        self._quads.append(corners)
        self._quad_c.append(warm_c)

    def put(
        self,
        right_m: float,
        ahead_m: float,
        heading_rad: float,
        *,
        texture: tuple[float, int] = (0.0, 0),
        object_id: int | None = None,
        kind: Kind | None = None,
        gaps: float = 0.0,
        hangs_on_m: tuple[float, float] | None = None,
    ) -> Figure:
        """Place the body on the ground, facing ``heading_rad`` (0 is ahead, clockwise)."""
        sine, cosine = math.sin(heading_rad), math.cos(heading_rad)
        turn = np.array([[sine, cosine, 0.0], [-cosine, sine, 0.0], [0.0, 0.0, 1.0]])
        shift = np.array([right_m, ahead_m, 0.0])
        capsules = np.array(self._capsules, dtype=np.float64) if self._capsules else NO_CAPSULES.copy()
        capsules[:, 0:3] = capsules[:, 0:3] @ turn + shift
        capsules[:, 4:7] = capsules[:, 4:7] @ turn + shift
        quads = np.array(self._quads, dtype=np.float64).reshape(-1, 4, 3) @ turn + shift
        return Figure(
            capsules=capsules,
            foot_m=(right_m, ahead_m),
            quads=quads,
            quad_c=np.array(self._quad_c, dtype=np.float64),
            texture_c=texture[0],
            texture_seed=texture[1],
            object_id=object_id,
            kind=kind,
            gaps=gaps,
            hangs_on_m=hangs_on_m,
        )
