"""The page on notebooks: its code runs, in order, and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "analysis.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.M | re.S)


def ran(text):
    """What each block of code printed, beside what the page says."""
    known, printed = {}, None
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block, str(PAGE), "exec"), known)
            printed = out.getvalue()
        else:
            yield block, printed


def test_every_block_of_the_page_prints_what_the_page_says(tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    found = list(ran(PAGE.read_text()))
    assert len(found) == 7
    for said, printed in found:
        assert printed == said
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    assert "<svg" in (tmp_path / "length.svg").read_text()
