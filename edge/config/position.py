"""``[camera.pose]`` and ``[camera.telemetry]``: where a camera is and how it looks, and how well that is known."""

from pydantic import Field

from edge.config.section import Section
from edge.places import Pose, PoseErrors


class PoseConfig(Section):
    """``[camera.pose]``: where a camera stands that does not travel; a mast's swing goes into the errors."""

    lat_deg: float = Field(ge=-90.0, le=90.0, description="degrees north, WGS 84")
    lon_deg: float = Field(ge=-180.0, le=180.0, description="degrees east, WGS 84")
    height_m: float = Field(gt=0.0, le=5000.0, description="of the camera above the ground that it looks at")
    heading_deg: float = Field(ge=-180.0, le=360.0, description="compass direction of the optical axis, true north 0")
    tilt_deg: float = Field(ge=-90.0, le=90.0, description="0 looks at the horizon, -90 straight down")
    roll_deg: float = Field(0.0, ge=-180.0, le=180.0, description="positive: turned clockwise, seen from behind it")
    hfov_deg: float = Field(gt=0.1, le=170.0, description="horizontal field of view")
    vfov_deg: float | None = Field(None, gt=0.1, le=170.0, description="vertical one, where pixels are not square")
    position_error_m: float = Field(3.0, ge=0.0, le=1000.0, description="one sigma of lat_deg and lon_deg, each axis")
    height_error_m: float = Field(0.2, ge=0.0, le=100.0, description="one sigma of height_m")
    ground_error_m: float = Field(
        0.3, ge=0.0, le=100.0, description="one sigma of the ground against the plane, or the terrain, it is taken for"
    )
    heading_error_deg: float = Field(1.0, ge=0.0, le=45.0, description="one sigma of heading_deg")
    tilt_error_deg: float = Field(0.3, ge=0.0, le=45.0, description="one sigma of tilt_deg")
    roll_error_deg: float = Field(0.5, ge=0.0, le=45.0, description="one sigma of roll_deg")
    hfov_error_deg: float = Field(0.3, ge=0.0, le=20.0, description="one sigma of hfov_deg")

    def pose(self) -> Pose:
        """Give the pose as a record."""
        return Pose(
            self.lat_deg,
            self.lon_deg,
            self.height_m,
            self.heading_deg,
            self.tilt_deg,
            self.roll_deg,
            self.hfov_deg,
            self.vfov_deg,
        )

    def errors(self) -> PoseErrors:
        """Give its errors as a record."""
        return PoseErrors(
            position_m=self.position_error_m,
            height_m=self.height_error_m,
            ground_m=self.ground_error_m,
            heading_deg=self.heading_error_deg,
            tilt_deg=self.tilt_error_deg,
            roll_deg=self.roll_error_deg,
            hfov_deg=self.hfov_error_deg,
        )


class TelemetryConfig(Section):
    """``[camera.telemetry]``: how far a drone's own word on its camera (KLV, side file) can be believed."""

    hfov_deg: float | None = Field(
        None, gt=0.1, le=170.0, description="horizontal field of view of a camera that does not tell it (DJI)"
    )
    position_error_m: float = Field(3.0, ge=0.0, le=1000.0, description="one sigma of the told position, each axis")
    height_error_m: float = Field(5.0, ge=0.0, le=1000.0, description="one sigma of its height above the ground")
    heading_error_deg: float = Field(2.0, ge=0.0, le=45.0, description="one sigma of where its camera points, compass")
    tilt_error_deg: float = Field(0.5, ge=0.0, le=45.0, description="one sigma of the camera's tilt")
    roll_error_deg: float = Field(0.5, ge=0.0, le=45.0, description="one sigma of the camera's roll")
    hfov_error_deg: float = Field(0.3, ge=0.0, le=20.0, description="one sigma of the field of view")
    corner_error_m: float = Field(
        15.0, ge=0.0, le=5000.0, description="one sigma of told picture corners, where no pose comes with them"
    )

    def errors(self) -> PoseErrors:
        """Give the errors as a record."""
        return PoseErrors(
            position_m=self.position_error_m,
            height_m=self.height_error_m,
            ground_m=0.0,  # part of the height above it
            heading_deg=self.heading_error_deg,
            tilt_deg=self.tilt_error_deg,
            roll_deg=self.roll_error_deg,
            hfov_deg=self.hfov_error_deg,
            corner_m=self.corner_error_m,
        )
