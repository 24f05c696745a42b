"""Tables and numbers as people read them: narrow enough for 80 columns; what was not measured is a dash, never 0."""

from collections.abc import Sequence

from rich import box
from rich.table import Table


def narrow_table(title: str, first: str, headings: Sequence[str]) -> Table:
    """Begin a table with names in its first column and numbers in the others."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), caption_justify="left")
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def number(value: float | None, digits: int) -> str:
    """Write a number with so many digits after the point."""
    return "-" if value is None else f"{value:.{digits}f}"


def share(value: float | None) -> str:
    """Write a share of 0..1 in per cent."""
    return "-" if value is None else f"{100 * value:.1f} %"
