"""The machine's own troubles: clock, disk, power, heat, memory, permissions, and what systemd says of the service."""

import errno
import os
import time
from pathlib import Path

import pytest

from edge import box as kernel
from edge.config import CameraConfig, Config, DeliveryConfig
from edge.doctor import box, neighbours
from edge.doctor.permissions import check_permissions


def by_check(found):
    """Give findings by check."""
    return {one.check: one for one in found}


@pytest.mark.parametrize(
    ("quality", "state", "words"),
    [("ntp", "pass", "synchronised"), ("rtc", "warn", "battery"), ("unsynchronised", "warn", "no battery clock")],
)
def test_how_far_the_clock_can_be_believed(monkeypatch, quality, state, words):
    """The kernel's own word, with the command that helps."""
    monkeypatch.setattr(box, "clock_quality", lambda: quality)
    (found,) = box.check_clock()
    assert found.state == state
    assert words in found.told
    assert (found.fix is None) == (state == "pass")


def test_a_clock_of_1970_is_a_failure(monkeypatch):
    """With it every certificate is refused."""
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    (found,) = box.check_clock()
    assert found.state == "fail"
    assert "1970-01-02" in found.told


def test_a_disk_is_written_and_timed_and_left_clean(tmp_path):
    """Free space, what one alert costs and the rate are measured; no file stays."""
    (found,) = box.check_disk(DeliveryConfig(outbox_file=str(tmp_path / "outbox.sqlite")))
    assert found.state in ("pass", "warn"), found  # a slow disk under other load is a true warning
    assert found.measured["fsync_ms"] > 0
    assert found.measured["mb_per_s"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words", "cure"),
    [
        (errno.EROFS, "Read-only", "dmesg"),
        (errno.ENOSPC, "No space", "make room"),
        (errno.EIO, "error", "delivery.outbox_file"),
        (errno.EACCES, "denied", "delivery.outbox_file"),
    ],
)
def test_a_disk_that_refuses_is_told(tmp_path, monkeypatch, number, words, cure):
    """A card that has switched itself to read-only, a full one and a dying one."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(box.tempfile, "TemporaryFile", refuse)
    (found,) = box.check_disk(DeliveryConfig(outbox_file=str(tmp_path / "outbox.sqlite")))
    assert found.state == "fail"
    assert words in found.told
    assert cure in found.fix


def test_a_slow_disk_is_a_warning(tmp_path, monkeypatch):
    """An fsync of half a second is a card at its end."""
    now_s = iter(index * 0.5 for index in range(1000))
    monkeypatch.setattr(box.time, "perf_counter", lambda: next(now_s))
    (found,) = box.check_disk(DeliveryConfig(outbox_file=str(tmp_path / "outbox.sqlite")))
    assert found.state == "warn"
    assert "500 ms" in found.told


def test_a_folder_that_is_missing_or_in_memory(tmp_path, monkeypatch):
    """Alerts that wait in memory are lost with the power."""
    (found,) = box.check_disk(DeliveryConfig(outbox_file=str(tmp_path / "none" / "outbox.sqlite")))
    assert (found.state, "mkdir" in found.fix) == ("fail", True)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/root / ext4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n")
    monkeypatch.setattr(box, "MOUNTS", mounts)
    (found,) = box.check_disk(DeliveryConfig(outbox_file=str(tmp_path / "outbox.sqlite")))
    assert found.state == "warn"
    assert "tmpfs" in found.told


@pytest.mark.parametrize(
    ("word", "state", "words", "cure"),
    [
        ("0x0", "pass", "enough", None),
        ("0x50005", "fail", "under-voltage", "power supply"),
        ("0x50000", "warn", "under-voltage since switched on", "power supply"),
        ("0x80008", "warn", "soft temperature limit", "heat sink"),
    ],
)
def test_a_pi_that_throttles_says_why(tmp_path, monkeypatch, word, state, words, cure):
    """Under-voltage now is a failure; since it was switched on, a warning."""
    (tmp_path / "throttled").write_text(word)
    monkeypatch.setattr(kernel, "_THROTTLED", tmp_path / "throttled")
    found = by_check(box.check_power())["power"]
    assert found.state == state
    assert words in found.told
    assert cure is None or cure in found.fix


def test_a_pi_without_the_firmwares_word_is_asked_for_its_voltage(tmp_path, monkeypatch):
    """The kernel's own sensor (hwmon ``rpi_volt``) needs no group and no tool."""
    sensor = tmp_path / "hwmon" / "hwmon2"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("rpi_volt\n")
    monkeypatch.setattr(kernel, "_THROTTLED", tmp_path / "none")
    monkeypatch.setattr(kernel, "_HWMON", tmp_path / "hwmon")
    monkeypatch.setenv("PATH", str(tmp_path))
    for alarm, state in (("1", "fail"), ("0", "pass")):
        (sensor / "in0_lcrit_alarm").write_text(alarm + "\n")
        assert by_check(box.check_power())["power"].state == state


