"""Which kinds of report there are, and a report of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from drift.errors import SettingsError

if TYPE_CHECKING:
    from streams.report.beside import Beside
    from streams.report.read import Account
    from streams.report.story import Story

FORMATS = ("html", "md", "json")


def form_of(path: str) -> str:
    """Which kind of report a file of this name holds; a page where it has no ending.

    Raises
    ------
    SettingsError
        There is none of that ending.
    """
    ending = Path(path).suffix.lower().removeprefix(".") or "html"
    if ending not in FORMATS:
        raise SettingsError(f"a report is {', '.join(FORMATS[:-1])} or {FORMATS[-1]}: {path} ends in none of these")
    return ending


def rendered(form: str, account: Account, told: Sequence[Story], side_by_side: Sequence[Beside] = ()) -> bytes:
    """A report of this kind, as the bytes of a file."""
    from streams.report.page import page  # slow: it brings templates
    from streams.report.plain import markdown, value

    if form == "json":
        return msgspec.json.encode(value(account, told, side_by_side)) + b"\n"
    text = markdown(account, told, side_by_side) if form == "md" else page(account, told, side_by_side)
    return text.encode("utf-8", "replace")  # a lone half of a surrogate pair is no text
