import xml.etree.ElementTree as ET
from importlib.util import find_spec

import numpy as np
import pytest

from drift.errors import SettingsError
from drift.false_alarms import RunLengths, Tally
from streams import plots
from streams.plots import Course

RUNS = RunLengths({"topics": np.array([50.0, np.inf, 20.0, np.inf])}, np.full(4, 100.0))


def survival(path, runs=RUNS):
    return plots.false_alarms(path, "of a bot", runs, runs.tally(300.0), {"topics": Tally(0, 400.0, 600.0)})


def delays(path):
    course = Course("any detector", [5, 20], [0.0, 1.0], [(0, 0.1), (0.9, 1)], [np.inf, 50], [np.inf, 20], [np.inf, 90])
    return plots.delays(path, "of a bot", "size, %", 100, course, [course])


@pytest.mark.parametrize("draw", [survival, delays])
def test_a_picture_is_of_the_format_that_its_name_says(draw):
    assert draw("a.png").startswith(b"\x89PNG")
    assert draw("a.pdf").startswith(b"%PDF")
    assert ET.fromstring(draw("a.SVG")).tag.endswith("svg")


@pytest.mark.parametrize("draw", [survival, delays])
def test_the_same_figures_give_the_same_picture(draw):
    assert draw("a.svg") == draw("a.svg")


def test_runs_without_any_alarm_can_be_drawn():
    assert survival("a.svg", RunLengths({"topics": np.full(4, np.inf)}, np.full(4, 100.0)))


def test_a_name_that_is_no_pictures_is_refused_before_the_work():
    with pytest.raises(SettingsError, match=r"\.png, \.svg, \.pdf"):
        plots.require("a.docx")
    plots.require("a.svg")
    plots.require(None)


def test_where_nothing_can_draw_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(plots, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))
    with pytest.raises(SettingsError, match=r"pip install 'driftline\[plot\]'"):
        plots.require("a.png")
