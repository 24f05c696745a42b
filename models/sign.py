"""Signs a model's manifest: ``python -m models.sign models/thermal-person.toml [more.toml ...]``.

The signature covers the bytes of the ``.toml``, which holds the sha256 of the ``.onnx``; so one signature vouches for
both, and for the thresholds. ``NAME.toml.sig`` is the base64 of the 64 raw Ed25519 bytes.

A new pair of keys is made for each release: the public one is packaged, the private one exists only while this command
runs. All manifests of a release are therefore signed in one call: signing one of them later makes the signatures of the
others invalid.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import tomllib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PUBLIC_KEY = Path(__file__).resolve().parents[1] / "edge" / "model_key.pub"


def sign(manifests: list[Path], public_key: Path = PUBLIC_KEY) -> None:
    """Signs each manifest after checking that it tells the truth about its ``.onnx``, and writes the public key.

    Raises:
        SystemExit: a manifest's sha256 is not that of the file beside it.
    """
    for manifest in manifests:
        told = tomllib.loads(manifest.read_text())["sha256"]
        found = hashlib.sha256(manifest.with_suffix(".onnx").read_bytes()).hexdigest()
        if told != found:
            raise SystemExit(f"{manifest}: sha256 is {told}, but {manifest.stem}.onnx has {found}")
    key = Ed25519PrivateKey.generate()
    for manifest in manifests:
        signature = base64.b64encode(key.sign(manifest.read_bytes()))
        manifest.with_name(manifest.name + ".sig").write_bytes(signature + b"\n")
    public_key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def main() -> None:
    """Sign what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m models.sign", description=__doc__)
    parser.add_argument("manifest", type=Path, nargs="+")
    sign(parser.parse_args().manifest)


if __name__ == "__main__":
    main()
