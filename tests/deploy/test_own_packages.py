"""``/etc/edge/packages.txt``: what an installation needs beyond our own package, in every release that is built."""

import subprocess
import zipfile
from pathlib import Path

from test_install import box, wheels  # noqa: F401


def runtime(folder: Path, name: str, version: str = "1.0") -> Path:
    """Write a wheel that brings the module onnxruntime, which says the name of the package it came with."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr("onnxruntime/__init__.py", f"CAME_WITH = {name!r}\n")
        file.writestr(f"onnxruntime/of_{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        parts = (
            "onnxruntime/__init__.py",
            f"onnxruntime/of_{name}.py",
            *(f"{info}/{end}" for end in ("METADATA", "WHEEL")),
        )
        file.writestr(f"{info}/RECORD", "".join(f"{part},,\n" for part in (*parts, f"{info}/RECORD")))
    return Path(file.filename)


def test_packages_of_ones_own_go_over_every_release(box, wheels, tmp_path):  # noqa: F811
    """Another ONNX Runtime takes the place of ours, in the next release, too; one that cannot be had stops nothing."""
    folder = wheels("1.0", needs="onnxruntime")
    runtime(folder, "onnxruntime")
    assert box.install("--wheels", folder).returncode == 0
    ask = [
        box.root / "opt/edge/current/bin/python",
        "-c",
        "import onnxruntime as o, os; print(o.CAME_WITH, os.listdir(o.__path__[0]))",
    ]
    assert "onnxruntime " in subprocess.run(ask, capture_output=True, text=True, check=True).stdout

    (box.root / "etc/edge/packages.txt").write_text(f"# NVIDIA's\n{runtime(tmp_path, 'onnxruntime_gpu')}\n")
    newer = wheels("1.1", needs="onnxruntime")
    runtime(newer, "onnxruntime")
    (newer / "constraints.txt").write_text("onnxruntime==1.0\n")
    for words in (folder, newer):
        done = box.install("--wheels", words)
        assert done.returncode == 0, done.stdout + done.stderr
        said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        assert "onnxruntime_gpu" in said
        assert "of_onnxruntime.py" not in said

    before = box.current()
    (box.root / "etc/edge/packages.txt").write_text("onnxruntime-nowhere\n")
    failed = box.install("--wheels", newer)
    assert failed.returncode == 1
    assert "packages.txt" in failed.stderr
    assert (box.current(), box.says()) == (before, "1.1")
