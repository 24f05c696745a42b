"""The compiled crowd once more, with sanitizers: every address that it touches is its own, every number fits its word."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZED = ("-std=c++17", "-g", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-fsanitize=address,undefined")


def test_sanitizers_find_nothing_in_the_crowd(tmp_path):
    """The tests that hold it against its specification run in a process with AddressSanitizer and its sister."""
    compiler = shutil.which("g++") or pytest.skip("needs g++ with its sanitizers")
    here = tmp_path / "edge"
    shutil.copytree(REPOSITORY / "edge", here, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    core = here / "crowd" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    sources = sorted((here / "crowd").glob("*.cpp"))
    subprocess.run([compiler, *SANITIZED, "-fno-sanitize-recover=undefined", *sources, "-o", core], check=True)
    runtimes = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    told = {
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself keeps memory until it ends
        "PYTHONPATH": str(tmp_path),
    }
    which = "import sys, edge.crowd; sys.exit(None if edge.crowd.library() and edge.__file__.startswith(sys.argv[1]) else 1)"
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(REPOSITORY / "tests" / "pipeline" / "test_crowd.py")]
    for words in (["-c", which, str(tmp_path)], tests):
        done = subprocess.run(
            [sys.executable, *words], env=os.environ | told, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
