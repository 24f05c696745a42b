"""The gate before the model: what moves, what does not, and that nobody is missed."""

import numpy as np
import pytest

from edge.capture.footage import Footage
from edge.config import CameraConfig, Config, GateConfig, ModelConfig, PreprocessConfig
from edge.pipeline import Pipeline
from edge.pipeline.gate import MotionGate
from edge.pipeline.preprocess import Preprocessor
from edge.records import Detection, Frame, Motion, Track
from edge.simulate import Scenario, simulate, truth_of

HEIGHT_PX, WIDTH_PX, FPS = 131, 203, 9.0
NOISE = 3.0
RATES = pytest.mark.parametrize("fps", [9.0, 30.0, 60.0])


class Camera:
    """Films a flat scene with noise and whatever is put into it, and tells what of it moves."""

    def __init__(self, depth: type = np.uint16, fps: float = FPS, smoothing: float = 0.0) -> None:
        """Start with empty ground; ``smoothing`` is the share of a picture's noise that the next one still has."""
        self.dice = np.random.default_rng(1)
        self.prepare = Preprocessor(PreprocessConfig(), watch=True, motion=True)
        self.ground = 8000.0 + 100.0 * np.sin(np.arange(WIDTH_PX) / 9.0) * np.ones((HEIGHT_PX, 1))
        self.depth = depth
        self.fps = fps
        self.smoothing = smoothing
        self.noise = np.zeros(self.ground.shape)
        self.seq = 0

    def film(self, *bodies: tuple[int, int, int, int, float], offset: float = 0.0, ffc: bool = False) -> Motion | None:
        """Take one frame with bodies (x, y, width, height, contrast)."""
        fresh = self.dice.normal(0, NOISE * np.sqrt(1 - self.smoothing**2), self.ground.shape)
        self.noise = self.smoothing * self.noise + fresh
        seen = self.ground + offset + self.noise
        for x, y, width, height, contrast in bodies:
            seen[y : y + height, x : x + width] += contrast
        values = (seen - 7800) / 3 if self.depth is np.uint8 else seen
        frame = Frame(
            "a", self.seq, self.seq / self.fps, 0.0, np.clip(np.rint(values), 0, None).astype(self.depth), ffc=ffc
        )
        self.seq += 1
        self.prepare.apply(frame)
        motion = self.prepare.moved(frame, ffc=ffc)
        return motion and Motion(motion.moving, motion.renewed, motion.tiles.copy())

    def settle(self) -> "Camera":
        """Watch the empty scene for half a minute."""
        for _ in range(round(30 * self.fps)):
            self.film()
        return self


@pytest.mark.parametrize("depth", [np.uint16, np.uint8])
def test_noise_is_no_motion(depth):
    """Of a thousand frames of an empty scene none moves."""
    camera = Camera(depth).settle()
    assert sum(camera.film().moving > 0 for _ in range(1000)) == 0


def test_drift_is_no_motion():
    """A core that warms up by three degrees a minute (a quarter count a frame) moves nothing."""
    camera = Camera().settle()
    assert sum(camera.film(offset=0.25 * step).moving > 0 for step in range(300)) == 0


@RATES
@pytest.mark.parametrize("smoothing", [0.0, 0.7])
def test_noise_costs_few_looks_whatever_the_rate(fps, smoothing):
    """In a minute of an empty scene the model is shown few frames beside those due every four seconds."""
    camera, gate = Camera(fps=fps, smoothing=smoothing), MotionGate(GateConfig())
    count = round(60 * fps)
    looked = [gate.opens(camera.film(), seq / fps, followed=False) for seq in range(count)]
    rest = looked[round(12 * fps) :]
    assert sum(rest) <= 48 / 4 + 0.005 * len(rest) + 1


