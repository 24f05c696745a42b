"""Labelled single pictures as footage: a date of a COCO data set that was cut from video becomes a clip with truth.

The labels know who is there in each picture but not who is who, so the truth says ``identified: false`` and only the
number of people over time can be judged. Nothing of the pictures is changed; they are linked and not copied where the
file system allows it.

Such a data set need not be numbered in the order in which it was filmed: where the numbers were given to names sorted as
words, picture 101 comes between 1009 and 1010. In HIT-UAV every eleventh picture is of another moment for that reason. No
camera does that, so a picture unlike the one before and the one after, which are like each other, is left out.
"""

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.evaluate.coco import TruthPicture, load_coco
from edge.evaluate.truth import IGNORE, PERSON, parse_truth

_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_DIGITS = 6
_THUMBNAIL_PX = (40, 32)  # width and height in which pictures are compared
_FLAT_LEVELS = 6.0
_STRAY_SHARE = 0.6  # neighbours differ by less than so much of what either differs from the stray one


class Film(NamedTuple):
    """What became of a date.

    Attributes:
        folder: its pictures, named after the data set and the date.
        left_out: names of the pictures that show another scene than those around them.
    """

    folder: Path
    left_out: tuple[str, ...] = ()


def footage_from_coco(coco: Path, images: Path, date: str, *, output: Path, fps: float = 2.0) -> Film:
    """Make a footage folder of one date's pictures in the order of their ``frame``, and its truth beside it.

    Args:
        coco: the data set's json; each picture has ``date`` and ``frame``.
        images: folder of its pictures.
        date: which date, as the file writes it.
        output: folder that gets ``NAME/`` and ``NAME.truth.json``; made when missing.
        fps: rate at which ``frame`` counts, frames per second; a gap in the numbers is a gap in time.

    Raises:
        ConfigError: the file is no such data set, the date is not in it, pictures are missing, unreadable or differ in
            size, or two have the same frame number.
    """
    listed = _film(coco, date)
    strays = _strays([_thumbnail(images / one.file_name) for one in listed])
    pictures = [one for number, one in enumerate(listed) if number not in strays]
    start_frame = _frame_number(coco, pictures[0])
    frames = [
        {"t_s": round((_frame_number(coco, one) - start_frame) / fps, _TIME_DIGITS), "objects": _objects(one)}
        for one in pictures
    ]
    name = f"{coco.parent.name or coco.stem}-{date}"
    truth = {
        "format": "edge-truth/1",
        "name": name,
        "start_utc": _start(date).isoformat(),
        "width_px": pictures[0].width_px,
        "height_px": pictures[0].height_px,
        "fps": fps,
        "identified": False,
        "camera": {"moving": "altitude_m" in pictures[0].attributes},  # only what flies has an altitude
        "radiometry": {"kind": "agc8", "scale": None, "offset": None},
        "frames": frames,
        "groups": [],
        "lines": [],
    }
    parse_truth(truth, source=str(coco))
    folder = output / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9]" * 6 + ".*"):
        old.unlink()
    for number, one in enumerate(pictures):
        _place(images / one.file_name, folder / f"{number:06d}{Path(one.file_name).suffix}")
    (output / f"{name}.truth.json").write_text(json.dumps(truth) + "\n", encoding="utf-8")
    return Film(folder, tuple(listed[number].file_name for number in sorted(strays)))


def _thumbnail(picture: Path) -> npt.NDArray[np.float32]:
    """A picture made small, at zero mean and about unit spread: gain and offset are no difference; (h, w)."""
    if not picture.is_file():
        raise ConfigError(f"{picture}: no such picture; is this the folder of the data set's images?")
    grey = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise ConfigError(f"{picture}: not a picture that OpenCV can read")
    small = cv2.resize(grey, _THUMBNAIL_PX, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray((small - small.mean()) / (small.std() + _FLAT_LEVELS), np.float32)


def _strays(thumbnails: Sequence[npt.NDArray[np.float32]]) -> set[int]:
    """Find the pictures that are unlike both their neighbours, which are like each other."""

    def apart(one: int, other: int) -> float:
        return float(np.abs(thumbnails[one] - thumbnails[other]).mean())

    strays, before = set[int](), 0
    for number in range(1, len(thumbnails) - 1):
        beside = min(apart(before, number), apart(number, number + 1))
        if apart(before, number + 1) < _STRAY_SHARE * beside:
            strays.add(number)
        else:
            before = number
    return strays


def _film(coco: Path, date: str) -> list[TruthPicture]:
    """Choose one date's pictures, in order."""
    known = load_coco(coco).pictures
    chosen = [one for one in known if str(one.attributes.get("date")) == date]
    if not chosen:
        dates = sorted({str(one.attributes["date"]) for one in known if "date" in one.attributes})
        raise ConfigError(f"{coco}: no picture of date '{date}'; known: {', '.join(dates) or 'none'}")
    chosen.sort(key=lambda one: _frame_number(coco, one))
    for one in chosen:
        if (one.width_px, one.height_px) != (chosen[0].width_px, chosen[0].height_px):
            raise ConfigError(f"{coco}: '{one.file_name}' differs in size from the first picture of date '{date}'")
    return chosen


def _frame_number(coco: Path, picture: TruthPicture) -> int:
    number = picture.attributes.get("frame")
    if not isinstance(number, int):
        raise ConfigError(f"{coco}: '{picture.file_name}' has no 'frame'; without it there is no order in time")
    return number


def _objects(picture: TruthPicture) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "kind": IGNORE if ignored else PERSON,
            "box": [round(side, 2) for side in corners],
            "visible": 1.0,
            "group": None,
        }
        for number, (corners, ignored) in enumerate(zip(picture.boxes.tolist(), picture.ignore.tolist(), strict=True))
    ]


def _start(date: str) -> datetime:
    """Read a date like 20201217; any other word starts the clip at an unknown time, 1970."""
    try:
        return datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return _UNKNOWN_START


def _place(picture: Path, link: Path) -> None:
    try:
        link.symlink_to(picture.resolve())
    except OSError:  # not on every file system, and on Windows only for some users
        shutil.copyfile(picture, link)
