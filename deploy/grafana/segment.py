"""The dashboard of one segment: how sure, how large, since when, and the traffic behind it."""

from __future__ import annotations

from collections.abc import Iterator

from drawing import GREEN, RED, SEGMENT, YELLOW, Board, Panel, lines, number, of, query, rate, states
from fleet import standing

CHOSEN = ('app="$app"', 'prompt_name=~"$prompt_name"', 'variant=~"$variant"')
NAMES = "app, prompt_name, variant"


def board() -> Board:
    """The dashboard."""
    made = Board(
        SEGMENT,
        "Driftline: a segment",
        "One segment over time: evidence against threshold, effect, topics, and the calls of its app. A segment "
        "without a prompt name is shown by All.",
    )
    made.choice("app", "App", of("driftline_standing_alarms"), "App of the calls")
    series = of("driftline_standing_alarms", 'app="$app"')
    made.choice("prompt_name", "Prompt", series, "Prompt name; All where calls have none", whole=True)
    made.variants()
    made.service()
    told = f"max by ({NAMES}, kind, detector, alert_id, change) ({of('driftline_alarm_info', *CHOSEN)})"
    since = f"1000 * max by (alert_id) ({of('driftline_alarm_since_timestamp_seconds')})"
    text = "{{prompt_name}} {{detector}} {{change}} (alarm {{alert_id}})"
    made.mark("Alarms stand", told, "{{kind}} drift stands", text, YELLOW)
    began = f"{since} * on (alert_id) group_right () {told}"
    made.mark("Drift began", began, "{{kind}} drift began, says the change point", text, RED, at_value=True)
    made.row("Verdict", *_verdict())
    made.row(
        "Drift",
        *_drift(),
        standing("The alarms of this segment that stand; alert_id leads to the evidence.", *CHOSEN),
    )
    made.row("Calls of the app, all its prompts", *_calls())
    return made


def _verdict() -> Iterator[Panel]:
    yield number(
        "Standing alarms",
        "Alarms of the segment that stand. None is a pass only as far as there is enough data, beside it.",
        query(f"sum(max by ({NAMES}) ({of('driftline_standing_alarms', *CHOSEN)}))", instant=True),
        colours=((None, GREEN), (1, YELLOW)),
        none="not judged",
    )
    yield number(
        "Not enough data",
        "Share of the kinds of drift of which nothing can be said now.",
        query(f"avg(max by ({NAMES}) ({of('driftline_not_enough_data_ratio', *CHOSEN)}))", instant=True),
        unit="percentunit",
        colours=((None, GREEN), (0.5, YELLOW)),
    )
    yield number(
        "Baseline",
        "What the segment is compared with: driftline baseline show tells of it.",
        query(f"max by ({NAMES}, baseline) ({of('driftline_baseline_info', *CHOSEN)})", "{{baseline}}", instant=True),
        label="baseline",
        width=8,
    )
    yield number(
        "Baseline's age",
        "Time since the last calls of the baseline. An old one is not wrong; it says what was normal then. Older than "
        "90 days is an alert.",
        query(f"time() - min({of('driftline_baseline_end_timestamp_seconds', *CHOSEN)})", instant=True),
        unit="s",
        colours=((None, GREEN), (90 * 86_400, YELLOW)),
    )
    yield number(
        "Judged until",
        "Time since the end of the last tick that was judged. Some minutes are usual (tick and lateness); it grows "
        "while no calls come, too.",
        query(f"time() - max({of('driftline_last_verdict_timestamp_seconds', *CHOSEN)})", instant=True),
        unit="s",
        colours=((None, GREEN), (3600, YELLOW)),
    )


