"""Replay: the deployed pipeline on footage, the same bytes every time, and what it writes is what was published."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))
from graphs import fixed_model

from edge.cli import main
from edge.delivery.brokers import Mosquitto, mosquitto_path
from edge.replay import footage_camera, slug

TWO_PEOPLE = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9], [60.0, 30.0, 80.0, 80.0, 0.8]]])


@pytest.fixture
def film(tmp_path):
    """Write forty noisy pictures of 101x93."""
    folder = tmp_path / "film"
    folder.mkdir()
    for index in range(40):
        picture = np.random.default_rng(index).integers(0, 255, (93, 101)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:04d}.png"), picture)
    return folder


@pytest.fixture
def model(tmp_path):
    """Write a model that sees two people in every picture."""
    return fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})


def edge(*arguments) -> int:
    """Run a command and give its exit code."""
    old, sys.argv = sys.argv, ["edge", *map(str, arguments)]
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        sys.argv = old
    return 0


def test_two_replays_give_the_same_bytes(film, model, tmp_path):
    """Alerts and tracks of the same footage are equal byte for byte, also in another process."""
    common = ["replay", film, "--model", model, "--allow-unsigned"]
    outputs = []
    for name in ("first", "second"):
        files = [tmp_path / f"{name}.jsonl", tmp_path / f"{name}.txt"]
        assert edge(*common, "--alerts", files[0], "--tracks", files[1]) == 0
        outputs.append([file.read_bytes() for file in files])
    third = tmp_path / "third.jsonl"
    code = "import sys; from edge.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, common), "--alerts", str(third)], check=False)
    assert done.returncode == 0
    assert outputs[0] == outputs[1]
    assert third.read_bytes() == outputs[0][0]
    phases = [json.loads(line)["data"]["phase"] for line in outputs[0][0].splitlines()]
    assert (phases[0], phases[-1], phases.count("new"), phases.count("end")) == ("new", "end", 1, 1)
    assert outputs[0][1].count(b"\n") > 20


def test_tracks_are_motchallenge_text(film, model, tmp_path):
    """Each line is frame from 1, id, left, top, width, height, score and three times -1."""
    file = tmp_path / "tracks.txt"
    assert edge("replay", film, "--model", model, "--allow-unsigned", "--tracks", file) == 0
    rows = [line.split(",") for line in file.read_text().splitlines()]
    assert all(len(row) == 10 and row[7:] == ["-1", "-1", "-1"] for row in rows)
    assert int(rows[-1][0]) == 40
    assert [float(value) for value in rows[-2][2:6]] == pytest.approx([10, 15, 10, 25], abs=0.5)  # enlarged


def test_the_view_is_a_film_of_every_frame(film, model, tmp_path):
    """The .mp4 has as many frames as the footage and is not black."""
    file = tmp_path / "seen.mp4"
    assert edge("replay", film, "--model", model, "--allow-unsigned", "--view", file) == 0
    video = cv2.VideoCapture(str(file))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    assert len(frames) == 40
    assert frames[20].mean() > 20


def test_speed_is_a_factor_of_real_time(film, model, capsys):
    """At --speed 8 four seconds of footage take half a second or a little more, however fast the machine is."""
    assert edge("replay", film, "--model", model, "--allow-unsigned", "--fps", "10", "--speed", "8", "--json") == 0
    (clip,) = json.loads(capsys.readouterr().out)["clips"]
    assert 40 < clip["frames_per_s"] <= 40 / (39 / 80)


def test_a_good_clip_is_told_even_when_the_next_is_missing(film, model, capsys):
    """The report of what was played comes before the fault of what was not."""
    assert edge("replay", film, "nowhere.mkv", "--model", model, "--allow-unsigned", "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["clips"][0]["frames"] == 40
    assert "nowhere.mkv" in printed.err


def test_the_rate_of_the_configuration_holds(film, model, tmp_path, capsys):
    """camera.fps counts for a folder of pictures unless --fps says otherwise; the camera is found by its slug."""
    config = tmp_path / "node.toml"
    config.write_text(
        "[[camera]]\nid = 'film'\nsource = 'footage:film'\nfps = 2.0\n" + "[[camera]]\nid = 'b'\nsource = 'x'\n"
    )
    common = ["replay", film, "--model", model, "--allow-unsigned", "--config", config, "--json"]
    assert edge(*common) == 0
    assert json.loads(capsys.readouterr().out)["clips"][0]["duration_s"] == 19.5
    assert edge(*common, "--fps", "4") == 0
    assert json.loads(capsys.readouterr().out)["clips"][0]["duration_s"] == 9.75


def test_other_settings_are_another_story(film, model, tmp_path):
    """Alert ids follow from footage and settings: another threshold is not the first story repeated."""
    ids = []
    for preset in ("border", "rescue"):
        file = tmp_path / f"{preset}.jsonl"
        assert edge("replay", film, "--model", model, "--allow-unsigned", "--preset", preset, "--alerts", file) == 0
        ids.append(json.loads(file.read_text().splitlines()[0])["data"]["alert_id"])
    assert ids[0] != ids[1]


def test_rescue_tells_of_a_still_and_faint_shape_that_border_does_not(film, tmp_path):
    """Somebody who never moves and scores just below the model's own threshold is an alert under rescue only."""
    faint = fixed_model(tmp_path, "boxes", {"boxes": np.array([[[20.0, 30.0, 40.0, 80.0, 0.48]]])})
    told = {}
    for preset in ("border", "rescue"):
        file = tmp_path / f"{preset}.jsonl"
        assert edge("replay", film, "--model", faint, "--allow-unsigned", "--preset", preset, "--alerts", file) == 0
        told[preset] = [json.loads(line)["data"]["phase"] for line in file.read_text().splitlines()]
    assert told["border"] == []
    assert told["rescue"][0] == "new"


