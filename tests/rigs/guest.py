"""A small Linux guest under QEMU: a stock kernel with USB video drivers, on this machine's own root, read-only.

The guest sees the root of this machine through 9p with a layer of memory above it, so the same Python, packages and
checkout are simply there. It runs one script as root and powers off. KVM is not needed.

Its clock counts instructions (one a nanosecond, about a Raspberry Pi): a busy machine makes the guest take longer, but in
the guest's own time nothing changes, so what is measured there in seconds can be believed. Waiting costs nothing.
"""

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RIG = Path(os.environ.get("EDGE_RIG_DIR", "/var/tmp/edge-rig"))
PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe", "depmod", "dpkg-deb", "apt-get")
_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
_GUEST_INIT = """export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1
mkdir -p /dev/shm; mount -t tmpfs tmpfs /dev/shm; ip link set lo up 2>/dev/null
cd /mnt/out
bash /mnt/out/script.sh > /mnt/out/stdout 2>&1 </dev/null
echo $? > /mnt/out/rc
sync; echo o > /proc/sysrq-trigger; sleep 5
"""
_MOUNT = "trans=virtio,version=9p2000.L,msize=512000"
_TO_MODULES = f"""$B mount -t 9p -o ro,cache=loose,{_MOUNT} kernel /new/mnt/kernel
$B ln -sfn /mnt/kernel/lib/modules/$($B uname -r) /new/lib/modules/$($B uname -r)
"""


@dataclass(frozen=True)
class Outcome:
    """What a guest left behind.

    Attributes:
        rc: exit status of the script; ``None`` when the guest died before its end.
        output: what the script printed.
        folder: where it wrote files (``/mnt/out`` in the guest).
    """

    rc: int | None
    output: str
    folder: Path


def missing() -> str | None:
    """Say why no guest can be run here; ``None`` when one can."""
    absent = [name for name in PROGRAMS if _which(name) is None]
    if absent:
        packages = "qemu-system-x86 busybox-static cpio kmod"
        return f"needs {', '.join(absent)} (apt-get install {packages})"
    if os.geteuid() != 0:
        return "needs root, because the guest runs on this machine's root file system"
    try:
        kernel()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"needs Debian's kernel package: {error}"
    return None


def kernel() -> tuple[Path, str]:
    """Get the kernel's tree and version; the first time it is fetched and unpacked (400 MB), not installed."""
    tree = RIG / "kernel"
    if not (tree / "ready").exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        depends = _run("apt-cache", "depends", "linux-image-amd64")
        package = re.search(r"Depends: (linux-image-\S+-amd64)", depends)
        if package is None:
            raise OSError("apt-cache knows no linux-image-amd64 (apt-get update)")
        _run("apt-get", "download", package[1], cwd=tree)
        _run("dpkg-deb", "-x", str(next(tree.glob("*.deb"))), str(tree))
        (version,) = (path.name for path in (tree / "lib/modules").iterdir())
        _run("depmod", "-b", str(tree), version)
        (tree / "ready").touch()
    (version,) = (path.name for path in (tree / "lib/modules").iterdir())
    return tree, version


