"""Rules of Prometheus as plain data: what follows from which setting. What they do is in tests/test_rules.py."""

import msgspec
import pytest
import yaml

from streams.alerting import DRIFT, HEALTH, Alerting
from streams.rules import ACKNOWLEDGED, groups, text
from streams.settings import Live, Settings


def alerts(settings):
    found = [rule for group in groups(settings) for rule in group["rules"] if "alert" in rule]
    return {name: [rule for rule in found if rule["alert"] == name] for name in {rule["alert"] for rule in found}}


def with_alerting(**given):
    return Settings(alerting=Alerting(**given))


def test_every_alert_that_the_settings_know_has_a_rule_and_the_other_way_round():
    assert alerts(Settings()).keys() == {*DRIFT.values(), *HEALTH, ACKNOWLEDGED}


@pytest.mark.parametrize("name", [*DRIFT.values(), *HEALTH, ACKNOWLEDGED])
def test_every_alert_is_of_a_category_and_says_where_more_is_told(name):
    for rule in alerts(with_alerting(runbooks="https://a/b/", url="https://c/"))[name]:
        wanted = "drift" if name in DRIFT.values() else "health" if name in HEALTH else "acknowledged"
        assert rule["labels"]["category"] == wanted
        assert rule["annotations"]["runbook_url"] == f"https://a/b/{name}.md"
        assert rule["annotations"]["evidence_url"].startswith("https://c/")
        assert "//" not in rule["annotations"]["evidence_url"].removeprefix("https://")


def test_every_severity_can_be_said():
    said = with_alerting(severities=dict.fromkeys([*DRIFT, *HEALTH], "page"))
    severities = {name: {rule["labels"]["severity"] for rule in rules} for name, rules in alerts(said).items()}
    assert severities == {name: {"page"} for name in [*DRIFT.values(), *HEALTH]} | {ACKNOWLEDGED: {"none"}}


def test_nobody_is_paged_unless_the_settings_say_so():
    found = [rule["labels"]["severity"] for rules in alerts(Settings()).values() for rule in rules]
    assert set(found) == {"ticket", "info", "none"}


def test_every_series_is_asked_for_by_the_job_of_the_settings():
    for rule in (rule for group in groups(with_alerting(job="mine")) for rule in group["rules"]):
        asked, selectors = rule["expr"].count("driftline_"), rule["expr"].count('{job="mine"')
        assert asked == selectors, rule["expr"]


def test_an_acknowledgement_outlives_the_alert_that_it_silences():
    found = alerts(with_alerting(keep_firing_s=1200))
    assert {found[name][0]["keep_firing_for"] for name in DRIFT.values()} == {"20m"}
    assert found[ACKNOWLEDGED][0]["keep_firing_for"] == "50m"


def test_verdicts_are_stale_only_after_the_time_that_closing_a_tick_takes():
    slow = Settings(tick_s=3600, lateness_s=7200, live=Live(idle_s=60), alerting=Alerting(stale_s=600))
    (rule,) = alerts(slow)["DriftlineVerdictsStale"]
    assert rule["expr"].count("[191m]") == 2
    assert rule["for"] == "182m"


@pytest.mark.parametrize(
    ("setting", "value", "alert", "words"),
    [
        ("lag_records", 77, "DriftlineLagGrowing", "> 77\n"),
        ("lag_records", 77, "DriftlineEmbedderSaturated", "< -77"),
        ("rejected_share", 0.25, "DriftlineRejectedCalls", "> 0.25\n"),
        ("baseline_days", 5, "DriftlineBaselineOld", "> 5 * 86400"),
    ],
)
def test_thresholds_are_those_of_the_settings(setting, value, alert, words):
    (rule,) = alerts(Settings(alerting=msgspec.structs.replace(Alerting(), **{setting: value})))[alert]
    assert words in rule["expr"] + "\n"


def test_down_and_stalled_wait_as_long_as_the_settings_say():
    found = alerts(with_alerting(down_s=5, keep_firing_s=10))
    assert [found[name][0]["for"] for name in ("DriftlineDown", "DriftlineIngestionStalled")] == ["5s", "5s"]


def test_the_text_holds_the_very_rules():
    document = {"groups": groups(Settings())}
    written = text(document, "one", "two")
    assert written.startswith("# one\n# two\ngroups:\n")
    assert yaml.safe_load(written) == document
