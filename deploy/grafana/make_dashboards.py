"""Writes the dashboards beside it as JSON that Grafana loads: ``python deploy/grafana/make_dashboards.py``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("dashboards")


def dashboards() -> Mapping[str, str]:
    """Text of each file by its name."""
    sys.path.insert(0, str(Path(__file__).parent))  # the pages are no package: only this program needs them
    try:
        with warnings.catch_warnings():  # the library prefers the next format, which older Grafanas cannot load
            warnings.simplefilter("ignore", DeprecationWarning)
            import fleet
            import segment
            import service
    finally:
        sys.path.pop(0)
    pages = {"fleet": fleet, "segment": segment, "service": service}
    return {f"{name}.json": page.board().text() for name, page in pages.items()}


if __name__ == "__main__":
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text)
