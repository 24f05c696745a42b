"""The recorder: clips of alerts, in a folder that stays within its bounds, on disks that fill up and boxes that die."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from edge.capture.footage import Footage
from edge.clock import SystemClock
from edge.commands.work import load_detector
from edge.config import CameraConfig, Config, RecorderConfig
from edge.errors import CameraError
from edge.metrics import Metrics
from edge.pipeline import Pipeline
from edge.recorder import ClipRecorder, Recorder
from edge.records import Alert, Frame, Group, Radiometry, Track

H, W = 37, 53
ID = "01KGHZ4E80000000000000000{}"
CENTIKELVIN = Radiometry("centikelvin", 0.01, -273.15)
START_UTC_S = 1_770_124_560.0
SAMPLE = Path(__file__).resolve().parent.parent / "sample_footage" / "nine-in-snow.mkv"


def frame(index: int, *, dtype=np.uint16, camera="north", hz=10.0, height=H) -> Frame:
    """Draw a noisy frame."""
    pixels = np.random.default_rng(index).integers(0, np.iinfo(dtype).max, (height, W)).astype(dtype)
    meaning = CENTIKELVIN if dtype == np.uint16 else Radiometry()
    return Frame(camera, index, 100.0 + index / hz, START_UTC_S + index / hz, pixels, meaning)


def alert(phase: str, number: int = 1, *, at_s: float = 0.0, camera="north") -> Alert:
    """Tell of a group."""
    track = Track(1, "person", (0.0, 0.0, 1.0, 1.0), 0.9, (0.0, 0.0), 0.0, 100.0 + at_s, confirmed=True)
    group = Group(number, (track,), 1, 1, 1, 1, 0.0)
    return Alert(ID.format(number), 1, phase, camera, group, W, H, "routine", (), 0.0, 0.0, 0.0)


def recorder(tmp_path, clock, **settings) -> ClipRecorder:
    """Make a recorder with its folder."""
    config = RecorderConfig(folder="clips", **{"keep_free_mb": 0.0, "pre_roll_s": 2.0, "post_roll_s": 1.0, **settings})
    made = ClipRecorder(config, tmp_path / "clips", clock, Metrics(clock))
    made.prepare()
    return made


def film(clips: ClipRecorder, clock, frames, told=None) -> None:
    """Let frames come, each with the alerts that ``told`` gives for its number."""
    for one in frames:
        clock.now_s = one.t_s
        clips.add(one, tuple((told or {}).get(one.seq, ())))


def recorded(folder: Path) -> list[Path]:
    """List the clips."""
    return sorted(folder.glob("[0-9]*.mkv"))


def seen(clip: Path) -> list[Frame]:
    """Play a clip."""
    with Footage(clip) as footage:
        return list(footage)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_clip_holds_what_came_before_the_alert_and_after_its_end(tmp_path, clock, dtype):
    """Bit for bit at both depths, with its times, its wall clock, what its values mean, and the alert's id in its name."""
    clips = recorder(tmp_path, clock)
    frames = [frame(index, dtype=dtype) for index in range(90)]
    film(clips, clock, frames, {40: [alert("new")], 60: [alert("update")], 70: [alert("end", at_s=6.5)]})
    (clip,) = recorded(tmp_path / "clips")
    assert clip.name == f"20260203T131602.000Z-north-{ID.format(1)}.mkv"
    played = seen(clip)
    assert [one.captured_utc_s for one in played] == pytest.approx(
        [one.captured_utc_s for one in frames[20:76]], abs=2e-3
    )
    assert all(np.array_equal(one.pixels, frames[20 + one.seq].pixels) for one in played)
    assert played[0].pixels.dtype == dtype
    assert played[0].radiometry == frames[0].radiometry
    assert clips.fault is None


def test_without_an_alert_nothing_is_written(tmp_path, clock):
    """The pre-roll lives in memory only."""
    film(recorder(tmp_path, clock), clock, [frame(index) for index in range(50)])
    assert list((tmp_path / "clips").iterdir()) == []


