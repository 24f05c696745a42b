"""``edge detect``: people in pictures, as COCO results."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.commands.options import ConfigOption, ModelOption, UnsignedOption, command_line
from edge.commands.work import check_outputs, configured, load_detector, progress

app = command_line()


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="IMAGE_OR_DIR...", help="Pictures, or folders of them.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="COCO results JSON to write.")],
    min_score: Annotated[
        float,
        typer.Option(min=0.001, max=1.0, help="Write claims from this score on; 'counted' marks the deployed ones."),
    ] = 0.01,
    config_file: ConfigOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
) -> None:
    """Detect people in pictures and write COCO results, each entry also with its file name.

    Example: edge detect pictures/ --output found.json
    """
    from edge.detect import coco_results, detect_pictures, pictures_in

    config = configured(config_file, None, model, allow_unsigned=allow_unsigned, score_low=min_score)
    detector = load_detector(config, config_file.parent if config_file else Path())
    files = pictures_in(paths)
    check_outputs(output)
    entries: list[dict[str, Any]] = []
    with progress("detect") as advance:
        seen = detect_pictures(files, detector, config)
        for number, picture in enumerate(seen, start=1):
            entries += coco_results(picture, number, min_score=min_score, counted_from=detector.score)
            advance(number, len(files))
    output.write_text(json.dumps(entries), encoding="utf-8")
    counted = sum(entry["counted"] for entry in entries)
    sys.stderr.write(f"{len(files)} pictures, {counted} people at score {detector.score:g} or more -> {output}\n")
