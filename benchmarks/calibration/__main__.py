"""Whether the promise of false alarms is kept: realised over promised calls between them, without drift.

    python -m benchmarks.calibration                       everything, several hours
    python -m benchmarks.calibration --quick               one population, two sizes, few streams

Fresh baselines of real calls, calibrated as ever, each judging fresh streams of 20,000 calls in ticks of 10. The goal:
a mean between 1 and 2 and the lowest tenth of all baselines at least .8, with sources that come evenly and with shares
that swing by 30 and 60 % over the day; guaranteed thresholds at least 1. Beside it, as a peer, the same calls judged by
a baseline that takes all hours to be alike. Streams are kept on disk; thresholds are read off anew.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from benchmarks.calibration.calls import Population, populations
from benchmarks.calibration.realised import SEED, Alarms, Cell, Judged, judged
from benchmarks.kinds.tables import run_length
from benchmarks.report import describe_machine
from drift.calibration import RUNS

CACHE = Path(tempfile.gettempdir()) / "driftline-calibration"
SIZES, SWINGS, TARGETS = (1000, 3000, 5000, 20_000), (0.0, 0.3, 0.6), (10_000.0, 100_000.0)
LEAST_ALARMS = 20


def line(found: Sequence[Judged], every: float, *, guaranteed: bool = False) -> str:
    """Realised over promised of all detectors together: of all streams, of baselines, and of single detectors."""
    each = [one.alarms(every, guaranteed=guaranteed) for one in found]
    whole = sum((one["any"] for one in each), Alarms(0, 0.0))
    ratios = [one["any"].calls / max(one["any"].count, 1) / every for one in each]
    names = [name for name in each[0] if name != "any"]
    alone = {name: sum((one[name] for one in each), Alarms(0, 0.0)) for name in names}
    often = sorted((name for name in names if alone[name].count), key=lambda name: -alone[name].count)[:3]
    few = "" if whole.count >= LEAST_ALARMS else f", under {LEAST_ALARMS} alarms"
    detail = ", ".join(f"{name} {alone[name].count}" for name in often)
    realised, lowest = whole.calls / every * 100, np.quantile(ratios, 0.1, method="lower")
    return (
        f"{run_length(whole.count, realised).replace('none', f'> {realised:,.0f}'):28}"
        f"{100 * lowest:8,.0f}{whole.count:8}{few}   {detail}"
    )


def cells(given: argparse.Namespace, population: Population) -> list[tuple[int, float, bool]]:
    """Sizes, swings, and whether hours are taken to be alike: the peer, where they are not."""
    made = product(given.sizes, given.swings, (False, True))
    return [(size, swing, pooled) for size, swing, pooled in made if swing or not pooled]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.calibration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--populations", nargs="+", default=[], metavar="TEXT", help="those whose name holds one of it")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="calls of baselines")
    parser.add_argument("--swings", type=float, nargs="+", default=list(SWINGS), help="swing of shares over the day")
    parser.add_argument("--targets", type=float, nargs="+", default=list(TARGETS), help="calls to a false alarm")
    parser.add_argument("--baselines", type=int, default=8, help="baselines a cell (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=50, help="streams a baseline (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs of a calibration (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="clinc150, 1,000 and 3,000 calls, 2 baselines, 25 streams")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of judged streams (default: %(default)s)")
    given = parser.parse_args()
    if given.quick:
        given.populations, given.sizes, given.baselines, given.streams = ["clinc150"], [1000, 3000], 2, 25
    given.cache.mkdir(parents=True, exist_ok=True)
    describe_machine("benchmarks.calibration")
    print("streams  drawn from seed", SEED)
    chosen = [
        one for one in populations() if not given.populations or any(part in one.name for part in given.populations)
    ]
    print("\nrealised / promised in %, its 95 % interval; the lowest tenth of baselines; alarms; by which detectors")
    with threadpool_limits(1), Progress(console=Console(stderr=True)) as progress:
        work = sum(len(cells(given, one)) for one in chosen) * given.baselines
        whole = progress.add_task("baselines", total=work)
        for population in chosen:
            progress.console.print(f"\n{population.name}")
            for size, swing, pooled in cells(given, population):
                found = []
                for number in range(given.baselines):
                    cell = Cell(population.name, size, swing, number, pooled)
                    found.append(judged(population, cell, given.streams, given.cache, given.runs))
                    progress.advance(whole)
                report(found, size, swing, pooled, given.targets)


def report(found: Sequence[Judged], size: int, swing: float, pooled: bool, targets: Sequence[float]) -> None:
    """Print what a cell showed."""
    what = f"N {size:6,}  swing {swing:4.0%}  " + ("hours alike" if pooled else "by the hour")
    for every in targets:
        print(f"  {what}  {every:8,.0f} calls   {line(found, every)}", flush=True)
        if not pooled:
            print(f"  {'':{len(what)}}  guaranteed       {line(found, every, guaranteed=True)}", flush=True)


if __name__ == "__main__":
    main()
