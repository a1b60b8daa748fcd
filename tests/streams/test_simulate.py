import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations, islice, pairwise
from statistics import fmean, median
from typing import Any

import pytest
from scipy.stats import chi2_contingency, ks_2samp

from drift.errors import SettingsError
from streams.simulate import START, Injected, injected, simulate

Record = dict[str, Any]

ALWAYS = {
    *("call_id", "event_time", "app", "prompt_name", "prompt_version", "model", "app_version", "region"),
    *("user_id", "session_id", "input", "input_tokens", "latency_ms"),
}
ANSWERED = {"served_model", "fingerprint", "output", "output_tokens", "ttft_ms", "cost_usd", "finish_reason"}
PRODUCTS = (
    "Glow lamp",
    "Tindrel Hub",
    "door sensor",
    "Chime doorbell",
    "Breeze thermostat",
    "garden camera",
    "smart plug",
)
OPENERS = ("Certainly!", "Great question!", "Absolutely, happy to help!", "Of course!", "I completely understand.")
WORDS = ("password", "refund", "parcel", "invoice", "subscription", "plan", "wifi", "data", "code", "address")


@pytest.fixture(scope="module")
def usual() -> list[Record]:
    return list(simulate(seed=1))


@pytest.fixture(scope="module")
def busy() -> list[Record]:
    """Enough calls for narrow bands."""
    return list(simulate(seed=2, calls_a_day=1000))


def time(record: Record) -> datetime:
    return datetime.fromisoformat(record["event_time"])


def between(records: list[Record], first: float, last: float) -> list[Record]:
    begin, end = START + timedelta(days=first), START + timedelta(days=last)
    return [record for record in records if begin <= time(record) < end]


def answered(records: list[Record]) -> list[Record]:
    return [record for record in records if "output" in record]


def share(records: list[Record], **wanted: str) -> float:
    return fmean(all(record.get(field) == value for field, value in wanted.items()) for record in records)


def latency(records: list[Record]) -> float:
    return float(median(record["latency_ms"] for record in answered(records)))


def topic(record: Record) -> str:
    return next((word for word in WORDS if word in record["input"].lower()), "other")


def independent(pairs: list[tuple[int, str]]) -> bool:
    counts = Counter(pairs)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    return bool(chi2_contingency([[counts[row, column] for column in columns] for row in rows]).pvalue > 1e-3)


def change(*kinds: str) -> Injected:
    """The only change of exactly these kinds."""
    (found,) = (each for each in injected() if each.kinds == kinds)
    return found


def about_recall(record: Record) -> bool:
    return re.search("powerpad|charging pad|charger", record["input"].lower()) is not None


def test_the_same_seed_gives_the_same_records_and_another_seed_does_not(usual: list[Record]) -> None:
    assert list(islice(simulate(seed=1), 500)) == usual[:500]
    assert next(simulate(seed=3)) != usual[0]


def test_a_shorter_run_is_the_beginning_of_a_longer_one(usual: list[Record]) -> None:
    short = list(simulate(seed=1, days=2.5))
    assert short == usual[: len(short)]
    assert time(usual[len(short)]) >= START + timedelta(days=2.5)


def test_no_days_hold_no_calls() -> None:
    assert list(simulate(days=0)) == []


