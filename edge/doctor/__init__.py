"""What is wrong with this box: camera, picture, model, clock, disk, power, permissions, broker, service.

Every check runs apart (``apart``), under a time limit, with the rights of the service's user; none leaves anything
behind. The order is that of a person who looks for a fault: first what costs nothing, last what needs the network.
"""

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import SystemClock
from edge.config import CameraConfig, Config, from_base
from edge.doctor import box, broker, camera, model, neighbours, permissions
from edge.doctor.apart import apart
from edge.doctor.configuration import check_configuration
from edge.doctor.findings import Finding, State, worst
from edge.pipeline.detector import Detector

SERVICE_USER = "edge"
UNIT = "edge.service"
_QUICK_S = 10.0
_CAMERA_S = 25.0
_MODEL_S = 60.0
_COMPILING_S = 900.0  # TensorRT compiles the model for this GPU when it meets it first
_BROKER_S = 40.0

Watch = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be looked at.

    Attributes:
        file: configuration file; ``None``: only what needs none.
        load: loads the model of a configuration.
        user: whose rights the checks get; ``None``: our own.
        unit: systemd service of the node.
        quiet: what libraries print is kept away.
    """

    file: Path | None
    load: Callable[[Config, Path], Detector]
    user: str | None = None
    unit: str = UNIT
    quiet: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """The doctor's answer."""

    file: str | None
    node: str | None
    user: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def worst(self) -> State:
        """The worst state of all."""
        return worst(self.findings)

    @property
    def exit_code(self) -> int:
        """0: nothing failed; 1: something did; 2: the configuration itself is wrong."""
        if any(one.state == "fail" and one.check == "configuration" for one in self.findings):
            return 2
        return 1 if self.worst == "fail" else 0


def service_user() -> str | None:
    """Whose rights the checks should get: the service's, where we are root and it has a user of its own."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SERVICE_USER).pw_name
    except KeyError:
        return None


def examine(wish: Wish, *, watch: Watch) -> Report:
    """Look at everything; ``watch(name)`` is entered around each check.

    A configuration that cannot be read does not stop the rest: the box is looked at with the defaults.
    """
    loaded, found = check_configuration(wish.file) if wish.file is not None else (None, [_without()])
    base = wish.file.parent.resolve() if wish.file is not None else Path()
    config = loaded.config if loaded is not None else Config()
    report = Report(
        file=str(wish.file) if wish.file is not None else None,
        node=config.node.id if loaded is not None else None,
        user=wish.user or _own_name(),
        findings=list(found),
    )
    for name, limit_s, check in _checks(wish, config, base, report, configured=loaded is not None):
        with watch(name):
            report.findings.extend(apart(name, check, limit_s=limit_s, user=wish.user, quiet=wish.quiet))
    return report


def _checks(
    wish: Wish, config: Config, base: Path, report: Report, *, configured: bool
) -> Iterator[tuple[str, float, Callable[[], Sequence[Finding]]]]:
    delivery = from_base(config.delivery, base)
    nodes = neighbours.running_nodes()
    clock = SystemClock()
    yield "permissions", _QUICK_S, lambda: permissions.check_permissions(config, base=base, file=wish.file)
    yield "clock", _QUICK_S, box.check_clock
    yield "power", _QUICK_S, box.check_power
    if configured:
        yield "disk", 2 * _QUICK_S, lambda: box.check_disk(delivery)
    cameras = list(config.camera) or camera.present(config)
    if not cameras:
        report.findings.append(
            Finding("camera", "warn", "no USB camera is plugged in", "plug it in; edge cameras lists it")
        )
    for section in cameras:

        def look(section: CameraConfig = section) -> list[Finding]:
            return camera.look(section, config, base=base, clock=clock, nodes=nodes)

        yield f"camera {section.id}", _CAMERA_S, look
    slow = any(name.startswith(("Tensorrt", "NvTensorRT")) for name in config.model.providers)
    streams = [stream for one in report.findings if (stream := _stream(one)) is not None]
    yield (
        "model",
        _COMPILING_S if slow else _MODEL_S,
        lambda: model.check_model(config, lambda wanted: wish.load(wanted, base), streams, beside_node=bool(nodes)),
    )
    if configured:
        yield "broker", _BROKER_S, lambda: broker.check_broker(delivery, config.node.id, clock=clock, nodes=nodes)
    yield "service", _QUICK_S, lambda: neighbours.service(wish.unit)


def _stream(finding: Finding) -> model.Stream | None:
    """Take what a camera sends from what was found of it."""
    measured = finding.measured
    if not finding.check.startswith("camera ") or "fps" not in measured:
        return None
    return model.Stream(
        finding.check.removeprefix("camera "),
        int(measured["width_px"]),
        int(measured["height_px"]),
        float(measured["fps"]),
    )


def _without() -> Finding:
    return Finding(
        "configuration", "skip", "none was named: broker, disk and secrets are not looked at", "edge doctor CONFIG"
    )


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
