"""Rules for Prometheus: what is recorded, which drift is an alert, and what it says."""

from __future__ import annotations

from typing import Any

import yaml

from streams import health_rules
from streams.alerting import DRIFT, Alerting
from streams.health_rules import BUSY_SHARE, LAG, REJECTED, SEGMENTS, Rule, evidence, matching, runbook, spoken
from streams.settings import Settings

ACKNOWLEDGED = "DriftlineAlarmAcknowledged"

NOTICED_S = 1800
"""Seconds by which an acknowledgement outlives the alert that it silences: by then Alertmanager has seen that end."""


def groups(settings: Settings) -> list[dict[str, Any]]:
    """The groups of rules for these settings, as Prometheus reads them."""
    alerting = settings.alerting
    return [
        {"name": "driftline.recording", "rules": _recording(alerting)},
        {"name": "driftline.drift", "rules": [*_drift(alerting), _acknowledged(alerting)]},
        {"name": "driftline.health", "rules": health_rules.health(settings)},
        {"name": "driftline.slow", "interval": "5m", "rules": health_rules.slow(alerting)},
    ]


def text(document: Any, *comments: str) -> str:
    """A document as YAML that people can read: queries and sentences as blocks."""
    body = yaml.dump(document, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=118)
    return "".join(f"# {line}\n" for line in comments) + body


class _Readable(yaml.SafeDumper):
    """Writes lists indented, long texts as blocks, and what is the same again."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else ">" if len(value) > 90 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Readable.add_representer(str, _block)


def _recording(alerting: Alerting) -> list[Rule]:
    """What alerts and dashboards ask for often."""
    of = matching(alerting)
    calls, rejected = f"driftline_calls_total{of()}", f"driftline_rejected_calls_total{of()}"
    recorded = {
        "job_app:driftline_calls:rate5m": f"sum by (job, app) (rate({calls}[5m]))",
        "job:driftline_calls:rate5m": f"sum by (job) (rate({calls}[5m]))",
        REJECTED: f"""\
sum by (job) (rate({rejected}[15m]))
/
(
  sum by (job) (rate({rejected}[15m]))
  + sum by (job) (rate({calls}[15m]))
)""",
        # two workers may show one partition around a rebalance: max, then sum
        LAG: f"sum by (job, stage) (max by (job, stage, partition) (driftline_lag_records{of()}))",
        BUSY_SHARE: f"sum by (job, instance) (rate(driftline_measure_seconds_total{of()}[5m]))",
        SEGMENTS: f"sum by (job, state) (driftline_segments{of()})",
    }
    return [{"record": name, "expr": expr} for name, expr in recorded.items()]


SEGMENT = (
    "{{ $labels.app }}{{ with $labels.prompt_name }}/{{ . }}{{ end }}{{ with $labels.variant }} ({{ . }}){{ end }}"
)
LABELS = "job, app, prompt_name, variant, kind, detector, alert_id, change"
"""Labels of a drift alert: none of a worker's own, which change whenever the segment moves to another one."""


ALARM = '{{ $alarm := printf "{job=%q,alert_id=%q}" $labels.job $labels.alert_id }}'


def _looked_up(name: str, then: str) -> str:
    """Text with a sample of the alarm; nothing where there is none, for it may have gone just now."""
    return '{{ range printf "topk(1, driftline_alarm_' + name + '%s)" $alarm | query }}' + then + "{{ end }}"


def _lines(*parts: str) -> str:
    """Parts of a template on lines of their own, which are one line of text."""
    return "\n{{-".join([ALARM, *(part.removeprefix("{{") for part in parts)])


CLAUSE, SINCE = _looked_up("detail", ': {{ label "drift" . }}'), _looked_up("detail", '{{ label "since" . }}')
SENTENCE = _lines(
    _looked_up("detail", 'Since {{ label "since" . }} '),
    f"{SEGMENT} drifts ({{{{ $labels.kind }}}}, {{{{ $labels.detector }}}})",
    CLAUSE,
    _looked_up("samples", ', on {{ value . | printf "%.0f" }} calls'),
    _looked_up("statistic", ', statistic {{ value . | printf "%.3g" }}'),
    _looked_up("threshold", ', threshold {{ value . | printf "%.3g" }}'),
    _looked_up("detail", ', baseline {{ label "baseline" . }}'),
    "{{ with $labels.change }}; the nearest change is {{ . }}{{ end }}.",
)


def _drift(alerting: Alerting) -> list[Rule]:
    """An alert for each kind; it is latched already, so it neither waits nor flaps."""
    return [
        {
            "alert": name,
            "expr": f"max by ({LABELS}) (driftline_alarm_info{matching(alerting)(kind=kind)})",
            "keep_firing_for": spoken(alerting.keep_firing_s),
            "labels": {"category": "drift", "severity": alerting.severity(name)},
            "annotations": {
                "summary": _lines(f'{{{{ "{_title(kind)} drift in " }}}}{SEGMENT}', CLAUSE),
                "description": SENTENCE,
                "since": _lines(SINCE),
                "evidence_url": evidence(alerting, "alerts/{{ $labels.alert_id }}"),
                "runbook_url": runbook(alerting, name),
            },
        }
        for kind, name in DRIFT.items()
    ]


def _title(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _acknowledged(alerting: Alerting) -> Rule:
    """Silences the alert of its alarm, and outlives it: that it ends is nobody's business any more."""
    return {
        "alert": ACKNOWLEDGED,
        "expr": f"max by (job, alert_id) (driftline_alarm_acknowledged{matching(alerting)()}) == 1",
        "keep_firing_for": spoken(alerting.keep_firing_s + NOTICED_S),
        "labels": {"category": "acknowledged", "severity": "none"},
        "annotations": {
            "summary": "Somebody acknowledged alarm {{ $labels.alert_id }}: it notifies nobody",
            "evidence_url": evidence(alerting, "alerts/{{ $labels.alert_id }}"),
            "runbook_url": runbook(alerting, ACKNOWLEDGED),
        },
    }
