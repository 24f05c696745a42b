"""The native twin of ``reference.py``: ``core.cpp``, compiled when the package was installed, called through ctypes.

Python costs as much as the pixels do, so a frame is one call, and addresses of memory that stays are asked for once.
"""

import ctypes
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np

from edge.pipeline.preprocess.kernels import (
    BINS,
    CELL_PX,
    NO_STRIPES,
    TOP,
    Background,
    Cells,
    Exposure,
    Gain,
    Grey,
    Spots,
    Stripes,
    cells_shape,
    check_faults,
    row_step,
)
from edge.pipeline.preprocess.scaling import Places, check_places
from edge.records import Pixels

Library = ctypes.CDLL

_VERSION = 7  # of the call; a library left behind by an older installation must not be used
_TABLES = 4  # of the histogram; as in core.cpp
_WHERE = ctypes.c_void_p
_EXPOSE = (
    *(_WHERE, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int),  # the picture, the row step
    *(ctypes.c_double, ctypes.c_int, ctypes.c_int),  # weight, learn, flip
    *(_WHERE, ctypes.c_ssize_t, _WHERE, _WHERE),  # the levels, the cells and those before
    *(_WHERE, _WHERE, _WHERE, _WHERE),  # the tables of the histogram, the faults, the camera, the equaliser
)
_WATCH = (
    *(_WHERE, _WHERE, _WHERE, ctypes.c_int, ctypes.c_int),  # the cells, the ground, the deviation, rows, columns
    *(ctypes.c_int, ctypes.c_int, ctypes.c_int),  # floor, weight, rounding
    *(_WHERE, _WHERE, _WHERE),  # scratch, the tiles, the background's state
)
_RESAMPLE = (
    *(_WHERE, ctypes.c_ssize_t, ctypes.c_int, _WHERE, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_int),  # both pictures
    *(_WHERE, _WHERE, _WHERE),  # rows, columns, room for a row
)
_FAULTS = 4  # words of ``Faults`` in faults.hpp
_DOUBLES = 5  # of ``Camera`` in core.cpp; whole numbers follow
_EMPTY = (0, 0, -1)  # limits not known, no bins filled
_RESULTS = 15


def load() -> Library:
    """Load the compiled library that lies beside this file.

    Raises:
        OSError: it was not built, was built for another machine or is of another version.
    """
    here = Path(__file__).parent
    built = [path for suffix in EXTENSION_SUFFIXES if (path := here / f"_core{suffix}").is_file()]
    if not built:
        raise OSError("it was not built; install a C++ compiler (g++) and then this package again")
    library = ctypes.CDLL(str(built[0]))
    if not hasattr(library, "edge_version") or library.edge_version() != _VERSION:
        raise OSError(f"{built[0].name} is of another version; install this package again")
    library.edge_expose.argtypes, library.edge_expose.restype = _EXPOSE, None
    library.edge_watch.argtypes, library.edge_watch.restype = _WATCH, None
    library.edge_resample.argtypes, library.edge_resample.restype = _RESAMPLE, None
    return library


class NativeResample:
    """The native twin of ``scaling.Resample``, which says what it does."""

    def __init__(self, library: Library, rows: Places, columns: Places) -> None:
        """Take room for one row, and note where everything lies."""
        self._resample = library.edge_resample
        self._kept = (rows, columns)
        self._places = [np.array([part.ctypes.data for part in of], np.uintp) for of in self._kept]
        self._at_places = tuple(where.ctypes.data for where in self._places)
        self._room = np.zeros(int(columns.second.max()) + 1, np.uint16)
        self._at_room = self._room.ctypes.data

    def __call__(self, picture: Grey, target: Grey) -> None:
        """Fill ``target`` from ``picture``."""
        check_places(picture, target, *self._kept)
        if picture.strides[1] != 1:
            picture = picture.copy()
        self._resample(
            *(picture.ctypes.data, picture.strides[0], len(self._room), target.ctypes.data, target.strides[0]),
            *(*target.shape, *self._at_places, self._at_room),
        )


