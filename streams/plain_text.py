"""Text of unknown origin without what would steer whoever shows it."""

from __future__ import annotations

import re

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Fit for a terminal or a picture: what would steer it or turn the direction of text becomes U+FFFD."""
    return _STEERING.sub("\ufffd", text)
