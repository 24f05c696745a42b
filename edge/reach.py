"""How far a camera reaches: at which distance a person is still as tall in the picture as the model has been proven on.

Seen straight ahead, ``height_px = height_m * focal_px / distance_m`` with ``focal_px = width_px / (2 tan(hfov / 2))``:
the pinhole camera, as in ``edge/pipeline/rays.py``. A lens with much distortion differs by some per cent.
"""

import math
from dataclasses import dataclass

PEOPLE_M = {"adult, upright": 1.7, "child of six, upright": 1.15, "adult, crouching": 0.9, "adult, crawling": 0.5}
"""Heights to plan for: half of all adults are taller than 1.7 m; the rest are what a border and a search meet."""


@dataclass(frozen=True, slots=True)
class View:
    """One sensor behind one lens.

    Attributes:
        width_px: width of its picture.
        hfov_deg: how wide it sees.
    """

    width_px: int
    hfov_deg: float

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return self.width_px / (2.0 * math.tan(math.radians(self.hfov_deg) / 2.0))

    def distance_m(self, height_m: float, height_px: float) -> float:
        """How far away something of this height is when it is ``height_px`` tall in the picture."""
        return height_m * self.focal_px / height_px

    def pixels_per_metre(self, distance_m: float) -> float:
        """How many pixels a metre across the view has at this distance."""
        return self.focal_px / distance_m

    def width_m(self, distance_m: float) -> float:
        """How wide the view is at this distance."""
        return distance_m * self.width_px / self.focal_px


def hfov_of(width_px: int, pitch_um: float, focal_mm: float) -> float:
    """Give the horizontal field of view in degrees of a lens, from its data sheet's numbers."""
    return math.degrees(2.0 * math.atan(width_px * pitch_um / 1000.0 / (2.0 * focal_mm)))


def blind_m(mount_m: float, tilt_deg: float, vfov_deg: float) -> float | None:
    """Give the distance up to which the ground lies below the picture; ``None`` when the view never meets the ground.

    Args:
        mount_m: height of the camera over the ground.
        tilt_deg: how far it looks down.
        vfov_deg: how high it sees.
    """
    lower_deg = tilt_deg + vfov_deg / 2.0
    return None if lower_deg <= 0.0 else mount_m / math.tan(math.radians(min(lower_deg, 90.0)))
