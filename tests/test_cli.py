"""The commands as a user types them: help, exit codes, and output for people and programs."""

import io
import json
import resource
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from test_replay import TWO_PEOPLE, edge, fixed_model

import edge as edge_package
from edge.cli import COMMANDS
from edge.delivery.subscriber import Event
from edge.delivery.wire import AlertEvent, parse_alert
from edge.delivery.wire_alert import alert_event
from edge.records import Alert, Group, Track
from edge.screen import Screen

MODULES = Path(edge_package.__file__).parent / "commands"
SHARED = {"__init__", "options", "work"}


def spelled_out() -> list[str]:
    """List every command as it is typed, those of a group one by one."""
    found = []
    for name in COMMANDS:
        module = import_module(f"edge.commands.{name.replace('-', '_')}")
        app = module.parser() if hasattr(module, "parser") else module.app
        inner = [command.name or command.callback.__name__ for command in app.registered_commands]
        found += [f"{name} {one.replace('_', '-')}" for one in inner] if app.registered_callback else [name]
    return found


def typed(*arguments, **options):
    """Run ``edge`` as its own process."""
    return subprocess.run(
        [sys.executable, "-c", "from edge.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize("command", spelled_out())
def test_every_command_explains_itself_with_an_example(command, capsys):
    """--help ends with a line that can be copied."""
    assert edge(*command.split(), "--help") == 0
    assert f"Example: edge {command}" in " ".join(capsys.readouterr().out.split())


def test_the_overview_lists_every_command_and_nothing_else(capsys):
    """A module of a command stands in the table, and what stands in the table has a module."""
    assert edge("--help") == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told and line in told for name, line in COMMANDS.items())
    modules = {file.stem.replace("_", "-") for file in MODULES.glob("*.py") if file.stem not in SHARED}
    assert set(COMMANDS) == modules


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replya", "x"], "did you mean 'replay'?"),
        (["check_config", "x"], "did you mean 'check-config'?"),
        (["frobnicate"], "edge --help lists them"),
        (["--sped"], "no such command: --sped"),
        (["evaluate", "countin"], "countin"),
        ([], "Usage: edge COMMAND"),
    ],
)
def test_an_unknown_command_is_usage(arguments, words, capsys):
    """A name that is no command exits with 2 and names the nearest one."""
    assert edge(*arguments) == 2
    assert words in capsys.readouterr().err


def test_the_version_is_told(capsys):
    """--version prints what is installed."""
    assert edge("--version") == 0
    assert capsys.readouterr().out == f"edge {edge_package.__version__}\n"


def test_a_wrong_option_is_usage(capsys):
    """An unknown option exits with 2 and names itself."""
    assert edge("replay", "--sped", "max", "x") == 2
    assert "--sped" in capsys.readouterr().err


