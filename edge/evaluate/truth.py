"""What really happened in a clip: the truth file ``NAME.truth.json``, format ``edge-truth/1``.

Also the one rule of whom a camera can be blamed for missing (``is_judged``). Keys that this reader does not know are
let through, because a truth file serves more than the evaluation.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import ConfigError
from edge.evaluate.coco import explained
from edge.records import Box

PERSON = "person"
IGNORE = "ignore"
"""Kind of an area in which nothing is judged."""

MIN_VISIBLE = 0.3
"""Share of a body that must be in sight for it to be judged."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TruthCamera(_Part):
    """Where a camera is and how it looks; flat ground at height 0, no lens distortion."""

    lat: float = Field(ge=-90.0, le=90.0)
    lon: float = Field(ge=-180.0, le=180.0)
    height_m: float = Field(gt=0.0)
    heading_deg: Finite
    tilt_deg: float = Field(ge=-90.0, le=90.0)
    roll_deg: Finite = 0.0
    hfov_deg: float = Field(gt=0.0, lt=180.0)


class TruthMount(_Part):
    """What carries the camera of a clip; its pose matters to nothing here."""

    moving: bool = False


class TruthObject(_Part):
    """One body, or one area to ignore, in one frame.

    ``box`` is the whole silhouette in pixels of the frame, hidden parts included; ``visible`` is the share in sight.
    """

    id: int
    kind: str = PERSON
    box: Box
    visible: float = Field(1.0, ge=0.0, le=1.0)
    group: int | None = None

    @model_validator(mode="after")
    def _is_a_box(self) -> Self:
        x0, y0, x1, y1 = self.box
        if x1 < x0 or y1 < y0:
            raise ValueError("box is x0, y0, x1, y1; it ends before it begins")
        return self

    @property
    def height_px(self) -> float:
        """Height of the box."""
        return self.box[3] - self.box[1]


class TruthFrame(_Part):
    """One frame; ``ffc``: the shutter was closed and the picture stood still; ``camera`` only where it moves."""

    t_s: Finite
    ffc: bool = False
    camera: TruthCamera | None = None
    objects: tuple[TruthObject, ...] = ()


class TruthGroup(_Part):
    """People who belong together for a time; ``parent`` is the group they left, ``merged_into`` the one they joined."""

    id: int
    members: tuple[int, ...] = ()
    start_s: Finite
    end_s: Finite
    parent: int | None = None
    merged_into: int | None = None


class TruthCrossing(_Part):
    """One body crosses a line."""

    t_s: Finite
    object: int
    direction: str


class TruthLine(_Part):
    """A line with everything that crossed it; ``points`` are fractions of the frame."""

    id: str
    points: tuple[tuple[Finite, Finite], tuple[Finite, Finite]]
    crossings: tuple[TruthCrossing, ...] = ()


class Truth(_Part):
    """A whole truth file.

    ``identified`` is false where bodies carry no lasting ids, as in labelled single pictures; then only the number of
    people per frame can be judged.
    """

    format: Literal["edge-truth/1"]
    name: str = Field(min_length=1)
    start_utc: AwareDatetime
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    fps: float = Field(gt=0.0, allow_inf_nan=False)
    identified: bool = True
    camera: TruthMount = TruthMount()
    frames: tuple[TruthFrame, ...]
    groups: tuple[TruthGroup, ...] = ()
    lines: tuple[TruthLine, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for number, (before, after) in enumerate(pairwise(self.frames), start=1):
            if after.t_s <= before.t_s:
                raise ValueError(f"frames.{number}.t_s: {after.t_s} does not come after {before.t_s}")
        for number, frame in enumerate(self.frames):
            if len({one.id for one in frame.objects}) < len(frame.objects):
                raise ValueError(f"frames.{number}.objects: two have the same id")
        return self

    @property
    def duration_s(self) -> float:
        """How long the clip is; the last frame stands for one period."""
        return self.frames[-1].t_s - self.frames[0].t_s + 1.0 / self.fps if self.frames else 0.0


def is_judged(one: TruthObject, proven_height_px: float) -> bool:
    """Tell whether the node can be blamed for missing this body in this frame.

    A person is *to be found* when the whole silhouette is at least as high as the model was proven for and at least
    ``MIN_VISIBLE`` of it is in sight. Anybody else who is there is neither missed when not told nor false when told.
    """
    return one.kind == PERSON and one.height_px >= proven_height_px and one.visible >= MIN_VISIBLE


def load_truth(path: Path) -> Truth:
    """Read a truth file.

    Raises:
        ConfigError: it is missing, not JSON or not ``edge-truth/1``; the message names the file and the key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such truth file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    return parse_truth(content, source=str(path))


def parse_truth(content: Mapping[str, Any], *, source: str = "truth") -> Truth:
    """Take the truth that ``edge.simulate.truth_of`` gives.

    Raises:
        ConfigError: it is not ``edge-truth/1``; the message begins with ``source``.
    """
    try:
        return Truth.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {explained(error)}") from error
