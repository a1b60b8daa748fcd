"""A picture of a report that stands alone: as a page, or as an SVG file that any program shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from streams.report.drawing import tag
from streams.report.figures import Drawn, short

WIDTH = 900
"""Pixels across of a file; on a page a picture is as wide as that."""

MARGIN, ROW, COLUMNS = 16, 20, 3
"""Pixels around a picture and from a row of its legend to the next, and names in such a row."""

NARROW = 576
"""Pixels across that a picture of a fixed shape takes on a page at most."""

_STYLE = (Path(__file__).parent / "templates" / "style.css").read_text()
_FONT = 'text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--ink); }'


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what is said about it.

    Attributes
    ----------
    tipped
        How its tips are read: ``course``, ``stack`` or ``points``.
    legend
        Class of a colour, and what it stands for.
    notes
        What its numbers stand for.
    """

    title: str
    drawn: Drawn
    tipped: str
    legend: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Pixels across, the most that it takes, and down, of the picture alone."""
        tag = self.drawn.svg.partition(">")[0]  # attributes hold no such sign: it is escaped
        if square := re.search(r' viewBox="0 0 ([\d.]+) ([\d.]+)"', tag):
            return float(square[1]), float(square[2])
        found = re.search(r' height="([\d.]+)"', tag)
        assert found is not None
        return WIDTH - 2 * MARGIN, float(found[1])

    @property
    def narrow(self) -> bool:
        """Whether its shape is fixed, so that it must not be as wide as a page."""
        return self.size[0] < WIDTH - 2 * MARGIN

    @property
    def height_px(self) -> int:
        """Pixels down of its page."""
        wide, high = self.size
        down = high * NARROW / wide if self.narrow else high
        return round(down) + 80 + (ROW + 6) * (-(-len(self.legend) // COLUMNS) + len(self.notes))

    @property
    def svg(self) -> str:
        """A file: light or dark as its reader is, without a script."""
        wide, high = self.size
        top = 2 * MARGIN + 6
        swatches = list(self._swatches(top + high + MARGIN))
        rows = -(-len(self.legend) // COLUMNS)
        lines = [
            tag("text", short(one, 120), x=MARGIN, y=top + high + MARGIN + ROW * n + 5)
            for n, one in enumerate(self.notes, rows)
        ]
        height = round(top + high + MARGIN + ROW * (rows + len(lines)) + MARGIN / 2)
        style = tag("style", Markup(f"{_STYLE}\n{_FONT}"))
        made = [
            style,
            tag("title", short(self.title, 200)),
            tag("rect", width="100%", height="100%", style="fill: var(--ground)"),
            tag("text", short(self.title, 120), x=MARGIN, y=MARGIN + 8, style="font-weight: 600"),
            tag("svg", self.drawn.svg, x=MARGIN, y=top, width=wide, height=high, style="overflow: visible"),
            *swatches,
            *lines,
        ]
        head = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height}"}
        return str(tag("svg", Markup("").join(made), width=WIDTH, height=height, **head))

    def _swatches(self, top: float) -> Iterator[Markup]:
        across = (WIDTH - 2 * MARGIN) / COLUMNS
        for n, (colour, name) in enumerate(self.legend):
            x, y = MARGIN + n % COLUMNS * across, top + n // COLUMNS * ROW
            shape = f"M{x:.0f},{y:.0f}h16" if colour.startswith("line") else f"M{x:.0f},{y - 6:.0f}h12v12h-12z"
            yield tag("path", d=shape, class_=colour)
            yield tag("text", short(name, 40), x=x + 22, y=y + 5)
