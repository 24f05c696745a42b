"""The shipped models, and the repository on the import path so that the training code can be tested."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))


@pytest.fixture(params=sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem, scope="session")
def manifest_path(request: pytest.FixtureRequest) -> Path:
    """Give each shipped manifest in turn."""
    return request.param


@pytest.fixture(scope="session")
def manifest(manifest_path: Path) -> dict[str, Any]:
    """Give what the manifest says."""
    return tomllib.loads(manifest_path.read_text())


@pytest.fixture(scope="session")
def session(manifest_path: Path) -> ort.InferenceSession:
    """Give the graph, loaded on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(manifest_path.with_suffix(".onnx")), options, providers=["CPUExecutionProvider"])
