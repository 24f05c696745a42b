"""Which kernels this machine uses: the native ones where they were built, else the specification itself."""

import os
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

from edge.pipeline.preprocess import native
from edge.pipeline.preprocess.kernels import Gain, Grey, Kernels
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.pipeline.preprocess.scaling import Places, Resample

FORCED_BY = "EDGE_PREPROCESS"
"""Environment variable; ``reference`` leaves the native kernels aside (same alerts, several times slower)."""


class Backend(NamedTuple):
    """Which kernels are in use, and why not the faster ones.

    Attributes:
        name: ``native`` or ``reference``.
        reason: for a person, why it is the reference; None for ``native``.
    """

    name: Literal["native", "reference"]
    reason: str | None = None


def backend() -> Backend:
    """Tell which kernels ``make_kernels`` gives; for the log at the start, ``health`` and ``edge doctor``."""
    if os.environ.get(FORCED_BY) == "reference":
        return Backend("reference", f"the environment variable {FORCED_BY} says so")
    fault = _loaded()[1]
    return Backend("native") if fault is None else Backend("reference", f"the native core is missing: {fault}")


def make_kernels(gain: Gain, *, watch: bool = False) -> Kernels:
    """Make the fastest kernels that this machine has, for one camera.

    Args:
        gain: how counts become levels.
        watch: sum cells.
    """
    library = _loaded()[0]
    if backend().name == "reference" or library is None:
        return ReferenceKernels(gain, watch=watch)
    return native.NativeKernels(library, gain, watch=watch)


def make_resample(rows: Places, columns: Places) -> Callable[[Grey, Grey], None]:
    """Make the fastest ``scaling.Resample`` that this machine has.

    Args:
        rows: of the target, over the rows of the picture.
        columns: likewise.
    """
    library = _loaded()[0]
    if backend().name == "reference" or library is None:
        return Resample(rows, columns)
    return native.NativeResample(library, rows, columns)


@cache
def _loaded() -> tuple[native.Library | None, str | None]:
    try:
        return native.load(), None
    except OSError as error:
        return None, str(error)
