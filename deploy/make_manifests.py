"""Writes deploy/prometheus/driftline.rules.yml and deploy/kubernetes: ``python deploy/make_manifests.py``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.cli.rules import COMMENT
from streams.rules import groups, text
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
NOTE = "Written by 'python deploy/make_manifests.py'."
NAME = "driftline"
LABELS = {"app.kubernetes.io/name": NAME}

DOCKERFILE = (ROOT / "Dockerfile").read_text()
(USER,) = {int(number) for number in re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)}
(PORT,) = {int(number) for number in re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

CONFIG = """\
kafka:
  brokers: kafka:9092
# Every setting of docs/settings.md; what is secret comes from the secret 'driftline' instead.
"""


def pages() -> Mapping[Path, str]:
    """Every file with its text."""
    settings = Settings()
    return {
        ROOT / "deploy/prometheus/driftline.rules.yml": text({"groups": groups(settings)}, COMMENT),
        ROOT / "deploy/kubernetes/prometheusrule.yaml": text(_prometheus_rule(settings), NOTE, COMMENT),
        ROOT / "deploy/kubernetes/servicemonitor.yaml": text(_service_monitor(), NOTE),
        ROOT / "deploy/kubernetes/driftline.yaml": "---\n".join(
            [text(_config_map(), NOTE, *MEANT), text(_store()), text(_service()), text(_deployment(settings))]
        ),
    }


MEANT = (
    "Change the brokers and the image, and the store: every worker must reach it. Topics are made once, by",
    "'driftline topics create'. docs/deploying.md says more.",
)


def _object(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}, **rest}


def _prometheus_rule(settings: Settings) -> dict[str, Any]:
    return _object("monitoring.coreos.com/v1", "PrometheusRule", NAME, spec={"groups": groups(settings)})


def _service_monitor() -> dict[str, Any]:
    """The job is the label's value, so that it is that of the rules whatever the service is called."""
    spec = {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": LABELS},
        "endpoints": [{"port": "web", "path": "/metrics", "interval": "15s"}],
    }
    return _object("monitoring.coreos.com/v1", "ServiceMonitor", NAME, spec=spec)


def _config_map() -> dict[str, Any]:
    return _object("v1", "ConfigMap", NAME, data={"driftline.yaml": CONFIG})


def _store() -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Gi"}}}
    return _object("v1", "PersistentVolumeClaim", f"{NAME}-store", spec=spec)


def _service() -> dict[str, Any]:
    spec = {"selector": LABELS, "ports": [{"name": "web", "port": PORT, "targetPort": "web"}]}
    return _object("v1", "Service", NAME, spec=spec)


def _deployment(settings: Settings) -> dict[str, Any]:
    pod = {
        "terminationGracePeriodSeconds": round(settings.live.drain_s * 1.5),  # longer than live.drain_s
        "enableServiceLinks": False,  # variables such as DRIFTLINE_PORT would look like settings
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container()],
        "volumes": [
            {"name": "config", "configMap": {"name": NAME}},
            {"name": "store", "persistentVolumeClaim": {"claimName": f"{NAME}-store"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", NAME, spec=spec)


def _container() -> dict[str, Any]:
    return {
        "name": NAME,
        "image": f"{NAME}:{VERSION}",
        "args": ["run"],
        "env": [
            {"name": "DRIFTLINE_CONFIG", "value": "/etc/driftline/driftline.yaml"},
            _secret("DRIFTLINE_KAFKA_PASSWORD", "kafka-password"),
            _secret("DRIFTLINE_LIVE_TOKEN", "token"),
        ],
        "ports": [{"name": "web", "containerPort": PORT}],
        "startupProbe": _probe("/live", 5, 24),
        "livenessProbe": _probe("/live", 15, 3),
        "readinessProbe": _probe("/ready", 15, 3),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/driftline", "readOnly": True},
            {"name": "store", "mountPath": "/var/lib/driftline"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _secret(variable: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": NAME, "key": key, "optional": True}}}


def _probe(path: str, seconds: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "web"},
        "periodSeconds": seconds,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content)
