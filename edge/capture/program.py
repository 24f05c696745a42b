"""A program whose standard output is a video stream: GStreamer, or an FFmpeg that knows more than ours."""

import contextlib
import os
import select
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from edge.config import redacted
from edge.errors import CameraError

_TAIL_BYTES = 2000
_STOP_S = 2.0


class Program:
    """Runs a program and gives what it writes, but never waits longer than ``timeout_s`` for it."""

    def __init__(self, command: Sequence[str], *, timeout_s: float, told: str = "") -> None:
        """Nothing runs yet; ``told`` is what the program gets to read, for what must not stand in the process list."""
        self._command = list(command)
        self._told = told.encode()
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints = b""

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            CameraError: it is not installed.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
            with contextlib.suppress(BrokenPipeError):  # it ended at once; what it says of that is its complaint
                self._process.stdin.write(self._told)  # type: ignore[union-attr]  # shorter than a pipe holds
            self._process.stdin.close()  # type: ignore[union-attr]
        except (OSError, ValueError) as error:
            raise CameraError(f"{self._command[0]}: cannot be run: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, by force if it does not listen."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def read(self, most: int) -> bytes:
        """Give up to ``most`` bytes; nothing when the program has ended or was silent for ``timeout_s``.

        No exception: PyAV, which calls this, would print it and go on.
        """
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            return b""
        out, err = process.stdout.fileno(), process.stderr.fileno()
        while True:
            waiting = [out] if self._complaints.endswith(b"\0") else [out, err]
            ready, _, _ = select.select(waiting, [], [], self._timeout_s)
            if err in ready:  # read along, or the program would one day wait for us on a full pipe
                said = os.read(err, most)
                self._complaints = (self._complaints + said)[-_TAIL_BYTES:] if said else self._complaints + b"\0"
            if out in ready:
                return os.read(out, most)
            if not ready:
                self._complaints = f"nothing came for {self._timeout_s:g} s".encode()
                return b""

    @property
    def complaint(self) -> str:
        """The last line that it wrote to standard error, without whatever secrets stand in it."""
        lines = self._complaints.strip(b"\0").decode("utf-8", "replace").strip().splitlines()
        return redacted(lines[-1].strip()) if lines else ""
