"""What every measurement prints: where it ran, its spread, and ratios, which travel better than figures."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.workloads import SEED

REPEATS = 9
PACKAGES = ("numpy", "scipy", "tokenizers", "wordllama", "xxhash", "msgspec", "zstandard", "scikit-learn", "river")

Step = Callable[[int], object]
"""Work of one repeat, given its number from 0."""


def describe_machine(module: str) -> None:
    """Print machine, versions, commit, seed and command."""
    cpus = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    name = cpus[0].partition(": ")[2] if cpus else platform.processor() or platform.machine()
    versions = [f"Python {platform.python_version()}", *(f"{name} {_installed(name)}" for name in PACKAGES)]
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    print("machine ", name, f"x{len(cpus)}, BLAS on one thread")
    print("versions", ", ".join(versions))
    print("commit  ", git.stdout.strip() or "unknown")
    print("seed    ", SEED)
    print("command ", f"python -m {module}", *sys.argv[1:])


def alternate(
    steps: Mapping[str, Step], *, per: int, repeats: int = REPEATS, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Microseconds a unit of each step, ``per`` units a repeat.

    The steps run turn by turn, so that a busy machine slows all of them; a first round of them all is not counted.
    """
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            start = clock()
            step(repeat)
            spent[name].append((clock() - start) / per * 1e6)
    return {name: times[1:] for name, times in spent.items()}


def heading(text: str) -> None:
    """Print a title over columns of spread."""
    print(f"\n{text:52}{'min':>10}{'median':>10}{'max':>10}")


def show(name: str, times: Sequence[float], note: str = "") -> None:
    """Print the spread of one measurement."""
    print(f"  {name:50}{min(times):10.2f}{statistics.median(times):10.2f}{max(times):10.2f}   {note}".rstrip())


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of the repeats, each of which ran side by side."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
