"""From calls to a notification: the service, Prometheus and Alertmanager as they are deployed, only quicker."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import msgspec
import pytest
import yaml

from streams.settings import Kafka
from tests.integration import live, traffic
from tests.integration.alerting import Monitoring, monitoring, quickened
from tests.integration.live import Worker, driftline, sent_and_judged

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

BEFORE, CHANGED, AFTER = 1200, 2400, 6000
CLEAR_AFTER = 300


def phases() -> list[list[bytes]]:
    """Calls as ever; with another model behind three of six apps, which is slower too; as ever again."""
    ends = [BEFORE, BEFORE + CHANGED, BEFORE + CHANGED + AFTER]
    changed = traffic.calls(ends[1], changed_from=ends[0])
    for one in changed:
        if one.get("served_model") == "atlas-3":
            one["latency_ms"] *= 2
    back = traffic.calls(AFTER, start=traffic.START_MS + ends[1] * traffic.STEP_MS, name="d")
    first = [one for one in changed if int(one["call_id"][1:]) < BEFORE]
    return [[msgspec.json.encode(one) for one in part] for part in (first, changed[len(first) :], back)]


@pytest.fixture
def config(tmp_path: Path, kafka: Kafka, store: tuple[Path, dict[str, str]]) -> Path:
    return live.configured(tmp_path, kafka, live=live.QUICK, store=str(store[0]), clear_after=CLEAR_AFTER)


def rules_of(config: Path, folder: Path) -> dict:
    said = driftline(config, "rules", "--out", str(folder / "rules"))
    assert said.returncode == 0, said.stderr
    return quickened(yaml.safe_load((folder / "rules/driftline.rules.yml").read_text()))


def drift_alerts(on: Monitoring) -> list[dict]:
    return [one for one in on.alerts() if one["labels"].get("category") == "drift"]


def apps_of(bodies: list[dict]) -> list[str]:
    return sorted(body["groupLabels"]["app"] for body in bodies)


def test_a_model_swap_notifies_once_for_each_app_and_once_when_it_is_over(tmp_path: Path, kafka: Kafka, config: Path):
    before, changed, back = phases()
    with Worker(config) as worker:
        worker.until_ready()
        with monitoring(tmp_path, rules_of(config, tmp_path), [f"127.0.0.1:{worker.port}"]) as on:
            on.until(lambda: on.query("driftline_stage_ready == 1"))
            sent_and_judged(config, kafka, before)
            on.until(lambda: on.query("sum(driftline_judged_calls_total) > 1000"))
            assert drift_alerts(on) == []

            sent_and_judged(config, kafka, changed)
            on.until(lambda: len(on.notified.of("drift", "firing")) >= 3)
            alerts = driftline(config, "alerts", "list", "--json").stdout.splitlines()
            standing = {one["alert_id"]: one for one in map(json.loads, alerts)}
            on.until(lambda: len(drift_alerts(on)) == len(standing))
            told_of_a_swap(on, standing)

            acknowledged = next(iter(standing))
            assert driftline(config, "alerts", "ack", acknowledged, "--why", "known").returncode == 0
            on.until(lambda: inhibited(on) == {acknowledged})

            worker.end(signal.SIGKILL)
            on.until(lambda: [b for b in on.notified.of("health", "firing") if "DriftlineDown" in names(b)])
            assert inhibited(on) == {one["labels"]["alert_id"] for one in drift_alerts(on)}
            assert on.notified.of("drift", "resolved") == []
            worker.start()
            worker.until_ready()
            on.until(lambda: [b for b in on.notified.of("health", "resolved") if "DriftlineDown" in names(b)])
            on.until(lambda: on.query("driftline_alarm_info"))
            told = len(on.notified.of("drift", "firing"))

            sent_and_judged(config, kafka, back)
            on.until(lambda: not on.query("driftline_alarm_info"))
            on.until(lambda: len(on.notified.of("drift", "resolved")) >= 3)
            on.until(lambda: drift_alerts(on) == [])
            assert apps_of(on.notified.of("drift", "resolved")) == ["app1", "app3", "app5"]
            assert len(on.notified.of("drift", "firing")) == told, "nothing was told anew after the restart"


def told_of_a_swap(on: Monitoring, standing: dict[str, dict]) -> None:
    """One notification for each app whose model was swapped, whose text says what a person wants to know."""
    bodies = on.notified.of("drift", "firing")
    assert apps_of(bodies) == ["app1", "app3", "app5"]
    assert {body["receiver"] for body in bodies} == {"driftline-tickets"}
    for body in bodies:
        assert body["groupLabels"]["change"] == "served_model atlas-2-0301 → atlas-3"
        kinds = {one["labels"]["kind"] for one in body["alerts"]}
        assert kinds == {"model", "operational"}
        for one in body["alerts"]:
            record = standing[one["labels"]["alert_id"]]
            text = one["annotations"]["description"]
            assert record["baseline"] in text
            assert record["since"][:16] in text
            assert body["groupLabels"]["change"] in text
            assert one["annotations"]["evidence_url"].endswith(f"/alerts/{record['alert_id']}")
            assert one["annotations"]["runbook_url"].endswith(f"/{one['labels']['alertname']}.md")
    titles = {title: text for _, title, text in on.notified.texts}
    (title,) = [one for one in titles if one.startswith("app1")]
    assert "served_model atlas-2-0301 → atlas-3" in title
    for words in ("app1/answer", "residual standard deviations", "since 2026-01-05T", "slower"):
        assert words in titles[title], titles[title]


def names(body: dict) -> set[str]:
    return {one["labels"]["alertname"] for one in body["alerts"]}


def inhibited(on: Monitoring) -> set[str]:
    """Alarms whose alerts notify nobody."""
    return {one["labels"]["alert_id"] for one in drift_alerts(on) if one["status"]["inhibitedBy"]}
