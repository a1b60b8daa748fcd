"""Calls and courses as files, between the project's environment and the peers'. Needs numpy alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kinds.courses import Course
from benchmarks.quality.matching import Courses, Run
from benchmarks.quality.peers.base import Data, IntArray

Streams = Mapping[tuple[int, int], IntArray]


@dataclass(frozen=True)
class Drawn:
    """Everything drawn of a family: baselines by seed, streams by seed and stream, and those by case."""

    data: Data
    baselines: Mapping[int, IntArray]
    calm: Streams
    changed: Mapping[str, Streams]


def write_family(drawn: Drawn, folder: Path) -> None:
    """Write the calls of a family into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = list(drawn.changed)
    calls = {f"baseline/{seed}": row for seed, row in drawn.baselines.items()}
    calls |= {f"calm/{seed}/{stream}": row for (seed, stream), row in drawn.calm.items()}
    for number, case in enumerate(cases):
        calls |= {f"{number}/{seed}/{stream}": row for (seed, stream), row in drawn.changed[case].items()}
    np.savez(folder / "calls.npz", **{key: row.astype(np.int32) for key, row in calls.items()})
    if drawn.data.vectors is not None:
        np.save(folder / "vectors.npy", drawn.data.vectors)
    about = {"kind": drawn.data.kind, "cases": cases, "texts": drawn.data.texts}
    (folder / "family.json").write_text(json.dumps(about), encoding="utf-8")


def read_family(folder: Path) -> Drawn:
    """Read them."""
    about = json.loads((folder / "family.json").read_text(encoding="utf-8"))
    vectors = folder / "vectors.npy"
    data = Data(about["kind"], np.load(vectors) if vectors.exists() else None, about["texts"])
    baselines: dict[int, IntArray] = {}
    streams: dict[str, dict[tuple[int, int], IntArray]] = {}
    with np.load(folder / "calls.npz") as calls:
        for key in calls.files:
            group, *numbers = key.split("/")
            row = calls[key].astype(np.int64)
            if group == "baseline":
                baselines[int(numbers[0])] = row
            else:
                streams.setdefault(group, {})[int(numbers[0]), int(numbers[1])] = row
    changed = {case: streams[str(number)] for number, case in enumerate(about["cases"])}
    return Drawn(data, baselines, streams["calm"], changed)


def written(courses: Courses) -> dict[str, Any]:
    """Courses as JSON."""

    def runs(made: Any) -> list[Any]:
        return [[run.seed, run.stream, run.course.at.tolist(), run.course.height.tolist()] for run in made]

    return {
        "detector": courses.detector,
        "default": courses.default,
        "versions": dict(courses.versions),
        "calm": runs(courses.calm),
        "changed": {case: runs(made) for case, made in courses.changed.items()},
    }


def read_courses(data: Mapping[str, Any]) -> Courses:
    """Courses of JSON."""

    def runs(made: Any) -> list[Run]:
        return [Run(seed, stream, Course(np.array(at), np.array(height))) for seed, stream, at, height in made]

    changed = {case: runs(made) for case, made in data["changed"].items()}
    return Courses(data["detector"], runs(data["calm"]), changed, data["default"], data["versions"])
