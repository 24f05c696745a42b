"""``[recorder]``: clips of what was told, kept on the box."""

from pydantic import Field

from edge.config.section import Section


class RecorderConfig(Section):
    """``[recorder]``: a clip of each alert, lossless and at the camera's own depth; off unless a folder is named."""

    folder: str | None = Field(None, min_length=1, description="where clips are kept; empty: nothing is recorded")
    max_mb: float = Field(
        1024.0, ge=1.0, le=10_000_000.0, description="the folder never grows beyond this: the oldest clips go first"
    )
    keep_free_mb: float = Field(
        512.0, ge=0.0, le=1_000_000.0, description="... and so much of the disk stays free, for the alerts themselves"
    )
    pre_roll_s: float = Field(5.0, ge=0.0, le=120.0, description="a clip begins this long before its alert")
    pre_roll_max_mb: float = Field(
        48.0,
        ge=0.0,
        le=4096.0,
        description="memory for that, each camera; the pre-roll is shorter where it is not enough",
    )
    post_roll_s: float = Field(5.0, ge=0.0, le=600.0, description="... and goes on this long after the alert's end")
    clip_max_s: float = Field(
        120.0,
        ge=5.0,
        le=3600.0,
        description="a longer alert goes on in another clip, so that little is lost at a fault",
    )
