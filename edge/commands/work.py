"""What several commands do: read the configuration, load the model, show progress, stop on a signal."""

import ctypes
import gc
import os
import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edge
from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from edge.config import Config, Loaded
    from edge.pipeline.detector import Detector

_M_ARENA_MAX = -8  # of malloc.h


def configured(
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


def effective(loaded: "Loaded") -> Iterator[tuple[str, Any, str]]:
    """Walk every value in force as ``(dotted name, value, where it came from)``; what could be a secret is hidden."""
    from edge.config import flatten, redacted

    for place, value in flatten(loaded.config.model_dump(mode="json")):
        name = ".".join(str(part) for part in place)
        yield name, redacted(value) if isinstance(value, str) else value, loaded.origins.get(name, "default")


def load_detector(config: "Config", base: Path) -> "Detector":
    """Load the configured model, else the shipped one, checked against its manifest and signature."""
    from edge.pipeline import detector
    from edge.shipped import shipped

    named = shipped("models") / f"{config.model.path or 'thermal-person'}.onnx"
    path = named if named.is_file() else base / config.model.path
    cache = str(base / Path(config.model.engine_cache_folder).expanduser())
    model = config.model.model_copy(update={"engine_cache_folder": cache})
    return detector.load(path, model, key=Path(edge.__file__).parent / "model_key.pub")


def check_outputs(*paths: Path | None) -> None:
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


def one_heap() -> None:
    """Let all threads allocate from one heap; call it before there are any.

    glibc gives each thread a heap of its own, and what one of them has freed lies there unused for ever: 6 MB of a node.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries of C go without
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Say that what is loaded now stays: the garbage collector leaves it alone and goes back to its usual rhythm."""
    gc.freeze()
    gc.set_threshold(700)
    gc.enable()


def stop_on_signals() -> threading.Event:
    """Give an event that SIGTERM and Ctrl-C set from now on."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
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


def print_tables(tables: "Iterable[Table]") -> None:
    """Print tables on standard output, as wide as the terminal."""
    from rich.console import Console

    console = Console()
    for table in tables:
        console.print(table)
