"""How soon Driftline and other detectors find a change, all at the same realised run length.

    python -m benchmarks.quality                          everything
    python -m benchmarks.quality --quick                  two seeds, a stream of each
    python -m benchmarks.quality --only clinc150 --detectors River KS

Each detector learns from the same baselines and is given the same streams (``workloads.py``). Its threshold is the
lowest at which streams without a change hold one alarm in 10,000 calls, each read to its first alarm; delays are calls
from the change to the alarm, a miss counting as 8,000, streams left out in which it had alarmed before the change.
Peers run in an environment of their own (``make bench-quality`` makes it); what was measured is kept, and measured
anew where calls or code have changed.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import xxhash
from rich.console import Console
from rich.progress import Progress
from threadpoolctl import threadpool_limits

from benchmarks.kinds import page
from benchmarks.quality import tables
from benchmarks.quality.driftline import courses as ours
from benchmarks.quality.exchange import Data, Drawn, read_courses, write_family
from benchmarks.quality.matching import Courses
from benchmarks.quality.workloads import CASES, FAMILIES, SEED, Case, Family, embedded
from benchmarks.report import describe_machine

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
CACHE = Path.home() / ".cache" / "driftline-benchmarks" / "quality"
BEGIN, END = "<!-- benchmarks.quality: begin -->", "<!-- benchmarks.quality: end -->"
MODULES = {"River": "rivers", "alibi-detect": "alibi", "Evidently": "evidently"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Task:
    """A peer over a family."""

    peer: Mapping[str, Any]
    family: Family


def cases_of(family: Family) -> list[Case]:
    """Changes of a family."""
    return [case for case in CASES if case.family.name == family.name]


@cache
def texts(kind: str) -> list[str]:
    """Text of each row: questions of clinc150, answers of models."""
    family = next(one for one in FAMILIES if one.kind == kind)
    return [one.input if kind == "topics" else one.output for one in family.pool.records]


def drawn(family: Family, seeds: int, calm: int, changed: int) -> Drawn:
    """Baselines and streams of a family; topics show in inputs, models in answers."""
    data = Data(family.kind, None, None)
    if family.kind in ("topics", "models"):
        side = "inputs" if family.kind == "topics" else "outputs"
        data = Data(family.kind, embedded(family.kind, side), texts(family.kind))
    pairs = [(seed, stream) for seed in range(seeds) for stream in range(changed)]
    return Drawn(
        data,
        {seed: family.baseline(seed) for seed in range(seeds)},
        {(seed, stream): family.calm(seed, stream) for seed in range(seeds) for stream in range(calm)},
        {case.name: {pair: case.changed(*pair) for pair in pairs} for case in cases_of(family)},
    )


def ask(python: Path, *words: str) -> str:
    """What the peers' environment says."""
    if not python.exists():
        raise SystemExit(f"{python} is missing: run `make bench-quality`, or name the peers' Python by --python")
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "benchmarks.quality.peers", *words],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"benchmarks.quality.peers {' '.join(words)} failed:\n{done.stderr[-3000:]}")
    return done.stdout.splitlines()[-1] if done.stdout else ""


def most(given: argparse.Namespace) -> list[str]:
    """The flag that makes a run small."""
    return ["--most", "2"] if given.quick else []


def tasks(given: argparse.Namespace, families: Sequence[Family]) -> list[Task]:
    """Each peer with the families that it is given."""
    known = json.loads(ask(given.python, *most(given)))
    return [
        Task(peer, family)
        for peer in known
        for family in families
        if family.kind in peer["kinds"] and (not peer["families"] or family.name in peer["families"])
        if not given.detectors or any(part in peer["name"] for part in given.detectors)
    ]