def test_two_alerts_at_once_share_a_clip_that_names_both(tmp_path, clock):
    """It ends when both have."""
    clips = recorder(tmp_path, clock)
    told = {10: [alert("new")], 15: [alert("new", 2)], 20: [alert("end", at_s=2)], 40: [alert("end", 2, at_s=4.0)]}
    film(clips, clock, [frame(index) for index in range(60)], told)
    (clip,) = recorded(tmp_path / "clips")
    assert clip.name.endswith(f"-{ID.format(1)}-{ID.format(2)}.mkv")
    assert len(seen(clip)) == 51


def test_every_alert_stands_in_the_name_of_a_clip_however_many_there_are(tmp_path, clock):
    """A name holds six; the seventh alert begins another clip, and no frame is lost between the two."""
    clips = recorder(tmp_path, clock)
    film(clips, clock, [frame(index) for index in range(40)], {index: [alert("new", index)] for index in range(9)})
    clips.finish()
    made = recorded(tmp_path / "clips")
    assert all(any(ID.format(number) in clip.name for clip in made) for number in range(9))
    assert sum(len(seen(clip)) for clip in made) == 40


def test_clips_that_begin_in_the_same_second_are_two(tmp_path, clock):
    """A camera that changes its size at once does not overwrite its own clip."""
    clips = recorder(tmp_path, clock)
    for index in range(4):
        film(clips, clock, [frame(index, height=H + 2 * index)], {0: [alert("new")]})
    clips.finish()
    assert len(recorded(tmp_path / "clips")) == 4


def test_cameras_are_recorded_each_for_itself(tmp_path, clock):
    """Interleaved frames of two cameras, of which one has an alert."""
    clips = recorder(tmp_path, clock)
    both = [frame(index, camera=camera) for index in range(30) for camera in ("north", "south")]
    for one in both:
        clock.now_s = one.t_s
        clips.add(one, (alert("new"),) if (one.camera, one.seq) == ("north", 5) else ())
    clips.finish()
    (clip,) = recorded(tmp_path / "clips")
    assert "-north-" in clip.name
    assert len(seen(clip)) == 30


def test_a_long_alert_goes_on_in_another_clip_without_a_lost_frame(tmp_path, clock):
    """No frame twice, none missing."""
    clips = recorder(tmp_path, clock, clip_max_s=5.0)
    film(clips, clock, [frame(index) for index in range(130)], {0: [alert("new")]})
    clips.finish()
    made = recorded(tmp_path / "clips")
    assert len(made) == 3
    assert [len(seen(clip)) for clip in made] == [50, 50, 30]
    assert all(ID.format(1) in clip.name for clip in made)


def test_a_camera_that_was_away_or_changed_its_size_begins_another_clip(tmp_path, clock):
    """A clip is one camera without a hole."""
    clips = recorder(tmp_path, clock)
    film(clips, clock, [frame(index) for index in range(20)], {5: [alert("new")]})
    film(clips, clock, [frame(index) for index in range(400, 420)])
    film(clips, clock, [frame(index, height=H + 2) for index in range(420, 430)])
    clips.finish()
    assert [len(seen(clip)) for clip in recorded(tmp_path / "clips")] == [20, 20, 10]


def test_the_pre_roll_keeps_within_its_memory(tmp_path, clock):
    """Of a fast camera less is remembered."""
    clips = recorder(tmp_path, clock, pre_roll_s=60.0, pre_roll_max_mb=0.02)
    film(clips, clock, [frame(index) for index in range(50)], {40: [alert("new")], 41: [alert("end", at_s=4.1)]})
    clips.finish()
    (clip,) = recorded(tmp_path / "clips")
    assert len(seen(clip)) == 9 + 5  # 5 pictures of 3.9 kB


