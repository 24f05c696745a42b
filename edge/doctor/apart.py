"""Each check in a process of its own: what hangs is killed, what crashes is told, and neither stops the others.

A thread would not do: a read from a camera whose driver hangs, or a write to a dying disk, cannot be ended from outside,
and the whole program would wait for it at its end. The process is forked and not spawned, so that it begins at once; for
that the doctor itself must not have started threads.
"""

import contextlib
import json
import os
import pwd
import select
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from edge.doctor.findings import Finding
from edge.errors import EdgeError

_CHUNK = 65536
_REAP_S = 1.0
_LOOK_S = 0.01


def apart(
    name: str, check: Callable[[], Sequence[Finding]], *, limit_s: float, user: str | None = None, quiet: bool = True
) -> list[Finding]:
    """Run a check and give its findings, or one that says why there are none.

    Args:
        name: of the check, when it cannot speak for itself.
        check: what to run.
        limit_s: it is killed after this time, with everything that it has started.
        user: whose rights it gets; needs root.
        quiet: nothing that libraries print gets through.
    """
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; see above
        child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(name, check, write, user=user, quiet=quiet)
    os.close(write)
    try:
        answer = _read(read, time.monotonic() + limit_s)
    except BaseException:
        _kill(child)
        raise
    finally:
        os.close(read)
    if answer is None:
        _kill(child)
        return [
            Finding(
                name,
                "fail",
                f"no answer within {limit_s:g} s; it was given up",
                "look at its cable, its disk or its host",
            )
        ]
    status = _reap(child)
    if not answer:
        ended = f"signal {os.WTERMSIG(status)}" if status is not None and os.WIFSIGNALED(status) else "no word"
        return [Finding(name, "fail", f"the check crashed ({ended})", "run it again with --verbose and report it")]
    return [Finding(**found) for found in json.loads(answer)]


def _in_child(
    name: str, check: Callable[[], Sequence[Finding]], write: int, *, user: str | None, quiet: bool
) -> NoReturn:
    try:
        os.setsid()  # so that whatever it starts can be killed with it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _silence(1)  # standard output is the doctor's
        if quiet:
            _silence(2)
        if user is not None:
            _become(user)
        found = list(check())
    except EdgeError as error:
        found = [Finding(name, "fail", str(error))]
    except BaseException as error:  # noqa: BLE001  (a fault of the check itself is told like any other)
        found = [Finding(name, "fail", f"the check itself failed: {type(error).__name__}: {error}", "please report it")]
    with contextlib.suppress(BaseException), os.fdopen(write, "wb") as pipe:
        pipe.write(json.dumps([asdict(one) for one in found], default=str).encode())
    os._exit(0)


def _silence(stream: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


def _read(pipe: int, deadline_s: float) -> bytes | None:
    """Read to the end, which comes when the child ends; ``None`` when that takes too long."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    answer = b""
    while (left_s := deadline_s - time.monotonic()) > 0:
        if poller.poll(left_s * 1000):
            chunk = os.read(pipe, _CHUNK)
            if not chunk:
                return answer
            answer += chunk
    return None


def _kill(child: int) -> None:
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
    _reap(child)


def _reap(child: int) -> Any:
    """Wait for its end, but not for one that hangs in the kernel: it ends with us or never."""
    deadline_s = time.monotonic() + _REAP_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(ChildProcessError):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
        time.sleep(_LOOK_S)
    return None
