"""Small pieces of SVG that fit any width: places across are percentages; only lines and areas are stretched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

WIDE = 1000
"""Units across of what is stretched."""

_STEPS_MS = [
    *(n * 60_000 for n in (1, 2, 5, 10, 15, 30)),
    *(n * 3_600_000 for n in (1, 2, 3, 6, 12)),
    *(n * 86_400_000 for n in (1, 2, 5, 7, 14, 30, 60, 90, 180, 365, 730, 1825)),
]


def tag(name: str, inside: Markup | str = "", /, **given: object) -> Markup:
    """An element; ``_`` in the name of an attribute is ``-``, but at its end nothing."""
    attributes = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in given.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), attributes, inside)


def _plain(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Across:
    """Places between two values, in percent of the width; those beyond lie on the edge.

    Attributes
    ----------
    left
        Percent at which it begins.
    """

    low: float
    high: float
    log: bool = False
    left: float = 0.0
    right: float = 100.0

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high = (self._of(one) for one in (self.low, self.high))
        share = (self._of(value) - low) / (high - low) if high > low else 0.5
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def _of(self, value: float) -> float:
        return math.log(max(value, 1e-9)) if self.log else value


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through points, across in percent and down in pixels."""
    return "M" + "L".join(f"{x * WIDE / 100:.1f},{y:.1f}" for x, y in points)


def area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """What lies between two lines."""
    return f"{path(upper)}L{path(reversed(lower))[1:]}Z"


def stretched(inside: Markup, height: float) -> Markup:
    """Lines and areas of ``path``, as wide as the page lets them be."""
    return tag("svg", inside, width="100%", height=height, viewBox=f"0 0 {WIDE} {height:g}", preserveAspectRatio="none")


def percent(value: float) -> str:
    """A place across."""
    return f"{value:.2f}%"


def anchored(x: float) -> str:
    """How a text stands to its place, so that none runs over an edge."""
    return "start" if x < 6 else "end" if x > 94 else "middle"


def text(inside: str, x: float, y: float, kind: str = "", anchor: str = "start", dx: float | None = None) -> Markup:
    """A text, whose direction ends with it."""
    return tag("text", escape(inside), x=percent(x), y=y, dx=dx, text_anchor=anchor, class_=kind or None)


def line_down(x: float, top: float, bottom: float, kind: str) -> Markup:
    """A line from top to bottom."""
    return tag("line", x1=percent(x), x2=percent(x), y1=top, y2=bottom, class_=kind)


def line_across(y: float, kind: str) -> Markup:
    """A line from side to side."""
    return tag("line", x1="0", x2="100%", y1=y, y2=y, class_=kind)


def time_ticks(low: int, high: int, most: int = 9) -> list[tuple[int, str]]:
    """Round instants, and how they are written."""
    step = next((step for step in _STEPS_MS if (high - low) / step <= most), _STEPS_MS[-1])
    first = -(-low // step) * step
    form = "{:%H:%M}" if step < 86_400_000 else "{0.day} {0:%b}" if step < 360 * 86_400_000 else "{:%Y}"
    found = [(ms, form.format(datetime.fromtimestamp(ms / 1000, UTC))) for ms in range(first, high + 1, step)]
    if step < 86_400_000 and high - low > 86_400_000 / 2:  # midnight says which day begins
        days = ((ms, datetime.fromtimestamp(ms / 1000, UTC)) for ms, _ in found)
        return [(ms, f"{at.day} {at:%b}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}") for ms, at in days]
    return found


def log_ticks(low: float, high: float) -> list[float]:
    """Values of one, two and five times powers of ten; of many powers ones only."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    heads = (1,) if len(powers) > 5 else (1, 3) if len(powers) > 3 else (1, 2, 5)
    return [head * 10.0**power for power in powers for head in heads if low <= head * 10.0**power <= high]


def axis(places: Sequence[tuple[float, str]], y: float) -> Markup:
    """Texts under a plot; on a narrow page every other one is left out."""
    made = [
        text(said, x, y, "tick odd" if number % 2 else "tick", anchored(x)) for number, (x, said) in enumerate(places)
    ]
    return Markup("").join(made)
