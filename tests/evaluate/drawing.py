"""Clips drawn with numbers: who truly stands where, and what the node says about it.

A person at ``x`` is a box 8 px wide and 21 px high whose left side is at ``x``, in a frame of 333 x 201 pixels.
"""

from edge.evaluate.counting import Clip
from edge.evaluate.truth import parse_truth
from edge.records import Alert, Crossing, Group, Result, Sight, Track

WIDTH_PX, HEIGHT_PX = 333, 201
FPS = 2.0
PROVEN_PX = 14.0


def box(x, height_px=21.0):
    """Draw a person's box."""
    return (float(x), 30.0, float(x) + 8.0, 30.0 + height_px)


def person(number, x, *, group=1, visible=1.0, height_px=21.0, kind="person"):
    """Put somebody into a frame of the truth."""
    return {"id": number, "kind": kind, "box": box(x, height_px), "visible": visible, "group": group}


def true_clip(*frames, groups=(), lines=(), ffc=(), identified=True):
    """Make a truth from the objects of each frame, two frames a second."""
    return parse_truth(
        {
            "format": "edge-truth/1",
            "name": "drawn",
            "start_utc": "2026-02-03T13:16:00Z",
            "width_px": WIDTH_PX,
            "height_px": HEIGHT_PX,
            "fps": FPS,
            "identified": identified,
            "frames": [
                {"t_s": index / FPS, "ffc": index in ffc, "objects": list(objects)}
                for index, objects in enumerate(frames)
            ],
            "groups": [{"start_s": 0.0, "end_s": len(frames) / FPS, **group} for group in groups],
            "lines": list(lines),
        }
    )


def track(number, x, t_s, *, seen=True, height_px=21.0):
    """Let the node follow somebody; ``seen=False``: it only believes so."""
    return Track(
        track_id=number,
        kind="person",
        box=box(x, height_px),
        score=0.9,
        velocity_px_s=(0.0, 0.0),
        first_seen_s=0.0,
        last_seen_s=t_s if seen else t_s - 5.0,
        confirmed=True,
    )


def told(number, members, *, count=None, low=None, high=None, crossing=None, ended=None, merged_into=None):
    """Let the node tell a group; by default as many as it has members, without doubt."""
    count = len(members) if count is None else count
    return Group(
        group_id=number,
        members=tuple(members),
        count=count,
        count_low=count if low is None else low,
        count_high=count if high is None else high,
        count_max=count,
        first_seen_s=0.0,
        crossing=None if crossing is None else Crossing(*crossing),
        ended=ended,
        merged_into=merged_into,
    )


def new_alert(group):
    """Raise an alert about a group."""
    return Alert(f"alert-{group.group_id}", 1, "new", "drawn", group, WIDTH_PX, HEIGHT_PX, "routine", (), 0.0, 0.0, 0.0)


def said(index, groups=(), *, new=(), loose=()):
    """Make the result of one frame; tracks are the members of all groups and the loose ones."""
    tracks = tuple({one.track_id: one for group in groups for one in group.members}.values()) + tuple(loose)
    alerts = tuple(new_alert(group) for group in groups if group.group_id in new)
    t_s = index / FPS
    return Result("drawn", index, t_s, t_s, WIDTH_PX, HEIGHT_PX, Sight(), (), tracks, tuple(groups), alerts)


def walk_together(people=2, frames=12, *, count=None, low=None, high=None, new_at=2):
    """Draw some people who are followed as one group from the first frame, alert at frame ``new_at``."""
    truth = true_clip(*[[person(one, 40 * one + index) for one in range(1, people + 1)] for index in range(frames)])
    results = []
    for index in range(frames):
        members = [track(one, 40 * one + index, index / FPS) for one in range(1, people + 1)]
        group = told(1, members, count=count, low=low, high=high)
        results.append(said(index, [group], new=(1,) if index == new_at else ()))
    return Clip(truth, results)
