"""A report for people: one table for each part, ratios before milliseconds."""

from collections.abc import Iterator

from rich.table import Table

from edge.bench.measured import Comparison, NodeRun, Report, Spread, Stages, StillRun


def tables(report: Report) -> Iterator[Table]:
    """Lay a report out for the terminal."""
    yield _box(report)
    yield _stages(report.stages)
    if report.compared is not None:
        yield _compared(report.compared)
    yield _models(report)
    if report.node is not None:
        yield _node(report.node)
    if report.still is not None:
        yield _still(report.still)
    yield _recommended(report)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    return table


def _box(report: Report) -> Table:
    box = report.box
    table = _table("this box", "", "")
    if box.model:
        table.add_row("model", box.model)
    table.add_row("processor", f"{box.processor}, {box.cores} cores, {box.memory_mb:.0f} MB")
    table.add_row("system", box.system)
    table.add_row("libraries", ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    heat = report.heat
    if heat.after_c:
        zones = (f"{zone} {heat.before_c.get(zone, end_c):.0f} -> {end_c:.0f}" for zone, end_c in heat.after_c.items())
        table.add_row("temperatures, °C", ", ".join(zones))
    if heat.throttling is not None:
        table.add_row("held back by", ", ".join(heat.throttling) or "nothing")
    return table


def _stages(stages: Stages) -> Table:
    title = f"one frame, {stages.width_px}x{stages.height_px} 16-bit, stage by stage, one thread"
    table = _table(title, "stage", "share", "median ms of processor", "p99")
    for name, taken in stages.stages.items():
        table.add_row(name, f"{taken.p50_ms / stages.frame.p50_ms:.1%}", *_ms(taken))
    table.add_row("beside inference", f"{stages.beside_inference_share:.1%}", "", "", style="bold")
    table.add_row("whole frame", "100%", *_ms(stages.frame), style="bold")
    table.add_row(
        "all threads", f"{stages.cpu_per_frame_ms / stages.frame.p50_ms:.1%}", f"{stages.cpu_per_frame_ms:.2f}", ""
    )
    table.add_row("allocated at once", "", f"{stages.allocated_kb:.0f} kB", "")
    return table


def _models(report: Report) -> Table:
    table = _table("the model alone", "model", "input", "threads", "frames/s", "median ms", "p99 ms")
    for speed in report.models:
        size = f"{speed.width_px}x{speed.height_px}"
        table.add_row(speed.model, size, str(speed.threads), f"{speed.fps:.1f}", *_ms(speed.inference))
    return table


def _node(node: NodeRun) -> Table:
    table = _table(
        f"the whole node for {node.minutes:g} minutes, {_cameras(node)} at {node.camera_fps:g} frames/s", "", ""
    )
    table.add_row("start to first frame", f"{node.start_ratio:.2f} x import {node.imports} ({node.start_s:.2f} s)")
    least = (
        f", {node.least_fps:g} of the camera served least" if node.cameras > 1 and node.least_fps is not None else ""
    )
    table.add_row("frames/s processed", "?" if node.fps is None else f"{node.fps:g}{least}")
    table.add_row("frames replaced by newer ones", str(node.dropped))
    if node.latency is None:
        table.add_row("capture to subscriber", "no alert came")
    else:
        took = node.latency
        table.add_row(
            "capture to subscriber", f"median {took.p50_ms:.0f} ms, p99 {took.p99_ms:.0f} ms of {took.count} alerts"
        )
    table.add_row("processor", f"{node.cpu_share:.0%} of one core")
    table.add_row("resident memory", f"{node.resident_mb:.0f} MB, grew {node.growth_mb:+.1f} MB")
    return table


def _compared(found: Comparison) -> Table:
    title = f"preprocessing of {found.width_px}x{found.height_px} 16-bit beside other ways, one thread"
    table = _table(title, "what", "ours takes", "median ms", "ours ms")
    times = found.times
    for name, ratio, other, own in (
        ("copying the frame", f"{found.beside_copy:.2f} x", "copy", "ours"),
        ("OpenCV: limits, levels, model input", f"1/{1 / found.beside_opencv:.1f}", "opencv", "ours"),
        (
            "OpenCV: the same with levels equalised",
            f"1/{1 / found.plateau_beside_opencv:.1f}",
            "opencv_plateau",
            "ours_plateau",
        ),
        ("numpy: the same as usually written", f"1/{1 / found.beside_numpy:.0f}", "numpy", "ours"),
        (
            "OpenCV: with statistics and background",
            f"1/{1 / found.watching_beside_opencv:.1f}",
            "opencv_watching",
            "ours_watching",
        ),
    ):
        table.add_row(name, ratio, f"{times[other].p50_ms:.3f}", f"{times[own].p50_ms:.3f}")
    return table


def _still(still: StillRun) -> Table:
    table = _table(f"an empty scene at {still.camera_fps:g} frames/s, with and without the gate", "", "")
    table.add_row("processor for a frame with the gate, beside without", f"1/{1 / max(still.ratio, 1e-3):.1f}")
    table.add_row("processor", f"{still.gated_share:.1%} and {still.always_share:.1%} of one core")
    table.add_row("frames/s processed", f"{still.gated_fps:g} and {still.always_fps:g}")
    return table


def _cameras(node: NodeRun) -> str:
    return "one camera" if node.cameras == 1 else f"{node.cameras} cameras"


def _recommended(report: Report) -> Table:
    table = _table("recommended", "", "")
    for name, value in report.recommended.items():
        table.add_row(name, value)
    for missing in report.not_measured:
        table.add_row("not measured", missing)
    return table


def _ms(taken: Spread) -> tuple[str, str]:
    return f"{taken.p50_ms:.2f}", f"{taken.p99_ms:.2f}"
