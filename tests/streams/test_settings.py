"""Settings: file, environment over it, flags over both, and what is said of wrong ones."""

import pytest

from drift.budget import IMPORTANCE
from drift.errors import SettingsError
from drift.state import TOLERANCES
from streams.alerting import Alerting
from streams.secret import Secret
from streams.settings import Kafka, Live, Prompts, Settings, Sharing, load, web_token, with_origins


def refusal(file=None, flags=None, environment=None):
    with pytest.raises(SettingsError) as caught:
        load(file, flags, environment or {})
    return str(caught.value)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "driftline.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_nothing_given_means_the_defaults():
    assert load(environment={}) == Settings()


def test_the_environment_is_over_the_file_and_flags_are_over_both(write):
    file = write("tick_s: 1\nlateness_s: 1\nfirst: 1000\n")
    environment = {"DRIFTLINE_LATENESS_S": "2", "DRIFTLINE_FIRST": "2000"}
    settings = load(file, {"first": 3000, "tick_s": None}, environment)
    assert (settings.tick_s, settings.lateness_s, settings.first) == (1, 2, 3000)


def test_the_environment_may_name_the_file_and_the_flag_names_another(write, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("first: 500")
    environment = {"DRIFTLINE_CONFIG": write("first: 400")}
    assert load(None, {}, environment).first == 400
    assert load(str(other), {}, environment).first == 500


def test_every_setting_can_come_from_the_environment():
    given = {
        "one_false_alarm_every": "30d",
        "store": "123",
        "embedder": "wordllama",
        "device": "cpu",
        "batch_size": "8",
        "half": "true",
        "tick_s": "5",
        "lateness_s": "0",
        "first": "400",
        "segments": "20",
        "clear_after": "200",
        "tolerances": "{topics: 0.1}",
        "importance": "{model: 5}",
        "texts": "none",
        "salt": "7",
        "prompts": "{allowed: {answer: [v1, v2]}}",
        "slices": "region, attributes.tier",
        "scores": "correct",
        "fleet": "{one_false_alarm_every: 7d, segments: 40, weights: {batch: 0.2}}",
        "kafka": "{brokers: 'one:9092,two:9092', prefix: 'llm.'}",
        "live": "{tag: shadow, idle_s: 5}",
        "alerting": "{job: mine, severities: {model: page}}",
        "pool": "false",
    }
    settings = load(None, {}, {f"DRIFTLINE_{name.upper()}": text for name, text in given.items()})
    allowed = Prompts({"answer": ["v1", "v2"]})
    assert settings == Settings(
        "30d",
        "123",
        "wordllama",
        "cpu",
        8,
        True,
        5.0,
        0.0,
        400,
        20,
        200,
        {"topics": 0.1},
        {"model": 5.0},
        "none",
        7,
        allowed,
        ("region", "attributes.tier"),
        ("correct",),
        Sharing("7d", 40, {"batch": 0.2}),
        False,
        Kafka(brokers="one:9092,two:9092", prefix="llm."),
        Live(tag="shadow", idle_s=5),
        Alerting(job="mine", severities={"model": "page"}),
    )
    assert given.keys() == set(Settings.__struct_fields__)


def test_variables_that_are_no_settings_are_left_alone():
    assert load(None, {}, {"DRIFTLINE_SERVICE_HOST": "10.0.0.1", "HOME": "/"}) == Settings()


def test_an_empty_file_changes_nothing(write):
    assert load(write("# nothing\n"), {}, {}) == Settings()


def test_importance_changes_only_the_kinds_that_it_names_in_budgets_of_segments_and_fleets(write):
    settings = load(write("importance: {model: 7}\nfleet: {one_false_alarm_every: 1d, segments: 10}"), {}, {})
    for budget in (settings.budget, settings.shared.budget, settings.shared.share(1.0)):
        assert budget.importance == {**IMPORTANCE, "model": 7}


def test_tolerances_change_only_the_detectors_that_they_name(write):
    settings = load(write("tolerances: {latency: 0.2}"), {}, {})
    assert settings.all_tolerances == {**TOLERANCES, "latency": 0.2}


def test_a_fleets_budget_is_shared_by_the_segments_that_are_watched_unless_others_are_declared(write):
    given = "segments: 30\nfleet: {one_false_alarm_every: 7d, weights: {batch: 0.5}%s}"
    fleet = load(write(given % ""), {}, {}).shared
    assert (fleet.budget.every, fleet.segments, fleet.total) == (7, 30, 29.5)
    assert load(write(given % ", segments: 5"), {}, {}).shared.segments == 5
    assert Settings().shared is None


def test_durations_become_milliseconds_and_the_budget_is_parsed():
    settings = load(None, {"tick_s": 0.5, "lateness_s": 90, "one_false_alarm_every": "12h"}, {})
    assert (settings.clock.tick_ms, settings.clock.lateness_ms) == (500, 90_000)
    assert (settings.budget.every, settings.budget.unit) == (0.5, "days")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("tick_s", "soon", "`float`"),
        ("tick_s", 0, ">= 0.001"),
        ("tick_s", float("nan"), ">= 0.001"),
        ("tick_s", 7200, "<= 3600"),
        ("lateness_s", float("inf"), "<="),
        ("first", 10, ">= 200"),
        ("clear_after", 1, ">= 100"),
        ("salt", -1, ">= 0"),
        ("salt", 2**64, "`int`"),
        ("store", None, "`str`"),
        ("device", "tpu", "wanted: auto or cpu or cuda"),
        ("tolerances", {"topics": -1}, ">= 0"),
        ("tolerances", {"topic": 0.1}, "topics"),
        ("importance", {"model": 0}, "> 0"),
        ("importance", {"answers": 2}, "model"),
        ("texts", "some", "wanted: full or redacted or none"),
        ("one_false_alarm_every", "often", "'30d'"),
        ("one_false_alarm_every", "0 calls", "'30d'"),
        ("fleet", {"segments": 5}, "one_false_alarm_every"),
        ("fleet", {"one_false_alarm_every": "often"}, "'30d'"),
        ("fleet", {"one_false_alarm_every": "7d", "segments": -1}, ">= 0"),
        ("fleet", {"one_false_alarm_every": "7d", "segments": 1, "weights": {"a": 1, "b": 2}}, "at least 2"),
        ("fleet", {"one_false_alarm_every": "7d", "weights": {"a": 0}}, "more than 0"),
        ("pool", "perhaps", "`bool`"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name_and_what_is_wanted(name, value, words, monkeypatch):
    monkeypatch.setattr("streams.layers._read", lambda file: {name: value})
    message = refusal("given.yaml")
    assert name in message
    assert words in message


def test_an_unknown_setting_is_refused_with_the_names_there_are(write):
    message = refusal(write("tick: 5"))
    assert "unknown setting tick" in message
    assert "tick_s" in message


@pytest.mark.parametrize("text", ["{", "a: b: c", b"\xff\xfe\x00", b"first: \x00"])
def test_a_file_that_is_not_yaml_is_refused_by_name(write, text):
    file = write(text)
    message = refusal(file)
    assert message.startswith(f"settings file {file} is not YAML")


def test_a_file_that_holds_no_names_is_refused(write):
    assert "got a list" in refusal(write("- tick_s"))


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    assert f"{tmp_path / 'none.yaml'} cannot be read" in refusal(str(tmp_path / "none.yaml"))
    assert "cannot be read: Is a directory" in refusal(str(tmp_path))


def test_a_table_in_the_environment_that_is_not_yaml_is_refused_by_its_variable():
    assert refusal(environment={"DRIFTLINE_TOLERANCES": "{"}).startswith("DRIFTLINE_TOLERANCES is not YAML")


def test_every_setting_of_a_table_has_its_variable_over_the_tables_of_file_and_environment(write):
    file = write("kafka: {brokers: 'a:1', prefix: a., group: a}\nlive: {batch: 10}")
    environment = {
        "DRIFTLINE_KAFKA": "{prefix: b., group: b}",
        "DRIFTLINE_KAFKA_GROUP": "c",
        "DRIFTLINE_KAFKA_CHECK_HOSTNAME": "false",
        "DRIFTLINE_KAFKA_REPLICATION": "2",
        "DRIFTLINE_KAFKA_TOPICS": "{calls: {name: llm.calls, partitions: 12}}",
        "DRIFTLINE_LIVE_IDLE_S": "5",
    }
    settings = load(file, {"live_queue": 7}, environment)
    kafka, live = settings.kafka, settings.live
    assert (kafka.brokers, kafka.prefix, kafka.group) == ("a:1", "b.", "c")
    assert (kafka.check_hostname, kafka.replication) == (False, 2)
    assert (kafka.topic("calls"), kafka.topics["calls"].partitions, kafka.topic("panes")) == (
        "llm.calls",
        12,
        "b.panes",
    )
    assert (live.batch, live.idle_s, live.queue) == (10, 5, 7)


def test_it_is_known_where_each_setting_came_from(write):
    file = write("first: 500\nkafka: {brokers: 'a:1', group: a}")
    environment = {"DRIFTLINE_KAFKA_GROUP": "b", "DRIFTLINE_CONFIG": file}
    settings, origins = with_origins(None, {"first": 600, "kafka_brokers": None}, environment)
    assert (settings.first, settings.kafka.group) == (600, "b")
    assert origins == {
        "first": "command line",
        "kafka.brokers": f"file {file}",
        "kafka.group": "environment DRIFTLINE_KAFKA_GROUP",
    }


SASL = "security: SASL_SSL, username: u"


def test_a_password_comes_from_file_or_environment_and_is_never_shown(write):
    given = write(f"kafka: {{{SASL}, password: from-file}}")
    assert load(given, {}, {}).kafka.password == Secret("from-file")
    settings = load(given, {}, {"DRIFTLINE_KAFKA_PASSWORD": "12345"})
    assert settings.kafka.password == Secret("12345")
    assert "12345" not in repr(settings)
    assert "password=***" in repr(settings)


TOKEN = "0123456789abcdef"


def test_the_token_of_the_web_server_comes_from_a_file_or_the_environment_and_is_never_shown(write, tmp_path):
    settings = load(None, {}, {"DRIFTLINE_LIVE_TOKEN": TOKEN})
    assert web_token(settings.live) == TOKEN
    assert TOKEN not in repr(settings)
    held = tmp_path / "token"
    held.write_text(f"{TOKEN}-of-file\n")
    assert web_token(load(write(f"live: {{token_file: {held}}}"), {}, {}).live) == f"{TOKEN}-of-file"
    assert web_token(Settings().live) == ""


def test_what_can_be_no_token_is_refused_and_not_told(write, tmp_path):
    for token in ("hunter2", "hunter2 hunter2 hunter2", "hunter2-hünter2-hunter2"):
        said = refusal(write(f"live: {{token: {token}}}"), {}, {})
        assert "live.token must be 16 or more of" in said and "nter2" not in said
    said = refusal(write(f"live: {{token: {TOKEN}, token_file: there}}"), {}, {})
    assert said == "live.token and live.token_file are both given: give one of them"
    held = tmp_path / "token"
    for text, words in (("hunter2", "must be 16 or more of"), ("", "is empty"), (None, "cannot be read")):
        held.unlink(missing_ok=True)
        if text is not None:
            held.write_text(text)
        with pytest.raises(SettingsError, match=f"live.token_file {held}.*{words}") as refused:
            web_token(load(write(f"live: {{token_file: {held}}}"), {}, {}).live)
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("kafka: {password: hunter2", {}),
        ("kafka: 'password hunter2'", {}),
        ("kafka: {password: *hunter2}", {}),
        ("kafka: {password: !hunter2 x}", {}),
        ("kafka: {password: [hunter2]}", {}),
        ("kafka: {security: SASL, password: hunter2}", {}),
        ("kafka: {pasword: hunter2}", {}),
        ("kafka: {username: u, password: hunter2}", {}),
        (f"kafka: {{{SASL}, password: hunter2, password_file: there}}", {}),
        ("", {"DRIFTLINE_KAFKA": "{password: hunter2"}),
        ("", {"DRIFTLINE_KAFKA": "{password: *hunter2}"}),
        ("", {"DRIFTLINE_KAFKA_PASSWORD": "hunter2"}),
        ("", {"DRIFTLINE_KAFKA_KEY_PASSWORD": "hunter2"}),
    ],
)
def test_whatever_is_wrong_no_password_is_told(write, text, environment):
    message = refusal(write(text), {}, environment)
    assert "hunter2" not in message
    assert "kafka" in message.lower() or "line 1" in message


