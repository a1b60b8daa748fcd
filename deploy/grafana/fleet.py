"""The dashboard of all segments: what drifts, what is not judged, what the traffic is."""

from __future__ import annotations

from collections.abc import Iterator

from drawing import (
    DETAIL,
    EVIDENCE,
    FLEET,
    GREEN,
    RED,
    YELLOW,
    Board,
    Panel,
    lines,
    linked,
    number,
    of,
    query,
    rate,
    rejected_share,
    rows,
    steps,
)
from grafana_foundation_sdk.models import dashboard

SEGMENT = "app, prompt_name, variant"
ALARM = f"{SEGMENT}, kind, detector, alert_id, change"

STANDING = f"max by ({SEGMENT}) ({of('driftline_standing_alarms')})"
UNKNOWN = f"max by ({SEGMENT}) ({of('driftline_not_enough_data_ratio')})"
COLUMNS = {
    "app": "app",
    "prompt_name": "prompt",
    "variant": "variant",
    "kind": "kind",
    "detector": "detector",
    "drift": "what drifted",
    "since": "since",
    "change": "nearest change",
    "baseline": "baseline",
    "Value": "acknowledged",
    "alert_id": "alert_id",
}
LINKS = {"alert_id": ("Evidence of this alarm", EVIDENCE), "app": ("The segment over time", DETAIL)}
YES_OR_NO = dashboard.ValueMap(
    options={
        "0": dashboard.ValueMappingResult(text="no", index=0),
        "1": dashboard.ValueMappingResult(text="yes", index=1),
    }
)


def alarms(*selectors: str) -> str:
    """Rows of standing alarms with what drifted; 1 where somebody acknowledged it, else 0."""
    told = f"max by ({ALARM}) ({of('driftline_alarm_info', *selectors)})"
    seen = f"max by (alert_id) ({of('driftline_alarm_acknowledged')})"
    known = f"max by (alert_id) ({of('driftline_alarm_info', *selectors)})"
    detail = f"max by (alert_id, drift, baseline, since) ({of('driftline_alarm_detail')})"
    return linked(
        f"({seen} or 0 * {known}) * on (alert_id) group_right () {told}"
        f" * on (alert_id) group_left (drift, baseline, since) {detail}"
    )


def standing(description: str, *selectors: str) -> Panel:
    """The table of standing alarms."""
    value = [dashboard.DynamicConfigValue(id_val="mappings", value=[YES_OR_NO])]
    asked = query(alarms(*selectors), rows=True)
    return rows(
        "Standing alarms", description, asked, COLUMNS, links=LINKS, value=value, none="No alarm stands", sort="since"
    )


def board() -> Board:
    """The dashboard."""
    made = Board(
        FLEET,
        "Driftline: all segments",
        "Which segments drift, which cannot be judged, and what their traffic is.",
    )
    made.service()
    made.row("Now", *_now())
    made.row(
        "Alarms",
        standing(
            "One row for each alarm that stands: what drifted and by how much (95 % interval), since when (event time, "
            "UTC), and the marker that changed nearest to its beginning. alert_id leads to the evidence, app to the "
            "segment over time. An acknowledged alarm stands on but notifies nobody. Provisional alarms, before there "
            "is a baseline, are not here."
        ),
        *_alarms(),
    )
    made.row("How near to an alarm", *_near())
    made.row("Traffic", *_traffic())
    return made


def _now() -> Iterator[Panel]:
    yield number(
        "Standing alarms",
        "Alarms that stand, all segments together. Without drift about one false alarm comes in each false-alarm "
        "budget (200,000 calls of a segment unless set otherwise), so a single one among many segments may be chance.",
        query(f"sum({STANDING}) or vector(0)", instant=True),
        colours=((None, GREEN), (1, YELLOW)),
    )
    yield number(
        "Acknowledged",
        "Standing alarms that somebody acknowledged: they notify nobody until they end and begin anew.",
        query(f"count(max by (alert_id) ({of('driftline_alarm_acknowledged')})) or vector(0)", instant=True),
    )
    yield number(
        "Segments by state",
        "judged: compared with a baseline; filling: the first calls are gathered to become one; refused: no baseline "
        "could be made of them, nothing is judged. The last two are silent, which is no pass.",
        query(f"sum by (state) ({of('driftline_segments')})", "{{state}}", instant=True),
        width=6,
    )
    yield number(
        "Not enough data",
        "Mean share of the kinds of drift of which nothing can be said, over all segments. New or quiet segments raise "
        "it; above a half most silence means nothing.",
        query(f"avg({UNKNOWN})", instant=True),
        unit="percentunit",
        colours=((None, GREEN), (0.5, YELLOW)),
    )
    yield number(
        "Rejected calls",
        "Share of the calls of the last 15 minutes that no verdict knows of: wrong records, late ones, those of too "
        "many segments. More than 5 % is an alert.",
        query(rejected_share(), instant=True),
        unit="percentunit",
        colours=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
        width=3,
    )
    yield number(
        "Stages at work",
        "Whether some worker is ready in each stage. With 0 nothing drifts on this page because nobody looks.",
        query(f"max by (stage) ({of('driftline_stage_ready')})", "{{stage}}", instant=True),
        colours=((None, RED), (1, GREEN)),
        width=3,
    )