def test_check_config_tells_values_and_origins(tmp_path, capsys):
    """Every value in force is told with where it came from."""
    file = tmp_path / "node.toml"
    file.write_text("[node]\nid = 'node-9'\n[delivery]\nport = 8883\n")
    assert edge("check-config", file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["delivery.port"] == {"value": 8883, "from": "node.toml:4"}
    assert told["delivery.host"]["from"] == "default"


def test_check_config_refuses_with_two(tmp_path, capsys):
    """A wrong file exits with 2 and no traceback."""
    file = tmp_path / "node.toml"
    file.write_text("[nod]\nid = 'node-9'\n")
    assert edge("check-config", file) == 2
    assert "unknown setting 'nod'; did you mean 'node'?" in capsys.readouterr().err


def test_detect_writes_coco_results_with_file_names(tmp_path):
    """Each claim is left, top, width, height with score, file name and whether it counts."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE * np.array([1, 1, 1, 1, 0.5])})
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.png"), np.zeros((93, 101), np.uint8))
    cv2.imwrite(str(pictures / "b.tiff"), np.full((93, 101), 30000, np.uint16))
    output = tmp_path / "found.json"
    assert edge("detect", pictures, "--output", output, "--model", model, "--allow-unsigned") == 0
    entries = json.loads(output.read_text())
    assert [(entry["file_name"], entry["bbox"], entry["score"], entry["counted"]) for entry in entries] == [
        (name, box, score, False)
        for name in ("a.png", "b.tiff")
        for box, score in (([10.0, 15.0, 10.0, 25.0], 0.45), ([30.0, 15.0, 10.0, 25.0], 0.4))
    ]  # half of what the model said: so small a picture is enlarged twice


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.png"], "no such picture"),
        (["{empty}"], "holds no pictures"),
        (["{text}"], "not a readable picture"),
    ],
)
def test_detect_names_what_it_cannot_read(tmp_path, capsys, arguments, words):
    """Missing, empty and strange input exits with 1."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("hello")
    filled = [argument.format(empty=tmp_path / "empty", text=tmp_path / "text.png") for argument in arguments]
    assert edge("detect", *filled, "--output", tmp_path / "o.json", "--model", model, "--allow-unsigned") == 1
    assert words in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error():
    """Piping into head does not end in a traceback."""
    done = subprocess.run(
        f"{sys.executable} -c 'from edge.cli import main; main()' check-config configs/border.toml --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=__file__.rsplit("/tests/", 1)[0],
    )
    assert "Traceback" not in done.stderr


def test_min_score_is_kept(tmp_path):
    """Claims below --min-score are not written, also when it lies above the model's own threshold."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((93, 101), np.uint8))
    output = tmp_path / "found.json"
    options = ["--output", output, "--model", model, "--allow-unsigned", "--min-score", "0.85"]
    assert edge("detect", tmp_path / "a.png", *options) == 0
    assert [entry["score"] for entry in json.loads(output.read_text())] == [0.9]


def test_a_demo_of_nothing_ends_at_once(tmp_path, capsys):
    """Footage that is not there is told, not waited for."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    assert edge("demo", "nowhere.mkv", "--once", "--model", model, "--allow-unsigned") == 1
    assert "no such footage" in capsys.readouterr().err


def test_a_demo_shows_alerts_of_every_clip(tmp_path, capsys):
    """Broker, nodes and subscriber run together; each clip is a camera of one of two nodes."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    for name in ("a", "b"):
        (tmp_path / name / "film").mkdir(parents=True)
        for index in range(30):
            picture = np.random.default_rng(index).integers(0, 255, (93, 101)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / "film" / f"{index:02d}.png"), picture)
    clips = [tmp_path / name / "film" for name in ("a", "b")]
    assert edge("demo", *clips, "--once", "--model", model, "--allow-unsigned") == 0
    shown = capsys.readouterr().out
    for camera in ("demo-1/film", "demo-2/film"):
        assert shown.count(camera) >= 2


def told_event(**changes) -> AlertEvent:
    """Make an alert as it comes over the wire."""
    track = Track(1, "person", (1.0, 2.0, 3.0, 9.0), 0.9, (0.0, 0.0), 0.0, 0.0, confirmed=True)
    group = Group(1, (track,), 1, 1, 1, 1, 0.0)
    alert = Alert("01J", 1, "new", "north", group, 53, 37, "routine", ("one person",), 0.0, 0.0, 0.0)
    event = json.loads(alert_event(alert, node="node-7", seq=1, boot_id="b", clock="ntp"))
    event["data"] |= changes
    return parse_alert(json.dumps(event).encode())


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_an_impossible_time_does_not_end_the_subscriber(monkeypatch, zone, moment):
    """The first and last day of the calendar are shown, wherever the terminal stands."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    paper = io.StringIO()
    event = told_event(captured_at=moment)
    Screen(console=Console(file=paper)).show(Event("node-7", event, retained=False, payload=b""))
    assert "node-7/north" in paper.getvalue()


@pytest.mark.parametrize("reason", ["\x1b]0;owned\x07\x1b[2J", "\x9b31m", "line1\nNEW 99 people"])
def test_a_reason_cannot_steer_the_terminal(reason):
    """Escape sequences and line breaks in a message are shown as question marks."""
    paper = io.StringIO()
    event = told_event(reasons=[reason])
    Screen(console=Console(file=paper, width=300)).show(Event("node-7", event, retained=False, payload=b""))
    shown = paper.getvalue()
    assert shown.count("\n") == 1
    assert not any(letter in shown for letter in "\x1b\x9b\x07")


@pytest.mark.parametrize(
    ("option", "value"), [("--node", "A B"), ("--camera", "a/b"), ("--priority", "loud"), ("--host", "")]
)
def test_a_subscription_that_can_hear_nothing_is_refused(option, value, capsys):
    """A name that cannot stand in a topic exits with 2 and names the option."""
    assert edge("subscribe", option, value) == 2
    assert option in capsys.readouterr().err


def test_a_full_disk_is_told_in_one_line(tmp_path, capsys):
    """Results that cannot be written exit with 1 and without a traceback."""
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((93, 101), np.uint8))
    options = ["--output", "/dev/full", "--model", model, "--allow-unsigned"]
    assert edge("detect", tmp_path / "a.png", *options) == 1
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "nine-in-snow", "--output", "clip.mkv"],
        ["replay", "clip.mkv", "--view", "seen.mp4"],
        ["calibrate", "points.toml", "shot.png"],
        ["evaluate", "counting", "clips"],
    ],
)
def test_a_command_that_needs_more_packages_names_them(tmp_path, arguments):
    """Where only a node is installed, the tools say how to get them, before any work and without a traceback."""
    code = f"import sys; sys.modules['cv2'] = None; sys.argv[1:] = {arguments}; from edge.cli import main; main()"
    for name in ("clip.mkv", "points.toml", "shot.png"):
        (tmp_path / name).touch()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: this needs OpenCV, a node does not: pip install 'edge-thermal[tools]'\n"


def test_a_moving_camera_without_opencv_names_the_setting(tmp_path):
    """Motion of the camera itself needs OpenCV; the message says which setting asks for it."""
    (tmp_path / "node.toml").write_text('[[camera]]\nid = "drone"\nsource = "footage:x.mkv"\nmoving = true\n')
    code = (
        "import sys; sys.modules['cv2'] = None; sys.argv[1:] = ['run', 'node.toml']; from edge.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "camera 'drone': moving = true needs OpenCV: pip install 'edge-thermal[tools]'" in done.stderr


def seconds(*command: str, times: int = 7) -> float:
    """Give the median time of a command, in seconds of CPU so that a busy machine does not matter."""
    taken = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return sorted(taken)[times // 2]


def test_help_costs_little_more_than_python_itself():
    """The first word of help takes no more than three times a bare Python."""
    bare = seconds(sys.executable, "-c", "pass")
    assert seconds(sys.executable, "-c", "from edge.cli import main; main()", "--help") <= 3.0 * bare


@pytest.mark.parametrize("arguments", [["--help"], ["check-config", "--help"], ["replay", "--help"]])
def test_help_needs_no_model_and_no_camera_library(arguments):
    """Help does not wait for OpenCV, PyAV, scipy or onnxruntime, and the overview not even for typer."""
    heavy = ("cv2", "av", "onnxruntime", "scipy", *(("typer", "rich", "pydantic") if arguments == ["--help"] else ()))
    code = (
        f"import sys, atexit; sys.argv[1:] = {arguments}; from edge.cli import main\n"
        f"atexit.register(lambda: print([n for n in {heavy} if n in sys.modules], file=sys.stderr)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