@RATES
def test_a_scene_that_is_played_in_a_circle_is_no_motion(fps):
    """Of 36 pictures that come again and again every one is learnt, not each third or sixth only."""
    camera = Camera(fps=fps)
    ring = [camera.ground + camera.dice.normal(0, NOISE, camera.ground.shape) for _ in range(36)]
    moved = []
    for seq in range(round(40 * fps)):
        frame = Frame("a", seq, 1.0001 * seq / fps, 0.0, np.rint(ring[seq % 36]).astype(np.uint16))
        camera.prepare.apply(frame)
        moved.append(camera.prepare.moved(frame, ffc=False).moving > 0)
    assert np.mean(moved[round(12 * fps) :]) < 0.01


@RATES
@pytest.mark.parametrize("depth", [np.uint16, np.uint8])
def test_a_far_walker_moves_in_every_frame(depth, fps):
    """A body of 3x8 px, a degree warmer than the ground, that walks at 9 px/s."""
    camera = Camera(depth, fps).settle()
    assert all(camera.film((20 + int(9 * step / fps), 60, 3, 8, 40)).moving > 0 for step in range(round(13 * fps)))


@RATES
def test_a_far_crawler_moves_as_long_as_it_crawls(fps):
    """A low body of 12x3 px, a degree warmer than the ground, that needs three seconds for a pixel."""
    camera = Camera(fps=fps).settle()
    frames = round((189 if fps == FPS else 36) * fps)  # the long walk once: pictures take their time
    moved = [camera.film((20 + int(step / fps / 3), 60, 12, 3, 40)).moving > 0 for step in range(frames)]
    gaps = np.diff(np.flatnonzero([True, *moved, True]))
    assert gaps.max() / fps < 3.0  # seconds without motion
    assert np.mean(moved) > 0.8


@RATES
def test_who_stands_up_after_minutes_moves(fps):
    """Stillness becomes ground; the first half second of standing up is motion all the same."""
    camera = Camera(fps=fps).settle()
    still = [camera.film((50, 60, 14, 6, 60)).moving > 0 for _ in range(round((600 if fps == FPS else 120) * fps))]
    assert not any(still[round(-30 * fps) :])
    rising = [int(9 * step / fps) for step in range(round(fps / 2))]
    assert any(camera.film((50, 60 - up, 14 - up, 6 + up, 60)).moving > 0 for up in rising)


def test_who_comes_near_does_not_stop_moving_when_the_sensor_is_hot_in_a_corner():
    """A hot engine makes the stretched picture darker everywhere; the counts of the ground stay, and so do the others."""
    camera = Camera().settle()
    for step in range(60):
        motion = camera.film((150, 90, 40, 30, 9000), (20 + step, 20, 4, 10, 50))
        assert motion.tiles[0].any() or motion.tiles[1].any()  # the walker's rows
        assert not motion.renewed
    assert motion.tiles[:2, 4:].sum() == 0  # where nothing is


def test_a_shutter_is_learnt_at_once():
    """All values jump: one frame is another picture at most, and the next ones are quiet again."""
    camera = Camera().settle()
    jumps = [camera.film(offset=130.0) for _ in range(30)]
    assert jumps[0].renewed
    assert sum(jump.moving > 0 for jump in jumps[1:]) == 0


def test_a_picture_of_the_shutter_is_not_learnt():
    """What the camera shows while it says that its shutter is closed leaves the background as it was."""
    camera = Camera().settle()
    for _ in range(30):
        camera.film((0, 0, 60, 131, 500), ffc=True)
    assert camera.film().moving == 0


def test_branches_in_wind_raise_their_own_threshold_only():
    """After a minute a swaying bush is quiet, and a walker elsewhere is not."""
    camera = Camera().settle()
    sway = [camera.film((100, 50, 20, 20, 80 * np.sin(step / 2.0))).moving for step in range(900)]
    assert np.mean(np.array(sway[-200:]) > 0) < 0.1
    assert all(
        camera.film((100, 50, 20, 20, 80 * np.sin(step / 2.0)), (20 + step, 100, 4, 10, 40)).moving > 0
        for step in range(50)
    )


def still() -> Motion:
    """Nothing moves."""
    return Motion(0, renewed=False, tiles=np.zeros((5, 7), np.uint8))


