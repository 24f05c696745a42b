"""Numbers as people read them in a table; what was not measured is a dash, never a zero."""


def number(value: float | None, digits: int) -> str:
    """Write a number with so many digits after the point."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """Write a share of 0..1 in per cent."""
    return "-" if value is None else f"{100 * value:.1f} %"
