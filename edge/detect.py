"""Detection on single pictures, without time: for looking, for COCO results and for scoring the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.capture.pictures import pictures_of, read_picture
from edge.config import Config
from edge.errors import CameraError
from edge.pipeline import FindsPeople, find_people
from edge.pipeline.preprocess import CloseUps, Preprocessor
from edge.records import Detection, Frame, Radiometry


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture file and what was found in it."""

    file: Path
    frame: Frame
    detections: tuple[Detection, ...]


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """Spell out files and folders as a sorted list of picture files.

    Raises:
        CameraError: a path is missing, or a folder holds no picture.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += pictures_of(path)
        elif path.is_file():
            files.append(path)
        else:
            raise CameraError(f"{path}: no such picture or folder")
    return files


def detect_pictures(files: Iterable[Path], detector: FindsPeople, config: Config) -> Iterator[Picture]:
    """Run the deployed preprocessing and model over picture files; each is judged alone.

    Raises:
        CameraError: a file is not a readable picture.
    """
    close_ups = CloseUps(*config.model.tiles)
    for seq, file in enumerate(files):
        pixels = read_picture(file)
        kind = Radiometry() if pixels.dtype.itemsize == 1 else Radiometry("counts")
        frame = Frame("pictures", seq, float(seq), 0.0, pixels, kind)
        # a new one for each: smoothing the limits from one picture to the next is for films only
        prepare = Preprocessor(
            config.preprocess,
            multiple_px=detector.multiple_px,
            fixed_px=detector.fixed_px,
            scale=config.model.input_scale,
        )
        found = find_people(detector, prepare.apply(frame), close_ups)
        yield Picture(file, frame, found)


def coco_results(picture: Picture, image_id: int, *, min_score: float, counted_from: float) -> Iterator[dict[str, Any]]:
    """Write detections as COCO results entries (bbox = left, top, width, height), each also with its file name.

    Args:
        picture: what was found; persons become category 1, whatever else the model knows category 2.
        image_id: number of the picture.
        min_score: claims below are left out.
        counted_from: claims from here on are ``counted``.
    """
    for found in picture.detections:
        if found.score < min_score:
            continue
        x0, y0, x1, y1 = found.box
        yield {
            "image_id": image_id,
            "file_name": picture.file.name,
            "category_id": 1 if found.kind == "person" else 2,
            "category": found.kind,
            "bbox": [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)],
            "score": round(found.score, 4),
            "counted": found.kind == "person" and found.score >= counted_from,
        }
