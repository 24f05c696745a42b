"""What a model says of itself: ``NAME.toml``, and the signature that covers it."""

import base64
import tomllib
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ModelError

_PLAIN_NAME = r"^[A-Za-z0-9._:-]{1,128}$"  # as it may stand in an alert
_ED25519_KEY = bytes.fromhex("302a300506032b6570032100")  # what stands before the key in its DER form, RFC 8410
_KEY_BYTES = 32


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class InputManifest(_Table):
    """``[input]`` of a manifest."""

    name: str
    dtype: Literal["uint8", "float32"]
    layout: Literal["NCHW", "NHWC"]
    channels: Literal[1, 3]
    height_px: int = Field(gt=0)
    width_px: int = Field(gt=0)
    multiple_px: int = Field(32, gt=0)
    dynamic: bool = False
    """True: any height and width in multiples of ``multiple_px``; False: pictures are fitted into the one size."""
    polarity: Literal["any", "white-hot", "black-hot"] = "white-hot"
    scale: float = 1.0
    """A float32 input gets ``pixel * scale``; 1/255 for most exports."""


class OutputManifest(_Table):
    """``[output]`` of a manifest."""

    kind: Literal["boxes", "yolox", "yolov8", "detr"]
    names: tuple[str, ...] = Field(min_length=1)


class ClassesManifest(_Table):
    """``[classes]`` of a manifest."""

    names: tuple[str, ...] = Field(min_length=1)


class ThresholdsManifest(_Table):
    """``[thresholds]`` of a manifest."""

    score: float = Field(ge=0.0, le=1.0)
    score_low: float = Field(ge=0.0, le=1.0)
    nms_iou: float = Field(0.5, ge=0.0, le=1.0)
    begin: float | None = Field(None, ge=0.0, le=1.0)
    """A body in a film counts once the mean of its scores has reached this; a film gives many looks, so it may ask for
    surer ones than ``score``, which is for single pictures and where a body begins to be followed. Without it ``score`` is
    both."""


class Manifest(BaseModel):
    """``NAME.toml``; keys that only people read (training, scores) are free."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    id: str = Field(pattern=_PLAIN_NAME)
    version: str = Field(pattern=_PLAIN_NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    smallest_height_px: float = Field(ge=0.0)
    input: InputManifest
    output: OutputManifest
    classes: ClassesManifest
    thresholds: ThresholdsManifest


def read_manifest(text: bytes, path: Path) -> Manifest:
    """Read ``NAME.toml``.

    Raises:
        ModelError: it is no TOML, or a key is missing, wrong or unknown.
    """
    try:
        return Manifest.model_validate(tomllib.loads(text.decode("utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ModelError(f"{path}: {faults}") from error
    except (ValueError, RecursionError) as error:  # ValidationError is a ValueError too, so this comes second
        raise ModelError(f"{path}: not valid TOML: {error}") from error


def signature_holds(signed: bytes, signature: Path, key: Path) -> bool:
    """Tell whether ``signature`` is there and made with the private half of ``key``.

    Raises:
        ModelError: it is there and does not match.
    """
    if not signature.is_file() or not key.is_file():
        return False
    public = _public_key(key)
    try:
        public.verify(base64.b64decode(signature.read_text(encoding="ascii")), signed)
    except (InvalidSignature, ValueError) as error:
        raise ModelError(f"{signature}: the signature does not match: {error or 'forged or damaged'}") from error
    return True


def _public_key(key: Path) -> Ed25519PublicKey:
    """Read a PEM file of RFC 8410; the library's reader of every kind of key takes longer to import than to check with.

    Raises:
        ModelError: it is another kind of key, or none.
    """
    text = key.read_text(encoding="ascii", errors="replace")
    body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    try:
        spelled = base64.b64decode(body, validate=True)
    except ValueError:
        spelled = b""
    if not spelled.startswith(_ED25519_KEY) or len(spelled) != len(_ED25519_KEY) + _KEY_BYTES:
        raise ModelError(f"{key}: not an Ed25519 public key")
    return Ed25519PublicKey.from_public_bytes(spelled[len(_ED25519_KEY) :])
