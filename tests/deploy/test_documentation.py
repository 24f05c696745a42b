"""The pages for installers are true: links lead somewhere, settings and commands that they name exist."""

import re
from pathlib import Path

import pytest

from edge.cli import COMMANDS
from edge.config import settings
from edge.station.settings import StationConfig

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "deploy" / "README.md", REPOSITORY / "deploy" / "privacy.md"]
TABLES = {name.split(".")[0].replace("[]", "") for name, _ in [*settings(), *settings(StationConfig)]}
KNOWN = {name.replace("[]", "") for name, _ in [*settings(), *settings(StationConfig)]}


def anchors(page: Path) -> set[str]:
    """List the anchors of a page, as GitHub makes them from its headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def ids(page: Path) -> str:
    """Name a page in the report."""
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_leads_somewhere(page):
    """Files exist, and so do the headings that are jumped to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", [*PAGES, *sorted((REPOSITORY / "edge" / "doctor").glob("*.py"))], ids=ids)
def test_every_setting_that_is_named_exists(page):
    """A page, or a cure of the doctor, that names a setting which was renamed helps nobody."""
    text = page.read_text(encoding="utf-8")
    quoted = text if page.suffix == ".py" else " ".join(re.findall(r"`([^`\n]+)`", text))
    for section, key in re.findall(r"\b([a-z]+)\.([a-z]+(?:_[a-z0-9]+)+)\b(?!\()", quoted):
        if section in TABLES and not (page.suffix == ".py" and f"{section}.{key}(" in text):
            assert any(name == f"{section}.{key}" or name.startswith(f"{section}.{key}.") for name in KNOWN), (
                f"{section}.{key}"
            )


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_that_is_named_exists(page):
    """`edge something` in a page is a command of this program."""
    for name in re.findall(r"(?:^|`|&& |sudo )edge ([a-z][a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        assert name in COMMANDS, name
