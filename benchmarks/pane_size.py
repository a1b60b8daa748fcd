"""Bytes a call of encoded panes, beside the calls' own JSON: ``python -m benchmarks.pane_size``.

Panes hold one tick of simulated calls each; the JSON of the same calls is taken as it is and compressed together, as a
broker would compress a batch of them.
"""

from __future__ import annotations

import zstandard
from threadpoolctl import threadpool_limits

from benchmarks.report import describe_machine, heading, show
from benchmarks.workloads import fill, lines, paced, read
from drift.lens import Lens
from drift.pane import SAMPLE, Pane, encode
from models.static import StaticEmbedder
from streams.measure import Meter
from streams.observe import Observer, Sight

TICKS = 5
CALLS = 3000
COUNTS = (1, 2, 5, 10, 20, 50, SAMPLE, SAMPLE + 1, 100, 150, 200, 500, 1000, 2000, CALLS)
SHOWN = (1, 10, 100, 1000)


def main() -> None:
    describe_machine("benchmarks.pane_size")
    embedder = StaticEmbedder()
    meters = {
        "with excerpts": Meter(embedder),
        "without text": Meter(embedder, texts="none"),
    }
    lens = meters["without text"].default_lens()
    smaller: dict[tuple[str, str], list[int]] = {}
    for count in COUNTS:
        spent = calls(count)
        panes = {name: ticks(meter, lens, count) for name, meter in meters.items()}
        spent |= {f"pane {name}": [len(encode(pane)) / count for pane in made] for name, made in panes.items()}
        if count in SHOWN:
            kept = "rows" if panes["without text"][0].kept is None else f"sums, and rows of a sample of {SAMPLE}"
            heading(f"bytes a call, {count:,} calls a tick, {TICKS} ticks: {kept}")
            for name, sizes in spent.items():
                show(name, sizes, f"{sum(sizes) / sum(spent['JSON']):.2f} of JSON" if name != "JSON" else "")
        for name in meters:
            for beside in ("JSON", "JSON, zstd"):
                if sum(spent[f"pane {name}"]) < sum(spent[beside]):
                    smaller.setdefault((name, beside), []).append(count)
    print()
    for name in meters:
        for beside in ("JSON", "JSON, zstd"):
            print(f"a pane {name} is smaller than its calls' {beside}: {since(smaller.get((name, beside), []))}")


def since(counts: list[int]) -> str:
    """From which of the tried counts on, if the last of them is among those given."""
    if not counts or counts[-1] != COUNTS[-1]:
        return f"not up to {COUNTS[-1]:,} calls a tick"
    first = counts[-1]
    for count in reversed(COUNTS):
        if count not in counts:
            break
        first = count
    return f"from {first:,} calls a tick on"


def calls(count: int) -> dict[str, list[float]]:
    """Bytes a call of the calls themselves, for each tick."""
    data = lines(TICKS * CALLS)[: TICKS * count]
    parts = [b"\n".join(data[low : low + count]) for low in range(0, len(data), count)]
    packed = [zstandard.ZstdCompressor(level=6).compress(part) for part in parts]
    return {"JSON": [len(part) / count for part in parts], "JSON, zstd": [len(part) / count for part in packed]}


def ticks(meter: Meter, lens: Lens, count: int) -> list[Pane]:
    """Panes of so many calls each."""
    observer = Observer(meter, lambda segment, tick: Sight(lens))
    fill(observer, paced(read(lines(TICKS * CALLS)[: TICKS * count]), count))
    return observer.finish()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
