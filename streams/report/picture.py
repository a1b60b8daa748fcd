"""A picture of a report that stands alone: as a page, or as an SVG file that any program shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from streams.report.drawing import tag
from streams.report.figures import Drawn, short

WIDTH = 900
"""Pixels across of a file; on a page a picture is as wide as that."""

MARGIN, ROW, COLUMNS = 16, 20, 3
"""Pixels around a picture and from a row of its legend to the next, and names in such a row."""

_STYLE = (Path(__file__).parent / "templates" / "style.css").read_text()
_FONT = 'text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--ink); }'


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what is said about it.

    Attributes
    ----------
    tipped
        How its tips are read: ``course``, ``stack`` or ``points``.
    swatch
        Class of the colours of its legend, but for their number; empty where it has none.
    rest
        The number of what is grey: all that is not told by name.
    """

    title: str
    drawn: Drawn
    tipped: str
    swatch: str = ""
    rest: int = -1

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Class of a colour, and what it stands for."""
        names = enumerate(self.drawn.names) if self.swatch else ()
        return [("band rest" if n == self.rest else f"{self.swatch}{n}", name) for n, name in names]

    @property
    def size(self) -> tuple[float, float]:
        """Pixels across, the most that it takes, and down, of the picture alone."""
        if square := re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', self.drawn.svg[:400]):
            return float(square[1]), float(square[2])
        found = re.search(r' height="([\d.]+)"', self.drawn.svg[:400])
        assert found is not None
        return WIDTH - 2 * MARGIN, float(found[1])

    @property
    def height_px(self) -> int:
        """Pixels down of its page."""
        return round(self.size[1]) + 70 + (ROW + 6) * -(-len(self.legend) // 2)

    @property
    def svg(self) -> str:
        """A file: light or dark as its reader is, without a script."""
        wide, high = self.size
        top = 2 * MARGIN + 6
        swatches = list(self._swatches(top + high + MARGIN))
        height = round(top + high + MARGIN + ROW * -(-len(self.legend) // COLUMNS) + MARGIN / 2)
        style = tag("style", Markup(f"{_STYLE}\n{_FONT}"))
        made = [
            style,
            tag("title", short(self.title, 200)),
            tag("rect", width="100%", height="100%", style="fill: var(--ground)"),
            tag("text", short(self.title, 120), x=MARGIN, y=MARGIN + 8, style="font-weight: 600"),
            tag("svg", self.drawn.svg, x=MARGIN, y=top, width=wide, height=high, style="overflow: visible"),
            *swatches,
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