@pytest.mark.parametrize(
    ("kafka", "words"),
    [
        ("{broker: 'a:1'}", "unknown setting kafka.broker; settings are brokers, client_id"),
        ("{brokers: a}", "kafka.brokers must be HOST:PORT, more of them by commas, got 'a'"),
        ("{brokers: 'a:0'}", "HOST:PORT"),
        ("{brokers: 'kafka://a:1'}", "HOST:PORT"),
        ("{security: TLS}", "kafka.security is 'TLS': Invalid enum value 'TLS'; wanted: PLAINTEXT or SSL"),
        ("{password: 5}", "kafka.password: it must be text, got a int: write it in quotes"),
        ("{topics: {call: {}}}", "kafka.topics is {'call': {}}: Invalid enum value 'call'"),
        ("{topics: {calls: {retention: a week}}}", "topics.calls.retention must be like '7d', '12h' or 'forever'"),
        ("{topics: {calls: {name: 'a b'}}}", "the name 'a b'"),
        ("{topics: {calls: {name: driftline.panes}}}", "driftline.panes is named twice"),
        ("{topics: {state: {partitions: 3}}}", "kafka.topics.panes.partitions"),
        ("{topics: {state: {name: mine}}}", "kafka.topics.state.name follows from kafka.group"),
        ("{topics: {baselines: {retention: 7d}}}", "the topic is compacted"),
        ("{security: SASL_SSL}", "kafka.username is wanted with security SASL_SSL and mechanism PLAIN"),
        (f"{{{SASL}}}", "kafka.password or kafka.password_file is wanted"),
        ("{username: u, password: p}", "kafka.username is given but kafka.security is PLAINTEXT: set security to SASL"),
        ("{security: SASL_SSL, mechanism: OAUTHBEARER}", "kafka.token_file or kafka.token_url is wanted"),
        ("{security: SASL_SSL, mechanism: OAUTHBEARER, token_url: 'https://a'}", "the id and the secret"),
        (f"{{{SASL}, mechanism: OAUTHBEARER, password: p, token_url: 'a.b'}}", "must begin with https://"),
        (f"{{{SASL}, password: p, token_file: t}}", "are for mechanism OAUTHBEARER"),
        ("{ca_file: ca.pem}", "kafka.ca_file is given but kafka.security is PLAINTEXT: set security to SSL"),
        ("{security: SSL, key_file: k}", "kafka.key_file is given without kafka.certificate_file"),
        ("{security: SSL, key_password: k}", "kafka.key_password is given without kafka.certificate_file"),
        ("{prefix: 'a/'}", "named by 1 to 249"),
    ],
)
def test_settings_of_the_cluster_that_do_not_fit_are_refused_with_a_remedy(write, kafka, words):
    assert words in refusal(write(f"kafka: {kafka}"))


