"""The shipped files: what the manifest promises is what the graph does."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.commands.work import load_detector
from edge.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]
CELLS_PER_SIDE = (8, 4, 2)
"""Of the smallest input that there is, at the three levels that answer."""
LARGEST_FILE_BYTES = 8_000_000


def boxes(session: ort.InferenceSession, grey: np.ndarray) -> np.ndarray:
    """Run the graph on one picture; (N, 5) rows."""
    return np.asarray(session.run(["boxes"], {"image": grey[None, None]})[0])[0]


def meadow(height_px: int, width_px: int) -> np.ndarray:
    """Draw noisy, slowly changing ground without anything on it."""
    rng = np.random.default_rng(5)
    slow = cv2.resize(rng.normal(110, 12, (6, 8)).astype(np.float32), (width_px, height_px))
    return np.clip(slow + rng.normal(0, 3, slow.shape), 0, 255).astype(np.uint8)


def key() -> Ed25519PublicKey:
    """Read the packaged public key."""
    found = load_pem_public_key((REPOSITORY / "edge" / "model_key.pub").read_bytes())
    assert isinstance(found, Ed25519PublicKey)
    return found


def signature(manifest_path: Path) -> bytes:
    """Read the detached signature of a manifest."""
    return base64.b64decode(manifest_path.with_name(manifest_path.name + ".sig").read_bytes(), validate=False)


def test_manifest_names_the_file_beside_it(manifest_path: Path, manifest: dict[str, Any]) -> None:
    """The manifest's id and sha256 are those of the graph beside it, which stays small enough for a slow link."""
    graph = manifest_path.with_suffix(".onnx").read_bytes()
    assert manifest["id"] == manifest_path.stem
    assert manifest["sha256"] == hashlib.sha256(graph).hexdigest()
    assert len(graph) < LARGEST_FILE_BYTES


def test_signature_verifies(manifest_path: Path) -> None:
    """The detached signature is 64 bytes and the packaged public key accepts it for the manifest's bytes."""
    assert len(signature(manifest_path)) == 64
    key().verify(signature(manifest_path), manifest_path.read_bytes())


def test_changed_manifest_is_refused(manifest_path: Path) -> None:
    """A manifest with another threshold is not the one that was signed."""
    changed = manifest_path.read_bytes().replace(b"score =", b"score = 0", 1)
    with pytest.raises(InvalidSignature):
        key().verify(signature(manifest_path), changed)


def test_graph_has_the_ports_of_the_manifest(session: ort.InferenceSession, manifest: dict[str, Any]) -> None:
    """Input and output have the names, kinds and ranks that the manifest states."""
    (image,), (rows,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == (manifest["input"]["name"], "tensor(uint8)")
    assert image.shape[:2] == [1, manifest["input"]["channels"]]
    assert [rows.name] == manifest["output"]["names"]
    assert rows.type == "tensor(float)"
    assert rows.shape[0] == 1
    assert rows.shape[2] == 5


@pytest.mark.parametrize(("rows_of_cells", "columns_of_cells"), [(16, 20), (9, 12), (1, 1), (3, 13), (15, 1)])
def test_any_size_that_the_manifest_allows_runs(
    session: ort.InferenceSession, manifest: dict[str, Any], rows_of_cells: int, columns_of_cells: int
) -> None:
    """Sizes that are no square and no training size give one row a cell, finite, with scores from 0 to 1."""
    multiple_px = manifest["input"]["multiple_px"]
    rows = boxes(session, meadow(rows_of_cells * multiple_px, columns_of_cells * multiple_px))
    cells = rows_of_cells * columns_of_cells
    assert rows.shape == (sum(cells * parts * parts for parts in CELLS_PER_SIDE), 5)
    assert np.isfinite(rows).all()
    assert (rows[:, 2:4] >= rows[:, :2]).all()
    assert 0 <= rows[:, 4].min() <= rows[:, 4].max() <= 1


@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_flat_picture_holds_nobody(session: ort.InferenceSession, manifest: dict[str, Any], level: int) -> None:
    """A covered or saturated camera gives no person, not even for the tracker's second look."""
    rows = boxes(session, np.full((512, 640), level, np.uint8))
    assert rows[:, 4].max() < manifest["thresholds"]["score_low"]


def test_empty_meadow_holds_nobody(session: ort.InferenceSession, manifest: dict[str, Any]) -> None:
    """Ground with noise and shading alone gives no person."""
    assert boxes(session, meadow(512, 640))[:, 4].max() < manifest["thresholds"]["score"]


def test_gain_and_offset_cancel(session: ort.InferenceSession, manifest: dict[str, Any]) -> None:
    """Half the gain and another level leave the scores of bodies from the proven height on, up to rounding to levels."""
    changes = []
    for larger_px in (1, 2, 4, 7):
        picture = meadow(256, 320).astype(np.float32)
        half_px = int(manifest["smallest_height_px"] / 2) + larger_px
        cv2.ellipse(picture, (160, 128), (half_px * 5 // 12, half_px), 0, 0, 360, 230, -1)
        before = boxes(session, picture.astype(np.uint8))
        after = boxes(session, np.rint((picture - 128) * 0.5 + 150).astype(np.uint8))
        changes.append(abs(float(before[:, 4].max()) - float(after[:, 4].max())))
    assert np.mean(changes) < 0.1


def test_thresholds_are_ordered(manifest: dict[str, Any]) -> None:
    """The tracker's second look reaches lower than the score that counts."""
    thresholds = manifest["thresholds"]
    assert 0 < thresholds["score_low"] < thresholds["score"] < 1
    assert 0 < thresholds["nms_iou"] < 1


def test_manifest_is_complete(manifest: dict[str, Any]) -> None:
    """Every key that the node and the card rely on is there, and scores are numbers."""
    assert {"id", "version", "sha256", "licence", "smallest_height_px"} < manifest.keys()
    assert {"name", "dtype", "layout", "channels", "height_px", "width_px", "multiple_px", "dynamic", "polarity"} == (
        manifest["input"].keys()
    )
    assert {"data", "machine", "seeds", "wall_time_s"} <= manifest["training"].keys()
    assert manifest["classes"]["names"] == ["person"]
    assert manifest["scores"]
    assert all(isinstance(value, (int, float)) for value in manifest["scores"].values())


def test_a_shipped_model_is_loaded_by_its_name(manifest: dict[str, Any]) -> None:
    """``model.path`` may name a shipped model, signed and all, without saying where it lies."""
    detector = load_detector(Config.model_validate({"model": {"path": manifest["id"]}}), Path("/nowhere"))
    assert (detector.identity.id, detector.signed) == (manifest["id"], True)
    assert detector.multiple_px == manifest["input"]["multiple_px"]
