"""Dead pixels are found where they are and mended, and nothing that moves, shines or crackles is taken for one."""

import tracemalloc

import numpy as np

from edge.config import PreprocessConfig, SightConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.dead import LOOK_EVERY_S, DeadPixels
from edge.pipeline.sight import SightKeeper
from edge.records import Frame, FrameStats, Radiometry

SIZE_PX = (119, 163)
NOISE = 6.0


def scene(rng, dead=()):
    """Draw ground with noise, an edge, a small lamp as a lens shows it, and dead pixels at 0 or the top."""
    y, x = np.mgrid[: SIZE_PX[0], : SIZE_PX[1]]
    lamp = 900 * np.exp(-((x - 90.5) ** 2 + (y - 40.5) ** 2) / (2 * 0.8**2))
    pixels = 5000 + 3 * x + 400 * (y > 70) + lamp + rng.normal(0, NOISE, SIZE_PX)
    for n, (row, column) in enumerate(dead):
        pixels[row, column] = 0 if n % 2 else 16383
    return pixels.astype(np.uint16)


def spots(rng, number):
    """Choose places that do not touch each other, off the rim."""
    places = [(row, column) for row in range(1, SIZE_PX[0] - 1, 2) for column in range(1, SIZE_PX[1] - 1, 2)]
    return [places[n] for n in rng.choice(len(places), number, replace=False)]


def counted(counter, pixels, t_s):
    """Look, and count what is known after it."""
    counter.look(pixels, t_s)
    return len(counter.spots)


def watched(frames, **settings):
    """Prepare frames five seconds apart as the node does; give each picture and what its counts tell."""
    prepare = Preprocessor(PreprocessConfig(smoothing_s=0.0, **settings), watch=True)
    found = [prepare.apply(Frame("a", n, 5.0 * n, 0.0, pixels)) for n, pixels in enumerate(frames)]
    return found[-1].picture.astype(int), [one.stats for one in found]


def test_dead_pixels_are_mended_from_the_second_look_on():
    """The picture of a bad sensor becomes that of a sound one, as far as noise lets it; unset, it stays speckled."""
    dead = spots(np.random.default_rng(5), 100)
    bad, sound = ([scene(np.random.default_rng(n), which) for n in range(5)] for which in (dead, ()))
    rows, columns = np.array(dead).T
    wanted, _ = watched(sound)
    off = {on: np.abs(watched(bad, correct_dead_pixels=on)[0] - wanted) for on in (True, False)}
    assert off[False][rows, columns].mean() > 80
    assert off[True][rows, columns].max() <= 12
    assert np.delete(off[True].ravel(), rows * SIZE_PX[1] + columns).max() <= 1


def test_mending_does_not_wake_a_frozen_picture():
    """A picture that stands still is told as a repeat at every look, whatever was found in it before."""
    frozen = scene(np.random.default_rng(6), spots(np.random.default_rng(7), 40))
    _, stats = watched([frozen] * 9)
    assert [one.repeats for one in stats] == [False] + [True] * 8


def test_dead_pixels_are_counted_at_the_second_look():
    """A hundred pixels that are stuck high or low are a hundred, once they were seen twice."""
    rng = np.random.default_rng(1)
    dead, counter = spots(rng, 100), DeadPixels()
    assert counted(counter, scene(rng, dead), 0.0) == 0
    assert counted(counter, scene(rng, dead), LOOK_EVERY_S / 2) == 0
    assert counted(counter, scene(rng, dead), LOOK_EVERY_S) == 100
    assert counter.spots.tolist() == [list(spot) for spot in sorted(dead)]


def test_a_sound_sensor_has_none():
    """Noise, a lamp as sharp as a lens can make it and edges are no dead pixels."""
    rng = np.random.default_rng(2)
    counter = DeadPixels()
    assert [counted(counter, scene(rng), n * LOOK_EVERY_S) for n in range(5)] == [0] * 5


def test_a_crackling_wire_is_not_a_dead_sensor():
    """Sparks that strike elsewhere each time are not counted."""
    rng = np.random.default_rng(3)
    counter = DeadPixels()
    counts = [counted(counter, scene(rng, spots(rng, 60)), n * LOOK_EVERY_S) for n in range(4)]
    assert max(counts) <= 5


def test_another_picture_size_begins_anew():
    """After a change of size nothing is remembered, and pictures too small to judge have none."""
    rng = np.random.default_rng(4)
    counter = DeadPixels()
    dead = spots(rng, 30)
    counter.look(scene(rng, dead), 0.0)
    assert counted(counter, scene(rng, dead)[:50, :70], 1.0) == 0
    assert counted(counter, np.zeros((1, 2), np.uint16), 2.0) == 0


def test_many_dead_pixels_degrade_the_camera():
    """Health says so from the configured share on."""
    frame = Frame("a", 0, 0.0, 0.0, np.zeros(SIZE_PX, np.uint16), Radiometry("counts"))
    fine = {"contrast_levels": 40.0, "span": 4000.0, "noise": 6.0, "sharpness": 0.9}
    sight = SightKeeper(SightConfig()).update(frame, FrameStats(**fine, dead_pixels=round(0.006 * frame.pixels.size)))
    assert (sight.state, sight.cause) == ("degraded", "dead-pixels")
    assert SightKeeper(SightConfig()).update(frame, FrameStats(**fine, dead_pixels=3)).state == "ok"


def test_a_look_takes_little_memory():
    """At 640x512 less than 64 kB at once: it comes in the middle of the frame path."""
    rng, counter = np.random.default_rng(8), DeadPixels()
    pixels = [rng.normal(8000, NOISE, (512, 640)).astype(np.uint16) for _ in range(2)]
    counter.look(pixels[0], 0.0)
    tracemalloc.start()
    try:
        counter.look(pixels[1], LOOK_EVERY_S)
        assert tracemalloc.get_traced_memory()[1] < 64_000
    finally:
        tracemalloc.stop()
