"""The model contract: what a manifest says is checked at load, and what it says of the output is decoded."""

import base64
import hashlib

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from graphs import fixed_model

from edge.config import ModelConfig
from edge.errors import ModelError
from edge.pipeline import detector
from edge.pipeline.manifest import signature_holds

UNSIGNED = ModelConfig(allow_unsigned=True)
ONE_PERSON = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9], [21.0, 31.0, 41.0, 81.0, 0.6], [0.0, 0.0, 5.0, 5.0, 0.05]]])
PICTURE = np.zeros((1, 1, 96, 160), np.uint8)


def loaded(file, config=UNSIGNED, key=None):
    """Load a model, unsigned unless a key is given."""
    return detector.load(file, config, key=key or file.with_name("none.pub"))


def boxes_of(found):
    """Give boxes rounded, for comparing."""
    return [tuple(round(side, 3) for side in detection.box) for detection in found]


def test_a_person_is_found_once_in_frame_pixels(tmp_path):
    """Doubles are suppressed, low scores dropped, and the input's enlargement undone."""
    model = loaded(fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON}))
    found = model.detect(PICTURE, 2.0, (37, 53))
    assert boxes_of(found) == [(10.2, 15.2, 20.2, 37.0)]  # the mean of both claims, clipped to the 53x37 frame
    assert (found[0].kind, round(found[0].score, 3)) == ("person", 0.9)


def test_no_candidate_gives_no_detection(tmp_path):
    """A picture in which nothing scores gives an empty answer."""
    model = loaded(fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON * 0.01}))
    assert model.detect(PICTURE, 1.0, (96, 160)) == ()


def test_a_yolox_export_is_decoded(tmp_path):
    """Offsets in cells and log sizes of strides 8, 16 and 32 become boxes, on a non-square input."""
    counts = [(96 // stride) * (160 // stride) for stride in (8, 16, 32)]
    rows = np.zeros((1, sum(counts), 6), np.float32)
    cell = counts[0] + 2 * (160 // 16) + 3  # stride 16, row 2, column 3
    rows[0, cell] = [0.5, 0.25, np.log(2.0), np.log(3.0), 0.9, 0.8]
    model = loaded(fixed_model(tmp_path, "yolox", {"output": rows}, dtype="float32", channels=3))
    (found,) = model.detect(PICTURE, 1.0, (96, 160))
    centre, size = (3.5 * 16, 2.25 * 16), (32.0, 48.0)
    assert found.box == pytest.approx(
        (centre[0] - size[0] / 2, centre[1] - size[1] / 2, centre[0] + size[0] / 2, centre[1] + size[1] / 2)
    )
    assert found.score == pytest.approx(0.72)


def test_a_yolov8_export_is_decoded(tmp_path):
    """Centres and sizes in columns become boxes."""
    columns = np.zeros((1, 5, 7), np.float32)
    columns[0, :, 3] = [60.0, 40.0, 10.0, 20.0, 0.7]
    model = loaded(fixed_model(tmp_path, "yolov8", {"output0": columns}, dtype="float32", channels=3))
    assert boxes_of(model.detect(PICTURE, 1.0, (96, 160))) == [(55.0, 30.0, 65.0, 50.0)]


def test_a_detr_export_is_decoded(tmp_path):
    """Logits and fractions of the input become boxes, in whichever order the outputs stand."""
    logits = np.full((1, 5, 1), -9.0)
    logits[0, 2, 0] = 2.0
    boxes = np.zeros((1, 5, 4))
    boxes[0, 2] = [0.5, 0.5, 0.1, 0.25]
    for number, outputs in enumerate(({"logits": logits, "boxes": boxes}, {"boxes": boxes, "logits": logits})):
        model = loaded(fixed_model(tmp_path, "detr", outputs, name=f"detr{number}", dtype="float32", channels=3))
        (found,) = model.detect(PICTURE, 1.0, (96, 160))
        assert found.box == pytest.approx((72.0, 36.0, 88.0, 60.0), abs=1e-3)
        assert found.score == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-6)


def test_a_detr_export_with_an_unnamed_class_is_refused(tmp_path):
    """A 'no object' column that the manifest does not name is found at load and not in the frame loop."""
    outputs = {"logits": np.zeros((1, 5, 2)), "boxes": np.zeros((1, 5, 4))}
    file = fixed_model(tmp_path, "detr", outputs, dtype="float32", channels=3)
    with pytest.raises(ModelError, match=r"outputs have \[2, 4\] columns"):
        loaded(file)


def test_a_graph_of_one_size_is_no_dynamic_one(tmp_path):
    """A manifest that says dynamic needs a graph that is; without it the fixed size is offered to the preprocessor."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON}, fixed=True)
    with pytest.raises(ModelError, match=r"input\.dynamic = true"):
        loaded(file)
    text = file.with_suffix(".toml").read_text().replace("dynamic = true", "dynamic = false")
    file.with_suffix(".toml").write_text(text)
    assert loaded(file).fixed_px == (96, 160)


def test_channels_last_and_three_channels_are_fed(tmp_path):
    """A float, channels-last export gets the picture in its own layout."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON}, dtype="float32", layout="NHWC", channels=3)
    assert len(loaded(file).detect(PICTURE, 1.0, (96, 160))) == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"dtype": "float32"}, r"input is tensor\(uint8\), the manifest says tensor\(float\)"),
        ({"channels": 3}, r"input shape is \[1, 1, 'h', 'w'\], the manifest says \[1, 3, 96, 160\]"),
        ({"names": '"detections"'}, r"outputs are \['boxes'\], the manifest says \['detections'\]"),
        ({"kind": "yolox"}, "kind 'yolox' with 1 classes wants 6 along axis 2"),
        ({"kind": "detr"}, "outputs are"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"kind": "ssd"}, r"output\.kind"),
        ({"name": "my model"}, "id: String should match"),
    ],
)
def test_a_manifest_that_lies_is_refused(tmp_path, told, words):
    """Each disagreement between manifest and graph says what was expected and what was found."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON}, told=told)
    with pytest.raises(ModelError, match=words):
        loaded(file)


def test_a_graph_of_another_shape_is_refused(tmp_path):
    """A model with more classes than its manifest does not fit."""
    file = fixed_model(tmp_path, "boxes", {"boxes": np.zeros((1, 9, 84))})
    with pytest.raises(ModelError, match=r"shape \[1, 9, 84\].* wants 5 along axis 2"):
        loaded(file)


@pytest.mark.parametrize("missing", [".onnx", ".toml"])
def test_a_missing_file_names_the_setting(tmp_path, missing):
    """Model or manifest not there: the error says model.path."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    file.with_suffix(missing).unlink()
    with pytest.raises(ModelError, match=r"model\.path"):
        loaded(file)


