import numpy as np
import pytest

from drift.call import SERIES
from drift.coverage import near_weekend
from drift.finding import OVERRIDABLE, Finding, lowered, overridden, refusals, warnings
from drift.fit import Features
from drift.frame import frame
from drift.soundness import examine
from drift.timeline import DAY_MS, HOUR_MS
from tests.drift import builders


def look(rows, **known):
    """Findings by the name of their test."""
    features = Features.of(frame(builders.lens(), rows), rows)
    return {one.test: one for one in examine(builders.pane(rows, size=5000), features, **known)}


def over(days, n=400, seed=3):
    """Calls spread evenly over some days that begin at midnight on a Thursday."""
    rows = builders.calls(n, seed)
    rows["at"] = np.linspace(0, days * DAY_MS - 1, n).astype(np.int64)
    return rows


def test_of_too_few_calls_nothing_else_is_worth_a_word():
    (found,) = examine(builders.pane(builders.calls(199, 93), size=5000), None)
    assert (found.test, found.severity) == ("calls", "refuse")
    assert "at least 200 calls, got 199: give a longer range" in found.sentence


@pytest.mark.parametrize(("n", "severity"), [(999, "warn"), (1000, "ok")])
def test_below_a_thousand_calls_small_changes_are_said_to_be_noticed_late(n, severity):
    assert look(builders.calls(n, 94))["calls"].severity == severity


@pytest.mark.parametrize(("repeated", "severity"), [(0, "ok"), (70, "warn"), (200, "refuse")])
def test_repeated_inputs_warn_above_a_fifth_and_refuse_above_a_half(repeated, severity):
    rows = builders.calls(300, 95)
    rows["asked"][: repeated + 1] = 1
    found = look(rows)["repeated inputs"]
    assert found.severity == severity
    assert found.figures["repeated"] == pytest.approx(repeated / 300, abs=1e-4)
    assert found.figures["commonest"] == pytest.approx((repeated + 1) / 300, abs=1e-4)


def test_calls_without_input_do_not_repeat_each_other():
    rows = builders.calls(300, 95)
    rows["asked"][:200], rows["topic"][:200] = 1, -1
    assert look(rows)["repeated inputs"].figures["repeated"] == 0


def test_answers_that_repeat_are_told_but_are_no_fault():
    rows = builders.calls(300, 96)
    rows["features"][:150, 1:] = rows["features"][0, 1:]
    found = look(rows)["repeated answers"]
    assert found.severity == "ok"
    assert found.figures["repeated"] == pytest.approx(149 / 300, abs=1e-4)
    assert "50 % of the answers repeat an earlier one" in found.sentence


def test_one_busy_user_and_one_long_session_are_warned_of():
    rows = builders.calls(300, 96)
    rows["user"] = np.arange(1, 301)
    rows["user"][:100] = 9
    found = look(rows, largest_session=0.25)
    assert (found["largest user"].severity, found["largest session"].severity) == ("warn", "warn")
    assert "one user made 3" in found["largest user"].sentence
    assert "one session holds 25 %" in found["largest session"].sentence


def test_users_and_sessions_that_are_not_known_are_no_fault():
    found = look(builders.calls(300, 97))
    assert found["largest user"].sentence == "users are not known"
    assert found["largest session"].sentence == "sessions are not known"


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.5, ["12 hours", "daily cycle"]),
        (1.5, ["1.5 days; a weekly cycle is not known"]),
        (8, ["8 days; one week cannot tell what changes from week to week"]),
        (15, ["15 days"]),
    ],
)
def test_a_short_baseline_says_what_it_cannot_know(days, said):
    found = look(over(days))["period"]
    assert found.severity == ("warn" if days < 1 else "ok")
    assert all(text in found.told for text in said)


def test_days_of_the_week_that_are_missing_are_named():
    found = look(over(2))["days of the week"]
    assert found.severity == "warn"
    assert found.figures["weekdays_without_calls"] == ["Monday", "Tuesday", "Wednesday", "Saturday", "Sunday"]
    assert "no calls on Monday, Tuesday, Wednesday, Saturday and Sunday" in found.sentence
    assert look(over(7))["days of the week"].severity == "ok"


