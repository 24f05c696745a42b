"""What a drone writes beside its film: where it was at each frame, and its gimbal, as a DJI side file."""

from edge.simulate.camera import Globe
from edge.simulate.scenario import Camera
from edge.simulate.truth import Moment


class FlightLog:
    """Collects a flight moment by moment, in the bracketed form that today's models write."""

    def __init__(self, camera: Camera) -> None:
        self._globe = Globe(camera)
        self._blocks: list[str] = []

    def note(self, moment: Moment) -> None:
        """Write down one frame."""
        pose, number = moment.pose, len(self._blocks) + 1
        place = self._globe.position(float(pose.place_m[0]), float(pose.place_m[1]))
        height_m = float(pose.place_m[2])
        self._blocks.append(
            f"{number}\n{_time(moment.t_s)} --> {_time(moment.t_s + 0.03)}\nFrameCnt: {number}\n"
            f"[latitude: {place['lat']:.6f}] [longitude: {place['lon']:.6f}] "
            f"[rel_alt: {height_m:.3f} abs_alt: {height_m:.3f}] "
            f"[gb_yaw: {pose.heading_deg:.1f} gb_pitch: {pose.tilt_deg:.1f} gb_roll: {pose.roll_deg:.1f}]\n"
        )

    def text(self) -> str:
        """Give the whole file."""
        return "\n".join(self._blocks)


def _time(t_s: float) -> str:
    milliseconds = round(t_s * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"
