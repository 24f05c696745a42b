"""Pictures of alerts for the control room: sent only where ``alerts.snapshots`` says so.

One picture an alert, taken when it begins and again when the group has grown. It is what the model saw, without boxes:
the alert has those, as fractions of the frame. Its limits come from this one frame alone, so it costs a frame nothing
that tells of no alert.
"""

from edge.config import CameraConfig, PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.records import Alert, Frame

_MAX_WIDTH_PX = 640
_QUANTISERS = (4, 8, 16)
MAX_BYTES = 100_000  # on a bad link a picture must not stand in the way of alerts for long


class Snapshots:
    """Decides which alerts of a node get a new picture, and makes it."""

    def __init__(self, preprocess: PreprocessConfig, cameras: tuple[CameraConfig, ...]) -> None:
        """Make pictures as the pipelines of ``cameras`` do."""
        self._preprocess = preprocess
        self._black_hot = {camera.id: camera.polarity == "black-hot" for camera in cameras}
        self._shown: dict[str, int] = {}  # people on the picture that was made, by alert

    def wanted(self, alert: Alert) -> bool:
        """Whether this revision is worth a picture; asked once for each."""
        if alert.phase == "end":
            self._shown.pop(alert.alert_id, None)
            return False
        before = self._shown.get(alert.alert_id, 0)
        self._shown[alert.alert_id] = max(before, alert.group.count)
        return alert.group.count > before

    def take(self, frame: Frame) -> bytes | None:
        """Give the frame as a JPEG file of at most ``MAX_BYTES``; ``None`` where it does not get that small."""
        from edge.capture.stills import encode_jpeg, resize  # noqa: PLC0415  (a camera of counts starts without FFmpeg)

        black_hot = self._black_hot[frame.camera]
        picture = Preprocessor(self._preprocess, black_hot=black_hot).apply(frame).picture
        if frame.width_px > _MAX_WIDTH_PX:
            height_px = max(1, round(frame.height_px * _MAX_WIDTH_PX / frame.width_px))
            picture = resize(picture, _MAX_WIDTH_PX, height_px)
        for scale in _QUANTISERS:
            jpeg = encode_jpeg(picture, scale)
            if len(jpeg) <= MAX_BYTES:
                return jpeg
        return None
