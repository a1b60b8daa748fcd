"""Which kinds of report there are."""

from __future__ import annotations

from pathlib import Path

from drift.errors import SettingsError

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
