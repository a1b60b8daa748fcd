"""The dashboard of Driftline itself: whether its silence can be trusted, and what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from drawing import GREEN, RED, SERVICE, YELLOW, Board, Panel, lines, number, of, query, rate, rejected_share, states


def board() -> Board:
    """The dashboard."""
    made = Board(
        SERVICE,
        "Driftline: the service",
        "Whether Driftline reads, measures and judges all calls in time, what it leaves out, and what it needs.",
    )
    made.service()
    made.row("Does it work", *_works())
    made.row("Reading and measuring", *_measuring())
    made.row("Judging", *_judging())
    made.row("What is left out", *_left_out())
    made.row("Processes", *_processes())
    return made


def _works() -> Iterator[Panel]:
    yield number(
        "Workers",
        "Workers that Prometheus sees, by release and role. Two releases at once are for upgrades only.",
        query(f"count by (version, role) ({of('driftline_build_info')})", "{{version}} {{role}}", instant=True),
        width=6,
    )
    yield number(
        "Behind the present",
        "Time since the event time up to which ticks are closed, of the slowest worker. Tick, lateness and scraping "
        "make some minutes; reading old calls makes it as old as they are. What grows by a minute a minute is stuck.",
        query(f"time() - min({of('driftline_closed_until_timestamp_seconds')})", instant=True),
        unit="s",
        colours=((None, GREEN), (900, YELLOW), (3600, RED)),
        width=6,
    )
    yield number(
        "Records to be read",
        "Records of calls (observe) and of panes (judge) that are still to be read, all partitions together.",
        query(f"sum by (stage) (max by (stage, partition) ({of('driftline_lag_records')}))", "{{stage}}", instant=True),
        colours=((None, GREEN), (10_000, YELLOW)),
        width=6,
    )
    yield number(
        "Rejected calls",
        "Share of the calls of the last 15 minutes that no verdict knows of. More than 5 % is an alert.",
        query(rejected_share(), instant=True),
        unit="percentunit",
        colours=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
        width=6,
    )
    yield states(
        "Stages ready",
        "Whether each stage of each worker has joined its group and works. A judge beyond the partitions is not ready "
        "and waits for another to go: that is no fault. All red in a stage is one.",
        query(f"max by (instance, stage) ({of('driftline_stage_ready')})", "{{stage}} {{instance}}"),
        (("not ready", RED), ("ready", GREEN)),
        width=24,
    )


def _measuring() -> Iterator[Panel]:
    yield lines(
        "Lag by stage",
        "Records that are still to be read. It rises in peaks and falls again; a line that only rises means too few "
        "workers (observe) or a stuck one. More than 10,000 and growing is an alert.",
        query(f"sum by (stage) (max by (stage, partition) ({of('driftline_lag_records')}))", "{{stage}}"),
    )
    yield lines(
        "Lag by partition",
        "The twelve partitions with most records to be read. One alone: its worker, or a key that gets all calls. All "
        "alike: too little capacity.",
        query(f"topk(12, max by (stage, partition) ({of('driftline_lag_records')}))", "{{stage}} {{partition}}"),
    )
    yield lines(
        "Busy share of the measuring thread",
        "Share of its time in which the one thread of a worker that embeds and measures was busy. Above 0.9 there is "
        "nothing to spare: more workers, up to the partitions of calls, or a faster embedder.",
        query(f"sum by (instance) ({rate('driftline_measure_seconds_total')})", "{{instance}}"),
        unit="percentunit",
        limit=0.9,
        width=8,
    )
    queue = f"max by (instance) ({of('driftline_queue_batches')})"
    bound = f"max by (instance) ({of('driftline_queue_limit_batches')})"
    yield lines(
        "Queue",
        "Share of the queue of batches (live.queue) that is taken. At 1 reading pauses until the measuring thread has "
        "caught up: usual while a backlog is read.",
        query(f"{queue} / {bound}", "{{instance}}"),
        unit="percentunit",
        width=8,
    )
    texts = f"sum by (instance) ({rate('driftline_embedded_texts_total')})"
    yield lines(
        "Texts embedded",
        "Texts a second that went through the embedder; texts that are remembered from before do not count.",
        query(texts, "{{instance}}"),
        unit="short",
        stacked=True,
        width=8,
    )
    yield lines(
        "Time to embed a text",
        "Seconds of embedding by text. It rises with longer texts, and where workers share cores.",
        query(f"sum by (instance) ({rate('driftline_embed_seconds_total')}) / {texts}", "{{instance}}"),
        unit="s",
    )
    yield lines(
        "Calls and panes",
        "Calls read, and panes (a segment's calls of one tick and partition) published, a second.",
        query(f"sum({rate('driftline_calls_total')})", "calls"),
        query(f"sum({rate('driftline_panes_total')})", "panes"),
    )


def _judging() -> Iterator[Panel]:
    yield lines(
        "Ticks closed",
        "Ticks of segments that were judged, a second. 0 while calls come in: a partition whose watermark stands still "
        "holds up all of them; /health says which.",
        query(f"sum by (instance) ({rate('driftline_ticks_closed_total')})", "{{instance}}"),
        stacked=True,
        width=8,
    )
    yield lines(
        "Behind the present",
        "Time since the event time up to which ticks are closed, by worker.",
        query(f"time() - min by (instance) ({of('driftline_closed_until_timestamp_seconds')})", "{{instance}}"),
        unit="s",
        width=8,
    )
    yield lines(
        "Segments by state",
        "judged: has a baseline; filling: gathers its first calls; refused: no baseline could be made of them.",
        query(f"sum by (state) ({of('driftline_segments')})", "{{state}}"),
        stacked=True,
        width=8,
    )
    yield lines(
        "Calls judged",
        "Calls a second that were compared with a baseline.",
        query(f"sum({rate('driftline_judged_calls_total')})", "judged"),
        unit="cps",
    )
    yield lines(
        "Calls of panes not judged",
        "Calls a second by reason. unknown_lens: seen through another lens than the baseline's, around the move of a "
        "tag or with workers of different embedders; without_baseline: of refused segments; overtaken: behind what "
        "idleness closed; beyond_segments: too many segments.",
        query(f"sum by (reason) ({rate('driftline_unjudged_calls_total')})", "{{reason}}"),
        unit="cps",
        stacked=True,
    )


def _left_out() -> Iterator[Panel]:
    yield lines(
        "Rejected calls by reason",
        "Calls a second that no pane holds; wrong records lie with their reason in the topic of dead letters.",
        query(f"sum by (reason) ({rate('driftline_rejected_calls_total')})", "{{reason}}"),
        unit="cps",
        stacked=True,
        width=8,
    )
    yield lines(
        "Duplicates",
        "Calls a second left out because their call_id came twice in a tick: producers that try again.",
        query(f"sum({rate('driftline_duplicate_calls_total')})", "duplicates"),
        unit="cps",
        width=8,
    )
    yield lines(
        "Segments beyond",
        "Segments that were not admitted since the workers started (estimate): more than the setting segments, or a "
        "fleet's budget that is used up. They are not judged. Above 0: raise the setting, or see what makes names.",
        query(f"sum({of('driftline_segments_beyond')})", "beyond"),
        width=8,
    )
    yield lines(
        "Values of labels",
        "Values of a label that have series of their own, in the worker with most of them; live.apps is the most.",
        query(f"max by (label) ({of('driftline_label_values')})", "{{label}}"),
    )
    yield lines(
        "Values of labels beyond",
        "Different values that share the value other (estimate), in the worker with most of them. Above 0: raise "
        "live.apps, or see whether something makes up names of apps.",
        query(f"max by (label) ({of('driftline_label_values_beyond')})", "{{label}}"),
    )


def _processes() -> Iterator[Panel]:
    yield lines(
        "Memory",
        "Resident memory by worker. Both roles and the default embedder take about half a GB; a judge more for each "
        "segment. It should be flat once all segments are known.",
        query(f"max by (instance) ({of('process_resident_memory_bytes')})", "{{instance}}"),
        unit="bytes",
        width=8,
    )
    yield lines(
        "Processors",
        "Cores that a worker uses. Two at most are of use: one measures, one speaks to Kafka and judges.",
        query(f"max by (instance) ({rate('process_cpu_seconds_total')})", "{{instance}}"),
        width=8,
    )
    yield lines(
        "Open files",
        "Share of the open files and connections that the system allows. Far below 1 always.",
        query(
            f"max by (instance) ({of('process_open_fds')}) / max by (instance) ({of('process_max_fds')})",
            "{{instance}}",
        ),
        unit="percentunit",
        width=8,
    )
