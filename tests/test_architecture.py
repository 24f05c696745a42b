"""The three sentences that hold the package: imports point down, stages stay apart, only programs join."""

import ast
import itertools
import json
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from edge.capture.footage import Footage
from edge.capture.video_writer import VideoWriter

PACKAGE = Path(__file__).resolve().parent.parent / "edge"

FLOORS = {
    "__init__": 0, "records": 0, "errors": 0, "clock": 0, "ulid": 0, "places": 0, "shipped": 0, "words": 0,
    "config": 1, "metrics": 1, "log": 1, "box": 1, "terrain": 1, "near": 1, "crowd": 1,
    "capture": 2, "delivery": 2, "pipeline.stage": 2,
    "pipeline": 3,
    "service": 4, "replay": 4, "replay_report": 4, "play": 4, "detect": 4, "demo": 4, "view": 4, "screen": 4, "snapshot": 4,
    "pki": 4, "supervisor": 4,
    "calibrate": 4, "simulate": 4, "evaluate": 4, "bench": 4, "doctor": 4, "reach": 4,
    "camera_loop": 4, "cameras": 4, "recorder": 4, "metrics_page": 4, "clip_folder": 4,
    "station": 4,
    "commands": 5, "cli": 5,
}  # fmt: skip
STAGES_SHARED_BELOW = {
    # what one stage is made of may be several files; these are the pieces and the stage they belong to
    "decode": "detector",
    "manifest": "detector",
    "bound": "detector",
    "looks": "detector",
    "session": "detector",
    "association": "tracker",
    "assignment": "tracker",
    "belief": "tracker",
    "bodies": "tracker",
    "compiled_tracker": "tracker",
    "bonds": "groups",
    "company": "groups",
    "counting": "groups",
    "plan": "groups",
    "rays": "geo",
}
TOOLS_ONLY = ["cv2", "scipy"]
DOORS = {
    "paho": ["delivery/mqtt.py"],
    "av": ["capture/stills.py", "capture/video.py", "capture/video_writer.py"],
    "onnxruntime": ["pipeline/session.py"],
}


def modules() -> list[Path]:
    """List every source file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(file: Path) -> list[str]:
    """List the dotted names that a file imports, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found += [
                f"{node.module}.{alias.name}" if node.module == "edge" else str(node.module) for alias in node.names
            ]
    return found


def place_of(dotted: str) -> str:
    """Name the floor-plan entry of ``edge.x.y``; a stage of the pipeline is not the pipeline itself."""
    parts = dotted.split(".")[1:] or ["__init__"]
    if parts[0] == "pipeline" and len(parts) > 1:
        return "pipeline.stage"
    return parts[0]


def dotted_of(file: Path) -> str:
    """Name a file as it is imported."""
    parts = list(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def stage_of(dotted: str) -> str:
    """Name the stage that a module of the pipeline belongs to."""
    name = dotted.split(".")[2]
    return STAGES_SHARED_BELOW.get(name, name)


@pytest.mark.parametrize("file", modules(), ids=dotted_of)
def test_imports_point_down(file: Path):
    """No module imports from a higher floor, nor from another room of its own floor below the programs."""
    here = place_of(dotted_of(file))
    assert here in FLOORS, f"{here} is not on the map: give it a floor"
    for name in imports_of(file):
        if not name.startswith("edge.") and name != "edge":
            continue
        there = place_of(name) if name != "edge.__version__" else "__init__"
        assert FLOORS[there] <= FLOORS[here], f"{dotted_of(file)} imports up: {name}"
        if FLOORS[here] == FLOORS[there] == FLOORS["capture"]:
            assert here == there, f"{dotted_of(file)} imports the room beside it: {name}"


@pytest.mark.parametrize("file", sorted((PACKAGE / "pipeline").rglob("*.py")), ids=dotted_of)
def test_stages_never_import_each_other(file: Path):
    """A stage of the pipeline knows records and config, never another stage."""
    here = dotted_of(file)
    if here == "edge.pipeline":
        return
    for name in imports_of(file):
        if name.startswith("edge.pipeline."):
            assert stage_of(name) == stage_of(here), f"{here} imports another stage: {name}"


@pytest.mark.parametrize(("library", "homes"), DOORS.items())
def test_a_library_of_the_outer_world_comes_in_through_its_own_doors(library: str, homes: list[str]):
    """MQTT and inference are imported in one file each, PyAV in three: films read, films written, single pictures."""
    doors = [
        str(file.relative_to(PACKAGE))
        for file in modules()
        if any(name == library or name.startswith(library + ".") for name in imports_of(file))
    ]
    assert doors == homes


def test_a_subscriber_needs_no_model_and_no_camera_library():
    """What a control room runs starts without onnxruntime, OpenCV or PyAV being imported."""
    code = (
        "import sys, edge.delivery.subscriber, edge.delivery.wire;"
        "print([name for name in ('onnxruntime', 'cv2', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_logs_around_the_log():
    """Loggers come from ``edge.log``: another library would cost the node its start and write another form."""
    around = [str(file) for file in modules() if {"structlog", "loguru"} & set(imports_of(file))]
    assert around == []


def test_every_package_is_shipped():
    """A new folder of the package is listed in pyproject.toml, or the wheel would lack it."""
    listed = set(tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {dotted_of(file) for file in PACKAGE.rglob("__init__.py")}
    assert found <= listed


NODE = """
import json, sys
tools = json.loads(sys.argv[2])
sys.modules |= dict.fromkeys(tools)  # importing one of them is an error
sys.argv = ["edge", "run", sys.argv[1]]
from edge.cli import main
try:
    main()
finally:
    print([name for name in tools if sys.modules[name] is not None])
"""


def test_a_node_runs_without_opencv_and_scipy(tmp_path):
    """From the first frame of a clip to an alert in the outbox, where neither OpenCV nor scipy is installed."""
    clip = tmp_path / "clip.mkv"
    with (
        Footage(PACKAGE.parent / "sample_footage" / "nine-in-snow.mkv") as footage,
        VideoWriter(clip, fps=9.0, width_px=320, height_px=256) as writer,
    ):
        for frame in itertools.islice(footage, 45):
            writer.write(frame.t_s, frame.pixels)
    (tmp_path / "node.toml").write_text(
        f"""[node]
id = "n"
[[camera]]
id = "north"
source = "footage:{clip}"
[delivery]
port = 1
outbox_file = "outbox.sqlite"
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", NODE, str(tmp_path / "node.toml"), json.dumps(TOOLS_ONLY)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as outbox:
        topics = {topic for (topic,) in outbox.execute("select topic from message")}
    assert "edge/v1/n/alert" in topics


def test_no_two_test_files_have_one_name():
    """Pytest imports test files by their bare name: a second one of a name stops the whole run."""
    names = [file.name for file in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
