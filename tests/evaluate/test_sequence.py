"""Footage made of labelled single pictures."""

import json

import cv2
import numpy as np
import pytest

from edge.capture.footage import Footage, truth_path
from edge.errors import ConfigError
from edge.evaluate.sequence import footage_from_coco
from edge.evaluate.truth import load_truth

WIDTH_PX, HEIGHT_PX = 33, 21


def data_set(folder, *, frames=(7, 3, 4), **changes):
    """Write three pictures of one date, out of order, and one of another; the grey level is the frame number."""
    images = folder / "images"
    images.mkdir(parents=True)
    listed = [
        {
            "id": index,
            "file_name": f"p{index}.png",
            "width": WIDTH_PX,
            "height": HEIGHT_PX,
            "date": "20201217",
            "frame": one,
        }
        for index, one in enumerate(frames)
    ]
    listed.append({**listed[0], "id": 99, "file_name": "other.png", "date": "20210101", "frame": 1})
    for one in listed:
        cv2.imwrite(str(images / one["file_name"]), np.full((HEIGHT_PX, WIDTH_PX), one["frame"], np.uint8))
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [3, 4, 5, 9], "iscrowd": 0},
        {"id": 2, "image_id": 0, "category_id": 1, "bbox": [20, 0, 10, 10], "iscrowd": 1},
    ]
    content = {"images": listed, "annotations": annotations, "categories": [{"id": 1, "name": "person"}], **changes}
    (folder / "set.json").write_text(json.dumps(content))
    return folder / "set.json", images


def test_pictures_of_a_date_become_a_clip_in_the_order_of_their_frames(tmp_path):
    """Time follows the frame numbers, gaps included, and the footage reader gives the pictures in that order."""
    coco, images = data_set(tmp_path / "drones")
    folder = footage_from_coco(coco, images, "20201217", output=tmp_path / "out").folder
    truth = load_truth(truth_path(folder))
    assert folder.name == truth.name == "drones-20201217"
    assert [frame.t_s for frame in truth.frames] == [0.0, 0.5, 2.0]
    assert not truth.identified
    with Footage(folder) as footage:
        seen = [(frame.t_s, int(frame.pixels[0, 0])) for frame in footage]
    assert seen == [(0.0, 3), (0.5, 4), (2.0, 7)]


def test_persons_and_areas_to_ignore_are_in_the_truth(tmp_path):
    """A crowd annotation becomes an area in which nothing is judged; nobody has a group."""
    coco, images = data_set(tmp_path / "drones")
    truth = load_truth(truth_path(footage_from_coco(coco, images, "20201217", output=tmp_path).folder))
    assert [(one.kind, one.box, one.group) for one in truth.frames[2].objects] == [
        ("person", (3.0, 4.0, 8.0, 13.0), None),
        ("ignore", (20.0, 0.0, 30.0, 10.0), None),
    ]


def test_making_it_twice_gives_the_same(tmp_path):
    """Links of an earlier call are replaced, not stumbled over."""
    coco, images = data_set(tmp_path / "drones")
    once = footage_from_coco(coco, images, "20201217", output=tmp_path)
    twice = footage_from_coco(coco, images, "20201217", output=tmp_path)
    assert once == twice
    assert len(list(twice.folder.iterdir())) == 3


def test_a_picture_of_another_scene_is_left_out_and_named(tmp_path):
    """Numbers given to names sorted as words put a stray picture after every tenth; what comes and stays is no stray."""
    coco, images = data_set(tmp_path / "drones", frames=(1, 2, 3, 4, 5))
    one, other = np.random.default_rng(5).integers(0, 255, (2, HEIGHT_PX, WIDTH_PX), np.uint8)
    for name, scene in zip("01234", (one, other, one, other, other), strict=True):
        cv2.imwrite(str(images / f"p{name}.png"), scene)
    footage_from_coco(data_set(tmp_path / "five", frames=range(1, 6))[0], images, "20201217", output=tmp_path)
    film = footage_from_coco(coco, images, "20201217", output=tmp_path)
    assert film.left_out == ("p1.png",)
    assert [frame.t_s for frame in load_truth(truth_path(film.folder)).frames] == [0.0, 1.0, 1.5, 2.0]
    assert len(list(film.folder.iterdir())) == 4


def test_an_unknown_date_names_the_known_ones(tmp_path):
    """The user learns what there is."""
    coco, images = data_set(tmp_path / "drones")
    with pytest.raises(ConfigError, match="no picture of date '1999'; known: 20201217, 20210101"):
        footage_from_coco(coco, images, "1999", output=tmp_path)


@pytest.mark.parametrize(
    ("frames", "fault"), [((3, 3, 4), "does not come after"), (("a", "b", "c"), "'p0.png' has no 'frame'")]
)
def test_frames_without_an_order_are_refused(tmp_path, frames, fault):
    """Two pictures of one moment, or none with a number, make no film."""
    coco, images = data_set(tmp_path / "drones", frames=(1, 2, 3))
    content = json.loads(coco.read_text())
    for one, frame in zip(content["images"], frames, strict=False):
        one["frame"] = frame
    coco.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=fault):
        footage_from_coco(coco, images, "20201217", output=tmp_path)


def test_missing_pictures_and_mixed_sizes_are_refused(tmp_path):
    """A wrong folder of images is found before anything is played."""
    coco, images = data_set(tmp_path / "drones")
    with pytest.raises(ConfigError, match="no such picture; is this the folder"):
        footage_from_coco(coco, images / "wrong", "20201217", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    content = json.loads(coco.read_text())
    content["images"][1]["width"] = 99
    coco.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"'p2\.png' differs in size"):
        footage_from_coco(coco, images, "20201217", output=tmp_path)


@pytest.mark.data
def test_a_real_date_becomes_footage(shared_data, tmp_path):
    """The longest film of the drone pictures is one clip of six minutes at two frames a second, less its strays."""
    root = shared_data / "hit-uav"
    folder, left_out = footage_from_coco(root / "train.json", root / "images", "20201217", output=tmp_path)
    truth = load_truth(truth_path(folder))
    assert len(list(folder.iterdir())) == len(truth.frames) == 587 - len(left_out)
    assert 40 <= len(left_out) <= 587 / 11
    assert truth.duration_s == pytest.approx(363.5)
