"""What a worker says while it runs: lines on standard error, none of them over and over."""

from __future__ import annotations

import logging
import sys
import time

AGAIN_S = 30.0
"""Seconds after which a line that keeps coming is said again, with how often it came."""

KEPT = 1000


class Seldom(logging.Filter):
    """Lets equal messages of one place in the code through now and then, and tells how many it held back."""

    def __init__(self, again_s: float = AGAIN_S) -> None:
        """Nothing said yet."""
        super().__init__()
        self._again_s = again_s
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is said now."""
        key = record.name, record.lineno, record.getMessage()
        now = time.monotonic()
        said, held = self._said.pop(key, (-self._again_s, 0))
        due = now - said >= self._again_s
        self._said[key] = (now, 0) if due else (said, held + 1)
        if len(self._said) > KEPT:
            del self._said[next(iter(self._said))]
        if due and held:
            record.msg, record.args = f"{record.getMessage()} ({held} times more since)", ()
        return due


def to_standard_error() -> None:
    """Say what this worker does, and what others warn of."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("streams").setLevel(logging.INFO)
