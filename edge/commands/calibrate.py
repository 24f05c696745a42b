"""``edge calibrate``: a fixed camera's pose from marked points."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import JsonOption, command_line

app = command_line()


@app.command()
def calibrate(
    points: Annotated[Path, typer.Argument(metavar="POINTS", help="Four or more marked points, .toml or .csv.")],
    snapshot: Annotated[Path, typer.Argument(help="The picture they were marked in, or a clip of the camera.")],
    *,
    output: Annotated[Path, typer.Option(help="Picture with horizon and metre grid.")] = Path("calibrated.png"),
    hfov: Annotated[
        float | None,
        typer.Option("--hfov", min=0.1, max=170.0, help="Horizontal field of view, degrees; wins over the file's."),
    ] = None,
    solve_fov: Annotated[bool, typer.Option("--solve-fov", help="Find the field of view too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find where a camera stands and how it looks, and draw it for you to judge.

    Each [[point]] has x_px, y_px, lat_deg, lon_deg, and height_m where it is not on the ground; [camera] may give lat_deg,
    lon_deg, height_m and hfov_deg, as far as they are known. Look at the picture before you paste the section.

    Example: edge calibrate points.toml snapshot.png --hfov 24
    """
    from edge.calibrate.picture import draw, read_snapshot
    from edge.calibrate.points import read_points
    from edge.calibrate.solve import solve

    marked = read_points(points)
    if hfov is not None:
        marked = marked.model_copy(update={"camera": marked.camera.model_copy(update={"hfov_deg": hfov})})
    picture = read_snapshot(snapshot)
    found = solve(marked, (picture.shape[1], picture.shape[0]), solve_fov=solve_fov)
    draw(picture, found, output)
    if as_json:
        told = {"pose": found.pose._asdict(), "errors": found.errors._asdict(), "rms_px": found.rms_px}
        residuals = [asdict(one) | {"off_px": one.off_px} for one in found.residuals]
        print(json.dumps({**told, "residuals": residuals, "doubts": found.doubts, "picture": str(output)}, indent=1))
        return
    for one in found.residuals:
        sys.stderr.write(f"{one.off_px:6.1f} px  {one.name}\n")
    sys.stderr.write(f"{found.rms_px:6.1f} px  all together (root mean square); drawn in {output}\n")
    for doubt in found.doubts:
        sys.stderr.write(f"careful: {doubt}\n")
    print("[camera.pose]")
    for name, value, digits in (
        ("lat_deg", found.pose.lat_deg, 7),
        ("lon_deg", found.pose.lon_deg, 7),
        ("height_m", found.pose.height_m, 2),
        ("heading_deg", found.pose.heading_deg, 2),
        ("tilt_deg", found.pose.tilt_deg, 2),
        ("roll_deg", found.pose.roll_deg, 2),
        ("hfov_deg", found.pose.hfov_deg, 2),
        ("position_error_m", found.errors.position_m, 2),
        ("height_error_m", found.errors.height_m, 2),
        ("heading_error_deg", found.errors.heading_deg, 2),
        ("tilt_error_deg", found.errors.tilt_deg, 2),
        ("roll_error_deg", found.errors.roll_deg, 2),
        ("hfov_error_deg", found.errors.hfov_deg, 2),
    ):
        print(f"{name} = {round(value, digits)}")