def folders(given: argparse.Namespace, wanted: Sequence[Task]) -> dict[str, Path]:
    """Where the calls of each family lie."""
    made = {}
    for name in dict.fromkeys(task.family.name for task in wanted):
        here = [task for task in wanted if task.family.name == name]
        counts = [max(task.peer[field] for task in here) for field in ("seeds", "calm", "changed")]
        made[name] = given.cache / "calls" / f"{address(name)}-{'-'.join(map(str, counts))}"
        write_family(drawn(here[0].family, *counts), made[name])
    return made


def address(*parts: object) -> str:
    """Short name of some content."""
    return xxhash.xxh3_64_hexdigest(json.dumps(parts, default=str).encode())


def code(peer: Mapping[str, Any]) -> str:
    """Address of everything a peer's courses depend on, apart from its calls."""
    here = Path(__file__).parent
    module = MODULES.get(peer["name"].split()[0], "windows")
    files = (here / "peers" / f"{module}.py", here / "peers" / "base.py", here / "workloads.py", here / "matching.py")
    return address(peer, *(ast.dump(ast.parse(file.read_text(encoding="utf-8"))) for file in files))


def kept(given: argparse.Namespace, task: Task) -> Path:
    """File of a peer's courses over a family."""
    return given.cache / f"{address(code(task.peer), task.family.name)}.json"


def measured(given: argparse.Namespace, task: Task, folder: Path | None) -> Courses:
    """Courses of a peer over a family, from disk where they were measured before."""
    file = kept(given, task)
    if not file.exists():
        partly = file.with_suffix(".part")
        ask(given.python, *most(given), "--run", task.peer["name"], str(folder), str(partly))
        partly.rename(file)
    return read_courses(json.loads(file.read_text(encoding="utf-8")))


def peers(given: argparse.Namespace, families: Sequence[Family], progress: Progress) -> Iterator[tuple[str, Courses]]:
    """Name of the family and courses of every peer, in the order in which they were listed."""
    wanted = [task for task in tasks(given, families) if not given.kept or kept(given, task).exists()]
    bar = progress.add_task("peers", total=len(wanted))
    where = folders(given, [task for task in wanted if not kept(given, task).exists()])
    with ThreadPoolExecutor(given.jobs) as pool:
        running = {pool.submit(measured, given, task, where.get(task.family.name)): task for task in wanted}
        for done in as_completed(running):
            progress.update(bar, advance=1, description=running[done].peer["name"])
            done.result()
    for done, task in running.items():
        yield task.family.name, done.result()


def driftline(given: argparse.Namespace, families: Sequence[Family]) -> Iterator[tuple[str, Courses]]:
    """Name of the family and courses of each of Driftline's detectors, which are named ``Driftline: ...``."""
    for family in families:
        for courses in ours(family, cases_of(family), quick=given.quick):
            yield family.name, courses


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two seeds and two streams of each, to see that it runs")
    parser.add_argument("--only", nargs="+", default=[], metavar="TEXT", help="families whose name holds one of these")
    parser.add_argument(
        "--detectors", nargs="+", default=[], metavar="TEXT", help="peers whose name holds one of these"
    )
    parser.add_argument("--jobs", type=int, default=2, help="peers at a time (default: %(default)s)")
    parser.add_argument("--python", type=Path, default=PYTHON, help="Python of the peers (default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder to keep courses in (default: %(default)s)")
    parser.add_argument("--kept", action="store_true", help="only what was measured before; measures no peer")
    parser.add_argument("--page", type=Path, help="write the tables into this page, between its marks")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    families = [one for one in FAMILIES if not given.only or any(part in one.name for part in given.only)]
    about = io.StringIO()
    with threadpool_limits(1), Progress(console=Console(stderr=True)) as progress:
        found = [*driftline(given, families), *peers(given, families, progress)]
    with redirect_stdout(about):
        describe_machine("benchmarks.quality")
        print("peers   ", tables.versions([courses for _, courses in found]))
        print("streams  drawn from seed", SEED)
    text = f"```text\n{about.getvalue()}```\n\n{tables.sections(families, found)}"
    print(text)
    if given.page:
        page.write(given.page, text, BEGIN, END)


if __name__ == "__main__":
    main()
