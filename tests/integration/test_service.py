"""The live service on a real broker: whatever happens, the verdicts of a file; for what cannot be, clear words."""

import asyncio
import json
import signal
import time

import pytest

from streams.report.read import read
from streams.store import Store
from tests.integration import live, traffic
from tests.integration.chaos import CALM, LIVE, compare, disturbed, settings_of, undisturbed
from tests.integration.live import Worker, judged_calls, sent_and_judged
from tests.integration.traffic import halves

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_the_service_says_byte_for_byte_what_watch_says_of_the_same_calls(config, kafka, watched):
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(traffic.CALLS))
        health = worker.get("/health")[1]
        wanted = {json.loads(line)["alert_id"] for line in watched.values()}
        assert worker.until_shown(wanted)
        assert worker.end(signal.SIGTERM) == 0
    assert len(watched) >= 3
    assert asyncio.run(live.alerts(kafka)) == watched
    assert health["stages"]["judge"]["alerts"] == len(watched)
    counts = asyncio.run(live.counts(kafka))
    assert judged_calls(kafka) + counts["late"] + counts["duplicates"] == counts["calls"]
    letters = [json.loads(record.value) for record in asyncio.run(live.records(kafka, "deadletter"))]
    assert [one["reason"] for one in letters if one["reason"] != "late"] == ["not_json"] * counts["rejected"]
    assert letters[0].keys() == {"topic", "partition", "offset", "reason", "field", "detail", "data"}


def test_calls_that_waited_before_the_first_worker_came_are_all_judged(config, kafka, watched):
    asyncio.run(live.send(kafka, traffic.lines(traffic.CALLS)))
    with Worker(config):
        asyncio.run(live.until_judged(config))
    assert asyncio.run(live.alerts(kafka)) == watched


def test_whatever_dies_panes_alerts_and_counts_are_those_of_an_undisturbed_run(tmp_path, own_broker):
    """Four events; forty of them are ``make chaos``."""
    broker = own_broker()
    broker.start()
    traffic.baselines(tmp_path / "store")
    calls = traffic.lines(5000)
    events = ["kill observer", "kill broker", "pause judge", "kill judge"]

    async def both():
        wanted = await undisturbed(*settings_of(tmp_path, broker.address, "calm", CALM), calls)
        config, kafka = settings_of(tmp_path, broker.address, "chaos", LIVE)
        return wanted, await disturbed(config, kafka, broker, calls, events, seed=1, rate=130)

    wanted, found = asyncio.run(both())
    assert wanted["alerts"]
    compare(found, wanted)


def test_a_tag_that_moves_is_followed_without_a_restart_and_alarms_against_the_old_baseline_end(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=live.QUICK)
    traffic.baselines(tmp_path / "store")
    store = Store(str(tmp_path / "store"))
    first, rest = halves(6000, 5 / 6)
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, first)
        firing = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
        (name, *_) = sorted({one["segment"]["app"] for one in firing if one["state"] == "firing"})
        other = traffic.baseline(store, name, count=5000)
        at = json.loads(rest[0])["event_time"]
        instant = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000 + 60))
        moved = live.driftline(
            config, "baseline", "tag", other, f"{name}/answer@prod", "--at", instant, "--why", "a new model"
        )
        assert moved.returncode == 0, moved.stderr
        sent_and_judged(config, kafka, rest)
        counts = worker.get("/health")[1]["stages"]["judge"]["counts"]
    assert "unknown_lens_calls" not in counts  # observers have followed it at the same tick
    found = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
    ended = [one for one in found if f"was moved to baseline {other}" in one["sentence"]]
    assert ended and all(one["state"] == "resolved" and one["segment"]["app"] == name for one in ended)
    assert all("a new model" in one["sentence"] for one in ended)
    standing = {one["alert_id"] for one in found if one["state"] == "firing" and one["segment"]["app"] == name}
    assert {one["alert_id"] for one in ended} <= standing


def test_segments_without_a_baseline_take_their_first_calls(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=live.QUICK, first=400)
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(6000))
        counts = worker.get("/health")[1]["stages"]["judge"]["counts"]
    made = Store(str(tmp_path / "store")).baselines()
    assert {one.segment for one in made} == {f"app{app}/answer" for app in range(traffic.APPS)}
    assert sum(one.calls for one in made) == counts["first_calls"]
    assert counts["judged_calls"] > 2000
    found = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
    assert {one["baseline"] for one in found if not one.get("provisional")} <= {one.id for one in made}
    assert any(one["state"] == "firing" and one["kind"] == "model" for one in found)


def test_verdict_files_hold_every_judged_call_and_alert_and_get_their_names_when_a_worker_stops(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=live.QUICK)
    traffic.baselines(tmp_path / "store")
    with Worker(config, flags=("--verdicts", str(tmp_path / "verdicts.jsonl.zst"))) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(6000))
        judged = worker.get("/health")[1]["stages"]["judge"]["counts"]["judged_calls"]
        assert list(tmp_path.glob("verdicts*.zst.part"))
        assert worker.end() == 0
    assert list(tmp_path.glob("*.part")) == []
    told = [read(str(path)) for path in tmp_path.glob("verdicts-20*-p*.jsonl.zst")]
    segments = [one for account in told for one in account.segments.values()]
    pending = judged - sum(one.calls for one in segments)
    assert 0 <= pending < 10 * len(segments)
    wanted = [json.loads(one)["record_id"] for one in asyncio.run(live.alerts(kafka)).values()]
    assert sorted(alert.record_id for one in segments for alert in one.alerts) == sorted(wanted)
    assert all(one.summary and one.baseline for one in segments)
