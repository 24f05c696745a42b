"""Debian with its own systemd in namespaces of this machine's kernel: the speed of the machine, and a boot in two seconds.

For what needs a real systemd and no kernel of its own: installing, starting, killing, hanging, upgrading. Cameras, memory
limits and power cuts need the guest of ``guest.py``. The root is made once (``mmdebstrap``) and never written: what a
test changes lies in a folder above it. The network is this machine's, so a broker of the test is simply there; services
that would open ports are masked.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from guest import RIG

PROGRAMS = ("unshare", "nsenter", "mmdebstrap")
PACKAGES = "systemd,systemd-sysv,udev,dbus,kmod,python3,python3-venv,procps,iproute2,util-linux,e2fsprogs,mosquitto,g++"
_CGROUPS = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
_DEVICES = "null zero full random urandom tty"
# run by unshare as the first process of its namespaces: $1 lower, $2 folder above it, $3 folder shown as /mnt/out
_BOOT = f"""set -e
mount --make-rprivate /
N=$2/root; mkdir -p $2/up $2/wk $N
mount -t overlay overlay -o lowerdir=$1,upperdir=$2/up,workdir=$2/wk $N
mount -t proc proc $N/proc; mount -t sysfs -o ro sysfs $N/sys; mount -t cgroup2 cgroup2 $N/sys/fs/cgroup
mount -t tmpfs tmpfs $N/dev
for d in {_DEVICES}; do touch $N/dev/$d; mount --bind /dev/$d $N/dev/$d; done
mkdir $N/dev/pts $N/dev/shm; mount -t devpts -o newinstance devpts $N/dev/pts; mount -t tmpfs tmpfs $N/dev/shm
ln -s pts/ptmx $N/dev/ptmx; ln -s /proc/self/fd $N/dev/fd
mount -t tmpfs tmpfs $N/run; mount -t tmpfs tmpfs $N/tmp
mkdir -p $N/mnt/out $N/old; mount --bind $3 $N/mnt/out
hostname box; cd $N; pivot_root . old
exec env -i container=edge-rig PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \\
  chroot . /bin/sh -c 'umount -l /old; exec /lib/systemd/systemd --show-status=0'
"""


def missing() -> str | None:
    """Say why nothing can be booted here; ``None`` when it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"needs {', '.join(absent)} (apt-get install util-linux mmdebstrap)"
    if os.geteuid() != 0:
        return "needs root, to make namespaces and mounts"
    if _cgroups() is None:
        return "needs cgroup v2 mounted and writable"
    return None


def debian() -> Path:
    """Give the folder of a Debian 12; the first time it is made (a minute)."""
    root = Path(os.environ.get("EDGE_RIG_DEBIAN", RIG / "debian12"))
    if not (root / "usr/lib/systemd/systemd").exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        subprocess.run(command, check=True, capture_output=True)
    return root


@dataclass
class Booted:
    """One running Debian.

    Attributes:
        folder: its changes (``up``), and ``out``, which it sees as ``/mnt/out``.
        masked: services that must not start.
    """

    folder: Path
    masked: tuple[str, ...] = ("mosquitto.service", "vmtest.service")
    process: subprocess.Popen[bytes] = field(init=False)
    pid: int = field(init=False)

    def boot(self) -> None:
        """Start it and wait until systemd answers."""
        (self.folder / "out").mkdir(parents=True, exist_ok=True)
        masked = self.folder / "up/etc/systemd/system"
        masked.mkdir(parents=True, exist_ok=True)
        for unit in self.masked:
            if not (masked / unit).is_symlink():
                (masked / unit).symlink_to("/dev/null")
        group = _cgroups() / f"edge-rig-{os.getpid()}"
        group.mkdir(exist_ok=True)
        self.group = group
        inside = f"echo $$ > {group}/cgroup.procs; exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child "
        inside += 'bash -c "$0" boot "$@"'
        command = ["bash", "-c", inside, _BOOT, str(debian()), str(self.folder), str(self.folder / "out")]
        with (self.folder / "console.log").open("ab") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        until(self._answers, 300)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise OSError(f"it did not boot: {(self.folder / 'console.log').read_text()}")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children:
            return False
        self.pid = int(children[0])
        done = self.run("systemctl is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def run(self, script: str, *, check: bool = True, timeout_s: float = 1800) -> subprocess.CompletedProcess[str]:
        """Run ``script`` with bash in it, as root."""
        command = [
            "nsenter",
            "-t",
            str(self.pid),
            "-m",
            "-u",
            "-i",
            "-p",
            "-C",
            "-r",
            "-w",
            "env",
            "-i",
            "HOME=/root",
            "LANG=C.UTF-8",
        ]
        command += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "bash", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert not check or done.returncode == 0, (
            f"{script}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
        return done

    def show(self, name: str) -> str:
        """Give one property of the service."""
        return self.run(f"systemctl show edge -p {name} --value").stdout.strip()

    def kill(self) -> None:
        """End it at once, as if its plug were pulled; what it had written stays in this machine's memory."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(30)
        for path in sorted(self.group.rglob("*"), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            self.group.rmdir()


@contextlib.contextmanager
def booted(folder: Path, **how) -> Iterator[Booted]:
    """Boot, and end it in any case."""
    box = Booted(folder, **how)
    box.boot()
    try:
        yield box
    finally:
        box.kill()


def until(told, timeout_s: float):
    """Wait for ``told()`` to be true and give what it says."""
    end_s = time.monotonic() + timeout_s
    while not (said := told()):
        assert time.monotonic() < end_s, f"waited {timeout_s:g} s in vain"
        time.sleep(0.25)
    return said


def _cgroups() -> Path | None:
    for name in _CGROUPS:
        if (Path(name) / "cgroup.procs").exists() and os.access(name, os.W_OK):
            return Path(name)
    return None
