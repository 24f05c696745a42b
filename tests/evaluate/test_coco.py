"""Truth and results files in COCO's form, good and bad."""

import json

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.evaluate.coco import load_coco, load_detections

GOOD = {
    "images": [
        {"id": 7, "file_name": "b.png", "width": 333, "height": 201, "night": 1, "altitude_m": 80, "frame": 3},
        {"id": 2, "file_name": "a.png", "width": 333, "height": 201},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 4, "bbox": [10, 20, 5, 12], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 4, "bbox": [100, 0, 50, 40], "iscrowd": 1},
        {"id": 3, "image_id": 7, "category_id": 5, "bbox": [1, 1, 9, 9], "iscrowd": 0},
    ],
    "categories": [{"id": 5, "name": "car"}, {"id": 4, "name": "person"}],
}


def written(folder, content, name="truth.json"):
    """Write a file and give its path."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(**parts):
    """Take the good file with other parts."""
    return {**GOOD, **parts}


def test_persons_are_read_with_what_the_picture_says_about_itself(tmp_path):
    """Other categories are left out, crowds become areas to ignore, and pictures come in the order of their ids."""
    known = load_coco(written(tmp_path, GOOD))
    first, second = known.pictures
    assert (known.name, first.file_name, second.file_name) == ("truth", "a.png", "b.png")
    np.testing.assert_array_equal(second.boxes, [[10, 20, 15, 32], [100, 0, 150, 40]])
    assert second.ignore.tolist() == [False, True]
    assert second.attributes == {"night": 1, "altitude_m": 80, "frame": 3}
    assert first.boxes.shape == (0, 4)
    assert first.ignore.shape == (0,)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "not JSON"),
        ({}, r"images: Field required \(and 2 more\)"),
        (changed(categories=[{"id": 1, "name": "car"}]), "no category is called 'person'; found: car"),
        (changed(images=[*GOOD["images"], {**GOOD["images"][0], "id": 9}]), "file_name 'b.png' is there twice"),
        (changed(images=[*GOOD["images"], {**GOOD["images"][0], "file_name": "c"}]), "id '7' is there twice"),
        (changed(images=GOOD["images"][1:]), r"annotations\.0\.image_id: 7 is not in 'images'"),
        (
            changed(annotations=[{**GOOD["annotations"][0], "bbox": [1, 2, -3, 4]}]),
            r"annotations\.0\.bbox\.2: .*greater",
        ),
        (changed(annotations=[{**GOOD["annotations"][0], "bbox": [1, 2, 3]}]), r"annotations\.0\.bbox"),
    ],
)
def test_a_bad_truth_file_names_itself_and_the_fault(tmp_path, content, fault):
    """The message holds the path and the place of the first fault."""
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match=fault) as caught:
        load_coco(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_or_binary_file_is_a_config_error(tmp_path):
    """No trace of the interpreter reaches the user for a wrong path or a picture given as truth."""
    with pytest.raises(ConfigError, match="no such file"):
        load_coco(tmp_path / "none.json")
    (tmp_path / "picture.json").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_coco(tmp_path / "picture.json")


def test_results_come_by_picture(tmp_path):
    """COCO results become detections under the file name; pictures without results have an empty list."""
    known = load_coco(written(tmp_path, GOOD))
    results = [{"file_name": "b.png", "image_id": 7, "category_id": 1, "bbox": [10, 20, 5, 12], "score": 0.5}]
    detections = load_detections(written(tmp_path, results, "results.json"), known)
    assert [(one.box, one.score) for one in detections["b.png"]] == [((10, 20, 15, 32), 0.5)]
    assert detections["a.png"] == []


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ([{"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}], r"0\.file_name is missing; write the file with"),
        ([{"file_name": "z.png", "bbox": [1, 2, 3, 4], "score": 0.5}], "'z.png' is not a picture of truth 'truth'"),
        ([{"file_name": "b.png", "bbox": [1, 2, 3, 4], "score": 1.5}], r"0\.score: "),
        ({"not": "a list"}, "the file: "),
    ],
)
def test_bad_results_name_the_entry(tmp_path, results, fault):
    """A results file that does not fit is refused with the index of the entry."""
    known = load_coco(written(tmp_path, GOOD))
    with pytest.raises(ConfigError, match=fault):
        load_detections(written(tmp_path, results, "results.json"), known)
