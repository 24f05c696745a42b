"""Where the files that ship with the program are: the model and the sample footage.

In a source checkout they stand at the top of the repository; in an installed wheel they lie inside this package.
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parent.parent


def shipped(folder: str) -> Path:
    """Return the folder ``models`` or ``sample_footage`` that came with this installation.

    Args:
        folder: the name as it stands at the top of the repository.

    Returns:
        An existing folder, or the place inside the package where it would be (callers report what is missing by name).
    """
    checkout = _REPOSITORY / folder
    if (_REPOSITORY / "pyproject.toml").exists() and checkout.is_dir():
        return checkout
    return _HERE / folder