def moved() -> Motion:
    """Something moves."""
    return Motion(3, renewed=False, tiles=np.ones((5, 7), np.uint8))


def looks(gate: MotionGate, script) -> list[float]:
    """Play (time, motion, followed) and list when the model looks."""
    return [t_s for t_s, motion, followed in script if gate.opens(motion, t_s, followed=followed)]


CONFIG = GateConfig(warm_up_s=3.0, hold_s=1.0, look_every_s=2.0)


def test_it_looks_at_everything_until_the_background_is_known():
    """Then every two seconds."""
    assert looks(MotionGate(CONFIG), [(t / 2, still(), False) for t in range(20)]) == [
        *(t / 2 for t in range(7)),
        *(5.0, 7.0, 9.0),
    ]


def test_it_looks_while_something_moves_and_a_second_longer():
    """Motion opens it in the same frame."""
    gate = MotionGate(CONFIG)
    looks(gate, [(t / 10, still(), False) for t in range(100)])
    times = [10.1, 10.2, 10.3, 10.4]
    assert looks(gate, [(t, moved(), False) for t in times]) == times
    assert looks(gate, [(10.5, still(), False), (11.4, still(), False)]) == [10.5, 11.4]
    assert looks(gate, [(11.5, still(), False)]) == []


def test_one_cell_in_one_frame_is_looked_at_once():
    """A cell that goes on moving, small as a far head, keeps the gate open; a spark of noise does not."""
    spark = Motion(1, renewed=False, tiles=np.ones((5, 7), np.uint8))
    gate = MotionGate(CONFIG)
    looks(gate, [(t / 10, still(), False) for t in range(100)])
    assert looks(gate, [(10.1, spark, False), (10.2, still(), False), (10.3, still(), False)]) == [10.1]
    assert looks(gate, [(10.4, spark, False), (10.5, spark, False), (11.4, still(), False)]) == [10.4, 10.5, 11.4]


def test_it_stays_open_while_anybody_is_followed():
    """Somebody who sits still is looked at in every frame."""
    gate = MotionGate(CONFIG)
    script = [(t / 9, still(), True) for t in range(900)]
    assert len(looks(gate, script)) == 900


class Counting:
    """Says what it is told to about every picture, and counts the pictures."""

    score, begin, multiple_px, fixed_px = 0.5, 0.5, 32, None

    def __init__(self) -> None:
        """Find nobody."""
        self.count = 0
        self.finds: tuple[Detection, ...] = ()

    def detect(self, tensor, scale, size_px):
        """Look."""
        self.count += 1
        return self.finds


def watched(seconds: float, *, moving: bool = False, mode: str = "auto", finds=()) -> float:
    """Show an empty scene to a pipeline, and give the share of frames that the model was shown."""
    eyes = Counting()
    eyes.finds = finds
    camera = CameraConfig(id="a", source="footage:a", moving=moving)
    pipeline = Pipeline(Config(gate=GateConfig(mode=mode, warm_up_s=3.0)), camera, eyes, boot_id="0" * 26)
    dice = np.random.default_rng(1)
    count = round(seconds * FPS)
    results = []
    for seq in range(count):
        pixels = dice.normal(8000, NOISE, (97, 131)) + 60 * np.sin(np.arange(131) / 5)
        results.append(pipeline.process(Frame("a", seq, seq / FPS, 0.0, pixels.astype(np.uint16))))
    assert sum(result.looked for result in results) == eyes.count
    return eyes.count / count


def test_an_empty_scene_is_looked_at_now_and_then():
    """A look every two seconds of 18 frames."""
    assert watched(60.0) < 0.12


def test_a_body_that_does_not_move_is_looked_at_in_every_frame():
    """What is found by the first look is followed from then on."""
    assert watched(20.0, finds=(Detection((40.0, 20.0, 52.0, 60.0), 0.9),)) == 1.0


