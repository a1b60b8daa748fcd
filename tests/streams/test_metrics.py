"""Metrics are named by the rules of Prometheus, and documented as they are declared."""

import re
from pathlib import Path

import pytest

from streams.metrics import DECLARED

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
USERS = {"user", "user_id", "session", "session_id", "input", "output", "prompt", "error", "error_type", "call_id"}


def test_the_page_names_every_metric_with_its_labels_and_no_other():
    rows = re.findall(r"^\| `(driftline_\w+)`[^|]*\|([^|]*)\|", PAGE, re.M)
    known = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert len(known) == len(rows)
    assert known == {name: set(one.labels) for name, one in DECLARED.items()}


@pytest.mark.parametrize(("name", "one"), [pytest.param(name, one, id=name) for name, one in DECLARED.items()])
def test_names_labels_and_helps_are_as_prometheus_wants_them(name, one):
    assert re.fullmatch(r"driftline_[a-z_]+[a-z]", name)
    assert (one.kind == "counter") == name.endswith("_total")
    assert one.help.endswith(".") and "\n" not in one.help
    assert not set(one.labels) & USERS, "whatever callers send has no end"
    if name.endswith("_timestamp_seconds"):
        assert "Unix seconds" in one.help
    elif one.kind == "histogram":
        assert name.endswith("_seconds")
