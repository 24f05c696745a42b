"""The page's own files: what is vendored is what its maker published, and carries its licence."""

import hashlib
import re

from edge.station.web import PAGE_FOLDER

VENDOR = PAGE_FOLDER / "vendor"


def test_vendored_files_are_unchanged_and_licensed():
    """Every hash is as noted, every file is noted, and the table names a licence that lies beside it."""
    sums = dict(reversed(line.split()) for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    code = {file.name for file in VENDOR.iterdir() if file.suffix in (".js", ".mjs", ".css")}
    assert set(sums) == code
    for name, digest in sums.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    table = (VENDOR / "README.md").read_text()
    assert all(f"`{name}`" in table for name in code)
    for licence in re.findall(r"`([a-z-]+\.[A-Za-z-]*licenses?\.txt)`", table, re.IGNORECASE):
        assert "Permission" in (text := (VENDOR / licence).read_text()) or "Redistribution" in text


def test_the_page_names_no_other_host():
    """No address of another machine stands in our own files, but for the names of XML namespaces."""
    own = [file for file in PAGE_FOLDER.glob("*") if file.suffix in (".js", ".css", ".html", ".svg")]
    found = [(file.name, url) for file in own for url in re.findall(r"https?://[^\s\"'`)]+", file.read_text())]
    assert {url for _, url in found} <= {"http://www.w3.org/2000/svg"}
    assert len(own) > 10
