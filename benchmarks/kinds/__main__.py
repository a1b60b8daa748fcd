"""Which kind of drift is named, when and how well explained, on real calls with an injected change.

    python -m benchmarks.kinds                      everything, about an hour
    python -m benchmarks.kinds --cases mix --streams 1 --others 1 --baselines 2

Each case: baselines of 3,000 calls, forced, since rows repeat in these small pools; streams with the change at call
2,000, so that change points may err to both sides and alarms before it count as false; 8,000 calls after it, which is
also what a miss counts. Ticks of 10 calls.
"""

from __future__ import annotations

import argparse
import io
import pickle
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from benchmarks.kinds import page
from benchmarks.kinds import results as counted
from benchmarks.kinds.cases import EXPECTED, POPULATIONS, Population
from benchmarks.kinds.judged import ASKED, SEED, Outcome, Spent, Stream, judges
from benchmarks.kinds.rivals import Rivals
from benchmarks.kinds.tables import mean
from benchmarks.report import describe_machine

CACHE = Path(tempfile.gettempdir()) / "driftline-kinds"


def row(case: str, outcomes: Sequence[Outcome]) -> str:
    """One line about a case."""
    kinds = EXPECTED[counted.CASES[case].injected]
    named = "  ".join(f"{kind} {counted.named(outcomes, kind)}" for kind in ASKED)
    late = mean(counted.delays(outcomes, kinds)) if kinds else ""
    return f"{case:48} {named}  {late}"


def measure(population: Population, given: argparse.Namespace, progress: Progress, task: int) -> counted.Results:
    """All streams of a population."""
    found = counted.Results(spent={"without drift": Spent(), "with drift": Spent()})
    wanted = [case for case in population.cases if case.injected == "none" or chosen(case.name, given.cases)]
    for number, made, judge in judges(population, given.baselines, given.budget, given.cache):
        rivals = Rivals(population, number, made) if population.rivals and not given.no_rivals else None
        for stream in range(streams(population, given)):
            one = Stream(judge, made, population, number, stream)
            calm = rivals is not None or stream < given.calm
            found.outcomes += [one.then(case) for case in wanted if calm or case.injected != "none"]
            for name, spent in one.spent.items():
                found.spent[name].add(spent)
            if rivals:
                found.alone.append((population.name, rivals.alone(stream)))
            progress.advance(task)
    return found


def streams(population: Population, given: argparse.Namespace) -> int:
    """Streams of each baseline of a population."""
    return given.streams if population.rivals else given.others


def chosen(name: str, cases: Sequence[str]) -> bool:
    """Whether a case is asked for."""
    return not cases or any(part in name for part in cases)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.kinds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", default=[], metavar="TEXT", help="cases whose name holds one of these")
    parser.add_argument(
        "--streams", type=int, default=10, help="streams a baseline where speed is compared (default: %(default)s)"
    )
    parser.add_argument("--others", type=int, default=5, help="streams a baseline elsewhere (default: %(default)s)")
    parser.add_argument("--baselines", type=int, default=4, help="baselines a population (default: %(default)s)")
    parser.add_argument(
        "--calm", type=int, default=3, help="streams without drift a baseline elsewhere (default: %(default)s)"
    )
    parser.add_argument("--budget", type=float, default=20_000, help="calls to a false alarm (default: %(default)s)")
    parser.add_argument("--no-rivals", action="store_true", help="leave out the other detectors")
    parser.add_argument("--page", type=Path, help="write the tables into this page, between its marks")
    parser.add_argument("--keep", type=Path, help="keep results by population in this folder, and go on from them")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of baselines (default: %(default)s)")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    about = io.StringIO()
    with redirect_stdout(about):
        describe_machine("benchmarks.kinds")
        print("streams  drawn from seed", SEED)
    print(about.getvalue(), flush=True)
    populations = [
        one for one in POPULATIONS if not given.cases or any(chosen(case.name, given.cases) for case in one.cases)
    ]
    results = counted.Results(budget=given.budget)
    with threadpool_limits(1), Progress(console=Console(stderr=True)) as progress:
        whole = progress.add_task("streams", total=sum(given.baselines * streams(one, given) for one in populations))
        for population in populations:
            progress.update(whole, description=population.name)
            found = remembered(population, given, progress, whole)
            results.add(found)
            for case in found.cases:
                progress.console.print(row(case.name, found.of(case.name)), highlight=False, soft_wrap=True)
    measured = page.sections(results)
    print(f"\n{measured}")
    if given.page:
        page.write(given.page, f"```text\n{about.getvalue()}```\n\n{measured}")


def remembered(population: Population, given: argparse.Namespace, progress: Progress, task: int) -> counted.Results:
    """Results of a population, from the folder where they were kept."""
    file = given.keep / f"{population.name.replace(' ', '_')}.pickle" if given.keep else None
    if file and file.exists():
        progress.advance(task, given.baselines * streams(population, given))
        return pickle.loads(file.read_bytes())
    found = measure(population, given, progress, task)
    if file:
        given.keep.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(found))
    return found


if __name__ == "__main__":
    main()