class NativeKernels:
    """Calls into the library; ``Kernels`` says what they do."""

    def __init__(self, library: Library, gain: Gain, *, watch: bool = False) -> None:
        """Take scratch memory: a histogram in four parts, of which only the pages that a camera's counts touch exist.

        Args:
            library: from ``load``.
            gain: how counts become levels.
            watch: sum cells.
        """
        self._expose = library.edge_expose
        self._watch_cells = library.edge_watch
        self._flip = gain.flip
        self._watch = watch
        self._tables = np.zeros(_TABLES * (TOP + 1), np.uint32)
        self._camera = np.zeros(_DOUBLES + len(_EMPTY) + _RESULTS, np.int64)
        self._camera[:3].view(np.float64)[:] = (gain.low_share, gain.high_share, gain.min_span)
        self._camera[_DOUBLES : _DOUBLES + len(_EMPTY)] = _EMPTY
        self._found = self._camera[_DOUBLES + len(_EMPTY) :]
        self._at_tables, self._at_camera = self._tables.ctypes.data, self._camera.ctypes.data
        self._faults = np.zeros(_FAULTS, np.uintp)  # addresses; what they point to is kept beside them
        self._at_faults = self._faults.ctypes.data
        self._equaliser, self._at_equaliser = np.zeros(0), None
        if gain.plateau_share is not None:
            self._equaliser = np.zeros(3 + BINS + 1 + (TOP + 1) // 8)  # words of ``Equaliser`` in core.cpp
            self._equaliser[0] = gain.plateau_share
            self._at_equaliser = self._equaliser.ctypes.data
        self._starts = self._columns = self._stripes = np.zeros(0, np.int32)
        self._room = np.zeros((0, 0), np.uint8)
        self._target: Grey | None = None
        self._at_target = 0
        self._layout: tuple[tuple[int, ...], int] | None = None
        self._step = 1
        self._both: tuple[Cells, Cells] | None = None
        self._at_both: tuple[int, int] | tuple[None, None] = (None, None)
        self._turn = 0
        self._seen = False
        self._background: Background | None = None
        self._at_background = (0, 0, 0)
        self._moves = np.zeros(0, np.uint8)
        self._state = np.zeros(3, np.int64)
        self._at_moves, self._at_state = 0, self._state.ctypes.data

    @property
    def cells(self) -> Cells | None:
        """The latest frame's cells."""
        return None if self._both is None else self._both[self._turn]

    def mend(self, dead: Spots, stripes: Stripes = NO_STRIPES) -> None:
        """From the next frame on, take faults of the sensor out."""
        (height_px, width_px), itemsize = self._layout or ((0, 0), 0)
        check_faults(dead, stripes, (height_px, width_px), itemsize)
        self._starts = np.searchsorted(dead[:, 0], np.arange(height_px + 1)).astype(np.int32)
        self._columns = np.ascontiguousarray(dead[:, 1], np.int32)
        self._room = np.empty((CELL_PX, width_px * itemsize), np.uint8)
        self._stripes = np.ascontiguousarray(stripes, np.int32)
        at_stripes = self._stripes.ctypes.data if len(stripes) else 0
        self._faults[:] = (self._starts.ctypes.data, self._columns.ctypes.data, self._room.ctypes.data, at_stripes)

    def expose(self, pixels: Pixels, target: Grey, *, weight: float, learn: bool) -> Exposure:
        """Map one frame to levels and measure it."""
        if pixels.strides[1] != pixels.itemsize or not pixels.flags.aligned:
            pixels = pixels.copy()
        if (pixels.shape, pixels.itemsize) != self._layout:
            self._lay_out(pixels)
        if target is not self._target:
            self._target, self._at_target = target, target.ctypes.data
        before = self._at_both[self._turn] if self._seen else None
        self._turn = 1 - self._turn
        self._expose(
            pixels.ctypes.data,
            pixels.strides[0],
            pixels.shape[0],
            pixels.shape[1],
            pixels.itemsize,
            self._step,
            weight,
            learn,
            self._flip,
            self._at_target,
            target.strides[0],
            self._at_both[self._turn],
            before,
            self._at_tables,
            self._at_faults,
            self._at_camera,
            self._at_equaliser,
        )
        self._seen = self._watch
        found: list[int] = self._found.tolist()
        low, high, median, samples, at_minimum, at_maximum = found[:6]
        levels_sum, levels_squares, repeats = found[12:]
        return Exposure(
            low=low,
            high=high,
            median=median,
            samples=samples,
            at_minimum=at_minimum,
            at_maximum=at_maximum,
            steps=tuple(found[6:9]),
            step_pixels=tuple(found[9:12]),
            levels_sum=levels_sum,
            levels_squares=levels_squares,
            repeats=repeats == 1,
        )

    def watch(self, background: Background, *, floor: int, weight: int, rounding: int) -> int:
        """Compare the latest cells with a background and learn."""
        rows, columns = background.ground.shape
        if background is not self._background:
            self._background = background
            parts = (background.ground, background.deviation, background.tiles)
            self._at_background = (parts[0].ctypes.data, parts[1].ctypes.data, parts[2].ctypes.data)
            self._moves = np.zeros(columns, np.uint8)
            self._at_moves = self._moves.ctypes.data
            self._state[0] = background.deviation_mean
        ground, deviation, tiles = self._at_background
        self._watch_cells(
            *(self._at_both[self._turn], ground, deviation, rows, columns),
            *(floor, weight, rounding, self._at_moves, tiles, self._at_state),
        )
        background.deviation_mean, moving, renewed = self._state.tolist()
        background.renewed = renewed == 1
        return moving

    def _lay_out(self, pixels: Pixels) -> None:
        """Take memory for frames of another size or depth."""
        self._layout = (pixels.shape, pixels.itemsize)
        self._step = row_step(*pixels.shape)
        self._seen = False
        self._faults[:] = 0
        if self._watch:
            shape = cells_shape(*pixels.shape)
            self._both = (np.zeros(shape, np.int32), np.zeros(shape, np.int32))
            self._at_both = (self._both[0].ctypes.data, self._both[1].ctypes.data)
