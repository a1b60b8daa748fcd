"""The table ``alerting`` of the settings: what Prometheus notifies of, how loudly, and where its links lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from drift.errors import SettingsError

DRIFT: Mapping[str, str] = {
    "data": "DriftlineDataDrift",
    "model": "DriftlineModelDrift",
    "prompt": "DriftlinePromptDrift",
    "output_length": "DriftlineOutputLengthDrift",
    "quality": "DriftlineQualityDrift",
    "operational": "DriftlineOperationalDrift",
}
"""The alert of each kind of drift."""

HEALTH = (
    "DriftlineDown",
    "DriftlineIngestionStalled",
    "DriftlineLagGrowing",
    "DriftlineRejectedCalls",
    "DriftlineVerdictsStale",
    "DriftlineBaselineMissing",
    "DriftlineBaselineOld",
    "DriftlineEmbedderSaturated",
    "DriftlineModelAliasNotPinned",
)
"""Alerts of Driftline's own health."""

SEVERITIES = ("page", "ticket", "info", "none")

Seconds = Annotated[int, msgspec.Meta(ge=1)]


class Alerting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``driftline rules`` writes for Prometheus.

    Attributes
    ----------
    url
        Where people reach the web server of a worker: alerts link to it.
    runbooks
        Address under which the pages of ``docs/runbooks`` are found: alerts link to them.
    severities
        ``page``, ``ticket``, ``info`` or ``none`` by kind of drift or name of an alert.
    job
        The label ``job`` that Prometheus gives to the workers.
    keep_firing_s
        Seconds for which a drift alert goes on after its alarm is no longer seen: workers start anew in less.
    down_s
        Seconds without a worker, or with none that reads, until that is an alert.
    stale_s
        Seconds in which calls came and no tick was closed, beyond those that closing takes, until that is an alert.
    lag_records
        Records behind which a growing lag is an alert.
    rejected_share
        Share of calls that may be rejected.
    baseline_days
        Days after which a baseline is old.
    """

    url: str = "http://localhost:6066"
    runbooks: str = "docs/runbooks"
    severities: dict[str, str] = {}
    job: str = "driftline"
    keep_firing_s: Seconds = 900
    down_s: Seconds = 300
    stale_s: Seconds = 600
    lag_records: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    rejected_share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05
    baseline_days: Annotated[int, msgspec.Meta(ge=1)] = 90

    def severity(self, alert: str, default: str = "ticket") -> str:
        """The severity of an alert."""
        kinds = {name: kind for kind, name in DRIFT.items()}
        return self.severities.get(alert, self.severities.get(kinds.get(alert, ""), default))


def check(alerting: Alerting) -> None:
    """Refuse what would make rules that are wrong or cannot be read.

    Raises
    ------
    SettingsError
        It names the setting, what arrived and what is wanted.
    """
    plain = r"[^\s{}\"'`<>\\]+"  # the rest means something to the templates and queries that it is written into
    for name, value, pattern, wanted in (
        ("url", alerting.url, f"https?://{plain}", "the address of a worker such as https://driftline.example.com"),
        ("runbooks", alerting.runbooks, plain, "an address such as https://git.example.com/driftline/docs/runbooks"),
        ("job", alerting.job, plain, "the job label of the workers, such as driftline"),
    ):
        if not re.fullmatch(pattern, value):
            raise SettingsError(
                f"alerting.{name} must be {wanted}, without blanks, quotes, backslashes, angle brackets or braces, "
                f"got {value!r}"
            )
    _check_severities(alerting.severities)
    if alerting.keep_firing_s <= alerting.down_s:
        raise SettingsError(
            f"alerting.keep_firing_s must be more than alerting.down_s ({alerting.down_s}), got "
            f"{alerting.keep_firing_s}: drift alerts would be told to have ended before it is known that Driftline is "
            "down; raise it, or lower alerting.down_s"
        )


def _check_severities(severities: Mapping[str, str]) -> None:
    if strange := severities.keys() - {*DRIFT, *DRIFT.values(), *HEALTH}:
        raise SettingsError(
            f"alerting.severities: unknown kind or alert {', '.join(sorted(strange))}; "
            f"known: {', '.join([*DRIFT, *DRIFT.values(), *HEALTH])}"
        )
    for name, value in severities.items():
        if value not in SEVERITIES:
            raise SettingsError(f"alerting.severities: {name} is {value!r}; wanted: {' or '.join(SEVERITIES)}")
    for kind, alert in DRIFT.items():
        if kind in severities and alert in severities:
            raise SettingsError(f"alerting.severities: {kind} and {alert} are the same: leave one of them out")
