"""Alerts of Driftline's own health: whether drift alerts can be trusted, and whether the work gets done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

from streams.alerting import Alerting
from streams.settings import Settings

Rule = dict[str, Any]
"""A rule as Prometheus reads it."""

FILLING_DAYS = 7
"""Days after which segments that still gather their first calls are told of."""

BUSY = 0.9
"""Share of its time from which on a worker's measuring thread has nothing to spare."""

ALIAS_SHARE, ALIAS_CALLS = 0.1, 100
"""Share and number of an app's calls of six hours from which on it is told of that it asks for a model by an alias."""

REJECTED_CALLS = 10
"""Rejected calls of a quarter of an hour that are too few to speak of a share."""

LAG = "job_stage:driftline_lag_records:sum"
SEGMENTS = "job_state:driftline_segments:sum"
REJECTED = "job:driftline_rejected_calls:ratio_rate15m"
BUSY_SHARE = "job_instance:driftline_measure_busy:ratio_rate5m"
ALIASES = "job_app:driftline_alias_calls:ratio_rate6h"

JOB, STAGE, APP, INSTANCE = (f"{{{{ $labels.{name} }}}}" for name in ("job", "stage", "app", "instance"))
COUNT, PERCENT = '{{ $value | printf "%.0f" }}', "{{ $value | humanizePercentage }}"


def matching(alerting: Alerting) -> Callable[..., str]:
    """What writes a selector of the workers' series, with further labels."""

    def of(**labels: str) -> str:
        return "{" + ",".join(f'{name}="{value}"' for name, value in {"job": alerting.job, **labels}.items()) + "}"

    return of


def health(settings: Settings) -> list[Rule]:
    """Alerts that come within minutes; those that mean that drift alerts cannot be trusted hold them back."""
    alerting, of = settings.alerting, matching(settings.alerting)
    down = spoken(alerting.down_s)
    closing = ceil(settings.tick_s + settings.lateness_s + settings.live.idle_s)  # a lone call waits so long
    stale = spoken(alerting.stale_s + closing)
    read = (f"driftline_{name}_total{of()}" for name in ("calls", "rejected_calls", "duplicate_calls"))
    return [
        _alert(
            alerting,
            "DriftlineDown",
            f"""\
absent(driftline_stage_ready{of(stage="observe")})
or
absent(driftline_stage_ready{of(stage="judge")})""",
            down,
            f"No worker of Driftline runs the stage {STAGE}",
            f"Prometheus has seen no worker of job {JOB} that runs the stage {STAGE} for {down}: calls wait in their "
            "topic, and nobody looks for drift.",
            inhibits="drift",
        ),
        _alert(
            alerting,
            "DriftlineIngestionStalled",
            f"""\
max by (job, stage) (driftline_stage_ready{of()}) == 0
or
(
  {LAG}{of(stage="observe")} > 0
  unless on (job) (
{_any(f"    sum by (job) (rate({one}[5m])) > 0" for one in read)}
  )
)""",
            down,
            f"Workers of Driftline run, but the stage {STAGE} reads nothing",
            f"For {down} no worker of job {JOB} was ready in the stage {STAGE}, or none read a call while calls lay in "
            "their topic: /ready and /health of the workers say what they wait for.",
            inhibits="drift",
        ),
        _alert(
            alerting,
            "DriftlineVerdictsStale",
            f"""\
sum by (job) (increase(driftline_calls_total{of()}[{stale}])) > 0
unless on (job)
sum by (job) (increase(driftline_ticks_closed_total{of()}[{stale}])) > 0""",
            spoken(closing + 60),
            "Calls come in, but Driftline judges none",
            f"Workers of job {JOB} read {COUNT} calls in {stale} and closed no tick, so alarms neither begin nor end: "
            "a partition whose watermark stands still holds up all of them.",
            inhibits="drift",
        ),
        _alert(
            alerting,
            "DriftlineLagGrowing",
            f"""\
min_over_time({LAG}{of()}[15m]) > {alerting.lag_records}
and
deriv({LAG}{of()}[15m]) > 0""",
            "5m",
            f"The stage {STAGE} of Driftline falls behind",
            f"For 15 minutes {COUNT} records at least were still to be read by the stage {STAGE} of job {JOB}, and "
            "they become more: drift is noticed late.",
        ),
        _alert(
            alerting,
            "DriftlineRejectedCalls",
            f"""\
{REJECTED}{of()} > {alerting.rejected_share:g}
and
sum by (job) (increase(driftline_rejected_calls_total{of()}[15m])) > {REJECTED_CALLS}""",
            "15m",
            f"Driftline rejects {PERCENT} of the calls",
            f"Of the calls of 15 minutes {PERCENT} were rejected (job {JOB}{_REASONS}): verdicts know nothing of them.",
        ),
        _alert(
            alerting,
            "DriftlineEmbedderSaturated",
            f"""\
{BUSY_SHARE}{of()} > {BUSY}
unless on (job)
deriv({LAG}{of(stage="observe")}[30m]) * 1800 < -{alerting.lag_records}""",
            "30m",
            "A worker of Driftline measures calls without a pause",
            f"The measuring thread of {INSTANCE} (job {JOB}) was busy {PERCENT} of the time for half an hour, and not "
            "because it catches up: more calls than these will have to wait.",
        ),
    ]


