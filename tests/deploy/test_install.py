"""The installer in a folder of its own (``EDGE_ROOT``): real bash, real environments, real pip, and wheels of ten lines.

Only systemd is not there: a script that writes down what it is asked stands in its place. The same installer with the
real package under a real systemd is the guest's business (``pytest -m guest``).
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.pki import Authority

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
SCRIPT, UNIT = DEPLOY / "install.sh", DEPLOY / "edge.service"
CAMERAS = """{"cameras": [
 {"name": "Webcam", "source": "usb:046d:0825", "profile": "generic-8bit", "problem": null,
  "section": "[[camera]]\\nid = \\"camera-1\\"\\nsource = \\"usb:046d:0825\\"\\nprofile = \\"generic-8bit\\""},
 {"name": "PureThermal", "source": "usb:1e4e:0100:FL1", "profile": "lepton-y16", "problem": null,
  "section": "[[camera]]\\nid = \\"camera-2\\"\\nsource = \\"usb:1e4e:0100:FL1\\"\\nprofile = \\"lepton-y16\\""},
 {"name": "Busy", "source": "usb:1-3", "profile": null, "problem": "in use", "section": "[[camera]]"}]}"""
PROGRAM = """import pathlib, sys
VERSION, CAMERAS, REFUSES = {version!r}, {cameras!r}, {refuses!r}
def main():
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word == "cameras":
        print(CAMERAS)
    elif word == "check-config" and REFUSES:
        sys.exit("delivery.port: no longer a setting")
    elif word == "doctor":
        sys.exit(2)
    else:
        print(VERSION)
"""


def wheel(
    folder: Path,
    version: str,
    *,
    cameras: str = '{"cameras": []}',
    refuses: bool = False,
    needs: str = "",
    filler_mb: int = 0,
) -> Path:
    """Write a wheel called edge-thermal into ``folder``: a command that says its version and the cameras it was given."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"edge_thermal-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: edge-thermal\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    with zipfile.ZipFile(folder / f"edge_thermal-{version}-py3-none-any.whl", "w") as file:
        file.writestr("edge_stand_in.py", PROGRAM.format(version=version, cameras=cameras, refuses=refuses))
        file.writestr("filler", os.urandom(filler_mb * 1_000_000))
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/entry_points.txt", "[console_scripts]\nedge = edge_stand_in:main\n")
        file.writestr(f"{info}/RECORD", "")
    return folder


@dataclass
class Box:
    """A machine that is a folder."""

    root: Path
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put a systemctl there that keeps what it is asked, and refuses to start what is written into ``refuses``."""
        self.root.mkdir(parents=True)
        self.systemctl = self.root / "systemctl"
        self.systemctl.write_text(
            f"""#!/bin/bash
echo "$@" >> "{self.root}/asked"
if [ "$1" = show ]; then
  case $(readlink "{self.root}/opt/edge/current") in *3.0-*) date +%N ;; *) echo 77 ;; esac
