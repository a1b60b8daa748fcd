"""``driftline config`` without a cluster: what is set, where it was said, and nothing secret."""

import json

import pytest

from streams.cli.common import spelled
from streams.settings import load


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "driftline.yaml"
    path.write_text(
        "first: 500\n"
        "kafka: {brokers: 'a:1', security: SASL_SSL, username: u, password: hunter2,\n"
        "  topics: {calls: {partitions: 12}}}\n"
    )
    return path


def rows(ran):
    return {row["setting"]: (row["value"], row["from"]) for row in map(json.loads, ran.out.splitlines())}


def test_every_setting_is_shown_with_its_origin_and_no_secret(driftline, config, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA_KEY_PASSWORD", "hunter3")
    monkeypatch.setenv("DRIFTLINE_KAFKA_CERTIFICATE_FILE", "client.pem")
    monkeypatch.setenv("DRIFTLINE_LIVE_IDLE_S", "5")
    for as_json in ((), ("--json",)):
        ran = driftline("config", "show", "--config", config, "--brokers", "b:2", *as_json)
        assert ran.status == 0
        assert b"hunter" not in ran.out
        assert "hunter" not in ran.err
    found = rows(ran)
    assert found["first"] == (500, f"file {config}")
    assert found["kafka.brokers"] == ("b:2", "command line")
    assert found["kafka.password"] == ("***", f"file {config}")
    assert found["kafka.key_password"] == ("***", "environment DRIFTLINE_KAFKA_KEY_PASSWORD")
    assert found["live.idle_s"] == (5.0, "environment DRIFTLINE_LIVE_IDLE_S")
    assert found["kafka.prefix"] == ("driftline.", "default")
    assert found["kafka.topics"][0]["calls"]["partitions"] == 12


def test_no_secret_shows_as_none(driftline):
    assert rows(driftline("config", "show", "--json"))["kafka.password"] == ("", "default")


def test_the_check_without_a_cluster_says_how_to_name_one_and_tries_the_rest(driftline):
    ran = driftline("config", "check", "--json")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 2
    assert {(one["what"], one["state"]) for one in found} == {
        *(("settings", "ok"), ("cluster", "wrong"), ("store", "ok"), ("embedder", "ok")),
    }
    assert "DRIFTLINE_KAFKA_BROKERS" in ran.err


def test_the_check_tells_an_embedder_that_is_none_and_settings_that_are_seldom_meant(driftline, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA_SECURITY", "SASL_PLAINTEXT")
    monkeypatch.setenv("DRIFTLINE_KAFKA_USERNAME", "u")
    monkeypatch.setenv("DRIFTLINE_KAFKA_PASSWORD", "hunter2")
    ran = driftline("config", "check", "--embedder", "none")
    assert ran.status == 2
    assert "embedder must be 'wordllama'" in ran.err
    assert "sends all unencrypted, with PLAIN the password too: use SASL_SSL" in ran.err


def test_the_command_that_judges_a_file_again_names_no_cluster_and_no_password(config):
    assert spelled(load(str(config), {}, {}), []) == ([], ["--first", "500"])
