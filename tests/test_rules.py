"""What Prometheus and Alertmanager say of the files in deploy/, by their own tools, and that these are up to date."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from streams.alerting import SEVERITIES
from streams.settings import Live

ROOT = Path(__file__).parents[1]
RULES, ALERTMANAGER = ROOT / "deploy/prometheus", ROOT / "deploy/alertmanager/alertmanager.yml"
MANIFESTS = ROOT / "deploy/kubernetes"
TESTS = sorted(RULES.glob("*.test.yml"))


def run(name, *arguments):
    """What a program prints, or a skip that says what is missing."""
    program = shutil.which(name) or pytest.skip(f"{name} is not installed")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules():
    found = yaml.safe_load((RULES / "driftline.rules.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def test_every_generated_file_is_what_the_settings_and_the_image_give():
    made = runpy.run_path(str(ROOT / "deploy/make_manifests.py"))
    for path, text in made["pages"]().items():
        assert path.read_text() == text, "run: python deploy/make_manifests.py"


def test_prometheus_can_read_its_configuration_and_the_rules_that_it_names():
    said = run("promtool", "check", "config", RULES / "prometheus.yml")
    assert f"SUCCESS: {len(rules())} rules found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_do_what_their_tests_want(path):
    run("promtool", "test", "rules", path)


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in rules() if "alert" in rule}))
def test_every_alert_is_tested_where_it_fires_and_where_it_must_not(name):
    expected = [one for path in TESTS for test in yaml.safe_load(path.read_text())["tests"] for one in _of(test, name)]
    firing = [len(one["exp_alerts"]) for one in expected]
    assert any(firing)
    assert not all(firing)
    severities = {found["exp_labels"]["severity"] for one in expected for found in one["exp_alerts"]}
    assert severities == {rule["labels"]["severity"] for rule in rules() if rule.get("alert") == name}


def _of(test, alert):
    return [one for one in test["alert_rule_test"] if one["alertname"] == alert]


def test_every_recording_rule_is_tested():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    text = "".join(path.read_text() for path in TESTS)
    assert recorded == set(re.findall(r"- expr: (\w+:[\w:]+)$", text, re.MULTILINE))


def test_alertmanager_can_read_its_configuration_and_its_templates():
    assert "1 templates" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("category", "severity", "receiver"),
    [
        *((category, "page", "driftline-pages") for category in ("drift", "health")),
        *((category, "ticket", "driftline-tickets") for category in ("drift", "health")),
        *((category, "info", "driftline-info") for category in ("drift", "health")),
        *((category, "none", "nobody") for category in ("drift", "health", "acknowledged")),
        ("of_something_else", "page", "nobody"),
    ],
)
def test_a_page_goes_to_those_who_are_paged_and_no_other_alert_does(category, severity, receiver):
    assert severity in SEVERITIES
    labels = [f"category={category}", f"severity={severity}"]
    assert run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels).strip() == receiver


def test_nobody_is_notified_before_a_receiver_is_given_an_address():
    assert all(set(one) == {"name"} for one in yaml.safe_load(ALERTMANAGER.read_text())["receivers"])


def test_an_acknowledgement_outlives_what_it_silences_by_more_than_alertmanager_waits():
    groups = [route for route in yaml.safe_load(ALERTMANAGER.read_text())["route"]["routes"] if "group_by" in route]
    (waits,) = [_minutes(route["group_interval"]) for route in groups if 'category="drift"' in route["matchers"]]
    kept = {rule["alert"]: _minutes(rule["keep_firing_for"]) for rule in rules() if "keep_firing_for" in rule}
    assert kept["DriftlineAlarmAcknowledged"] > kept["DriftlineModelDrift"] + waits


def _minutes(text):
    return int(text.removesuffix("m"))


CHANGE = "served_model m-05 → <!channel>"


def notification(status, *alerts, **common):
    """What Alertmanager gives to a template."""
    empty = {"receiver": "r", "externalURL": "http://a", "commonAnnotations": {}, "status": status}
    one = {"startsAt": "2026-01-17T12:00:00Z", "endsAt": "2026-01-17T13:00:00Z", "generatorURL": "", "fingerprint": "f"}
    return empty | {
        "groupLabels": {name: common[name] for name in ("app", "change") if name in common},
        "commonLabels": common,
        "alerts": [one | alert for alert in alerts],
    }


def alert(status, kind, clause):
    return {
        "status": status,
        "labels": {"category": "drift", "kind": kind},
        "annotations": {
            "summary": f"{kind} drift in bot/answer: {clause}",
            "since": "2026-01-17T11:53:00Z",
            "evidence_url": f"http://d/alerts/{kind}",
            "runbook_url": f"http://b/{kind}.md",
        },
    }


def rendered(tmp_path, name, data):
    (tmp_path / "data.json").write_text(json.dumps(data))
    text = f'{{{{ template "driftline.{name}" . }}}}'
    templates = f"--template.glob={ALERTMANAGER.parent}/*.tmpl"
    return run(
        "amtool", "template", "render", templates, f"--template.data={tmp_path}/data.json", f"--template.text={text}"
    )


def test_one_text_tells_all_kinds_of_drift_of_an_app_and_what_is_over_and_calls_nobody_by_name(tmp_path):
    found = [alert("firing", "model", "moved by\n0.41"), alert("resolved", "data", "other <questions>")]
    data = notification("firing", *found, category="drift", app="bot", change=CHANGE)
    assert rendered(tmp_path, "title", data) == "bot: drift of several kinds near served_model m-05 → ‹!channel›"
    assert rendered(tmp_path, "text", data).splitlines() == [
        "Nearest change: served_model m-05 → ‹!channel›",
        "• model drift in bot/answer: moved by 0.41, since 2026-01-17T11:53:00Z",
        "  evidence: http://d/alerts/model runbook: http://b/model.md",
        "Over:",
        "• data drift in bot/answer: other ‹questions›",
    ]


def test_an_end_is_told_as_one_and_a_single_kind_by_its_name(tmp_path):
    data = notification("resolved", alert("resolved", "output_length", "longer"), category="drift", app="bot")
    data["commonLabels"]["kind"] = "output_length"
    assert rendered(tmp_path, "title", data) == "Over: bot: output length drift"
    assert rendered(tmp_path, "text", data).splitlines() == [
        "No change of model, prompt or release lies near",
        "Over:",
        "• output_length drift in bot/answer: longer",
    ]


def test_many_alarms_of_one_change_are_counted_not_listed(tmp_path):
    found = [alert("firing", f"k{number:02}", "x") for number in range(30)]
    lines = rendered(tmp_path, "text", notification("firing", *found, category="drift", app="bot")).splitlines()
    assert sum(line.startswith("•") for line in lines) == 20
    assert lines[-1] == "… 30 alerts in all"


def test_ill_health_is_told_with_what_it_means(tmp_path):
    annotations = {
        "summary": "S",
        "description": "D",
        "evidence_url": "http://d/health",
        "runbook_url": "http://b/x.md",
    }
    one = {"status": "firing", "labels": {"category": "health"}, "annotations": annotations}
    data = notification("firing", one, category="health", alertname="DriftlineDown")
    assert rendered(tmp_path, "title", data) == "DriftlineDown"
    assert rendered(tmp_path, "text", data).splitlines() == [
        "Driftline itself is not well",
        "• S",
        "  D",
        "  evidence: http://d/health runbook: http://b/x.md",
    ]


def test_what_kubernetes_runs_may_drain_and_is_no_root():
    found = {one["kind"]: one for one in yaml.safe_load_all((MANIFESTS / "driftline.yaml").read_text())}
    pod = found["Deployment"]["spec"]["template"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > Live().drain_s
    assert pod["spec"]["securityContext"]["runAsUser"] == 10001
    (worker,) = pod["spec"]["containers"]
    assert worker["securityContext"]["readOnlyRootFilesystem"]
    assert [worker[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")] == ["/live", "/ready"]
    assert found["Service"]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    (config,) = found["ConfigMap"]["data"]
    assert {"name": "DRIFTLINE_CONFIG", "value": f"/etc/driftline/{config}"} in worker["env"]


def test_in_kubernetes_the_job_is_the_one_that_the_rules_ask_for():
    monitor = yaml.safe_load((MANIFESTS / "servicemonitor.yaml").read_text())["spec"]
    (service,) = [
        one for one in yaml.safe_load_all((MANIFESTS / "driftline.yaml").read_text()) if one["kind"] == "Service"
    ]
    job = service["metadata"]["labels"][monitor["jobLabel"]]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert all(f'job="{job}"' in rule["expr"] for rule in rules())
    groups = yaml.safe_load((MANIFESTS / "prometheusrule.yaml").read_text())["spec"]["groups"]
    assert [rule for group in groups for rule in group["rules"]] == rules()
