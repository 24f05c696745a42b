"""Whom each track follows, and which tracks are excused, frame by frame."""

from drawing import FPS, PROVEN_PX, person, said, track, true_clip

from edge.evaluate.following import views


def laid(truth, *results):
    """Lay results over a truth and give the views as a list."""
    return list(views(truth, results, proven_height_px=PROVEN_PX))


def loose(index, *tracks):
    """Make a result of tracks without groups."""
    return said(index, loose=tracks)


def test_a_track_follows_the_person_it_overlaps_best():
    """Two people and two tracks, each nearer to another one."""
    truth = true_clip([person(1, 40), person(2, 46)])
    (view,) = laid(truth, loose(0, track(7, 47, 0.0), track(8, 41, 0.0)))
    assert view.follows == {7: 2, 8: 1}


def test_whoever_is_to_be_found_comes_before_whoever_is_hidden():
    """A track on two people at one place follows the one in front, even when it fits the hidden one better."""
    truth = true_clip([person(1, 42), person(2, 40, visible=0.1)])
    (view,) = laid(truth, loose(0, track(7, 40, 0.0)))
    assert view.follows == {7: 1}
    assert view.excused == frozenset()


def test_a_hidden_track_keeps_following():
    """While a track is only believed it follows whom it followed, wherever its guess lies."""
    truth = true_clip(*[[person(1, 40)]] * 4)
    seen = laid(truth, loose(0, track(7, 40, 0.0)), *(loose(n, track(7, 200, n / FPS, seen=False)) for n in (1, 2, 3)))
    assert [view.follows for view in seen] == [{7: 1}] * 4
    assert [len(view.seen) for view in seen] == [1, 0, 0, 0]


def test_a_track_that_strays_for_a_second_follows_nobody():
    """Seen off its person for half a second a track is forgiven, for a second not."""
    truth = true_clip(*[[person(1, 40)]] * 5)
    seen = laid(truth, loose(0, track(7, 40, 0.0)), *(loose(n, track(7, 200, n / FPS)) for n in (1, 2, 3, 4)))
    assert [view.follows for view in seen] == [{7: 1}, {7: 1}, {7: 1}, {}, {}]


def test_tracks_on_what_is_not_judged_are_excused_also_when_hidden_later():
    """A track in an area to ignore stays excused while it is only believed, and no longer when it is seen elsewhere."""
    truth = true_clip(*[[person(9, 100, kind="ignore", group=None, height_px=80.0)]] * 3)
    seen = laid(
        truth, loose(0, track(7, 100, 0.0)), loose(1, track(7, 100, 0.5, seen=False)), loose(2, track(7, 200, 1.0))
    )
    assert [view.excused for view in seen] == [{7}, {7}, frozenset()]
    assert [len(view.boxes()[1][0]) for view in seen] == [0, 0, 1]


def test_unconfirmed_tracks_and_other_kinds_are_not_measured():
    """What the node does not yet believe is no claim."""
    truth = true_clip([person(1, 40)])
    doubtful = track(7, 40, 0.0)._replace(confirmed=False)
    other = track(8, 40, 0.0)._replace(kind="deer")
    assert laid(truth, loose(0, doubtful, other))[0].seen == ()


def test_results_belong_to_the_frame_nearest_in_time():
    """Each frame takes the result at most half a period away; a frame without one has none."""
    truth = true_clip(*[[person(1, 40)]] * 3)
    seen = laid(truth, loose(2, track(7, 40, 1.0)), loose(0, track(7, 40, 0.0)))
    assert [view.result.seq if view.result else None for view in seen] == [0, None, 2]
    assert [view.lasts_s for view in seen] == [0.5, 0.5, 0.5]