def test_a_moving_camera_has_no_gate():
    """Its whole picture moves; and the gate can be switched off for all, or on for all."""
    assert watched(10.0, moving=True) == 1.0
    assert watched(10.0, mode="off") == 1.0
    assert watched(20.0, moving=True, mode="on") < 0.5


def test_somebody_unseen_who_rises_after_minutes_opens_the_gate_at_once(tmp_path):
    """A person lies in the snow for three minutes, whom the model never finds, and gets up: radiometric, with drift."""
    scenario = Scenario.model_validate(
        {
            "name": "rises",
            "duration_s": 190.0,
            "camera": {"width_px": 203, "height_px": 131, "fps": 3, "height_m": 5, "tilt_deg": -8, "hfov_deg": 24},
            "sensor": {"ffc_at_s": [95.0]},
            "weather": {"air_c": -10, "ground_c": -13, "sky_c": -35},
            "parties": [
                {
                    "path_m": [[0.0, 30.0], [0.1, 30.0], [4.0, 30.0]],
                    "pauses": [{"at_m": 0.05, "for_s": 180.0, "pose": "lie"}],
                    "insulation": 0.9,
                }
            ],
        }
    )
    clip = simulate(scenario, tmp_path / "rises.mkv")
    boxes = [frame["objects"][0]["box"] for frame in truth_of(scenario)["frames"] if frame["objects"]]
    heights_px = [box[3] - box[1] for box in boxes]  # he is in sight until he leaves at the end
    rises = next(index for index in range(30, len(heights_px)) if heights_px[index] > 1.5 * heights_px[30])
    pipeline = Pipeline(
        Config(gate=GateConfig(look_every_s=60.0)),
        CameraConfig(id="a", source="footage:a"),
        Counting(),
        boot_id="0" * 26,
    )
    with Footage(clip) as frames:
        looked = [pipeline.process(frame).looked for frame in frames]
    assert sum(looked[150:280]) < 5  # it was closed while he lay there, before the shutter
    assert all(looked[288:291])  # after a shutter it looks
    assert sum(looked[rises - 25 : rises - 6]) <= 1  # the look that is due now and then
    assert all(looked[rises + 1 : rises + 9])


def test_of_a_large_view_only_the_parts_where_something_moves_are_looked_at():
    """Left and right are looked at when that is due; in between the left, where somebody walks, and the whole."""
    eyes = Counting()
    config = Config(gate=GateConfig(warm_up_s=3.0, hold_s=0.5, look_every_s=5.0), model=ModelConfig(tiles=(2, 1)))
    pipeline = Pipeline(config, CameraConfig(id="a", source="footage:a"), eyes, boot_id="0" * 26)
    dice = np.random.default_rng(1)
    looks = []
    for seq in range(270):
        pixels = dice.normal(8000, NOISE, (128, 320)) + 60 * np.sin(np.arange(320) / 5)
        if seq >= 90:
            pixels[40:70, seq // 3 - 20 : seq // 3 - 8] += 200
        eyes.count = 0
        pipeline.process(Frame("a", seq, seq / FPS, 0.0, pixels.astype(np.uint16)))
        looks.append(eyes.count)
    assert looks[:20] == [3] * 20  # the whole and both parts, while it gets to know the scene
    assert set(looks[60:88]) == {0, 3}
    walking = looks[100:]
    assert set(walking) == {2, 3}
    assert walking.count(3) == pytest.approx(170 / FPS / 5.0, abs=2)


def test_a_part_in_which_somebody_is_followed_is_looked_at():
    """Whoever sits still on the right keeps the right part in view, and the left rests."""
    gate = MotionGate(CONFIG)
    for step in range(100):
        gate.opens(still(), step / 10, followed=True)
    assert gate.opens(still(), 10.0, followed=True)
    body = Track(1, "person", (150.0, 40.0, 160.0, 70.0), 0.9, (0.0, 0.0), 0.0, 9.0, confirmed=True)
    assert gate.wants((90, 0, 203, 131), 10.0, [body])
    assert not gate.wants((0, 0, 110, 131), 10.0, [body])
