"""What a node takes on disk: the package and everything that it requires, without extras."""

import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
MOST_MB = 350.0


def required(extra: str = "") -> set[str]:
    """Name everything that an installation with ``extra`` brings, by following what each package says it requires."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [Requirement(one) for one in (*told["dependencies"], *told["optional-dependencies"].get(extra, ()))]
    found = set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        marked = [{"extra": name} for name in (one.extras or {""})]
        if name in found or (one.marker and not any(one.marker.evaluate(extra) for extra in marked)):
            continue
        found.add(name)
        more = [Requirement(text) for text in distribution(name).requires or ()]
        waiting += [each for each in more if not each.marker or any(each.marker.evaluate(extra) for extra in marked)]
    return found


def size_mb(names: set[str]) -> float:
    """Add up the files that pip has noted for these packages, compiled Python included."""
    files = [Path(file.locate()) for name in names for file in distribution(name).files or ()]
    compiled = [
        file.parent / "__pycache__" / f"{file.stem}.cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc"
        for file in files
        if file.suffix == ".py"
    ]
    return sum(file.stat().st_size for file in {*files, *compiled} if file.is_file()) / 1e6


def own_mb() -> float:
    """Add up what the wheel of this package carries: code, model, sample footage."""
    carried = [
        *(file for file in (ROOT / "edge").rglob("*") if file.is_file()),
        *(ROOT / "models").glob("*.onnx"),
        *(file for file in (ROOT / "sample_footage").iterdir() if file.suffix != ".jpg"),
    ]
    return sum(file.stat().st_size for file in carried) / 1e6


def test_a_node_takes_no_more_disk_than_a_small_card_has():
    """Everything that ``pip install .`` brings, compiled, is at most 350 MB."""
    assert 150.0 < size_mb(required()) + own_mb() <= MOST_MB


def test_what_only_the_tools_need_stays_out_of_a_node():
    """OpenCV and scipy, half as large as all the rest, come with the extra ``tools`` alone."""
    tools = {"opencv-python-headless", "scipy"}
    assert not tools & required()
    assert tools <= required("tools")
    assert size_mb(required("tools")) > size_mb(required()) + 150.0


@pytest.mark.parametrize("name", ["sympy", "coloredlogs", "matplotlib", "pillow", "pandas", "torch"])
def test_no_large_stranger_comes_along(name):
    """What onnxruntime once required, and what plots and training need, is not on a node."""
    assert name not in required()
