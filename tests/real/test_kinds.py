"""Which kind of drift is named on real calls: budget one false alarm in 200,000 calls, two seeds."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.real
