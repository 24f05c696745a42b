"""From ``camera.source`` in the configuration to a camera."""

import threading
from pathlib import Path

from edge.capture import Camera
from edge.clock import Clock
from edge.config import CameraConfig
from edge.errors import ConfigError

_KNOWN = "footage:PATH, usb:WHICH, rtsp://, udp://, srt://, http://, gstreamer:PIPELINE"
_STREAMS = ("rtsp", "rtsps", "udp", "srt", "http", "https", "gstreamer")


def open_source(config: CameraConfig, clock: Clock, stopping: threading.Event, *, base: Path) -> Camera:
    """Make the camera that ``config.source`` names; it is not opened yet.

    Args:
        config: the camera's settings.
        clock: paces footage, stamps live frames.
        stopping: ends waits when the node stops.
        base: folder that relative paths are meant from: where the configuration file lies.

    Raises:
        ConfigError: ``camera.source`` names no known kind of source.
    """
    kind, _, rest = config.source.partition(":")
    if kind == "footage" and rest:
        from edge.capture.footage import Footage  # noqa: PLC0415  (each kind of source is loaded where it is used)
        from edge.capture.live import LiveFootage  # noqa: PLC0415

        footage = Footage(base / rest, camera_id=config.id, fps=config.fps)
        return LiveFootage(footage, clock, loop=config.loop, stopping=stopping)
    if kind == "usb":
        from edge.capture.devices import check_name  # noqa: PLC0415
        from edge.capture.usb import UsbCamera  # noqa: PLC0415

        wrong = check_name(rest)
        if wrong:
            raise ConfigError(f"camera.source = '{config.source}': {wrong}")

        return UsbCamera(config, clock, base=base, stopping=stopping)
    if kind in _STREAMS:
        from edge.capture.stream import StreamCamera  # noqa: PLC0415

        return StreamCamera(config, clock, base=base, stopping=stopping)
    raise ConfigError(f"camera.source = '{config.source}': unknown kind of source; known: {_KNOWN}")