def _alarms() -> Iterator[Panel]:
    yield lines(
        "Standing alarms by kind",
        "How many alarms stand, by kind of drift. data: other questions; model: other answers to like questions; "
        "prompt: the prompt's versions; output_length, quality, operational as they say.",
        query(f"count by (kind) (max by (kind, alert_id) ({of('driftline_alarm_info')}))", "{{kind}}"),
        stacked=True,
    )
    yield lines(
        "Standing alarms by app",
        "The ten apps with most standing alarms. Several apps at the same moment point to what they share: a provider, "
        "a model, a gateway.",
        query(f"topk(10, sum by (app) ({STANDING}) > 0)", "{{app}}"),
        stacked=True,
    )


def _near() -> Iterator[Panel]:
    loud = f"topk(20, max by ({SEGMENT}, kind) ({of('driftline_statistic_ratio')}))"
    colours = steps((None, GREEN), (0.5, YELLOW), (1, RED)).build()
    gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    yield rows(
        "Loudest segments",
        "Statistic of the strongest detector divided by its threshold: at 1 an alarm may be raised, if the effect is "
        "larger than the tolerance too. Evidence is on a log scale: 0.9 is far from sure. Quiet segments are left out "
        "where a worker judges more than live.detailed_segments.",
        query(linked(loud), rows=True),
        {"app": "app", "prompt_name": "prompt", "variant": "variant", "kind": "kind", "Value": "statistic / threshold"},
        links={"app": LINKS["app"]},
        value=[
            dashboard.DynamicConfigValue(id_val="custom.cellOptions", value=gauge),
            dashboard.DynamicConfigValue(id_val="thresholds", value=colours),
            dashboard.DynamicConfigValue(id_val="min", value=0),
            dashboard.DynamicConfigValue(id_val="max", value=1),
            dashboard.DynamicConfigValue(id_val="decimals", value=2),
        ],
        none="No segment is judged",
        sort="statistic / threshold",
        width=12,
    )
    yield lines(
        "Not enough data, by app",
        "Share of the kinds of drift of which nothing can be said, mean over the app's segments, the ten highest. It "
        "falls while calls come; what stays high has no answers, no lengths or no scores to judge, or no baseline.",
        query(f"topk(10, avg by (app) ({UNKNOWN}))", "{{app}}"),
        unit="percentunit",
    )


def _traffic() -> Iterator[Panel]:
    calls = f"sum by (app) ({rate('driftline_calls_total')})"
    yield lines(
        "Calls by app",
        "Calls a second that were read and accepted. Apps beyond live.apps are told together as other. While a backlog "
        "is read this is the speed of reading, not of the apps.",
        query(calls, "{{app}}"),
        unit="cps",
        stacked=True,
    )
    yield lines(
        "Failed calls by app",
        "Share of calls that bear an error_type. Drift of it is judged as operational, against the baseline's rate.",
        query(f"sum by (app) ({rate('driftline_failed_calls_total')}) / {calls}", "{{app}}"),
        unit="percentunit",
    )
    yield lines(
        "Cost by app",
        "US dollars an hour, as the calls say it (cost_usd); calls without it count as nothing.",
        query(f"3600 * sum by (app) ({rate('driftline_cost_usd_total')})", "{{app}}"),
        unit="currencyUSD",
        stacked=True,
    )
    tokens = rate("driftline_tokens_total", 'type=~"input|output"')
    yield lines(
        "Tokens by app",
        "Input and output tokens a second, as the calls say them; cached input tokens are part of the input.",
        query(f"sum by (app) ({tokens})", "{{app}}"),
        stacked=True,
    )
    yield lines(
        "Rejected calls by reason",
        "Calls a second that no pane holds. late: behind the newest call by more than lateness_s; beyond_segments: too "
        "many segments; the others are wrong records, kept with their reason in the topic of dead letters.",
        query(f"sum by (reason) ({rate('driftline_rejected_calls_total')})", "{{reason}}"),
        unit="cps",
        stacked=True,
        width=24,
    )