fi
[ "$1" = restart ] || exit 0
case $(readlink "{self.root}/opt/edge/current") in *$(cat "{self.root}/refuses" 2>/dev/null || echo nothing)*) exit 1 ;; esac
"""
        )
        self.systemctl.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """Give the environment that the installer is started with."""
        return {
            **os.environ,
            "EDGE_ROOT": str(self.root),
            "EDGE_SYSTEMCTL": str(self.systemctl),
            "EDGE_PYTHON": sys.executable,
            "EDGE_SETTLE_S": "0.05",
            "PIP_CONFIG_FILE": "/dev/null",
            **self.extra,
        }

    def install(self, *words: str | Path, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
        """Run the installer to its end."""
        command = ["bash", str(script), *map(str, words)]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=300, check=False)

    def asked(self) -> list[str]:
        """Give what systemd was asked since the last time, and forget it."""
        file = self.root / "asked"
        told = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return told

    @property
    def config(self) -> Path:
        """Where the settings lie."""
        return self.root / "etc/edge/node.toml"

    def current(self) -> str:
        """Name the release in use."""
        return (self.root / "opt/edge/current").readlink().name

    def releases(self) -> set[str]:
        """Name the releases that are there."""
        return {path.name for path in (self.root / "opt/edge/releases").iterdir()}

    def says(self) -> str:
        """Ask the installed command for its version."""
        done = subprocess.run(
            [self.root / "usr/local/bin/edge", "--version"], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture
def box(tmp_path) -> Box:
    """Give an empty machine whose path has a space in it."""
    return Box(tmp_path / "a box")


@pytest.fixture
def wheels(tmp_path):
    """Give a function that makes a folder of wheels, with a space in its name."""
    return lambda version, **how: wheel(tmp_path / f"wheels {version}", version, **how)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_nothing():
    """The script is clean, also of mere advice."""
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_hardened(tmp_path):
    """There is no fault for systemd to find, and it judges the exposure at two or less."""
    unit = tmp_path / "edge.service"
    unit.write_text(UNIT.read_text().replace("/opt/edge/current/bin/edge", "/bin/true"))
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout[-300:]


def test_the_video_driver_is_there_before_systemd_looks_it_up():
    """A camera that is plugged in after the start may be used: char-video4linux is a name that the driver brings."""
    unit = UNIT.read_text()
    assert "DeviceAllow=char-video4linux rw" in unit
    for word in ("Wants", "After"):
        assert re.search(rf"^{word}=.*modprobe@videodev\.service", unit, re.MULTILINE)


def test_install_then_again_upgrade_roll_back_uninstall(box, wheels):
    """The life of an installation: settings are written once, two releases stay, and a purge leaves nothing."""
    folder = wheels("1.0", cameras=CAMERAS)
    first = box.install("--wheels", folder, "--node", "Ridge 7", "--broker", "mq.example:2883")
    assert first.returncode == 0, first.stdout + first.stderr
    assert box.says() == "1.0"
    settings = tomllib.loads(box.config.read_text())
    assert settings["node"]["id"] == "ridge-7"
    assert settings["camera"] == [{"id": "camera-1", "source": "usb:1e4e:0100:FL1", "profile": "lepton-y16"}]
    assert "also there: Webcam" in box.config.read_text()
    assert (settings["delivery"]["host"], settings["delivery"]["port"]) == ("mq.example", 2883)
    assert box.asked() == ["daemon-reload", "enable -q edge", "restart edge"]
    assert "edge subscribe --host mq.example" in first.stdout

    box.config.write_text(box.config.read_text() + "# mine\n")
    began = box.current()
    again = box.install("--wheels", folder, "--node", "other")
    assert again.returncode == 0, again.stderr
    assert "there already" in again.stdout
    assert box.config.read_text().endswith("# mine\n")
    assert box.current() == began

    for version in ("1.1", "1.2"):
        assert box.install("upgrade", "--wheels", wheels(version)).returncode == 0
    assert box.says() == "1.2"
    assert {name.split("-")[0] for name in box.releases()} == {"1.1", "1.2"}

    kept = box.root / "opt/edge/install.sh"  # the checkout may be long gone
    assert box.install("rollback", script=kept).returncode == 0
    assert box.says() == "1.1"
    assert box.install("rollback", script=kept).returncode == 0
    assert box.says() == "1.2"

    assert box.install("uninstall", script=kept).returncode == 0
    assert box.config.exists()
    assert not (box.root / "opt/edge").exists()
    assert not (box.root / "usr/local/bin/edge").is_symlink()
    assert box.install("uninstall", "--purge").returncode == 0
    left = [path for path in box.root.rglob("*") if path.is_file() and path.name not in ("asked", "systemctl")]
    assert left == []


def test_an_upgrade_that_fails_leaves_the_old_release_running(box, wheels):
    """It does not start, refuses the settings, or cannot be installed: each time the old one is there, and exit is 1."""
    assert box.install("--wheels", wheels("1.0")).returncode == 0
    # no camera was found: whichever comes is taken
    assert tomllib.loads(box.config.read_text())["camera"] == [{"id": "camera-1", "source": "usb:auto"}]
    before = box.current()
    (box.root / "refuses").write_text("2.0")
    failed = box.install("--wheels", wheels("2.0"))
    assert failed.returncode == 1
    assert "runs again" in failed.stderr
    dying = box.install("--wheels", wheels("3.0"))  # systemctl gives it another process number each time it looks
    assert dying.returncode == 1
    assert "runs again" in dying.stderr
    refused = box.install("--wheels", wheels("2.1", refuses=True))
    assert refused.returncode == 1
    assert "no longer a setting" in refused.stderr
    lacking = box.install("--wheels", wheels("2.2", needs="no-such-package-anywhere"))
    assert lacking.returncode == 1
    assert "deploy/install.sh bundle" in lacking.stderr
    assert box.current() == before
    assert box.says() == "1.0"
    assert not any(name.startswith("2.2") for name in box.releases())


def test_a_run_that_is_killed_is_made_good_by_the_next(box, wheels):
    """Killed while pip works: nothing points at the half release, and running again finishes it."""
    folder = wheels("1.0")
    killed = subprocess.Popen(
        ["bash", str(SCRIPT), "--wheels", str(folder)], env=box.environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end_s = time.monotonic() + 120
    while not list(box.root.glob("opt/edge/releases/*/bin/python")) and time.monotonic() < end_s:
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert box.releases()
    assert not list(box.root.glob("opt/edge/releases/*/complete"))
    assert not (box.root / "opt/edge/current").is_symlink()
    assert box.install("--wheels", folder).returncode == 0
    assert box.says() == "1.0"
    assert list(box.root.glob("opt/edge/work.*")) == []


def test_certificates_give_tls_and_the_name(box, wheels, tmp_path):
    """The folder of edge pki is all that is needed: the access rules go by the certificate's name, so the node bears it."""
    authority = Authority(tmp_path / "pki", now=datetime.now(UTC))
    authority.create("ours")
    authority.issue("node", "north-ridge")
    box.extra["PYTHONPATH"] = os.pathsep.join(sys.path)  # the stand-in brings no cryptography
    done = box.install(
        "--wheels", wheels("1.0"), "--certificates", tmp_path / "pki/north-ridge", "--source", "rtsp://cam/1"
    )
    assert done.returncode == 0, done.stderr
    settings = tomllib.loads(box.config.read_text())
    assert settings["node"]["id"] == "north-ridge"
    assert settings["delivery"]["tls"]
    assert settings["delivery"]["port"] == 8883
    assert settings["camera"][0]["source"] == "rtsp://cam/1"
    key = box.root / "etc/edge/pki/client.key"
    assert key.stat().st_mode & 0o777 == 0o640
    assert str(key) == settings["delivery"]["tls_key_file"]


