"""People as they stand on the ground: the same bodies drawn on a plan, for whoever weighs how near they are.

In the picture of a low camera, who stands ten metres behind another is a body's height away. On the plan all bodies are
equally tall, and so many of them make ``near_m`` as make the distance at which people join; whatever is decided in body
heights is then decided in metres. Only places are taken from the ground. Velocities stay those of the picture, in metres
across the view: along it a pixel may be metres, and two who walk side by side would seem to run apart.
"""

from collections.abc import Sequence

from edge.places import Ground, metres_per_px
from edge.records import Box, Track

_TALL = 100.0  # of a body on the plan
_PERSON_M = 1.7  # whose height a second the velocities are in


def on_plan(people: Sequence[Track], ground: Ground, near_m: float, near_heights: float) -> list[Track] | None:
    """Draw people on the plan; ``None`` where somebody's feet are on no known ground.

    Args:
        people: everybody, in pixels of the frame.
        ground: gives metres for a point of the picture.
        near_m: so many metres ...
        near_heights: ... are so many bodies on the plan.
    """
    per_m = _TALL * near_heights / near_m
    drawn = []
    for one in people:
        place_m, scale_m = ground(one.foot_px), metres_per_px(ground, one.foot_px)
        if place_m is None or scale_m is None:
            return None
        x, y = per_m * place_m[0], -per_m * place_m[1]
        box: Box = (x - _TALL / 4, y - _TALL, x + _TALL / 4, y)
        speed = scale_m * _TALL / _PERSON_M
        drawn.append(one._replace(box=box, velocity_px_s=(speed * one.velocity_px_s[0], speed * one.velocity_px_s[1])))
    return drawn
