"""``driftline backtest``: drift put into an operator's own calls."""

import json

import pytest

from tests.streams import traffic

SMALL = ("--streams", 10, "--before", 100, "--horizon", 400, "--one-false-alarm-every", "2000 calls", "--json")


@pytest.fixture(scope="session")
def later(tmp_path_factory):
    """A file of 700 calls that the baseline does not hold."""
    path = tmp_path_factory.mktemp("later") / "later.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in traffic.lines(traffic.calls(1000, 1700))))
    return path


@pytest.fixture(scope="session")
def wordy(tmp_path_factory):
    """Answers of another model."""
    path = tmp_path_factory.mktemp("wordy") / "wordy.jsonl"
    made = traffic.calls(1700, 2000, changed_from=0)
    path.write_bytes(b"".join(line + b"\n" for line in traffic.lines(made)))
    return path


def together(ran):
    return {line["size"]: line for line in map(json.loads, ran.out.splitlines()) if line["detector"] == "any"}


def test_longer_answers_are_noticed_and_said_in_calls_and_time(driftline, normal, later):
    ran = driftline(
        "backtest", later, "--inject", "longer", "--size", "50%", "--size", "0.02", "--baseline", normal, *SMALL
    )
    assert ran.status == 0
    found = together(ran)
    assert found[0.5]["noticed"] == found[0.5]["of"] >= 8
    assert 0 < found[0.5]["median_calls"] < 400
    assert found[0.5]["median_s"] == pytest.approx(found[0.5]["median_calls"] * traffic.STEP_MS / 1000, rel=0.02)
    assert "Answers longer by 50 % would be noticed after" in found[0.5]["sentence"]
    assert "of your traffic" in found[0.5]["sentence"] and found[0.5]["sentence"] in ran.err
    assert "700 others" in ran.err


def test_drift_below_the_tolerance_raises_no_alert_however_long_it_lasts(driftline, normal, later, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_TOLERANCES", "{output_length: 0.9, answers: 9}")
    ran = driftline("backtest", later, "--inject", "longer", "--size", "50%", "--baseline", normal, *SMALL)
    found = together(ran)[0.5]
    assert found["noticed"] == 0
    assert "below your tolerance, no alert however long it lasts (largest effect: output length" in found["sentence"]


def test_a_small_file_is_told_and_streams_are_drawn_of_the_baselines_own_calls(driftline, later):
    ran = driftline("backtest", later, "--inject", "error", "--size", "30%", "--first", "350", *SMALL)
    assert ran.status == 0
    assert "drawn from the baseline's own calls, and it is redrawn and fitted anew for each" in ran.err
    assert together(ran)[0.3]["noticed"] >= 8


def test_the_baselines_own_calls_are_no_others(driftline, normal, write):
    path = write(traffic.lines(traffic.calls(0, 1700)))
    ran = driftline("backtest", path, "--inject", "slower", "--size", "50%", "--baseline", normal, *SMALL)
    assert ran.status == 0
    tick = 10_000 // traffic.STEP_MS + 1  # the baseline's last tick is not told apart
    assert any(f" {count} others in " in ran.err for count in range(700 - tick, 701))


def test_another_model_and_a_new_topic_come_from_another_file(driftline, normal, later, wordy):
    model = driftline(
        "backtest", later, "--inject", "model", "--from", wordy, "--size", "1", "--baseline", normal, *SMALL
    )
    assert together(model)[1]["noticed"] >= 8
    detectors = {json.loads(line)["detector"]: json.loads(line) for line in model.out.splitlines()}
    assert detectors["output_length"]["matters"] and not detectors["topics"]["matters"]
    topic = driftline(
        "backtest", later, "--inject", "new-topic", "--from", wordy, "--size", "60%", "--baseline", normal, *SMALL
    )
    assert "60 % new topic" in together(topic)[0.6]["sentence"]


def test_a_topic_is_found_by_its_words_and_grows_gradually(driftline, normal, later):
    label = traffic.baseline().labels[0]
    ran = driftline(
        "backtest",
        later,
        "--inject",
        "topic",
        "--topic",
        label,
        "--size",
        "40%",
        "--gradual",
        50,
        "--baseline",
        normal,
        *SMALL,
    )
    assert ran.status == 0
    found = together(ran)[0.4]
    assert f"“{label}” growing from" in found["sentence"].replace("Topic", "topic")
    assert found["gradual_calls"] == 50 and "gradually over 50 calls" in found["sentence"]


def test_a_picture_is_drawn_where_it_was_asked_for(driftline, normal, later, tmp_path):
    path = tmp_path / "delays.png"
    ran = driftline(
        "backtest", later, "--inject", "slower", "--size", "50%", "--baseline", normal, "--plot", path, *SMALL
    )
    assert ran.status == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--inject", "new-topic"), "--inject new-topic wants --from FILE"),
        (("--inject", "longer", "--from", "x.jsonl"), "--from is for --inject new-topic and model"),
        (("--inject", "longer", "--topic", "3"), "--topic is for --inject topic"),
        (("--inject", "longer", "--baseline", "x", "--first", "300"), "give one of them"),
        (("--inject", "longer", "--size", "much"), "write 5% or 0.05"),
        (("--inject", "longer", "--plot", "x.gif"), "must end in .png, .svg, .pdf"),
        (("--inject", "sideways"), "new-topic"),
        ((), "--inject"),
    ],
)
def test_wrong_use_is_told_with_the_remedy(driftline, later, arguments, told):
    ran = driftline("backtest", later, *arguments)
    assert ran.status == 2
    assert told in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--inject", "shorter", "--size", "100%"), "nothing can be shorter by all of it"),
        (("--inject", "error", "--size", "100%"), "have the flag already"),
        (("--inject", "topic", "--topic", "no such words"), "is no topic; choose one by its number: 0: "),
    ],
)
def test_a_drift_that_cannot_be_is_refused(driftline, normal, later, arguments, told):
    ran = driftline("backtest", later, *arguments, "--baseline", normal, *SMALL)
    assert ran.status == 2
    assert told in ran.err


def test_a_file_of_several_segments_wants_one_chosen(driftline, write):
    path = write(traffic.lines(traffic.calls(0, 50) + traffic.calls(50, 80, app="other-bot")))
    ran = driftline("backtest", path, "--inject", "longer")
    assert ran.status == 2
    assert "other-bot/answer (30 calls), support-bot/answer (50 calls)" in ran.err


def test_too_few_calls_for_a_baseline_are_refused(driftline, write):
    ran = driftline("backtest", write(traffic.lines(traffic.calls(0, 50))), "--inject", "longer")
    assert ran.status == 2
    assert "at least 200 calls, got 50" in ran.err