def test_bytes_that_are_no_model_are_refused(tmp_path):
    """A damaged graph is a ModelError, not onnxruntime's own."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    text = (
        file.with_suffix(".toml")
        .read_text()
        .replace(hashlib.sha256(file.read_bytes()).hexdigest(), hashlib.sha256(b"x").hexdigest())
    )
    file.write_bytes(b"x")
    file.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError, match="ONNX Runtime can load"):
        loaded(file)


def test_signatures(tmp_path):
    """Unsigned is refused unless allowed, a signature is accepted, a forged one is refused even when unsigned is allowed."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    with pytest.raises(ModelError, match=r"model\.allow_unsigned"):
        loaded(file, ModelConfig())
    private = Ed25519PrivateKey.generate()
    key = tmp_path / "key.pub"
    key.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    manifest = file.with_suffix(".toml")
    signature = tmp_path / "model.toml.sig"
    signature.write_text(base64.b64encode(private.sign(manifest.read_bytes())).decode())
    assert loaded(file, ModelConfig(), key).signed
    manifest.write_text(manifest.read_text().replace("score = 0.5", "score = 0.4"))
    with pytest.raises(ModelError, match="signature does not match"):
        loaded(file, UNSIGNED, key)


@pytest.mark.parametrize("key", [Ed448PrivateKey.generate().public_key(), None])
def test_a_key_of_another_kind_is_refused(key, tmp_path):
    """A signature is checked with an Ed25519 key or not at all."""
    pem = b"-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n"
    if key is not None:
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(pem)
    (tmp_path / "model.sig").write_text("c2ln")
    with pytest.raises(ModelError, match=r"key\.pub: not an Ed25519 public key"):
        signature_holds(b"signed", tmp_path / "model.sig", tmp_path / "key.pub")


def test_the_configuration_wins_over_the_manifest(tmp_path):
    """Thresholds of the configuration are used where given; the low one never exceeds the other."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    model = loaded(file, ModelConfig(allow_unsigned=True, score=0.05))
    assert (model.score, model.begin, model.score_low) == (0.05, 0.05, 0.05)
    assert len(model.detect(PICTURE, 1.0, (96, 160))) == 2


def test_a_film_may_ask_for_a_surer_look(tmp_path):
    """The manifest's begin is for films, its score for pictures; without begin both are one."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    assert loaded(file).begin == 0.5
    manifest = file.with_suffix(".toml")
    manifest.write_text(manifest.read_text().replace("nms_iou = 0.5", "nms_iou = 0.5\nbegin = 0.7"))
    assert (loaded(file).score, loaded(file).begin) == (0.5, 0.7)
