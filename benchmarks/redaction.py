"""What `texts: redacted` costs, CPU of one core: ``python -m benchmarks.redaction``."""

from __future__ import annotations

import time
from collections.abc import Callable

from threadpoolctl import threadpool_limits

from benchmarks.real_calls import DATA, GPT4, release, stream
from benchmarks.report import describe_machine
from benchmarks.workloads import lines, paced, read
from models.base import load_embedder
from streams.building import measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.redact import Privacy, redacted

PLAIN = "please tell me how much money i have in my savings account and when the next bill is due "
NUMBERS = (
    "Call +49 30 123456-78 or (415) 555-2671; card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, 8.8.8.8. "
)
MODES: tuple[Privacy, ...] = ("none", "full", "redacted")


def cpu(work: Callable[[], object], times: int = 3) -> float:
    """The least of some runs, in µs."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append((time.process_time() - start) * 1e6)
    return min(spent)


def texts() -> dict[str, list[str]]:
    """Texts by where they come from."""
    found = {"100 KB without numbers": [PLAIN * 1200] * 100, "full of numbers": [NUMBERS * 4] * 100}
    for source in ("clinc150", release("opinionqa", GPT4, "0314"), "oasst_sampling") if DATA.exists() else ():
        for side in ("input", "output"):
            found[f"{source.partition(' ')[0]} {side}"] = [
                text for one in stream([f"n=2000 {source}"], 0) if (text := getattr(one, side))
            ]
    return found


if __name__ == "__main__":
    describe_machine("benchmarks.redaction")
    with threadpool_limits(1):
        for name, some in texts().items():
            if some:
                spent = cpu(lambda some=some: [redacted(text) for text in some]) / len(some)
                print(f"{name:28}{sum(map(len, some)) / len(some):9,.0f} characters{spent:9.1f} µs", flush=True)
        records = read(lines(6000))
        lens = Meter(load_embedder()).fit_lens(records[:2000])
        for calls in (10, 100, 1000):
            for mode in MODES:
                meter, log = Meter(load_embedder(), texts=mode), paced(records, calls)
                spent = cpu(lambda meter=meter, log=log: measured_panes(meter, lens, log, Clock(), 64)) / len(log)
                print(f"{calls:5} calls a tick, texts: {mode:10}{spent:9.1f} µs a call", flush=True)