def test_standard_output_is_only_the_result(film, model, tmp_path):
    """With a dead broker the warnings go to standard error and the JSON stays JSON."""
    config = tmp_path / "node.toml"
    config.write_text("[delivery]\nport = 1\n")
    code = "import edge.play; edge.play._DELIVERY_WAIT_S = 1.0; from edge.cli import main; main()"
    options = ["--model", str(model), "--allow-unsigned", "--config", str(config), "--publish", "--json"]
    command = [sys.executable, "-c", code, "replay", str(film), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "still in" in done.stderr
    assert done.stdout == "" or json.loads(done.stdout)


def test_a_replay_that_is_stopped_ends_its_alerts(film, model, tmp_path):
    """Ctrl-C in the middle still writes the end of what was open, and leaves with 0."""
    file = tmp_path / "alerts.jsonl"
    code = "from edge.cli import main; main()"
    options = ["--model", str(model), "--allow-unsigned", "--alerts", str(file), "--speed", "0.5"]
    command = [sys.executable, "-c", code, "replay", str(film), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as run:
        wait_for_first_line(file)
        run.send_signal(signal.SIGINT)
        assert run.wait(10) == 0
    phases = [json.loads(line)["data"]["phase"] for line in file.read_text().splitlines()]
    assert (phases[0], phases[-1]) == ("new", "end")


def test_the_report_is_json_for_programs(film, model, capsys):
    """--json gives frames and groups as values."""
    assert edge("replay", film, "--model", model, "--allow-unsigned", "--json") == 0
    (clip,) = json.loads(capsys.readouterr().out)["clips"]
    assert clip["frames"] == 40
    assert [group["count"] for group in clip["groups"]] == [2]


def test_damaged_footage_keeps_what_came_before(film, model, tmp_path, capsys):
    """A broken picture in the middle: the alerts up to it are written, the exit code is 1, the file is named."""
    (film / "0030.png").write_bytes(b"broken")
    file = tmp_path / "alerts.jsonl"
    assert edge("replay", film, "--model", model, "--allow-unsigned", "--alerts", file) == 1
    phases = [json.loads(line)["data"]["phase"] for line in file.read_text().splitlines()]
    assert (phases[0], phases[-1]) == ("new", "end")
    assert "0030.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.mkv"], 1, "no such footage"),
        (["{film}", "--speed", "fast"], 2, "--speed fast"),
        (["{film}", "--alerts", "no/such/folder/a.jsonl"], 2, "does not exist"),
        (["{film}", "--config", "none.toml"], 2, "no such configuration"),
        (["{film}", "--model", "none.onnx"], 3, "model.path"),
        (["{film}", "--preset", "forest"], 2, "preset"),
        (["{film}", "{film}", "--tracks", "t.txt"], 2, "one piece of footage"),
        (["{film}", "--alerts", "{film}"], 2, "is a folder"),
        (["{film}", "--view", "seen.mkv"], 2, ".mp4"),
    ],
)
def test_bad_input_has_its_word_and_its_exit_code(film, model, capsys, arguments, code, words):
    """Each mistake names what to change; 1 for footage, 2 for usage and configuration, 3 for the model."""
    filled = [argument.format(film=film) for argument in arguments]
    given = [] if "--model" in filled else ["--model", model]
    assert edge("replay", *filled, *given, "--allow-unsigned") == code
    assert words in capsys.readouterr().err


