"""An hour's worth of calls at ten times its speed through the whole service: memory, and what is left at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.real_calls import DATA, GPT35, make_calls, release
from benchmarks.service import calls
from benchmarks.service.cluster import Cluster
from benchmarks.service.results import Found
from benchmarks.service.scaling import THREADS
from benchmarks.workloads import SEED, read
from models.static import StaticEmbedder
from streams.building import build_baseline
from streams.measure import Meter, segment_of
from streams.store import Store
from tests.integration.live import Worker, driftline

HOUR_S, SPEED, RATE = 3600, 10, 100
BASELINE = 9000
"""Calls of all segments before the hour, of which their baselines are made."""

BEFORE = "2026-01-04T00:00:00Z"
LOOK_S, WARM_S = 5.0, 90.0
MOST_MB_MIN = 1.0
PHASE = f"clinc150 dataset=clinc150_full + {release('opinionqa', GPT35, '0301')} + oasst_sampling"


def run(cluster: Cluster) -> Found:
    """One pass."""
    service = cluster.service(live={"idle_s": 5})
    file = service.folder / "hour.jsonl"
    with file.open("wb") as out:
        out.writelines(msgspec.json.encode(one) + b"\n" for one in stream(HOUR_S * RATE, SEED, "2026-01-05T00:00:00Z"))
    baselines(Store(service.settings.store))
    with Worker(service.config, **THREADS) as worker:
        worker.until_ready()
        seen: list[float] = []
        stop = threading.Event()
        watching = threading.Thread(target=watch, args=(worker.pid, seen, stop))
        watching.start()
        said = driftline(service.config, "produce", str(file), "--speed", str(SPEED), "--until-judged")
        stop.set()
        watching.join()
        health: Any = worker.get("/health")[1]["stages"]
        measuring = worker.metric("driftline_measure_seconds_total")
    if said.returncode:
        raise SystemExit(said.stderr.decode())
    return found(seen, health, measuring)


def found(seen: list[float], health: Any, measuring: float) -> Found:
    """Memory after the first while, and lag at the end."""
    warm = np.array(seen[round(WARM_S / LOOK_S) :])
    slope = float(np.polyfit(np.arange(len(warm)) * LOOK_S / 60, warm, 1)[0])
    lag = {stage: sum(health[stage]["lag"].values()) for stage in ("observe", "judge")}
    judged = health["judge"]["counts"].get("judged_calls", 0)
    source = "real texts" if DATA.exists() else "simulated texts"
    return Found(
        "An hour at ten times its speed",
        f"{HOUR_S * RATE:,} calls of {source} through one worker, {RATE} a second of event time, {RATE * SPEED:,} a "
        f"second by the clock; memory every {LOOK_S:g} s from {WARM_S:g} s on.",
        [
            "resident MB: least",
            "most",
            "most to least",
            "slope, MB a minute",
            "lag at the end",
            "judged",
            "measuring, s",
        ],
        [
            [
                *(f"{one:.0f}" for one in (warm.min(), warm.max())),
                f"{warm.max() / warm.min():.2f}",
                f"{slope:+.2f}",
                f"{lag['observe']} calls, {lag['judge']} panes",
                f"{judged:,}",
                f"{measuring:.0f}",
            ]
        ],
        f"nothing left at the end, and memory that grows by less than {MOST_MB_MIN:g} MB a minute",
        not any(lag.values()) and slope < MOST_MB_MIN,
    )


def watch(pid: int, seen: list[float], stop: threading.Event) -> None:
    """Resident megabytes of a process."""
    while not stop.wait(LOOK_S):
        (line,) = (one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
        seen.append(int(line.split()[1]) / 1024)


def stream(count: int, seed: int, start: str) -> Iterator[dict[str, object]]:
    """Real calls where there are any, else simulated ones."""
    if DATA.exists():
        yield from make_calls().stream([f"n={count} {PHASE}"], rate=RATE, start=start, seed=seed, folder=DATA)
    else:
        yield from (calls.call(number + seed * count, rate=RATE) for number in range(count))


def baselines(store: Store) -> None:
    """A baseline of every segment, tagged."""
    meter = Meter(StaticEmbedder())
    records = read([msgspec.json.encode(one) for one in stream(BASELINE, SEED + 1, BEFORE)])
    for segment in sorted({segment_of(one) for one in records}):
        own = [one for one in records if segment_of(one) == segment]
        store.tag(segment, "prod", store.put_baseline(build_baseline(meter, own, force=True, calibrated=False)))
