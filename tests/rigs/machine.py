"""A Debian 12 guest with systemd, a disk of its own, a USB camera and a network card: for cables that are pulled.

Its root is the one of ``booted.py``, read-only through 9p; what it writes goes to an ext4 disk, so killing QEMU is a power
cut: what the guest had not flushed is gone. Its clock counts instructions, as in ``guest.py``, but waits in real time, for
a control room outside must keep up. The network is QEMU's own: 10.0.2.2 is this machine's loopback.
"""

import contextlib
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import guest
from booted import debian, until

PROGRAMS = ("mkfs.ext4",)
HOST = "10.0.2.2"
_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "9pnet_virtio", "9p", "overlay", "virtio_net")
# runs what the test puts into /mnt/out, one file after another
_RUNNER = """#!/bin/bash
ip link set lo up
until ls /sys/class/net/e* >/dev/null 2>&1; do sleep 0.2; done; udevadm settle
for card in /sys/class/net/e*; do ip link set "${card##*/}" up; ip addr add 10.0.2.15/24 dev "${card##*/}"; done
export HOME=/root LANG=C.UTF-8
cd /mnt/out
echo "$BASHPID $(cut -d' ' -f1 /proc/uptime)" > up
while :; do
  for job in job-*.sh; do
    [ -e "$job" ] && [ ! -e "${job%.sh}.rc" ] || continue
    bash "$job" > "${job%.sh}.out" 2>&1 </dev/null
    echo "$? $(cut -d' ' -f1 /proc/uptime)" > rc.new; mv rc.new "${job%.sh}.rc"
  done
  sleep 0.3
done
"""
_UNIT = """[Unit]
Description=runs what the test asks for
[Service]
ExecStart=/bin/bash /mnt/out/runner.sh
[Install]
WantedBy=multi-user.target
"""
_MASKED = (
    "mosquitto.service vmtest.service e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer fstrim.timer "
    "e2scrub_all.timer dpkg-db-backup.timer systemd-pstore.service getty@tty1.service systemd-timesyncd.service"
)


def missing() -> str | None:
    """Say why no such guest can be run here; ``None`` when one can."""
    absent = [name for name in (*PROGRAMS, "mmdebstrap") if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin") is None]
    return f"needs {', '.join(absent)} (apt-get install e2fsprogs mmdebstrap)" if absent else guest.missing()


@dataclass
class Machine:
    """One guest, its disk, and ``out``, the folder that both sides see."""

    folder: Path
    disk_mb: int = 3000
    process: subprocess.Popen[bytes] | None = None
    jobs: int = 0
    uptime_s: float = field(default=0.0)

    def make_disk(self, opt: Path | None = None) -> None:
        """Make an empty disk, with ``opt`` as ``/opt`` where something was built before."""
        (self.folder / "out").mkdir(parents=True)
        (self.folder / "out/runner.sh").write_text(_RUNNER)
        disk = self.folder / "disk"
        with disk.open("wb") as file:
            file.truncate(self.disk_mb * 1_000_000)
        staged = self.folder / "staged"
        units = staged / "up/etc/systemd/system"
        (units / "multi-user.target.wants").mkdir(parents=True)
        (staged / "wk").mkdir()
        (units / "rig.service").write_text(_UNIT)
        (units / "multi-user.target.wants/rig.service").symlink_to("/etc/systemd/system/rig.service")
        for unit in _MASKED.split():
            (units / unit).symlink_to("/dev/null")
        if opt is not None:
            subprocess.run(["cp", "-a", "--reflink=auto", str(opt), str(staged / "up/opt")], check=True)
        mkfs = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin")
        subprocess.run([mkfs, "-q", "-F", "-d", str(staged), str(disk)], check=True)
        shutil.rmtree(staged)

    def boot(self, *, timeout_s: float = 1800) -> None:
        """Switch it on and wait until it answers."""
        tree, version = guest.kernel()
        out = self.folder / "out"
        (out / "up").unlink(missing_ok=True)
        initrd = self.folder / "initrd.gz"
        if not initrd.exists():
            init = guest.first_program("-t ext4 /dev/vda", "/lib/systemd/systemd --show-status=0", foreign_kernel=True)
            guest.make_initrd(tree, version, initrd, init, _MODULES)
        machine = [
            *("-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=on"),
            *("-cpu", "Nehalem", "-smp", "1", "-m", "1536", "-rtc", "base=utc,clock=vm"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-kernel", str(tree / f"boot/vmlinuz-{version}"), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 quiet panic=-1", "-serial", f"file:{self.folder / 'console.log'}"),
            *("-drive", f"file={self.folder / 'disk'},format=raw,if=none,id=d,cache=writeback"),
            *("-device", "virtio-blk-pci,drive=d", "-netdev", "user,id=n"),
            *("-device", "virtio-net-pci,netdev=n,romfile="),
            *guest.shares(root=debian(), out=out, kernel=tree),
        ]
        with (self.folder / "qemu.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["qemu-system-x86_64", *machine], stdin=subprocess.DEVNULL, stderr=log, stdout=log
            )
        until(self._is_up, timeout_s)
        self.uptime_s = float((out / "up").read_text().split()[1])

    def _is_up(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise OSError(f"it did not boot: {(self.folder / 'console.log').read_text(errors='replace')[-2000:]}")
        up = self.folder / "out/up"
        return up.exists() and len(up.read_text().split()) == 2

    def run(self, script: str, *, check: bool = True, timeout_s: float = 3600) -> str:
        """Run ``script`` in the guest as root and give what it printed; ``uptime_s`` is then the guest's own time."""
        self.jobs += 1
        name = f"job-{self.jobs:03}"
        out = self.folder / "out"
        (out / "script.new").write_text(script)
        (out / "script.new").rename(out / f"{name}.sh")
        until(lambda: self._is_up() and (out / f"{name}.rc").exists(), timeout_s)
        status, uptime = (out / f"{name}.rc").read_text().split()
        self.uptime_s = float(uptime)
        said = (out / f"{name}.out").read_text(errors="replace")
        assert not check or status == "0", f"{script}: {status}\n{said[-4000:]}"
        return said

    def show(self, name: str) -> str:
        """Give one property of the service."""
        return self.run(f"systemctl show edge -p {name} --value").strip()

    def cut(self) -> None:
        """Cut its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def __enter__(self) -> Self:
        """Give itself; it is switched on by ``boot``."""
        return self

    def __exit__(self, *_: object) -> None:
        """Switch it off."""
        with contextlib.suppress(OSError):
            self.cut()
