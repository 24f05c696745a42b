"""A source that shows another scene, as looping footage does: who was there before is gone, and not hidden."""

from types import SimpleNamespace

import pytest
from scenes import HEIGHT_PX, WIDTH_PX, film, in_line

from edge.config import CameraConfig, Config
from edge.pipeline import Moment, Pipeline
from edge.records import Result

_FPS = 9.0
_SHOWING_S = 8.0


def shown(*, showings: int, lost_frames: int = 0) -> list[list[Result]]:
    """Show nine walkers in a line again and again; of each later showing the first frames are lost."""
    eyes = SimpleNamespace(score=0.5, begin=0.5, multiple_px=32, fixed_px=None)  # boxes come from the film
    pipeline = Pipeline(Config(), CameraConfig(id="north", source="footage:none"), eyes, boot_id="0" * 26)
    walkers = in_line(9, (230.0, 200.0), (12.0, 2.0), 24.0)
    results = []
    for scene in range(showings):
        shots = list(film(walkers, seconds=_SHOWING_S, fps=_FPS, from_s=0.0))[lost_frames if scene else 0 :]
        moments = [
            Moment(
                number,
                scene * _SHOWING_S + one.t_s,
                1e9 + scene * _SHOWING_S + one.t_s,
                WIDTH_PX,
                HEIGHT_PX,
                None,
                scene,
            )
            for number, one in enumerate(shots)
        ]
        results.append([pipeline.follow(at, one.detections) for at, one in zip(moments, shots, strict=True)])
    return results


def test_a_showing_does_not_count_the_people_of_the_one_before():
    """Nine people shown three times are never more than nine."""
    most = [max(sum(group.count_max for group in one.groups) for one in showing) for showing in shown(showings=3)]
    assert most == [9, 9, 9]


@pytest.mark.parametrize("lost_frames", [0, 3])
def test_the_cut_ends_the_alerts_and_new_ones_begin(lost_frames):
    """Even when the frames next to the cut are lost: one whole story for each showing, under its own id."""
    first, second = shown(showings=2, lost_frames=lost_frames)
    told = [(alert.phase, alert.alert_id) for one in (*first, *second) for alert in one.alerts]
    began, ended = ([alert_id for phase, alert_id in told if phase == word] for word in ("new", "end"))
    assert len(began) == 2
    assert ended == began[:1]
    assert second[0].alerts[0].phase == "end"


def test_no_id_is_given_twice():
    """A track and a group after the cut are never taken for one from before it."""
    first, second = shown(showings=2)
    assert not {one.track_id for one in first[-1].tracks} & {one.track_id for one in second[-1].tracks}
    assert not {one.group_id for one in first[-1].groups} & {one.group_id for one in second[-1].groups}
