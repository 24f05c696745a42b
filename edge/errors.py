"""The few errors of this program; each names its one catcher.

A message says what was found, what was expected, and which setting to change. The command line turns every leaf into
an exit code, so scripts can tell a typo in the configuration from a broken camera.
"""

from typing import ClassVar


class EdgeError(Exception):
    """Anything this program raises on purpose. Caught only at the top of the command line."""

    exit_code: ClassVar[int] = 1


class ConfigError(EdgeError):
    """A wrong setting, scenario or argument. Caught by the command line: only a better file is a cure."""

    exit_code: ClassVar[int] = 2


class ModelError(EdgeError):
    """A model file that is not what its manifest says. Caught by the command line: guessing would be worse."""

    exit_code: ClassVar[int] = 3


class CameraError(EdgeError):
    """A camera or clip that cannot be opened or has been lost. Caught by ``service.run``, which opens it again."""


class DeliveryError(EdgeError):
    """The broker cannot be reached or said no. Caught by the courier, which keeps the rows and tries again."""
