"""What was measured: plain values, written as JSON or as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.box import Box


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of one thing, milliseconds."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class Stages:
    """One camera's pipeline, as fast as it goes, on one thread; times are processor time of that thread.

    Attributes:
        width_px: width of the pictures.
        height_px: height of the pictures.
        frame: a whole frame, capture excluded.
        stages: each stage by name; ``inference`` is the model alone, ``boxes`` what follows it in the detector.
        beside_inference_share: median share of the frame time that is not the model's.
        cpu_per_frame_ms: processor time of all threads of the process; more than ``frame`` is waste.
        allocated_kb: the most memory that a frame asked for beyond what it gave back, kB of 1000; arrays of numpy
            included.
    """

    width_px: int
    height_px: int
    frame: Spread
    stages: dict[str, Spread]
    beside_inference_share: float
    cpu_per_frame_ms: float
    allocated_kb: float


@dataclass(frozen=True, slots=True)
class ModelSpeed:
    """The model alone at one input size and number of threads."""

    model: str
    width_px: int
    height_px: int
    threads: int
    inference: Spread
    fps: float


@dataclass(frozen=True, slots=True)
class NodeRun:
    """The whole node as its own process, with a broker of its own.

    Attributes:
        start_s: from starting the process to its first frame processed, median.
        imports: libraries whose import the start is measured by: OpenCV, where it is installed, and onnxruntime.
        imports_s: how long that import takes in a process of its own, beside each start, median.
        start_ratio: median of the ratios of the two, pair by pair.
        cameras: how many.
        camera_fps: rate of each.
        fps: frames processed per second, of all cameras together.
        least_fps: the same of the camera that was served least.
        dropped: frames that a newer one replaced before they were processed.
        latency: from capture to the alert's arrival at a subscriber; ``None`` where no alert came.
        cpu_share: processor time per second, 1.0 is one core busy.
        resident_mb: memory at the end, MB of 1024 kB.
        growth_mb: how much of that came after the first tenth of the run.
        minutes: how long it ran.
    """

    start_s: float
    imports: str
    imports_s: float
    start_ratio: float
    cameras: int
    camera_fps: float
    fps: float | None
    least_fps: float | None
    dropped: int
    latency: Spread | None
    cpu_share: float
    resident_mb: float
    growth_mb: float
    minutes: float


@dataclass(frozen=True, slots=True)
class StillRun:
    """Two whole nodes that film the same empty scene, with and without the gate before the model.

    Attributes:
        camera_fps: rate of the camera.
        gated_fps: frames that the one with the gate processed, per second.
        always_fps: those of the one whose model looks at every frame.
        gated_share: processor time per second of the first, 1.0 is one core busy.
        always_share: of the second.
        ratio: processor time for a frame of the first over that of the second.
    """

    camera_fps: float
    gated_fps: float
    always_fps: float
    gated_share: float
    always_share: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Preprocessing beside other ways to do the same, in turns on one thread; times are processor time.

    Attributes:
        width_px: width of the pictures.
        height_px: height of the pictures.
        times: ``copy`` of the frame; ``ours``, ``opencv`` and ``numpy`` from counts to the model's input;
            ``ours_plateau`` and ``opencv_plateau`` the same with levels equalised; ``ours_watching`` and
            ``opencv_watching`` with the statistics for sight and the background for the gate.
        beside_copy: median of ``ours`` over that of ``copy``.
        beside_opencv: over that of ``opencv``.
        beside_numpy: over that of ``numpy``.
        plateau_beside_opencv: ``ours_plateau`` over ``opencv_plateau``.
        watching_beside_opencv: ``ours_watching`` over ``opencv_watching``.
    """

    width_px: int
    height_px: int
    times: dict[str, Spread]
    beside_copy: float
    beside_opencv: float
    beside_numpy: float
    plateau_beside_opencv: float
    watching_beside_opencv: float


@dataclass(frozen=True, slots=True)
class Heat:
    """Temperatures by zone before and after, and what a Raspberry Pi says of its throttling."""

    before_c: dict[str, float]
    after_c: dict[str, float]
    throttling: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured in one run; ``None`` for what was not asked for or is not possible here."""

    box: Box
    versions: dict[str, str]
    stages: Stages
    models: tuple[ModelSpeed, ...]
    node: NodeRun | None
    still: StillRun | None
    compared: Comparison | None
    heat: Heat
    recommended: dict[str, str]
    not_measured: tuple[str, ...]


def spread(seconds: Sequence[float]) -> Spread:
    """Sum up some times given in seconds."""
    ordered = sorted(seconds)
    if not ordered:
        return Spread(0.0, 0.0, 0)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.50, 0.99)]
    return Spread(round(1e3 * at[0], 3), round(1e3 * at[1], 3), len(ordered))
