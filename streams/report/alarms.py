"""An alarm of several records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streams.http.evidence import Record


@dataclass(slots=True)
class Alarm:
    """An alarm from its first record to its end."""

    raised: Record
    number: int
    resolved_at: str = ""
    acknowledged: bool = False

    @property
    def standing(self) -> bool:
        """Whether it was not over in the end."""
        return not self.resolved_at

    @property
    def state(self) -> str:
        """As it was in the end."""
        return "resolved" if self.resolved_at else "acknowledged" if self.acknowledged else "firing"

    @property
    def span(self) -> tuple[int, int | None]:
        """When it was raised and, if it was, resolved."""
        return _ms(self.raised.raised_at), _ms(self.resolved_at) if self.resolved_at else None

    @property
    def since(self) -> tuple[int, int, int]:
        """When it began, and the earliest and latest instant at which it may have."""
        point = self.raised.change_point
        if point is None:
            return (_ms(self.raised.since),) * 3
        return _ms(point.at), _ms(point.low), _ms(point.high)


def _ms(instant: str) -> int:
    try:
        return round(datetime.fromisoformat(instant).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