def _drift() -> Iterator[Panel]:
    yield lines(
        "Statistic against threshold, by kind",
        "Statistic of the strongest detector divided by its threshold (log scale of evidence). Above the line at 1 an "
        "alarm is raised if the effect exceeds the tolerance. It grows only while later calls do what earlier ones "
        "foretold; a climb of hours is drift, a peak that falls again is chance.",
        query(
            f"max by (prompt_name, kind) ({of('driftline_statistic_ratio', *CHOSEN)})",
            "{{kind}} {{prompt_name}}",
        ),
        limit=1,
        width=24,
    )
    effect = "max by (prompt_name, kind, unit) (%s)"
    yield lines(
        "Effect: relative changes and shares",
        "Difference from the baseline over recent calls. ratio: relative change of a length, time or cost (0.1 is a "
        "tenth more); points: difference of a share of calls (0.01 is one point). Only what exceeds the tolerance is "
        "an alarm: 5 % of lengths and times, 1 point of rates, unless set otherwise.",
        query(effect % of("driftline_effect", *CHOSEN, 'unit=~"ratio|points"'), "{{kind}} ({{unit}}) {{prompt_name}}"),
        unit="percentunit",
        minimum=None,
    )
    yield lines(
        "Effect: shifts",
        "Difference from the baseline over recent calls, in the unit of the legend. Standard deviations of inputs, of "
        "answers to like questions, total variation of topics (0 to 1), or a score's own unit. 0: no drift.",
        query(effect % of("driftline_effect", *CHOSEN, 'unit!~"ratio|points"'), "{{kind}} ({{unit}}) {{prompt_name}}"),
        minimum=None,
    )
    yield states(
        "Alarms by kind",
        "When an alarm of the kind stood. It is latched: it ends when recent calls are back inside the tolerance.",
        query(f"max by (prompt_name, kind) ({of('driftline_alarm', *CHOSEN)})", "{{kind}} {{prompt_name}}"),
        (("none", GREEN), ("stands", YELLOW)),
        width=12,
    )
    yield lines(
        "Recent calls behind the effect",
        "Calls of which the effect is computed, 1,024 at most unless clear_after is set. Few calls: a vague effect.",
        query(f"max by (prompt_name, kind) ({of('driftline_samples', *CHOSEN)})", "{{kind}} {{prompt_name}}"),
    )
    yield lines(
        "Topic shares",
        "Shares of recent calls by topic of the baseline, the eight largest by number and other; they add up to 1. The "
        "evidence of an alarm says which words and calls a topic stands for.",
        query(
            f"avg by (topic) (max by ({NAMES}, topic) ({of('driftline_topic_share', *CHOSEN)}))",
            "topic {{topic}}",
        ),
        unit="percentunit",
        whole=True,
        width=24,
    )


def _calls() -> Iterator[Panel]:
    app = 'app="$app"'
    calls = f"sum({rate('driftline_calls_total', app)})"
    yield lines(
        "Calls",
        "Calls a second of the app, and those of them that failed (error_type).",
        query(calls, "calls"),
        query(f"sum({rate('driftline_failed_calls_total', app)})", "failed"),
        unit="cps",
        width=8,
    )
    for title, name, what in (
        ("Latency", "driftline_latency_seconds", "the end of its answer"),
        ("Time to first token", "driftline_time_to_first_token_seconds", "its first token"),
    ):
        buckets = f"sum by (le) ({rate(f'{name}_bucket', app)})"
        yield lines(
            title,
            f"Seconds from a request to {what}: half, 95 % and 99 % of calls are below. Read off buckets that "
            "double in width or so, so steps are coarse. Dots are traces, where calls bear a trace_id.",
            *(
                query(f"histogram_quantile({share}, {buckets})", f"{share:.0%}", exemplars=share == 0.99)
                for share in (0.5, 0.95, 0.99)
            ),
            unit="s",
            width=8,
        )
    yield lines(
        "Tokens per call",
        "Mean tokens of a call by type; cached_input is part of input. Output that grows while input does not is what "
        "output_length drift looks like.",
        query(f"sum by (type) ({rate('driftline_tokens_total', app)}) / on () group_left () {calls}", "{{type}}"),
        width=8,
    )
    yield lines(
        "Cost per 1,000 calls",
        "US dollars, as the calls say it (cost_usd).",
        query(f"1000 * sum({rate('driftline_cost_usd_total', app)}) / {calls}", "cost"),
        unit="currencyUSD",
        width=8,
    )
    yield lines(
        "Calls by an alias",
        "Share of calls that asked for a model by a name that the provider answered under another: what stands behind "
        "an alias may change without a word. Pin the version to bring it to 0.",
        query(f"sum({rate('driftline_alias_calls_total', app)}) / {calls}", "by an alias"),
        unit="percentunit",
        width=8,
    )
