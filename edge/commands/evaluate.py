"""``edge evaluate ...``: detection and counting against truth."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from edge.commands.options import ConfigOption, JsonOption, ModelOption, PresetOption, UnsignedOption, command_group
from edge.commands.work import configured, load_detector, print_tables, progress
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.evaluate.clips import Eyes

app = command_group("Measure detection and counting against truth.")

_SCORED_FROM = 0.01  # claims below this change no score by a thousandth, and are most of the work


@app.command()
def detection(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.json", help="COCO truth; category person is scored.")],
    *,
    images: Annotated[Path, typer.Option(help="Folder of the pictures that the truth names.")],
    detections: Annotated[Path | None, typer.Option(help="Score these COCO results in place of the model's.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for curves and the worst pictures.")] = None,
    threshold: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Default: the model's.")] = None,
    config_file: ConfigOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score detection on labelled pictures: average precision, counts, false boxes, by size and kind.

    Example: edge evaluate detection val.json --images pictures/ --plots plots/
    """
    from edge.capture.pictures import read_picture
    from edge.detect import detect_pictures
    from edge.evaluate.coco import load_coco, load_detections
    from edge.evaluate.detection import evaluate_detection
    from edge.evaluate.plots import load_pyplot, plot_detection

    known = load_coco(truth)
    if plots is not None:
        load_pyplot()  # refuse before the work and not after it
    config = configured(config_file, None, model, allow_unsigned=allow_unsigned, score_low=_SCORED_FROM)
    detector = load_detector(config, config_file.parent if config_file else Path())
    if detections is not None:
        found = load_detections(detections, known)
    else:
        files = [images / picture.file_name for picture in known.pictures]
        found = {}
        with progress("detect") as advance:
            seen = detect_pictures(files, detector, config)
            for number, (wanted, picture) in enumerate(zip(known.pictures, seen, strict=True), start=1):
                found[wanted.file_name] = list(picture.detections)
                advance(number, len(files))
    report = evaluate_detection(known, found, score_threshold=detector.score if threshold is None else threshold)
    if as_json:
        print(report.to_json())
    else:
        print_tables(report.tables())
    if plots is not None:
        for file in plot_detection(report, plots, lambda name: read_picture(images / name)):
            sys.stderr.write(f"{file}\n")


@app.command()
def counting(
    folder: Annotated[Path, typer.Argument(metavar="FOOTAGE_DIR", help="Clips with NAME.truth.json beside them.")],
    *,
    eyes: Annotated[
        str, typer.Option(help="Whose detections: model, perfect, or degraded (10 % missed, 5 % false).")
    ] = "model",
    detections: Annotated[Path | None, typer.Option(help="Recorded detections of one clip, JSON lines.")] = None,
    proven_height_px: Annotated[float | None, typer.Option(min=1.0, help="Default: the model's manifest.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for true and reported count over time.")] = None,
    config_file: ConfigOption = None,
    preset: PresetOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score counting on clips with truth: groups, numbers and their range, alerts, tracks, line crossings.

    Example: edge evaluate counting sample_footage/ --plots plots/
    """
    from edge.evaluate.clips import judged
    from edge.evaluate.counting import evaluate_counting
    from edge.evaluate.plots import load_pyplot, plot_counting

    if eyes not in ("model", "perfect", "degraded"):
        raise ConfigError(f"--eyes {eyes}: use model, perfect or degraded")
    if plots is not None:
        load_pyplot()  # refuse before the work and not after it
    config = configured(config_file, preset, model, allow_unsigned=allow_unsigned)
    detector = load_detector(config, config_file.parent if config_file else Path())
    with progress("clips") as advance:
        clips = judged(
            folder,
            config,
            detector,
            eyes=cast("Eyes", eyes),
            recorded=detections,
            advance=advance,
        )
        report = evaluate_counting(clips, proven_height_px=proven_height_px or detector.manifest.smallest_height_px)
    if as_json:
        print(report.to_json())
    else:
        print_tables(report.tables())
    if plots is not None:
        for file in plot_counting(report, plots):
            sys.stderr.write(f"{file}\n")


@app.command()
def sequence(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.json", help="COCO truth with date and frame per picture.")],
    *,
    images: Annotated[Path, typer.Option(help="Folder of its pictures.")],
    date: Annotated[str, typer.Option(help="Which date, as the file writes it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that gets NAME/ and NAME.truth.json.")],
    fps: Annotated[float, typer.Option(min=0.1, max=120.0, help="Rate at which its frame numbers count.")] = 2.0,
) -> None:
    """Make footage with truth from the labelled pictures of one date, in frame order.

    Example: edge evaluate sequence train.json --images images/ --date 20201217 --output footage/
    """
    from edge.evaluate.sequence import footage_from_coco

    film = footage_from_coco(truth, images, date, output=output, fps=fps)
    left_out = f", without {len(film.left_out)} that show another scene than those around them"
    sys.stderr.write(f"{film.folder}{left_out if film.left_out else ''}\n")
