"""Peers over the calls of a family, in the peers' environment.

    python -m benchmarks.quality.peers                              names, needs and counts of all peers, as JSON
    python -m benchmarks.quality.peers --run NAME FOLDER OUT        one peer's courses, as JSON

``FOLDER`` holds a family's calls as ``python -m benchmarks.quality`` wrote them.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from dataclasses import asdict, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.kinds.courses import Course
from benchmarks.quality.exchange import read_family, written
from benchmarks.quality.matching import BEFORE, Courses, Run, threshold
from benchmarks.quality.peers.base import IntArray, Peer, Watch

MODULES = ("windows", "rivers", "alibi", "evidently")


def peers() -> list[Peer]:
    """All peers."""
    return [one for module in MODULES for one in import_module(f"benchmarks.quality.peers.{module}").PEERS]


def measure(peer: Peer, folder: Path) -> tuple[Courses, dict[str, float]]:
    """Courses of a family, and seconds spent."""
    family = read_family(folder)
    begin = time.process_time()
    watches = {seed: peer.fit(family.data, family.baselines[seed]) for seed in range(peer.seeds)}
    fitted = time.process_time()
    calm = [
        Run(seed, stream, watch(family.calm[seed, stream], np.inf))
        for seed, watch in watches.items()
        for stream in range(peer.calm)
    ]
    stop = max(threshold(calm), -np.inf if peer.default is None else peer.default)
    changed = {
        case: [
            Run(seed, stream, later(watch, streams[seed, stream], peer.lead, stop))
            for seed, watch in watches.items()
            for stream in range(peer.changed)
        ]
        for case, streams in family.changed.items()
    }
    spent = {"fit": fitted - begin, "watch": time.process_time() - fitted}
    versions = {package: version(package) for package in peer.packages}
    return Courses(peer.name, calm, changed, peer.default, versions), spent


def later(watch: Watch, calls: IntArray, lead: int, stop: float) -> Course:
    """Course of a stream read from so many calls before its change, counted from the stream's first call."""
    course = watch(calls[BEFORE - lead :], stop)
    return Course(course.at + BEFORE - lead, course.height)


def capped(peer: Peer, most: int | None) -> Peer:
    """The same on fewer seeds and streams."""
    if most is None:
        return peer
    return replace(peer, seeds=min(peer.seeds, most), calm=min(peer.calm, most), changed=min(peer.changed, most))


def main() -> None:
    """List, or measure."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.quality.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", nargs=3, metavar=("NAME", "FOLDER", "OUT"), help="measure a peer")
    parser.add_argument("--most", type=int, help="at most so many seeds, and streams of each (default: as listed)")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    known = {peer.name: capped(peer, given.most) for peer in peers()}
    if not given.run:
        print(json.dumps([asdict(replace(peer, fit=None)) for peer in known.values()]))  # type: ignore[arg-type]
        return
    name, folder, out = given.run
    courses, spent = measure(known[name], Path(folder))
    Path(out).write_text(json.dumps(written(courses) | {"seconds": spent}), encoding="utf-8")


if __name__ == "__main__":
    main()