@pytest.mark.parametrize(("days", "severity"), [(3, "warn"), (8, "ok")])
def test_hours_without_calls_are_named_and_after_a_week_taken_to_be_how_traffic_is(days, severity):
    rows = over(days, 600)
    rows = rows[~np.isin(rows["at"] // HOUR_MS % 24, [0, 1, 2, 23])]
    found = look(rows)["hours of the day"]
    assert found.severity == severity
    assert "no calls at 00:00-03:00, 23:00-24:00 UTC" in found.sentence


def test_detectors_that_have_too_few_calls_are_named():
    rows = builders.calls(400, 98, errors=0.0)
    rows["answered"][100:] = 0
    rows["bins"][:, 1:] = -1
    rows["bins"][:50, 4] = 20
    found = look(rows)
    assert found["answers compared"].severity == "warn"
    assert "answers can be compared, of 200 needed" in found["answers compared"].sentence
    assert "latency (50 calls)" in found["values"].sentence
    assert "never seen: error, truncated and empty output" in found["flags"].sentence


def test_topics_of_few_calls_are_warned_of_where_they_are_many():
    rows = builders.calls(200, 99)
    assert look(rows)["topics"].severity == "ok"
    assert look(rows)["topics"].figures["thin"] < 0.2


def drifting(gap_ms=1000, model=1.5):
    rows = np.concatenate([builders.calls(400, 11), builders.calls(400, 12, start=400, model=model)])
    rows["at"] = np.arange(800) * gap_ms
    return rows


def test_a_large_drift_inside_is_refused_with_its_time_and_what_to_do():
    found = look(drifting())["drift inside"]
    assert found.severity == "refuse"
    assert found.sentence.startswith("it drifts inside, at 1970-01-01T00:06:")
    assert "answers to like questions moved by" in found.sentence
    assert found.remedy == (
        f"build it from there on (--from {found.figures['at']}) or of what was before (--to {found.figures['at']})"
    )
    names = {one["name"] for one in found.figures["aspects"] if one["drift"]}
    assert names == {"answers"}


def test_the_marker_that_moved_meanwhile_is_named():
    rows = drifting()
    rows["markers"][:400, 1], rows["markers"][400:, 1] = 5, 6
    features = Features.of(frame(builders.lens(), rows), rows)
    names = {5: "atlas-2", 6: "atlas-3"}
    *_, inside = examine(builders.pane(rows, size=5000, names=names), features)
    assert inside.sentence.endswith("; the served model went from atlas-2 to atlas-3 meanwhile")
    *_, unnamed = examine(builders.pane(rows, size=5000), features)
    assert "went from" not in unnamed.sentence


def test_a_remedy_names_only_sides_that_are_long_enough():
    rows = drifting()
    few_before, few_after = look(rows[250:])["drift inside"], look(rows[:550])["drift inside"]
    assert "--from" in few_before.remedy
    assert "--to" not in few_before.remedy
    assert few_after.remedy.startswith("wait for more calls from there on")
    assert "--to" in few_after.remedy


def test_a_small_drift_inside_is_warned_of_and_one_of_durations_alone_never_refused():
    rows = np.concatenate([builders.calls(1500, 21), builders.calls(1500, 22, start=1500, longer=1.12)])
    assert look(rows)["drift inside"].severity == "warn"
    slow = builders.calls(800, 23)
    slow["bins"][400:, 4] += 80
    found = look(slow)["drift inside"]
    assert found.severity == "warn"
    assert "latency rose" in found.sentence


def test_what_may_be_a_daily_cycle_is_warned_of_and_a_change_of_answers_is_refused_all_the_same():
    def mixed(gap_ms):
        shares = (0.4, 0.4, 0.05, 0.05, 0.05, 0.05), (0.05, 0.05, 0.05, 0.05, 0.4, 0.4)
        rows = np.concatenate([builders.calls(400, 31 + i, mix=mix) for i, mix in enumerate(shares)])
        rows["at"] = 3 * DAY_MS + np.arange(800) * gap_ms  # from a Sunday on: no weekend begins or ends midway
        return look(rows)["drift inside"]

    hour, day, four_days = (mixed(span // 800) for span in (HOUR_MS, DAY_MS, 4 * DAY_MS))
    assert (hour.severity, day.severity, four_days.severity) == ("refuse", "warn", "refuse")
    assert "cannot be told from a daily cycle" in day.sentence
    assert "cannot be told from a daily cycle" not in hour.sentence
    assert "at equal hours of the day" in four_days.sentence
    assert look(drifting(DAY_MS // 800))["drift inside"].severity == "refuse"


@pytest.mark.parametrize(
    ("at", "near"),
    [("2026-01-09T13:00", True), ("2026-01-10T11:00", True), ("2026-01-11T20:00", True), ("2026-01-07T00:00", False)],
)
def test_a_change_as_a_weekend_begins_or_ends_may_be_the_weekend(at, near):
    assert near_weekend(int(np.datetime64(at, "ms").astype(np.int64))) == near


def test_a_drift_as_a_weekend_begins_is_warned_of_and_in_midweek_refused():
    shares = (0.4, 0.4, 0.05, 0.05, 0.05, 0.05), (0.05, 0.05, 0.05, 0.05, 0.4, 0.4)
    rows = np.concatenate([builders.calls(500, 51 + i, mix=mix) for i, mix in enumerate(shares)])
    friday = 8 * DAY_MS  # 1970-01-09; the change in the middle, three and a half days later, is on Monday at noon
    for start, severity in ((friday - DAY_MS // 2, "warn"), (friday + 2 * DAY_MS, "refuse")):
        rows["at"] = start + np.arange(1000) * (7 * DAY_MS // 1000)
        assert look(rows)["drift inside"].severity == severity


def test_scores_are_called_by_their_names():
    rows = builders.calls(800, 41)
    series = SERIES.index("score_1")
    rows["bins"][:, series] = 500 + np.random.default_rng(0).integers(-100, 101, 800)
    rows["bins"][400:, series] -= 80
    found = look(rows, titles={"score_1": "score helpful"})["drift inside"]
    assert found.severity == "refuse"
    assert "score helpful fell by" in found.sentence


def test_force_overrides_repeats_and_drift_but_not_too_few_calls():
    found = [Finding(test, "refuse", test, remedy="mend it") for test in ("calls", "repeated inputs", "drift inside")]
    assert refusals(found)[0] == "calls; mend it"
    assert refusals(found)[1] == "repeated inputs; mend it, or say --force"
    kept = lowered(found, OVERRIDABLE)
    assert [one.severity for one in kept] == ["refuse", "warn", "warn"]
    assert warnings(kept) == ["repeated inputs; mend it", "drift inside; mend it"]
    assert overridden(found) == ["repeated inputs", "drift inside"]