def test_an_unsigned_model_is_refused_with_3(film, model, capsys):
    """Somebody's own export needs a word of permission."""
    assert edge("replay", film, "--model", model) == 3
    assert "allow_unsigned" in capsys.readouterr().err


def test_scene_of_the_clip_is_used_where_the_configuration_is_silent(tmp_path):
    """Lines and motion of the camera come from the truth file; the labels in it are never looked at."""
    clip = tmp_path / "My Clip 1.mkv"
    truth = {
        "camera": {"moving": True},
        "lines": [{"id": "border", "points": [[0, 0.5], [1, 0.5]], "to_left": "north"}],
    }
    (tmp_path / "My Clip 1.truth.json").write_text(json.dumps(truth))
    camera = footage_camera(clip, fps=9.0)
    assert (camera.id, camera.moving, camera.line[0].to_left) == ("my-clip-1", True, "north")
    assert slug(Path("___.mkv")) == "footage"


def test_a_camera_that_cannot_see_is_told_of_in_a_replay(model, tmp_path, capsys):
    """A lens that is covered for nine of twelve seconds: edge.sight in the lines, its story in the report."""
    folder = tmp_path / "covered"
    folder.mkdir()
    luck = np.random.default_rng(1)
    stones = luck.integers(20, 230, (31, 34)).repeat(3, axis=0).repeat(3, axis=1)[:93, :101]
    for index in range(108):
        covered = 18 <= index < 99
        scene = luck.integers(126, 128, (93, 101)) if covered else stones + luck.integers(-3, 4, (93, 101))
        cv2.imwrite(str(folder / f"{index:04d}.png"), scene.astype(np.uint8))
    config, lines = tmp_path / "node.toml", tmp_path / "alerts.jsonl"
    config.write_text("[sight]\nalert_after_s = 3.0\n")
    common = ["replay", folder, "--model", model, "--allow-unsigned", "--config", config, "--alerts", lines, "--json"]
    assert edge(*common) == 0
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    sights = [one["data"] for one in told if one["type"] == "edge.sight"]
    assert [one["phase"] for one in sights] == ["new", "end"]
    assert (sights[0]["state"], sights[0]["cause"], sights[1]["ended"]) == ("blind", "covered", "stopped")
    assert sorted(one["data"]["seq"] for one in told) == list(range(1, len(told) + 1))
    (clip,) = json.loads(capsys.readouterr().out)["clips"]
    (story,) = clip["sights"]
    assert story["cause"] == "covered"
    assert 2.0 + 2.0 + 3.0 - 0.5 < story["raised_s"] < 2.0 + 2.0 + 3.0 + 0.5  # covered_after_s, then alert_after_s
    first = lines.read_bytes()
    assert edge(*common) == 0
    assert lines.read_bytes() == first


def wait_for_first_line(file: Path) -> None:
    """Wait until the first alert has been raised."""
    deadline_s = time.monotonic() + 30.0
    while not file.exists() or file.stat().st_size == 0:
        assert time.monotonic() < deadline_s, "no alert was raised"
        time.sleep(0.05)


@pytest.mark.broker
@pytest.mark.skipif(mosquitto_path() is None, reason="needs Debian's mosquitto")
def test_published_is_what_is_written_even_when_the_broker_dies_in_between(film, model, tmp_path):
    """A broker that is killed and restarted in the middle loses nothing: mosquitto_sub gets every line of --alerts."""
    with Mosquitto(tmp_path) as broker:
        config = tmp_path / "node.toml"
        config.write_text(f"[delivery]\nport = {broker.port}\nbackoff_max_s = 1.0\nack_timeout_s = 2.0\n")
        listen = ["mosquitto_sub", "-p", str(broker.port), "-i", "keeper", "-c", "-q", "1", "-t", "edge/v1/+/alert"]
        subprocess.run([*listen, "-E"], check=True, timeout=10)  # a session that outlives the broker
        file = tmp_path / "alerts.jsonl"
        options = ["--model", model, "--config", config, "--publish", "--alerts", file, "--speed", "real"]
        code = "from edge.cli import main; main()"
        command = [sys.executable, "-c", code, "replay", film, "--allow-unsigned", *options]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as replaying:
            wait_for_first_line(file)
            broker.kill()
            time.sleep(1.0)
            broker.start()
            assert replaying.wait(60) == 0
        got = subprocess.run([*listen, "-W", "2"], capture_output=True, check=False, timeout=20).stdout.splitlines()
    written = file.read_bytes().splitlines()
    assert len(written) >= 2
    assert set(got) == set(written)
