"""Values of a label: how many may have series of their own, and how many others there were."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import xxhash

OTHER = "other"

EXPIRE_S = 6 * 3600.0
"""Seconds without a sign of an app, or of a segment without alarms, after which its series end."""


class Distinct:
    """How many different names were seen, within a per cent, in 128 KiB whatever comes: linear counting [1]_.

    References
    ----------
    .. [1] Whang, Vander-Zanden, Taylor (1990), A linear-time probabilistic counting algorithm for database
       applications.

    Examples
    --------
    >>> seen = Distinct()
    >>> for number in range(2000):
    ...     seen.add(f"app {number % 1000}")
    >>> round(seen.estimate, -1)
    1000
    """

    BITS = 1 << 20

    def __init__(self) -> None:
        self._seen = np.zeros(self.BITS // 8, np.uint8)

    def add(self, name: str) -> None:
        """See a name, for the first time or again."""
        place = xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass")) % self.BITS
        self._seen[place >> 3] |= 1 << (place & 7)

    @property
    def estimate(self) -> int:
        """Different names so far; some fifteen million at most."""
        empty = self.BITS - int(np.bitwise_count(self._seen).sum())
        return round(-self.BITS * float(np.log(max(empty, 1) / self.BITS)))


class Slots:
    """Places for the values of a label: one each up to a cap, place 0 for all others.

    Parameters
    ----------
    cap
        Values with a place of their own.
    expire_s
        Seconds after which a value that was not seen gives its place back.

    Attributes
    ----------
    beyond
        Values that had to share place 0.
    """

    def __init__(self, cap: int, expire_s: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.cap, self.beyond = cap, Distinct()
        self._expire_s, self._now = expire_s, now
        self._places: dict[str, int] = {}
        self._seen = np.zeros(cap + 1)
        self._free = list(range(cap, 0, -1))

    def __len__(self) -> int:
        return len(self._places)

    def place(self, value: str) -> int:
        """Place of a value; one that would be taken for the rest shares it."""
        known = self._places.get(value)
        if known is None:
            if value == OTHER or not self._free:
                if value != OTHER:
                    self.beyond.add(value)
                return 0
            known = self._places[value] = self._free.pop()
        self._seen[known] = self._now()
        return known

    def items(self) -> list[tuple[str, int]]:
        """Values and their places, the shared one last."""
        return [*self._places.items(), (OTHER, 0)]

    def expire(self) -> list[int]:
        """Places that were given back for want of use: whoever keeps figures by place forgets them."""
        bound = self._now() - self._expire_s
        old = [value for value, place in self._places.items() if self._seen[place] < bound]
        freed = [self._places.pop(value) for value in old]
        self._free += freed
        return freed
