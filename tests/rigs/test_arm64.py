"""A Raspberry Pi 4's processor (Cortex-A72), emulated: wheels install, the native core compiles, and alerts are the same.

Run with ``pytest -m arm64``. Debian 12 for arm64 boots under QEMU, installs with pip from the folder that ``install.sh
bundle --arch aarch64`` makes (our own package as source), and replays the beginning of a clip of ``sample_footage``, nine
people among them. Speed means nothing here.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import guest
from guest import RIG
from test_install_booted import EDGE

pytestmark = [pytest.mark.arm64, pytest.mark.slow]

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
CLIP = DEPLOY.parent / "sample_footage" / "nine-in-snow.mkv"
FRAMES = 72  # 8 s of 26: beginning, growing and end of an alert; an emulated processor takes seconds for each frame
PATIENCE_S = 5400
PACKAGES = (
    "python3,python3-pip-whl,python3-distutils,g++,libgomp1,libstdc++6,coreutils,dash,bash,libc-bin,base-files,"
    "linux-image-arm64,busybox-static,kmod,mount,util-linux,grep,sed,findutils"
)
# What another processor may round otherwise; everything else is equal, ids and times included.
ROUNDED = {"box", "score", "confidence", "heading_deg", "speed_m_s", "height_px"}
ROUNDED_BY = 0.02
_SCRIPT = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; cd /mnt/out
{ set -e
  echo "$(uname -m) $(grep -m1 'CPU part' /proc/cpuinfo)"
  export PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) PINS=wheels/constraints.txt
  python3 -m pip install -q --no-index --find-links wheels --no-compile --target /opt/site -c $PINS edge-thermal
  echo "installed at $(cut -d' ' -f1 /proc/uptime) s"
  export PYTHONPATH=/opt/site
  python3 -c 'from edge.pipeline.preprocess import backend; print("core", backend().name)'
  python3 -c 'from edge.cli import main; main()' replay nine-in-snow.mkv --alerts arm64.jsonl
  echo "replayed at $(cut -d' ' -f1 /proc/uptime) s"
} > stdout 2>&1 </dev/null
echo $? > rc; sync; echo o > /proc/sysrq-trigger; sleep 5
"""


