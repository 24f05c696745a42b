"""Whether a Raspberry Pi or a Jetson finds a wheel for everything: asked of the package index, nothing is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "deploy" / "install.sh"
OFFLINE = ("Temporary failure in name resolution", "Network is unreachable", "Failed to establish a new connection")


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_every_dependency_has_a_wheel_for_aarch64(python, tmp_path):
    """Python 3.11 (Debian 12, Raspberry Pi OS 12) and 3.13 (13), with the versions that were tested."""
    command = ["bash", SCRIPT, "bundle", tmp_path / "none", "--arch", "aarch64", "--python", python, "--dry-run"]
    environment = os.environ | {"EDGE_PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if any(words in done.stderr for words in OFFLINE):
        pytest.skip("needs the package index")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Would install" in done.stdout
    assert "onnxruntime-" in done.stdout
    assert not (tmp_path / "none").exists()
