"""The replay command of an alert: the same alerts again, as a shell would run it."""

import shlex
from dataclasses import replace
from functools import partial

import msgspec

from drift import baseline as baselines
from streams.store import Store
from tests.streams import traffic


def drifting():
    return traffic.lines(traffic.calls(1000, 1600, changed_from=1300))


def replayed(driftline, monkeypatch, alerts):
    """What the replay command that all these alerts carry prints, as a shell would run it."""
    (replay,) = {msgspec.json.decode(line)["replay"] for line in alerts.splitlines()}
    words = shlex.split(replay)
    for name, _, value in (word.partition("=") for word in words[: words.index("driftline")]):
        monkeypatch.setenv(name, value)
    return driftline(*words[words.index("driftline") + 1 :], "--json").out


def test_the_replay_of_an_alert_gives_the_same_alerts_again(driftline, normal, tmp_path, monkeypatch):
    path, config = tmp_path / "a folder" / "calls 1.jsonl", tmp_path / "driftline.yaml"
    path.parent.mkdir()
    lines = drifting()
    path.write_bytes(b"".join(line.replace(b'"output"', b'"said it"') + b"\n" for line in lines))
    config.write_text("{clear_after: 300, tolerances: {cost: 0.2}, salt: 7, lateness_s: 60, texts: none}")
    flags = ("--map", "output=said it", "--one-false-alarm-every", "30 days", "--tick", "5", "--config", config)
    ran = driftline("watch", path, "--baseline", normal, "--json", *flags)
    assert b"--lateness 60.0" in ran.out
    assert b"DRIFTLINE_SALT" not in ran.out
    assert replayed(driftline, monkeypatch, ran.out) == ran.out != b""


def test_the_replay_takes_first_calls_and_force_again(driftline, write, monkeypatch):
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=4))
    path = write(traffic.lines(traffic.calls(0, 1100, changed_from=700, input="Hello there")))
    ran = driftline("watch", path, "--first", "500", "--force", "--json")
    assert b"--force" in ran.out
    assert replayed(driftline, monkeypatch, ran.out) == ran.out != b""


def test_the_replay_names_what_a_tag_stood_for_when_the_alert_was_raised(
    driftline, normal, write, tmp_path, monkeypatch
):
    store = Store(str(tmp_path / "store"))
    one = store.put_baseline(traffic.baseline())
    store.tag(traffic.SEGMENT, "prod", one)
    path = write(drifting())
    ran = driftline("watch", path, "--baseline", f"{traffic.SEGMENT}@prod", "--json")
    store.tag(traffic.SEGMENT, "prod", store.put_baseline(replace(traffic.baseline(), facts={"other": 1})))
    assert f"--baseline {one}".encode() in ran.out
    assert replayed(driftline, monkeypatch, ran.out) == ran.out != b""


def test_alerts_of_a_pipe_carry_no_replay(driftline, normal):
    piped = driftline("watch", "-", "--baseline", normal, "--json", stdin=b"\n".join(drifting()))
    assert piped.out
    assert b"replay" not in piped.out