def test_another_start_moves_the_times_and_nothing_else(usual: list[Record]) -> None:
    later = timedelta(days=365)
    for moved, record in zip(islice(simulate(seed=1, start=START + later), 100), usual, strict=False):
        assert time(moved) == time(record) + later
        assert (moved["call_id"], moved["input"]) == (record["call_id"], record["input"])
    assert [each.at - later for each in injected(START + later)] == [each.at for each in injected()]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"calls_a_day": 0.0}, "calls_a_day must be positive"),
        ({"calls_a_day": float("nan")}, "calls_a_day must be positive"),
        ({"start": datetime(2026, 1, 5)}, "start must be in UTC"),
    ],
)
def test_settings_that_make_no_stream_are_refused_at_once(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        simulate(**wrong)


def test_records_come_in_order_of_time_and_keep_the_contract(usual: list[Record]) -> None:
    assert all(time(earlier) <= time(later) for earlier, later in pairwise(usual))
    assert all(time(record).tzinfo == UTC and record["event_time"].endswith("Z") for record in usual)
    assert len({record["call_id"] for record in usual}) == len(usual)
    for record in usual:
        assert record.keys() == ALWAYS | (ANSWERED if "output" in record else {"error_type"})
        assert record["input_tokens"] == round(1.3 * len(record["input"].split()))
    for record in answered(usual):
        assert record["output_tokens"] == round(1.3 * len(record["output"].split()))
        assert 0 < record["ttft_ms"] < record["latency_ms"]
        assert 0 < record["cost_usd"] < 0.02


def test_about_700_calls_come_a_day_and_more_of_them_in_the_afternoon(usual: list[Record]) -> None:
    assert 14_200 < len(usual) < 15_200
    hours = Counter(time(record).hour for record in usual)
    assert 2.0 < sum(hours[h] for h in (13, 14, 15)) / sum(hours[h] for h in (1, 2, 3)) < 4.0


def test_questions_rarely_repeat(usual: list[Record]) -> None:
    assert len({record["input"] for record in usual}) > 0.95 * len(usual)


def test_texts_carry_no_trace_of_the_patterns_behind_them(busy: list[Record]) -> None:
    for record in busy:
        for text in (record["input"], record.get("output", "")):
            assert not re.search(r"[][{}|#]| [?.,!]|\s$|^\s| {2}", text), text


def test_answers_speak_only_of_products_and_orders_that_the_question_named(busy: list[Record]) -> None:
    def invents(record: Record) -> bool:
        named = [*(p for p in PRODUCTS if p in record["output"]), *re.findall(r"TD-\d{5}", record["output"])]
        return any(name.lower() not in record["input"].lower() for name in named)

    assert fmean(map(invents, answered(busy))) < 0.005  # a typo can hide what was named


def test_topics_and_regions_do_not_follow_the_clock_or_the_calendar_before_the_first_change(busy: list[Record]) -> None:
    calm = [(time(record), topic(record), record["region"]) for record in between(busy, 0, 8)]
    assert independent([(at.hour // 4, about) for at, about, _ in calm])
    assert independent([(at.day, about) for at, about, _ in calm])
    assert independent([(at.hour // 4, region) for at, _, region in calm])
    assert independent([(at.day, region) for at, _, region in calm])


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "latency_ms", "ttft_ms", "cost_usd"])
def test_numbers_do_not_move_before_the_first_change(busy: list[Record], field: str) -> None:
    early, late = answered(between(busy, 0, 4)), answered(between(busy, 4, 8))
    assert ks_2samp([r[field] for r in early], [r[field] for r in late]).pvalue > 1e-3


def test_failures_and_cut_answers_keep_their_rates_until_the_slowdown(busy: list[Record]) -> None:
    before = between(busy, 0, 17)
    assert 0.003 < share(before, error_type="timeout") < 0.007
    assert 0.007 < share(before, finish_reason="length") < 0.013


def test_the_recall_takes_a_fifth_of_the_questions_while_it_lasts(busy: list[Record]) -> None:
    recall = change("data")
    assert recall.until is not None
    within = [record for record in busy if recall.at <= time(record) < recall.until]
    assert 0.17 < fmean(map(about_recall, within)) < 0.23
    assert sum(map(about_recall, busy)) == sum(map(about_recall, within))


def test_the_provider_swaps_the_model_behind_an_unchanged_name_and_takes_it_back(usual: list[Record]) -> None:
    swap = change("model", "output_length")
    assert swap.until is not None
    assert {record["model"] for record in usual} == {"atlas-2"}
    served = {(swap.at <= time(r) < swap.until, r["served_model"], r["fingerprint"]) for r in answered(usual)}
    assert served == {(False, "atlas-2-0301", "fp_3fa920"), (True, "atlas-2-0612", "fp_b81c44")}


def test_the_swapped_model_lists_half_its_answers_opens_most_anew_and_writes_two_fifths_more(
    busy: list[Record],
) -> None:
    before, after = answered(between(busy, 10.5, 12.5)), answered(between(busy, 12.5, 14.5))
    assert 0.45 < fmean("\n- " in r["output"] for r in after) < 0.55
    assert 0.65 < fmean(r["output"].startswith(OPENERS) for r in after) < 0.77
    assert not any(r["output"].startswith(OPENERS) for r in before)
    assert 1.33 < fmean(r["output_tokens"] for r in after) / fmean(r["output_tokens"] for r in before) < 1.45


def test_only_the_swapped_model_formats_its_answers(busy: list[Record]) -> None:
    usual_model = answered(between(busy, 0, 12.5) + between(busy, 14.5, 21))
    assert not any("*" in record["output"] or "\n" in record["output"] for record in usual_model)


def test_after_the_rollback_answers_are_what_they_were(busy: list[Record]) -> None:
    before, after = answered(between(busy, 10.5, 12.5)), answered(between(busy, 14.5, 17))
    for field in ("output_tokens", "latency_ms", "cost_usd"):
        assert ks_2samp([r[field] for r in before], [r[field] for r in after]).pvalue > 1e-3
    assert independent([(side, r["output"].split()[0]) for side, rs in enumerate((before, after)) for r in rs])


def test_the_swapped_model_is_asked_the_same_and_needs_as_long_a_token(busy: list[Record]) -> None:
    before, after = answered(between(busy, 10.5, 12.5)), answered(between(busy, 12.5, 14.5))
    assert ks_2samp([r["input_tokens"] for r in before], [r["input_tokens"] for r in after]).pvalue > 1e-3
    pace = [[(r["latency_ms"] - r["ttft_ms"]) / r["output_tokens"] for r in side] for side in (before, after)]
    assert median(pace[1]) == pytest.approx(median(pace[0]), rel=0.02)


def test_latency_doubles_and_timeouts_rise_with_the_slowdown(busy: list[Record]) -> None:
    assert change("operational").at == START + timedelta(days=17)
    assert latency(between(busy, 17, 19)) / latency(between(busy, 14.5, 17)) == pytest.approx(2, rel=0.05)
    assert 0.03 < share(between(busy, 17, 21), error_type="timeout") < 0.05


def test_short_answers_do_not_hide_the_slowdown(busy: list[Record]) -> None:
    assert latency(between(busy, 19, 21)) > 1.25 * latency(between(busy, 0, 8))


def test_prompt_v4_is_answered_in_one_or_two_sentences(usual: list[Record]) -> None:
    edit = change("prompt", "output_length")
    versions = {(time(record) >= edit.at, record["prompt_version"]) for record in usual}
    assert versions == {(False, "v3"), (True, "v4")}
    for record in answered(usual):
        if time(record) >= edit.at and record["finish_reason"] == "stop":
            assert 1 <= len(re.findall(r"[.!?](?=\s|$)", record["output"])) <= 2, record["output"]


def test_every_injected_change_lies_within_the_default_stream_in_order_of_time(usual: list[Record]) -> None:
    changes = injected()
    assert [each.at for each in changes] == sorted(each.at for each in changes)
    assert changes[0].at > START
    assert changes[-1].at < time(usual[-1])


def test_an_alarm_can_clear_before_the_next_change_of_its_kind(usual: list[Record]) -> None:
    for earlier, later in combinations(injected(), 2):
        if set(earlier.kinds) & set(later.kinds):
            assert earlier.until is not None
            assert sum(earlier.until <= time(record) < later.at for record in usual) > 1_500