def test_a_dry_run_does_nothing(box, wheels):
    """It says what it would do, and the machine is as it was."""
    before = sorted(box.root.rglob("*"))
    done = box.install("--dry-run", "--wheels", wheels("1.0"))
    assert done.returncode == 0
    assert "would: make" in done.stdout
    assert sorted(box.root.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, to mount a small disk")
def test_a_disk_that_fills_up_leaves_what_was_there(box, wheels):
    """It said it had room, and had not: the half release is gone again, and the old one is untouched."""
    folder = wheels("2.0", filler_mb=6)
    tool = box.root / "bin/df"
    script = f"""mount -t tmpfs -o size=3m tmpfs "{box.root}/opt" && mkdir -p "{box.root}/opt/edge/releases/old"
    echo kept > "{box.root}/opt/edge/releases/old/complete"
    bash "{SCRIPT}" --wheels "{folder}"; status=$?
    find "{box.root}/opt/edge" -type f ! -name lock; exit $status"""
    (box.root / "opt").mkdir()
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho head; echo 'disk 9999 0 9999 0% /'\n")
    tool.chmod(0o755)
    environment = box.environment() | {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
    command = ["unshare", "-m", "bash", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the disk is full" in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("/")] == [
        f"{box.root}/opt/edge/releases/old/complete"
    ]


def test_without_a_network_the_folder_of_wheels_is_named(box):
    """From a checkout, with no index to ask."""
    box.extra["PIP_NO_INDEX"] = "1"
    done = box.install()
    assert done.returncode == 1
    assert "--wheels DIR" in done.stderr
    assert box.releases() == set()
    assert list((box.root / "opt/edge").glob("work.*")) == []


def test_two_installations_at_once_are_refused(box, wheels):
    """The second says so and leaves the first alone."""
    (box.root / "opt/edge").mkdir(parents=True)
    with (box.root / "opt/edge/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = box.install("--wheels", wheels("1.0"))
    assert done.returncode == 1
    assert "another installation" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--wheels", "/nowhere"), 1, "no such folder"),
        (("--wheels", "/etc"), 1, "no edge_thermal"),
        (("--wheels",), 1, "a value is missing"),
        (("--what",), 2, "unknown: --what"),
        (("rollback",), 1, "no release before"),
        (("--broker", "host:port"), 1, "HOST:PORT"),
        (("--broker", ":1883"), 1, "HOST:PORT"),
        (("--broker", "fe80::1"), 1, "brackets"),
    ],
)
def test_a_mistake_is_told_before_anything_is_done(box, words, status, said):
    """The message names what to change."""
    done = box.install(*words)
    assert done.returncode == status
    assert said in done.stderr
    assert not (box.root / "opt/edge/releases").exists()


@pytest.mark.parametrize(
    ("program", "script", "said"),
    [
        ("getconf", "echo 32", "32-bit"),
        ("uname", "echo armv7l", "armv7l processors are not supported"),
        ("df", "echo head; echo 'disk 1000 900 100 90% /'", "100 MB are free"),
    ],
)
def test_a_machine_that_will_not_do_is_refused(box, wheels, tmp_path, program, script, said):
    """32 bits, another processor, no room: said in the first second, with what to do."""
    tool = tmp_path / "bin" / program
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    box.extra["PATH"] = f"{tool.parent}:{os.environ['PATH']}"
    done = box.install("--wheels", wheels("1.0"))
    assert done.returncode == 1
    assert said in done.stderr


def test_an_old_python_is_refused_with_the_package_to_install(box, wheels, tmp_path):
    """As on JetPack 6, whose python3 is 3.10; where apt-get can bring 3.11 it does."""
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    box.extra["EDGE_PYTHON"] = str(old)
    done = box.install("--wheels", wheels("1.0"))
    assert done.returncode == 1
    assert "apt-get install python3.11-venv" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="needs setpriv to be somebody else")
def test_somebody_without_rights_is_told_to_use_sudo():
    """The first line says it."""
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    command = [*become, "bash", "-s", "--", "uninstall"]  # read from a pipe, as nobody may enter a developer's folders
    done = subprocess.run(
        command, input=SCRIPT.read_text(), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "sudo" in done.stderr


def test_help_names_every_option():
    """Each option that the script takes is explained in its head."""
    text = SCRIPT.read_text()
    told = subprocess.run(["bash", SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    taken = {word for line in re.findall(r"^    (--[a-z|\- ]+)\)", text, re.MULTILINE) for word in line.split(" | ")}
    assert taken
    assert all(word in told for word in taken)
