"""Who may read and write what: the service its devices and folders, everybody else no secrets."""

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edge.config import CameraConfig, Config, from_base
from edge.doctor.findings import Finding


def check_permissions(config: Config, *, base: Path, file: Path | None) -> list[Finding]:
    """Look at the user, the configuration file and every file with a secret.

    Args:
        config: the whole configuration.
        base: folder that its relative paths are meant from.
        file: the configuration file itself.
    """
    found = [*_user(config), *(_configuration(file) if file else ()), *_secrets(config, base)]
    return found or [Finding("permissions", "pass", "nothing to protect: no secret is configured")]


def secret_files(config: Config, base: Path) -> Iterator[tuple[str, Path]]:
    """Walk the files that hold a secret, each with its setting."""
    delivery = from_base(config.delivery, base)
    for name in ("password_file", "tls_key_file"):
        path = getattr(delivery, name)
        if path:
            yield f"delivery.{name}", Path(path)
    for camera in config.camera:
        if camera.password_file:
            yield f"camera.password_file of '{camera.id}'", base / Path(camera.password_file).expanduser()


def _user(config: Config) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding(
            "user", "warn", "root: more rights than a node needs", "run it as a user of its own, in the group video"
        )
        return
    if not any(camera.source.startswith("usb:") for camera in config.camera):
        return
    names = {grp.getgrgid(number).gr_name for number in os.getgroups() if _known(number)}
    if "video" in names or "root" in names:
        yield Finding("user", "pass", "in the group video")
    elif not any(_openable(camera) for camera in config.camera):
        yield Finding("user", "fail", "not in the group video, so it may open no camera", "sudo usermod -aG video USER")


def _known(number: int) -> bool:
    try:
        grp.getgrgid(number)
    except KeyError:
        return False
    return True


def _openable(camera: CameraConfig) -> bool:
    kind, _, rest = camera.source.partition(":")
    return kind == "usb" and rest.startswith("/") and os.access(rest, os.R_OK | os.W_OK)


def _configuration(file: Path) -> Iterator[Finding]:
    if not os.access(file, os.R_OK):
        yield Finding(
            "permissions", "fail", f"{file} may not be read by the service", f"sudo chmod 640 {file}, its group"
        )
    elif file.stat().st_mode & stat.S_IWOTH:
        yield Finding("permissions", "fail", f"{file} may be changed by everybody", f"chmod o-w {file}")


def _secrets(config: Config, base: Path) -> Iterator[Finding]:
    for setting, path in secret_files(config, base):
        try:
            mode = path.stat().st_mode
            readable = os.access(path, os.R_OK)
        except OSError as error:
            yield Finding("permissions", "fail", f"{setting}: {path}: {error.strerror}", f"set {setting.split()[0]}")
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield Finding("permissions", "fail", f"{setting}: {path} is open to everybody", f"chmod o-rwx {path}")
        elif not readable:
            cure = f"sudo chgrp GROUP {path}; sudo chmod 640 {path}, with the group of the service"
            yield Finding("permissions", "fail", f"{setting}: {path} may not be read by the service", cure)
        elif mode & stat.S_IWGRP:
            yield Finding("permissions", "warn", f"{setting}: {path} may be changed by its group", f"chmod g-w {path}")
        else:
            yield Finding("permissions", "pass", f"{setting}: closed to others")