def test_the_oldest_clips_go_first_and_foreign_files_stay(tmp_path, clock):
    """The folder never grows beyond its bound; what we did not record is not ours to count or to remove."""
    folder = tmp_path / "clips"
    clips = recorder(tmp_path, clock, max_mb=1.0)
    (folder / "holiday.mkv").write_bytes(bytes(3_000_000))
    (folder / "holiday.mkv.part.mkv").write_bytes(b"x")
    first = None
    for number in range(6):
        begin = 1000 * number
        film(
            clips, clock, [frame(begin + index, height=300) for index in range(8)],
            {begin: [alert("new", number)], begin + 3: [alert("end", number, at_s=begin / 10)]},
        )  # fmt: skip
        clips.finish()
        first = first or recorded(folder)[0]
        os.utime(recorded(folder)[-1], (begin, begin))
        assert sum(clip.stat().st_size for clip in recorded(folder)) <= 1_000_000
    left = [clip.name[-5] for clip in recorded(folder)]
    assert left == ["2", "3", "4", "5"][-len(left) :]
    assert 1 <= len(left) < 6
    assert (folder / "holiday.mkv").stat().st_size == 3_000_000
    assert (folder / "holiday.mkv.part.mkv").exists()


def test_a_clip_that_would_fill_the_folder_is_cut_in_two(tmp_path, clock):
    """Making room never takes the clip that was just recorded."""
    clips = recorder(tmp_path, clock, max_mb=1.0, clip_max_s=3600.0)
    film(clips, clock, [frame(index, height=300) for index in range(100)], {0: [alert("new")]})
    clips.finish()
    made = recorded(tmp_path / "clips")
    assert len(made) >= 1
    assert sum(clip.stat().st_size for clip in made) <= 1_000_000
    last = seen(made[-1])
    assert np.array_equal(last[-1].pixels, frame(99, height=300).pixels)


def test_a_disk_that_must_stay_free_for_alerts_is_a_fault_and_no_clip(tmp_path, clock):
    """And the recorder tries again later, not with every frame."""
    clips = recorder(tmp_path, clock, keep_free_mb=1_000_000.0)
    film(clips, clock, [frame(index) for index in range(30)], {5: [alert("new")]})
    assert "recorder.keep_free_mb" in str(clips.fault)
    assert clips._metrics.counters()["clips_failed"] == 1
    film(clips, clock, [frame(index) for index in range(100, 130)])
    assert clips._metrics.counters()["clips_failed"] == 2
    assert list((tmp_path / "clips").iterdir()) == []