def test_heat_and_memory(tmp_path, monkeypatch):
    """The hottest sensor counts; little memory is a warning."""
    for degrees, state in ((45.0, "pass"), (83.0, "warn"), (95.0, "fail")):
        monkeypatch.setattr(box, "temperatures_c", lambda degrees=degrees: {"thermal_zone0": degrees, "other": 30.0})
        assert by_check(box.check_power())["heat"].state == state
    (tmp_path / "meminfo").write_text("MemTotal: 500000 kB\nMemAvailable: 102400 kB\n")
    monkeypatch.setattr(box, "MEMINFO", tmp_path / "meminfo")
    found = by_check(box.check_power())["memory"]
    assert (found.state, found.told) == ("warn", "100 MB free")


def secretive(tmp_path: Path, mode: int) -> list:
    """Look at a configuration with a password, whose file has a mode."""
    secret = tmp_path / "password"
    secret.write_text("open barley\n")
    secret.chmod(mode)
    config = Config(
        camera=(CameraConfig(id="north", source="footage:x", password_file="password"),),
        delivery=DeliveryConfig(username="node-7", password_file="password"),
    )
    return [one for one in check_permissions(config, base=tmp_path, file=None) if one.check == "permissions"]


@pytest.mark.parametrize(
    ("mode", "state"), [(0o600, "pass"), (0o640, "pass"), (0o644, "fail"), (0o660, "warn"), (0o666, "fail")]
)
def test_files_with_secrets_are_closed_to_others(tmp_path, mode, state):
    """Each is named with its setting and the command that closes it; what is in it is not told."""
    found = secretive(tmp_path, mode)
    assert [one.state for one in found] == [state, state]
    assert found[0].told.startswith("delivery.password_file")
    assert found[1].told.startswith("camera.password_file of 'north'")
    assert "barley" not in str(found)
    if state != "pass":
        assert found[0].fix.startswith("chmod")


def test_a_secret_that_is_not_there_is_named(tmp_path):
    """A key that nobody copied keeps the node from connecting."""
    config = Config(delivery=DeliveryConfig(tls=True, tls_cert_file="c", tls_key_file="client.key"))
    found = [one for one in check_permissions(config, base=tmp_path, file=None) if one.check == "permissions"]
    assert found[0].state == "fail"
    assert "No such file" in found[0].told


def test_a_configuration_that_anybody_may_change_is_a_failure(tmp_path):
    """Whoever writes it could silence the node."""
    file = tmp_path / "node.toml"
    file.write_text("")
    file.chmod(0o666)
    found = check_permissions(Config(), base=tmp_path, file=file)
    assert any(one.state == "fail" and "chmod o-w" in one.fix for one in found)


UP = "LoadState=loaded\nActiveState=active\nSubState=running\n"


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (UP + "NRestarts=0\nStatusText=ok; 0 alert(s) wait", "pass", "ok; 0"),
        (UP + "StatusText=blind: north: covered; 2 alert(s) wait", "warn", "blind"),
        (UP + "NRestarts=7", "warn", "again 7 times"),
        ("LoadState=loaded\nActiveState=failed\nResult=watchdog\nNRestarts=5", "fail", "watchdog, 5 restart"),
        ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart", "fail", "does not stay up"),
        ("LoadState=loaded\nActiveState=activating\nSubState=start", "warn", "is activating"),
        ("LoadState=loaded\nActiveState=inactive\nSubState=dead", "warn", "is inactive"),
        ("LoadState=not-found\nActiveState=inactive", "skip", "not installed"),
    ],
)
def test_what_systemd_says_of_the_service(tmp_path, monkeypatch, answer, state, words):
    """The node's own status line reaches the doctor through systemd."""
    tool = tmp_path / "systemctl"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(neighbours, "SYSTEMD", tmp_path)
    (found,) = neighbours.service("edge.service")
    assert found.state == state
    assert words in found.told