def test_an_empty_table_changes_nothing(write):
    assert load(write("kafka:\nlive: {}\nalerting:"), {}, {}) == Settings()


def test_every_setting_of_alerting_has_a_variable_that_is_over_the_file():
    given = {
        "url": "https://drift.example.com",
        "runbooks": "https://git.example.com/runbooks",
        "severities": "{quality: info}",
        "job": "mine",
        "keep_firing_s": "20",
        "down_s": "10",
        "stale_s": "30",
        "lag_records": "7",
        "rejected_share": "0.5",
        "baseline_days": "8",
    }
    assert given.keys() == set(Alerting.__struct_fields__)
    settings = load(None, {}, {f"DRIFTLINE_ALERTING_{name.upper()}": text for name, text in given.items()})
    assert settings.alerting == Alerting(
        given["url"], given["runbooks"], {"quality": "info"}, "mine", 20, 10, 30, 7, 0.5, 8
    )


@pytest.mark.parametrize(
    ("alerting", "words"),
    [
        ("{urls: a}", "unknown setting alerting.urls; settings are url, runbooks, severities, job"),
        ("{url: 'localhost:6066'}", "alerting.url must be the address of a worker such as https://"),
        (
            "{url: 'http://a/{{b}}'}",
            "without blanks, quotes, backslashes, angle brackets or braces, got 'http://a/{{b}}'",
        ),
        ("{url: 'javascript:alert(1)'}", "alerting.url must be the address"),
        ("{runbooks: ''}", "alerting.runbooks must be an address such as https://"),
        ("{job: 'a\"b'}", "alerting.job must be the job label of the workers, such as driftline"),
        ("{severities: {modle: page}}", "unknown kind or alert modle; known: data, model, prompt, output_length"),
        ("{severities: {DriftlineUp: page}}", "unknown kind or alert DriftlineUp; known: data, "),
        ("{severities: {DriftlineAlarmAcknowledged: page}}", "unknown kind or alert DriftlineAlarmAcknowledged"),
        ("{severities: {model: loud}}", "model is 'loud'; wanted: page or ticket or info or none"),
        ("{severities: {model: page, DriftlineModelDrift: info}}", "model and DriftlineModelDrift are the same"),
        ("{severities: page}", "alerting.severities is 'page'"),
        ("{severities: page}", "wanted: a table such as {model: page, DriftlineDown: page}"),
        ("{keep_firing_s: 300}", "alerting.keep_firing_s must be more than alerting.down_s (300), got 300"),
        ("{down_s: 0}", "alerting.down_s is 0: Expected `int` >= 1"),
        ("{rejected_share: 5}", "alerting.rejected_share is 5: Expected `float` < 1.0"),
        ("{lag_records: many}", "alerting.lag_records is 'many': Expected `int`"),
        ("5", "alerting is a int; wanted: a table such as {url: 'https://driftline.example.com'"),
    ],
)
def test_settings_of_alerting_that_do_not_fit_are_refused_with_a_remedy(write, alerting, words):
    assert words in refusal(write(f"alerting: {alerting}"))


def test_a_severity_may_be_said_of_a_kind_or_of_an_alert_and_is_a_ticket_otherwise():
    alerting = Alerting(severities={"model": "page", "DriftlineDataDrift": "none", "DriftlineDown": "info"})
    wanted = {
        "DriftlineModelDrift": "page",
        "DriftlineDataDrift": "none",
        "DriftlineDown": "info",
        "DriftlineQualityDrift": "ticket",
        "DriftlineLagGrowing": "ticket",
    }
    assert {name: alerting.severity(name) for name in wanted} == wanted


def test_a_cluster_is_asked_for_by_name_where_none_is_given():
    with pytest.raises(SettingsError, match=r"--brokers HOST:PORT, DRIFTLINE_KAFKA_BROKERS or kafka\.brokers"):
        Kafka().addresses()
    assert Kafka(brokers="a:1, [::1]:2,").addresses() == [("a", 1), ("::1", 2)]


def test_the_state_is_named_as_faust_names_it():
    assert Kafka(group="mine", prefix="p.").topic("state") == "mine-judge-segments-changelog"