_REASONS = (
    '{{ range printf "topk(3, sum by (reason) (increase(driftline_rejected_calls_total{job=%q}[15m])) > 0)" '
    '$labels.job | query | sortByLabel "reason" }}; {{ label "reason" . }}: {{ value . | printf "%.0f" }}{{ end }}'
)
"""The three commonest reasons, with the number of calls."""


def slow(alerting: Alerting) -> list[Rule]:
    """What takes hours or days to be true."""
    of, before = matching(alerting), f"{FILLING_DAYS - 1}d"
    filling, days = f"{SEGMENTS}{of(state='filling')}", alerting.baseline_days
    return [
        {
            "record": ALIASES,
            "expr": f"""\
sum by (job, app) (rate(driftline_alias_calls_total{of()}[6h]))
/
sum by (job, app) (rate(driftline_calls_total{of()}[6h]))""",
        },
        _alert(
            alerting,
            "DriftlineBaselineMissing",
            f"{SEGMENTS}{of(state='refused')} > 0",
            "1h",
            "No baseline could be made of the first calls of some segments",
            f"{COUNT} segments of job {JOB} are not judged: their first calls cannot be a baseline.",
            page="segments",
            kept=True,
        ),
        _alert(
            alerting,
            "DriftlineBaselineMissing",
            f"""\
min_over_time({filling}[{before}]) > 0
and
max_over_time({filling}[1d] offset {before}) > 0""",
            "1h",
            f"Some segments have waited {FILLING_DAYS} days for a baseline",
            f"For {FILLING_DAYS} days {COUNT} segments at least of job {JOB} had too few calls for a baseline: until "
            "they have one they are watched against themselves only.",
            severity="info",
            page="segments",
        ),
        _alert(
            alerting,
            "DriftlineBaselineOld",
            f"""\
count by (job, app) (
  time() - max by (job, app, prompt_name, variant) (driftline_baseline_end_timestamp_seconds{of()}) > {days} * 86400
)""",
            "1h",
            f"Baselines of {APP} are older than {days} days",
            f"{COUNT} segments of {APP} (job {JOB}) are compared with a baseline whose last calls are more than {days} "
            "days old.",
            severity="info",
            page="baselines",
            kept=True,
        ),
        _alert(
            alerting,
            "DriftlineModelAliasNotPinned",
            f"""\
{ALIASES}{of()} > {ALIAS_SHARE}
and
sum by (job, app) (increase(driftline_calls_total{of()}[6h])) > {ALIAS_CALLS}""",
            "1h",
            f"{APP} asks for a model by an alias",
            f"Of the calls of {APP} (job {JOB}) in six hours {PERCENT} asked for a model that answered under another "
            "name: its provider may change what stands behind the name without a word.",
            severity="info",
            page="segments",
        ),
    ]


def _any(parts: Iterable[str]) -> str:
    return "\n    or\n".join(parts)


def _alert(
    alerting: Alerting,
    name: str,
    expr: str,
    lasting: str,
    summary: str,
    description: str,
    *,
    severity: str = "ticket",
    inhibits: str = "",
    page: str = "health",
    kept: bool = False,
) -> Rule:
    """A rule; ``page`` of a worker's web server shows more. One that is ``kept`` goes on while workers start anew."""
    labels = {"category": "health", "severity": alerting.severity(name, severity)}
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        **({"keep_firing_for": spoken(alerting.keep_firing_s)} if kept else {}),
        "labels": labels | ({"inhibits": inhibits} if inhibits else {}),
        "annotations": {
            "summary": summary,
            "description": description,
            "evidence_url": evidence(alerting, page),
            "runbook_url": runbook(alerting, name),
        },
    }


def evidence(alerting: Alerting, page: str) -> str:
    """Address of a page of a worker's web server."""
    return f"{alerting.url.rstrip('/')}/{page}"


def runbook(alerting: Alerting, alert: str) -> str:
    """Address of what to do about an alert."""
    return f"{alerting.runbooks.rstrip('/')}/{alert}.md"


def spoken(seconds: int) -> str:
    """A duration as Prometheus reads it, in whole minutes from two on."""
    return f"{seconds}s" if seconds < 120 else f"{ceil(seconds / 60)}m"
