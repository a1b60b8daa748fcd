"""Real calls beside the project; without them these tests are skipped."""

from __future__ import annotations

import pytest

from benchmarks import real_calls


@pytest.fixture(autouse=True)
def calls_are_here() -> None:
    if not real_calls.DATA.exists():
        pytest.skip(f"the real calls are not here: {real_calls.DATA} is missing")