def missing() -> str | None:
    """Say why this cannot be run here."""
    programs = ("qemu-system-aarch64", "mmdebstrap", "cpio", "modprobe")
    absent = [name for name in programs if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if absent:
        return f"needs {', '.join(absent)} (apt-get install qemu-system-arm mmdebstrap cpio kmod)"
    return None if os.geteuid() == 0 else "needs root, to unpack a Debian"


def debian() -> Path:
    """Give Debian 12 for arm64, unpacked and not configured; the first time it is made."""
    root = RIG / "arm64"
    if not (root / "ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        command = [
            "mmdebstrap",
            "--quiet",
            "--arch=arm64",
            "--variant=extract",
            f"--include={PACKAGES}",
            "bookworm",
            root,
        ]
        subprocess.run(command, check=True, capture_output=True)
        (version,) = (path.name for path in (root / "lib/modules").iterdir())
        subprocess.run(["/sbin/depmod", "-b", root, version], check=True)
        (root / "ready").touch()
    return root


def cut(clip: Path, target: Path) -> None:
    """Copy the first frames of a clip as they are, and its truth, which says how the camera stands."""
    with av.open(str(clip)) as whole, av.open(str(target), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        for packet in list(whole.demux(video=0))[:FRAMES]:
            packet.stream = stream
            part.mux(packet)
    truth = json.loads(clip.with_suffix(".truth.json").read_text())
    target.with_suffix(".truth.json").write_text(json.dumps(truth | {"frames": truth["frames"][:FRAMES]}))


@pytest.fixture(scope="module")
def box() -> Path:
    """Boot, install, replay; give the folder with what came of it."""
    why = missing()
    if why:
        pytest.skip(f"no arm64 guest here: {why}")
    root, folder = debian(), RIG / "arm64-run"
    shutil.rmtree(folder, ignore_errors=True)
    out = folder / "out"
    out.mkdir(parents=True)
    given = os.environ.get("EDGE_RIG_BUNDLE_ARM64")
    if given:
        shutil.copytree(given, out / "wheels")
    else:
        bundle = ["bash", DEPLOY / "install.sh", "bundle", out / "wheels", "--arch", "aarch64", "--python", "3.11"]
        subprocess.run(bundle, check=True, capture_output=True)
    cut(CLIP, out / CLIP.name)
    (out / "guest-init.sh").write_text(_SCRIPT)
    (version,) = (path.name for path in (root / "lib/modules").iterdir())
    initrd = folder / "initrd.gz"
    init = guest.first_program("-t tmpfs -o size=1500m tmpfs", "/bin/bash /mnt/out/guest-init.sh")
    modules = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
    guest.make_initrd(root, version, initrd, init, modules, busybox=root / "bin/busybox")
    machine = [
        *("-M", "virt", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "cortex-a72", "-smp", "2", "-m", "2560"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-kernel", str(root / f"boot/vmlinuz-{version}"), "-initrd", str(initrd)),
        *("-append", "console=ttyAMA0 quiet panic=-1", "-serial", f"file:{folder / 'console.log'}"),
    ]
    machine += guest.shares(root=root, out=out)
    subprocess.run(["qemu-system-aarch64", *machine], timeout=PATIENCE_S, check=False, capture_output=True)
    assert (out / "rc").exists(), (folder / "console.log").read_text(errors="replace")[-2000:]
    assert (out / "rc").read_text().strip() == "0", (out / "stdout").read_text(errors="replace")[-4000:]
    return out


def test_it_ran_on_a_cortex_a72(box):
    """0xd08 is the core of a Raspberry Pi 4."""
    assert "aarch64 CPU part\t: 0xd08" in (box / "stdout").read_text()


def test_the_native_core_was_compiled_there(box):
    """By the guest's own compiler, from the source package."""
    assert "core native" in (box / "stdout").read_text()


def test_the_alerts_are_those_of_x86(box, tmp_path):
    """The same groups, phases, counts, ranges, times and ids; boxes and scores within what floating point may differ by."""
    command = [EDGE, "replay", box / CLIP.name, "--alerts", tmp_path / "x86.jsonl"]
    subprocess.run(command, check=True, capture_output=True)
    ours = [json.loads(line) for line in (tmp_path / "x86.jsonl").read_text().splitlines()]
    theirs = [json.loads(line) for line in (box / "arm64.jsonl").read_text().splitlines()]
    assert len(ours) >= 3
    assert len(ours) == len(theirs)
    differences = [found for pair in zip(ours, theirs, strict=True) for found in differing(*pair)]
    (RIG / "arm64-differences.json").write_text(json.dumps(differences, indent=1))
    assert [found for found in differences if found[0] not in ROUNDED or found[3] > ROUNDED_BY] == []


def test_they_begin_as_the_alerts_that_come_with_the_clip(box):
    """What was published before the cut is what stands in ``sample_footage``, but for roundings and ids (of the file)."""
    shipped = [json.loads(line) for line in CLIP.with_suffix(".alerts.jsonl").read_text().splitlines()]
    theirs = [json.loads(line) for line in (box / "arm64.jsonl").read_text().splitlines()]
    before_the_cut = [one for one in theirs if one["data"]["phase"] != "end"]
    assert len(before_the_cut) >= 3
    differences = [found for pair in zip(before_the_cut, shipped, strict=False) for found in differing(*pair)]
    wrong = [found for found in differences if found[0] not in ROUNDED or found[3] > ROUNDED_BY]
    assert {found[0] for found in wrong} <= {"id", "alert_id", "boot_id"}


def differing(one, other, name: str = "") -> list[tuple]:
    """List what differs as ``(name, one, other, by how much)``; ``inf`` where it is no number."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in differing(one[key], other[key], key)]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [found for pair in zip(one, other, strict=True) for found in differing(*pair, name)]
    if one == other:
        return []
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return [(name, one, other, abs(one - other) / max(1.0, abs(one)) if numbers else float("inf"))]