def mounted(folder: Path, options: str) -> None:
    """Mount a small file system in memory."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"needs a machine where file systems can be mounted: {done.stderr!r}")


@pytest.fixture
def small_disk(tmp_path):
    """Give a disk of one megabyte."""
    mounted(tmp_path / "clips", "size=1m")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path / "clips")], check=True)


def test_a_disk_that_fills_up_is_told_and_leaves_only_whole_clips(small_disk, clock):
    """The write fails in the middle of a clip; when there is room again, recording goes on."""
    clips = recorder(small_disk, clock, max_mb=1000.0)
    folder = small_disk / "clips"
    film(clips, clock, [frame(index, height=300) for index in range(60)], {0: [alert("new")]})
    assert "No space left" in str(clips.fault)
    assert not list(folder.glob(".*"))
    assert all(seen(clip) for clip in recorded(folder))
    for clip in recorded(folder):
        clip.unlink()
    film(clips, clock, [frame(index, height=50) for index in range(200, 215)])
    clips.finish()
    assert clips.fault is None
    assert len(seen(recorded(folder)[-1])) >= 10


def test_a_read_only_disk_is_a_fault_from_the_start(tmp_path, clock):
    """Health says so before the first alert needs it."""
    mounted(tmp_path / "clips", "size=1m,ro")
    try:
        (tmp_path / "clips" / "x").mkdir()
    except OSError:
        config = RecorderConfig(folder="clips")
        clips = ClipRecorder(config, tmp_path / "clips" / "of-north", clock, Metrics(clock))
        clips.prepare()
        assert "Read-only" in str(clips.fault)
        film(clips, clock, [frame(index) for index in range(20)], {5: [alert("new")]})
        assert "Read-only" in str(clips.fault)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "clips")], check=True)


def test_a_folder_that_is_a_file_is_a_fault(tmp_path, clock):
    """As any other that cannot be made."""
    (tmp_path / "clips").write_text("hello")
    clips = recorder(tmp_path, clock)
    assert "recorder.folder" in str(clips.fault)


def test_a_kill_in_the_middle_leaves_a_clip_that_plays(tmp_path, clock):
    """A process that records is killed hard; the next one finds its clip, names it and plays it."""
    program = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from conftest import FakeClock
        from test_recorder import *
        clock = FakeClock()
        clips = recorder(Path({str(tmp_path)!r}), clock)
        for index in range(100000):
            film(clips, clock, [frame(index)], {{5: [alert("new")]}})
            if index == 80:
                print("filming", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "filming\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    folder = tmp_path / "clips"
    assert recorded(folder) == []
    (folder / f".20260203T131602.000Z-north-{ID.format(7)}.part.mkv").write_bytes(b"cut at once")
    recorder(tmp_path, clock)
    (clip,) = folder.iterdir()
    assert clip.name == f"20260203T131600.000Z-north-{ID.format(1)}.mkv"
    played = []
    with contextlib.suppress(CameraError), Footage(clip) as footage:  # its end may be told as damaged
        played.extend(footage)
    assert len(played) >= 80 - 12  # all but the last second, and what the encoder held
    assert all(np.array_equal(one.pixels, frame(one.seq).pixels) for one in played)


def wait_until(true, timeout_s: float = 20.0) -> None:
    """Wait for something to become true."""
    end_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end_s, "did not happen in time"
        time.sleep(0.02)


def test_the_thread_takes_frames_without_ever_making_the_node_wait(tmp_path, monkeypatch):
    """Frames are handed over faster than they can be encoded: some are left out and counted."""
    monkeypatch.setattr("edge.recorder._WAITING_BYTES", 2_000_000)
    clock = SystemClock()
    metrics = Metrics(clock)
    thread = Recorder(RecorderConfig(folder="clips", keep_free_mb=0.0), tmp_path / "clips", clock, metrics)
    thread.start()
    one = frame(0, height=3000)
    thread.add(one, (alert("new"),))
    longest_s = 0.0
    for index in range(1, 100):
        before_s = time.monotonic()
        thread.add(one._replace(seq=index, t_s=one.t_s + index / 100), ())
        longest_s = max(longest_s, time.monotonic() - before_s)
    thread.stop(10.0)
    assert longest_s < 0.2
    assert metrics.counters()["frames_not_recorded"] > 0
    assert len(recorded(tmp_path / "clips")) >= 1
    assert thread.fault is None


def test_a_recorded_clip_replays_to_the_same_group(tmp_path, clock):
    """Nine people in snow: what the node saw and recorded gives the same count when it is played again."""
    config = Config()
    detector = load_detector(config, Path())
    clips = recorder(tmp_path, clock, pre_roll_s=10.0)

    def story(clip: Path, *, record: bool) -> list:
        pipeline = Pipeline(config, CameraConfig(id="north", source="footage:x"), detector, boot_id="b")
        last = {}
        with Footage(clip, camera_id="north") as footage:
            for one in footage:
                if one.t_s > 8.0:
                    break
                alerts = pipeline.process(one).alerts
                last |= {told.alert_id: told for told in alerts}
                if record:
                    clock.now_s = one.t_s
                    clips.add(one, alerts)
        last |= {told.alert_id: told for told in pipeline.close("stopped")}
        return [(told.group.count_max, told.group.count, told.priority) for told in last.values()]

    live = story(SAMPLE, record=True)
    clips.finish()
    (clip,) = recorded(tmp_path / "clips")
    assert live
    assert story(clip, record=False) == live