def run(folder: Path, script: str, *, timeout_s: float) -> Outcome:
    """Boot, run ``script`` in the guest, power off.

    Args:
        folder: an empty folder; the guest writes to it as ``/mnt/out``.
        script: for bash.
        timeout_s: after so long the guest is killed.
    """
    tree, version = kernel()
    (folder / "guest-init.sh").write_text(_GUEST_INIT)
    (folder / "script.sh").write_text(script)
    initrd = folder / "initrd.gz"
    init = first_program("-t tmpfs -o size=1g tmpfs", "/bin/bash /mnt/out/guest-init.sh", foreign_kernel=True)
    make_initrd(tree, version, initrd, init, _MODULES)
    machine = [
        # Nehalem: with AVX in sight numpy takes code that the emulator runs six times slower
        *("-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=off"),
        *("-cpu", "Nehalem", "-smp", "1", "-m", "2048", "-rtc", "clock=vm"),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-kernel", str(tree / f"boot/vmlinuz-{version}"), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 quiet panic=-1", "-serial", f"file:{folder / 'console.log'}"),
    ]
    machine += shares(root=Path("/"), out=folder, kernel=tree)
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(["qemu-system-x86_64", *machine], timeout=timeout_s, check=False, capture_output=True)
    rc, stdout = folder / "rc", folder / "stdout"
    output = stdout.read_text(errors="replace") if stdout.exists() else ""
    console = (folder / "console.log").read_text(errors="replace") if (folder / "console.log").exists() else ""
    return Outcome(int(rc.read_text()) if rc.exists() else None, output or console, folder)


def shares(**folders: Path) -> list[str]:
    """Give QEMU's words for folders that the guest mounts by their names; it may write into ``out`` and nowhere else."""
    words: list[str] = []
    for name, path in folders.items():
        closed = "" if name == "out" else ",readonly=on"
        words += ["-fsdev", f"local,id={name},path={path},security_model=none,multidevs=remap{closed}"]
        words += ["-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]
    return words


def first_program(layer: str, then: str, *, foreign_kernel: bool = False) -> str:
    """Give the ``init`` that mounts the share ``root``, read-only, under a layer that can be written, and goes there.

    Args:
        layer: what ``mount`` is told for the layer: a memory or a disk.
        then: the program that goes on, with ``out`` at ``/mnt/out``.
        foreign_kernel: the root holds no modules of this kernel; they come from the share ``kernel``.
    """
    return f"""#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
while read -r m; do $B insmod /mods/$m || echo "insmod $m failed"; done < /mods/order
$B mount -t 9p -o ro,cache=loose,{_MOUNT} root /lower || $B poweroff -f
$B mount {layer} /rw || $B poweroff -f
$B mkdir -p /rw/up /rw/wk
$B mount -t overlay -o lowerdir=/lower,upperdir=/rw/up,workdir=/rw/wk overlay /new || $B poweroff -f
$B mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp /new/mnt/out /new/mnt/kernel /new/lib/modules
for d in proc sys dev; do $B mount --move /$d /new/$d; done
$B mount -t 9p -o rw,{_MOUNT} out /new/mnt/out
$B mount -t tmpfs tmpfs /new/run; $B mount -t tmpfs tmpfs /new/tmp
{_TO_MODULES if foreign_kernel else ""}exec $B switch_root /new {then}
"""


def make_initrd(
    tree: Path, version: str, target: Path, init: str, modules: tuple[str, ...], busybox: Path | None = None
) -> None:
    """Pack busybox (this machine's), ``modules`` with all they need, and ``init``, into an initial file system."""
    work = target.parent / "initrd"
    for name in ("bin", "mods", "proc", "sys", "dev", "new", "lower", "rw"):
        (work / name).mkdir(parents=True)
    shutil.copy(busybox or _which("busybox"), work / "bin/busybox")
    order: list[str] = []
    for module in modules:
        listed = _run("modprobe", "-n", "-S", version, "-d", str(tree), "--show-depends", module)
        for line in listed.splitlines():
            if line.startswith("insmod "):
                file = Path(line.split()[1])
                if file.name not in order:
                    order.append(file.name)
                    shutil.copy(file, work / "mods")
    (work / "mods/order").write_text("\n".join(order) + "\n")
    (work / "init").write_text(init)
    (work / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(work)) for path in work.rglob("*"))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=work, input=names.encode(), capture_output=True, check=True
    )
    target.write_bytes(packed.stdout)
    shutil.rmtree(work)


def _which(name: str) -> str | None:
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", ""))


def _run(*command: str, cwd: Path | None = None) -> str:
    program = _which(command[0]) or command[0]
    return subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True, check=True).stdout
