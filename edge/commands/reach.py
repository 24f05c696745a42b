"""``edge reach``: how far a camera finds people, before it is bought."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands.options import JsonOption, ModelOption, command_line
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.pipeline.manifest import Manifest

app = command_line()


@app.command()
def reach(
    *,
    width: Annotated[int, typer.Option(min=8, max=16384, help="Width of the picture, pixels.")] = 640,
    height: Annotated[int, typer.Option(min=8, max=16384, help="Height of the picture, pixels.")] = 512,
    hfov: Annotated[float | None, typer.Option(min=0.5, max=170.0, help="Horizontal field of view, degrees.")] = None,
    focal: Annotated[float | None, typer.Option(min=0.5, max=500.0, help="Or the focal length, mm ...")] = None,
    pitch: Annotated[
        float, typer.Option(min=1.0, max=50.0, help="... and the sensor's pixel pitch, micrometres.")
    ] = 12.0,
    scale: Annotated[
        float | None, typer.Option(min=0.25, max=4.0, help="model.input_scale; default: auto, as the node.")
    ] = None,
    mount: Annotated[float, typer.Option(min=0.5, max=500.0, help="Height over the ground, m.")] = 6.0,
    tilt: Annotated[float, typer.Option(min=-90.0, max=90.0, help="How far it looks down, degrees.")] = 5.0,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell at which distance people are still as tall in the picture as the model has been proven on.

    Example: edge reach --width 640 --focal 14
    """
    from edge.pipeline.preprocess.scaling import scale_to_fill
    from edge.reach import PEOPLE_M, View, blind_m, hfov_of

    if (hfov is None) == (focal is None):
        raise ConfigError("name the lens: either --hfov, or --focal (with --pitch)")
    wide_deg = hfov if hfov is not None else hfov_of(width, pitch, focal or 0.0)
    view = View(width, wide_deg)
    manifest = _manifest(model)
    proven_px = manifest.smallest_height_px / (scale or scale_to_fill(height, width, manifest.input.multiple_px))
    vfov_deg = math.degrees(2.0 * math.atan(height / (2.0 * view.focal_px)))
    rows = {
        who: {
            "height_m": height_m,
            "distance_m": round(view.distance_m(height_m, proven_px), 1),
            "width_m": round(view.width_m(view.distance_m(height_m, proven_px)), 1),
        }
        for who, height_m in PEOPLE_M.items()
    }
    blind = blind_m(mount, tilt, vfov_deg)
    if as_json:
        told = {"hfov_deg": round(wide_deg, 2), "vfov_deg": round(vfov_deg, 2), "proven_px": proven_px, "people": rows}
        print(json.dumps(told | {"blind_m": None if blind is None else round(blind, 1)}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    console.print(
        f"{width}x{height}, {wide_deg:.1f} x {vfov_deg:.1f} degrees; proven on people of {proven_px:.3g} px and more"
    )
    table = Table("who", "height", "found up to", "view there", box=None, pad_edge=False)
    for who, row in rows.items():
        table.add_row(who, f"{row['height_m']:g} m", f"{row['distance_m']:.0f} m", f"{row['width_m']:.0f} m wide")
    console.print(table)
    if blind is not None:
        console.print(
            f"{mount:g} m up, {tilt:g} degrees down: nearer than {blind:.0f} m the ground is below the picture"
        )


def _manifest(model: Path | None) -> "Manifest":
    from edge.pipeline.manifest import read_manifest
    from edge.shipped import shipped

    file = (model or shipped("models") / "thermal-person.onnx").with_suffix(".toml")
    if not file.is_file():
        raise ConfigError(f"{file}: no such manifest; --model names an .onnx file with its .toml beside it")
    return read_manifest(file.read_bytes(), file)
