"""How far a camera reaches: the formula, the command, and the table in the documentation."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge.commands.reach import app
from edge.reach import View, blind_m, hfov_of

REPOSITORY = Path(__file__).resolve().parent.parent
EDGE = str(Path(sys.executable).parent / "edge")


def test_a_known_lens_gives_its_known_view():
    """7.68 mm of sensor behind 14 mm of focal length see 30.7 degrees; an adult is 22 px tall at 90 m."""
    hfov_deg = hfov_of(640, 12.0, 14.0)
    assert hfov_deg == pytest.approx(30.68, abs=0.01)
    assert View(640, hfov_deg).distance_m(1.7, 22.0) == pytest.approx(90.2, abs=0.1)
    assert View(640, hfov_deg).width_m(90.2) == pytest.approx(49.5, abs=0.1)


@given(st.integers(80, 2000), st.floats(3.0, 120.0), st.floats(0.3, 2.2), st.floats(4.0, 200.0))
def test_distance_and_height_are_each_others_inverse(width_px, hfov_deg, height_m, height_px):
    """What is so tall at a distance has that height there; twice the distance, half the pixels."""
    view = View(width_px, hfov_deg)
    distance_m = view.distance_m(height_m, height_px)
    assert view.pixels_per_metre(distance_m) * height_m == pytest.approx(height_px)
    assert view.pixels_per_metre(2 * distance_m) == pytest.approx(view.pixels_per_metre(distance_m) / 2)
    assert math.isfinite(view.width_m(distance_m))


def test_the_ground_below_a_mast_is_blind():
    """6 m up, 5 degrees down, 25 high: the lower edge meets the ground at 19 m; a camera that looks up never does."""
    assert blind_m(6.0, 5.0, 25.0) == pytest.approx(6.0 / math.tan(math.radians(17.5)))
    assert blind_m(6.0, -20.0, 25.0) is None


def test_the_command_uses_the_height_of_the_shipped_model():
    """Enlarging the picture by two doubles the reach; the number comes from the model's own manifest."""
    plain, enlarged = (
        json.loads(
            subprocess.run([EDGE, "reach", "--hfov", "24", "--json", *more], capture_output=True, check=True).stdout
        )
        for more in ([], ["--scale", "2"])
    )
    assert enlarged["proven_px"] == plain["proven_px"] / 2
    one, two = (told["people"]["adult, upright"]["distance_m"] for told in (plain, enlarged))
    assert two == pytest.approx(2 * one, abs=0.2)


@pytest.mark.parametrize("words", [[], ["--hfov", "24", "--focal", "14"], ["--hfov", "24", "--model", "nowhere.onnx"]])
def test_an_unclear_question_is_exit_code_2(words):
    """No lens, two lenses, or a model that is not there."""
    done = subprocess.run([EDGE, "reach", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_the_table_in_the_documentation_is_what_the_command_says():
    """deploy/README.md lists lenses; every distance there comes from this formula and the shipped model."""
    rows = [
        line
        for line in (REPOSITORY / "deploy" / "README.md").read_text().splitlines()
        if line.startswith("| `edge reach")
    ]
    assert len(rows) >= 6
    for row in rows:
        command, *told = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
        found = json.loads(CliRunner().invoke(app, [*command.split()[2:], "--json"]).stdout)
        people = [f"{one['distance_m']:.0f} m" for one in found["people"].values()]
        assert told == [
            f"{found['hfov_deg']:.0f}°",
            *people,
            f"{next(iter(found['people'].values()))['width_m']:.0f} m",
        ], row
