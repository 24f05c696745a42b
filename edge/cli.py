"""The commands. Each only reads its arguments, calls one program, and shows what came back.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 model. Imports happen inside the commands, so that ``--help``
and ``check-config`` need neither the model nor the camera libraries.
"""

import io
import json
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from edge.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from edge.config import Config, Loaded
    from edge.evaluate.clips import Eyes
    from edge.pipeline.detector import Detector

app = typer.Typer(
    name="edge",
    help="Finds people in thermal video, counts them as groups, and tells a control room over MQTT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
evaluate_app = typer.Typer(help="Measure detection and counting against truth.", no_args_is_help=True)
app.add_typer(evaluate_app, name="evaluate")

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file; default: the defaults.")]
PresetOption = Annotated[str | None, typer.Option(help="border or rescue; wins over the configuration's.")]
ModelOption = Annotated[Path | None, typer.Option(help="An .onnx file with its manifest; default: the shipped model.")]
UnsignedOption = Annotated[bool, typer.Option("--allow-unsigned", help="Load a model without a valid signature.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
FpsOption = Annotated[
    float | None,
    typer.Option(min=0.1, max=120.0, help="Frames per second of a folder of pictures; default: camera.fps, else 9."),
]
FootageArgument = Annotated[list[Path], typer.Argument(help="Clips or folders of pictures.")]


_SCORED_FROM = 0.01  # claims below this change no score by a thousandth, and are most of the work


def main() -> None:
    """Run the command line; the one catcher of ``EdgeError``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be text
    try:
        app(standalone_mode=True)
    except EdgeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:  # a disk that is full, a file that may not be touched: not ours to explain better
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EdgeError.exit_code)


@app.callback()
def _every_command() -> None:
    """Keep standard output for results: what libraries log goes to standard error."""
    from edge import log
    from edge.config import LogConfig

    log.configure(LogConfig(level="warning"))


@app.command()
def run(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The node's configuration file.")],
) -> None:
    """Run the node until it is told to stop (SIGTERM, Ctrl-C).

    Example: edge run /etc/edge/node.toml
    """
    from edge import config, log
    from edge.clock import SystemClock
    from edge.service import Node

    loaded = config.load(config_file)
    log.configure(loaded.config.log)
    _log_effective(loaded)
    detector = _load_detector(loaded.config, config_file.parent)
    stopping = _stop_on_signals()
    Node(loaded.config, detector, clock=SystemClock(), stopping=stopping, base=config_file.parent.resolve()).run()


@app.command(name="check-config")
def check_config(
    config_file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A configuration file.")] = None,
    *,
    as_json: JsonOption = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print every setting there is, as Markdown.")] = False,
) -> None:
    """Check a configuration and print every value in force and where it came from.

    Example: edge check-config configs/border.toml
    """
    from edge import config

    if reference:
        sys.stdout.write(config.reference())
        return
    if config_file is None:
        raise ConfigError("name a configuration FILE, or ask for --reference")
    loaded = config.load(config_file)
    rows = list(_effective(loaded))
    if as_json:
        print(json.dumps({name: {"value": value, "from": origin} for name, value, origin in rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value, origin in rows:
        table.add_row(name, Text(json.dumps(value)), origin, style=None if origin == "default" else "bold")
    Console(markup=False).print(table)


@app.command()
def replay(
    footage: FootageArgument,
    *,
    speed: Annotated[str, typer.Option(help="max, real, or a factor such as 4.")] = "max",
    alerts: Annotated[Path | None, typer.Option(help="Write alerts as JSON lines, as published.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Write tracks as MOTChallenge text.")] = None,
    view: Annotated[Path | None, typer.Option(help="Write an .mp4 with boxes, groups and counts drawn.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Send the alerts to the configured broker.")] = False,
    config_file: ConfigOption = None,
    preset: PresetOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
    fps: FpsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play footage through the deployed pipeline.

    With --speed max the output is the same, byte for byte, every time.

    Example: edge replay sample_footage/nine-in-snow.mkv --alerts alerts.jsonl --view seen.mp4
    """
    from edge.play import Outputs, play

    config = _config(config_file, preset, model, allow_unsigned=allow_unsigned)
    factor = _speed(speed)
    base = config_file.parent if config_file else Path()
    detector = _load_detector(config, base)
    outputs = Outputs(alerts=alerts, tracks=tracks, view=view, publish=publish)
    _check_outputs(alerts, tracks, view)
    if view is not None and view.suffix.lower() != ".mp4":
        raise ConfigError(f"--view {view}: the film is an .mp4; name it so")
    stopping = _stop_on_signals()
    with _progress("replay") as advance:
        report = play(
            footage, config, detector, outputs, speed=factor, fps=fps, base=base, stopping=stopping, advance=advance
        )
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        report.print()
    if report.fault is not None:
        raise report.fault


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

    config = _config(config_file, None, model, allow_unsigned=allow_unsigned, score_low=min_score)
    detector = _load_detector(config, config_file.parent if config_file else Path())
    files = pictures_in(paths)
    _check_outputs(output)
    entries: list[dict[str, Any]] = []
    with _progress("detect") as advance:
        seen = detect_pictures(files, detector, config)
        for number, picture in enumerate(seen, start=1):
            entries += coco_results(picture, number, min_score=min_score, counted_from=detector.score)
            advance(number, len(files))
    output.write_text(json.dumps(entries), encoding="utf-8")
    counted = sum(entry["counted"] for entry in entries)
    sys.stderr.write(f"{len(files)} pictures, {counted} people at score {detector.score:g} or more -> {output}\n")


@app.command()
def subscribe(
    *,
    host: Annotated[str | None, typer.Option(help="The broker; default: the configuration's, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port; default: likewise, else 1883.")] = None,
    config_file: ConfigOption = None,
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    priority: Annotated[str | None, typer.Option(help="Only from this priority on: important or urgent.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Leave after the first alert.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each alert as one JSON line.")] = False,
) -> None:
    """Show alerts on this terminal as they arrive; reconnects by itself.

    Example: edge subscribe --host broker.example --json
    """
    from edge import config
    from edge.config import DeliveryConfig
    from edge.screen import Filter, listen

    delivery = (
        config.from_base(config.load(config_file).config.delivery, config_file.parent)
        if config_file
        else DeliveryConfig()
    )
    given = {"host": host, "port": port}
    asked = {name: value for name, value in given.items() if value is not None}
    try:
        delivery = DeliveryConfig.model_validate(delivery.model_dump() | asked)
    except ValueError:
        raise ConfigError("--host: must not be empty") from None
    wanted = Filter(node=node, camera=camera, priority=priority)
    listen(delivery, wanted, stopping=_stop_on_signals(), once=once, as_json=as_json)


@app.command()
def station(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The station's configuration file.")],
) -> None:
    """Run the control room: receive alerts, store them, show them on a page.

    Example: edge station configs/station/station.toml
    """
    try:
        from edge.station import run, settings
    except ImportError as error:
        raise ConfigError(f"the station needs more packages: pip install 'edge-thermal[station]' ({error})") from error

    from edge import log

    config = settings.load(config_file)
    log.configure(config.log)
    run(config, _stop_on_signals(), on_ready=lambda served: print(f"control room at {served.url}", flush=True))


@app.command()
def demo(
    footage: Annotated[list[Path] | None, typer.Argument(help="Clips or folders; default: the sample footage.")] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the footage once and leave.")] = False,
    allow_unsigned: UnsignedOption = False,
    model: ModelOption = None,
) -> None:
    """Show everything at once on this machine: broker, node with sample footage, alerts on the terminal.

    Example: edge demo --once
    """
    from edge.clock import SystemClock
    from edge.demo import demonstrate
    from edge.screen import DemoScreen
    from edge.shipped import shipped

    config = _config(None, None, model, allow_unsigned=allow_unsigned)
    clips = footage or sorted(shipped("sample_footage").glob("*.mkv"))
    detector = _load_detector(config, Path())
    with DemoScreen() as screen:
        demonstrate(
            clips,
            detector,
            clock=SystemClock(),
            stopping=_stop_on_signals(),
            on_broker=screen.broker,
            on_event=screen.event,
            loop=not once,
        )


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file, the name of a shipped one, 'all', or 'list'.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Clip to write (.mkv), or a folder for it.")] = Path(),
) -> None:
    """Film a scenario: a 16-bit clip and its truth.

    Example: edge simulate nine-in-snow --output nine.mkv
    """
    from edge.simulate import load_scenario, scenario_names
    from edge.simulate import simulate as film

    if scenario == "list":
        print("\n".join(scenario_names()))
        return
    scenes = [load_scenario(name) for name in (scenario_names() if scenario == "all" else [scenario])]
    if scenario == "all" and not output.is_dir():
        raise ConfigError(f"--output {output}: must be a folder that exists when all scenarios are filmed")
    if not output.is_dir():
        _check_outputs(output)
    for scene in scenes:
        with _progress(scene.name) as advance:
            clip = film(scene, output, progress=advance)
        sys.stderr.write(f"{clip} and {clip.with_suffix('.truth.json').name}\n")


@evaluate_app.command()
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
    from edge.capture.footage import read_picture
    from edge.detect import detect_pictures
    from edge.evaluate.coco import load_coco, load_detections
    from edge.evaluate.detection import evaluate_detection
    from edge.evaluate.plots import load_pyplot, plot_detection

    known = load_coco(truth)
    if plots is not None:
        load_pyplot()  # refuse before the work and not after it
    config = _config(config_file, None, model, allow_unsigned=allow_unsigned, score_low=_SCORED_FROM)
    detector = _load_detector(config, config_file.parent if config_file else Path())
    if detections is not None:
        found = load_detections(detections, known)
    else:
        files = [images / picture.file_name for picture in known.pictures]
        found = {}
        with _progress("detect") as advance:
            seen = detect_pictures(files, detector, config)
            for number, (wanted, picture) in enumerate(zip(known.pictures, seen, strict=True), start=1):
                found[wanted.file_name] = list(picture.detections)
                advance(number, len(files))
    report = evaluate_detection(known, found, score_threshold=detector.score if threshold is None else threshold)
    if as_json:
        print(report.to_json())
    else:
        _print_tables(report.tables())
    if plots is not None:
        for file in plot_detection(report, plots, lambda name: read_picture(images / name)):
            sys.stderr.write(f"{file}\n")


@evaluate_app.command()
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
    config = _config(config_file, preset, model, allow_unsigned=allow_unsigned)
    detector = _load_detector(config, config_file.parent if config_file else Path())
    with _progress("clips") as advance:
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
        _print_tables(report.tables())
    if plots is not None:
        for file in plot_counting(report, plots):
            sys.stderr.write(f"{file}\n")


@evaluate_app.command()
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

    sys.stderr.write(f"{footage_from_coco(truth, images, date, output=output, fps=fps)}\n")


def _print_tables(tables: "Iterable[Table]") -> None:
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)


def _config(
    file: Path | None, preset: str | None, model: Path | None, *, allow_unsigned: bool, score_low: float | None = None
) -> "Config":
    """Read the configuration, if any, and lay the options of the command line over it."""
    from edge import config

    text, table = "", dict[str, Any]()
    if file is not None:
        config.load(file)  # its faults are told with its own lines, before anything is laid over it
        text = file.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    if preset is not None:
        table["preset"] = preset
    section = table.setdefault("model", {})
    if model is not None:
        section["path"] = str(model.resolve())
    if allow_unsigned:
        section["allow_unsigned"] = True
    if score_low is not None:
        section["score_low"] = score_low
    return config.resolve(table, text=text, path=file).config


def _load_detector(config: "Config", base: Path) -> "Detector":
    from edge.pipeline import detector
    from edge.shipped import shipped

    path = base / config.model.path if config.model.path else shipped("models") / "thermal-person.onnx"
    return detector.load(path, config.model, key=Path(__file__).parent / "model_key.pub")


def _effective(loaded: "Loaded") -> Iterator[tuple[str, Any, str]]:
    from edge.config import flatten

    for place, value in flatten(loaded.config.model_dump(mode="json")):
        name = ".".join(str(part) for part in place)
        yield name, value, loaded.origins.get(name, "default")


def _log_effective(loaded: "Loaded") -> None:
    import structlog

    told = {name: value for name, value, origin in _effective(loaded) if origin != "default"}
    structlog.get_logger("edge").info("configuration", file=str(loaded.path), settings=told)


def _speed(text: str) -> float | None:
    """Read --speed: None for max, else a factor of real time."""
    if text == "max":
        return None
    try:
        factor = 1.0 if text == "real" else float(text)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor <= 1000.0:  # noqa: PLR2004
        raise ConfigError(f"--speed {text}: use max, real, or a factor above 0 such as 4")
    return factor


def _check_outputs(*paths: Path | None) -> None:
    """Refuse before the work and not after it.

    Raises:
        ConfigError: a file cannot be made there.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder; name a file in it")
        if not path.resolve().parent.is_dir():
            raise ConfigError(f"{path}: the folder {path.resolve().parent} does not exist")
        if not os.access(path if path.exists() else path.resolve().parent, os.W_OK):
            raise ConfigError(f"{path}: may not be written")


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal, nothing in a pipe; ``advance(done, total)``."""
    with ExitStack() as stack:
        if not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = stack.enter_context(
            Progress(
                TextColumn(label),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
        )
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
