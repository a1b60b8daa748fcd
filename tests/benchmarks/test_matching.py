from pathlib import Path

import numpy as np
import pytest

from benchmarks.kinds.courses import Course
from benchmarks.quality.exchange import Data, Drawn, read_courses, read_family, write_family, written
from benchmarks.quality.matching import (
    BEFORE,
    HORIZON,
    LENGTH,
    RUN_LENGTH,
    TICK,
    Courses,
    Run,
    blind,
    delays,
    false_alarms,
    statistic_course,
    threshold,
)

STREAMS = 600
NEVER = Course(np.array([]), np.array([]))


def exponential(rng: np.random.Generator) -> Course:
    """A statistic that is standard exponential in every check, so that it passes h with probability exp(-h)."""
    return statistic_course(rng.standard_exponential(LENGTH // TICK))


def runs(courses: list[Course]) -> list[Run]:
    return [Run(0, stream, course) for stream, course in enumerate(courses)]


def test_the_threshold_of_a_known_statistic_is_found():
    rng = np.random.default_rng(0)
    calm = runs([exponential(rng) for _ in range(STREAMS)])
    assert threshold(calm) == pytest.approx(np.log(RUN_LENGTH / TICK), abs=0.2)
    assert false_alarms(calm, threshold(calm)).run_length == pytest.approx(RUN_LENGTH, rel=0.01)


def test_a_detector_that_sees_nothing_has_the_delays_of_chance():
    rng = np.random.default_rng(1)
    at = threshold(runs([exponential(rng) for _ in range(STREAMS)]))
    made = delays(runs([exponential(rng) for _ in range(STREAMS)]), at)
    late, missed = blind()
    assert made.mean == pytest.approx(late, rel=0.1)
    assert made.missed / len(made.calls) == pytest.approx(missed, abs=0.07)
    assert made.discarded / STREAMS == pytest.approx(1 - np.exp(-BEFORE / RUN_LENGTH), abs=0.06)


def test_delays_count_from_the_change_and_a_miss_as_the_horizon():
    early, late = Course(np.array([BEFORE]), np.array([9.0])), Course(np.array([BEFORE + 70.0]), np.array([9.0]))
    made = delays(runs([early, late, NEVER]), 5.0)
    assert made.calls.tolist() == [70, HORIZON]
    assert (made.missed, made.discarded) == (1, 1)


def test_a_course_that_starts_late_counts_calls_from_the_start_of_its_stream():
    assert statistic_course([1.0, 3.0], every=100, first=400).passes(2.0) == 600


def test_courses_and_calls_survive_their_files(tmp_path: Path):
    calls = np.arange(5)
    drawn = Drawn(Data("topics", np.eye(5, dtype=np.float32), list("abcde")), {0: calls}, {(0, 1): calls}, {})
    write_family(drawn, tmp_path)
    again = read_family(tmp_path)
    assert (again.data.texts, again.calm[0, 1].tolist()) == (drawn.data.texts, calls.tolist())
    assert (again.data.values(calls) == drawn.data.values(calls)).all()
    made = Courses("one", runs([NEVER]), {"case": runs([exponential(np.random.default_rng(2))])}, 0.5, {"numpy": "1"})
    read = read_courses(written(made))
    assert (read.detector, read.default, read.versions) == ("one", 0.5, {"numpy": "1"})
    assert read.changed["case"][0].course.passes(1.0) == made.changed["case"][0].course.passes(1.0)
