"""Tables and sentences on a screen, and where there is none."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from drift.effects import Effect
from drift.verdict import Verdict
from streams.cli import common
from streams.cli.screen import verdict_table
from streams.embedded import Segment


def effect(measure="shift of inputs", size=0.0, unit="standard deviations", baseline=None, current=None):
    return Effect(measure, size, size, 0.0, size, unit, 100, 100, 0.1, baseline, current)


def drawn(found, **print_options):
    """The table of one segment with one verdict, as a line."""
    verdict = Verdict("data", "no_drift", "inputs", 1.0, 9.0, found, reason="" if found else "7 calls judged")
    out = Console(file=io.StringIO(), width=160)
    out.print(verdict_table([SimpleNamespace(name="[b]bot[/b]", verdicts=(verdict,))]), **print_options)
    return " ".join(out.file.getvalue().split())


@pytest.mark.parametrize("markup", [True, False])
def test_no_frame_of_the_table_shows_or_obeys_markup(markup):
    line = drawn(None, markup=markup)
    assert "[b]bot[/b] data no drift 1.0 of 9.0 7 calls judged" in line
    out = Console(file=io.StringIO(), width=160)
    out.print(verdict_table([Segment("bot")]), markup=markup)
    assert re.search(r"bot +not enough data +0 calls towards", out.file.getvalue())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (effect(), "shift of inputs: none beyond noise"),
        (effect(size=0.5), "shift of inputs: 0.5 standard deviations"),
        (effect("share of calls: error", unit="points", baseline=0.0, current=0.0), "share of calls: error: 0 %"),
        (effect("share of calls: error", 0.3, "points", 0.0, 0.3), "share of calls: error: 0 % → 30 %"),
        (effect("typical ttft", 0.2, "ms", 100, 120), "typical time to first token: 100 → 120 ms"),
    ],
)
def test_effects_are_told_as_people_would(found, said):
    assert drawn(found).endswith(said)


def test_where_there_is_no_terminal_a_sentence_is_a_line_and_a_table_keeps_its_width(capfd):
    sentence = "word " * 100 + "end"
    out = common.console()
    common.say(out, sentence)
    out.print(verdict_table([Segment("bot", refused=sentence)]))
    first, *table = capfd.readouterr().err.splitlines()
    assert first == sentence
    assert len(table) > 3
    assert max(map(len, table)) <= 160
