"""Real Prometheus and Alertmanager under test, and somebody who is notified."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.brokers import ROOT, free_port

PATIENCE_S = 90
KEEP = "40s"
"""For which alerts go on without their samples: a worker that is started again is back by then."""
TEMPLATE = ROOT / "deploy/alertmanager/driftline.tmpl"
RECEIVERS = ("driftline-pages", "driftline-tickets", "driftline-info")
PROGRAMS = {
    "Prometheus": ("prometheus",),
    "Alertmanager": ("prometheus-alertmanager", "alertmanager"),
}
"""Names under which each is installed."""


def program(what: str) -> str:
    """Path of a program, or a skip that says what is missing."""
    found = next(filter(None, map(shutil.which, PROGRAMS[what])), None)
    return found or pytest.skip(f"{what} is not installed")


@dataclass
class Notified:
    """All that was sent: webhooks as they came, and texts for Slack, each with the receiver that it is for."""

    webhooks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    texts: list[tuple[str, str, str]] = field(default_factory=list)

    def of(self, category: str, status: str) -> list[dict[str, Any]]:
        """Webhooks of a category of alerts in which any of them is so."""
        return [
            body
            for _, body in self.webhooks
            if body["commonLabels"].get("category") == category and body["status"] == status
        ]


@contextmanager
def receiving() -> Iterator[tuple[str, Notified]]:
    """Somebody who takes notifications, and the address where."""
    notified = Notified()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # as the library calls it
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, kind, receiver = self.path.split("/")
            if kind == "slack":
                (one,) = body["attachments"]
                notified.texts.append((receiver, one["title"], one["text"]))
            else:
                notified.webhooks.append((receiver, body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *said: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", notified
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Monitoring:
    """Prometheus and Alertmanager at work."""

    prometheus: str
    alertmanager: str
    notified: Notified

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Samples of an expression now."""
        found = _get(f"{self.prometheus}/api/v1/query?query={urllib.request.quote(expression)}")
        return [(one["metric"], float(one["value"][1])) for one in found["data"]["result"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts as Alertmanager has them."""
        found: list[dict[str, Any]] = _get(f"{self.alertmanager}/api/v2/alerts")
        return found

    def until(self, wanted: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not (found := wanted()):
            assert time.monotonic() < deadline, (self.notified, self.alerts(), self.query("ALERTS"))
            time.sleep(0.2)
        return found


def quickened(rules: dict[str, Any]) -> dict[str, Any]:
    """Rules that wait for seconds where they would for minutes."""
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule |= {"for": "2s"} if "for" in rule else {}
            rule |= {"keep_firing_for": KEEP} if "keep_firing_for" in rule else {}
    return rules


def routed(address: str) -> dict[str, Any]:
    """The routes of the project, in seconds, with receivers that are listening."""
    config = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    config["templates"] = [str(TEMPLATE)]
    _hurry(config["route"])
    for one in config["receivers"]:
        if one["name"] in RECEIVERS:
            name = one["name"]
            one["webhook_configs"] = [{"url": f"{address}/webhook/{name}", "send_resolved": True}]
            one["slack_configs"] = [
                {
                    "api_url": f"{address}/slack/{name}",
                    "channel": "#drift",
                    "send_resolved": True,
                    "title": '{{ template "driftline.title" . }}',
                    "text": '{{ template "driftline.text" . }}',
                }
            ]
    assert {one["name"] for one in config["receivers"] if "webhook_configs" in one} == set(RECEIVERS)
    return config  # type: ignore[no-any-return]


def _hurry(route: dict[str, Any]) -> None:
    for name, quick in {"group_wait": "5s", "group_interval": "5s"}.items():
        if name in route:
            route[name] = quick
    for one in route.get("routes", []):
        _hurry(one)


@contextmanager
def monitoring(folder: Path, rules: Mapping[str, Any], targets: list[str]) -> Iterator[Monitoring]:
    """Prometheus with these rules, looking at these workers every second, and Alertmanager with our routes."""
    prometheus, alertmanager = program("Prometheus"), program("Alertmanager")
    ports = free_port(), free_port()
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    scraped = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports[1]}"]}]}]},
        "scrape_configs": [{"job_name": "driftline", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(scraped))
    with ExitStack() as stack:
        address, notified = stack.enter_context(receiving())
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(routed(address)))
        addresses = [f"127.0.0.1:{port}" for port in ports]
        commands = (
            [
                prometheus,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/prometheus",
                f"--web.listen-address={addresses[0]}",
                "--rules.alert.resend-delay=1s",
            ],
            [
                alertmanager,
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address={addresses[1]}",
                "--cluster.listen-address=",
            ],
        )
        for number, command in enumerate(commands):
            said = stack.enter_context((folder / f"{number}.log").open("wb"))
            process = subprocess.Popen(command, stdout=said, stderr=said, env=dict(os.environ))
            stack.callback(process.wait)
            stack.callback(process.kill)
        on = Monitoring(f"http://{addresses[0]}", f"http://{addresses[1]}", notified)
        _until_met(on, folder)
        yield on


def _until_met(on: Monitoring, folder: Path) -> None:
    """Wait until Prometheus has met Alertmanager: alerts raised before would be dropped without a word."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if _get(f"{on.prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]:
                _get(f"{on.alertmanager}/api/v2/status")
                return
        except OSError:
            pass
        logs = [file.read_text()[-3000:] for file in folder.glob("?.log")]
        assert time.monotonic() < deadline, logs
        time.sleep(0.2)


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=5) as answer:
        return json.loads(answer.read())
