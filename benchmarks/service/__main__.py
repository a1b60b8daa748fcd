"""How fast the live service is, on a real broker: ``python -m benchmarks.service``.

What is compared is measured in the same run on the same broker. The broker is a Kafka distribution, found as the tests
find theirs: ``KAFKA_HOME``, or ``../shared/kafka``.
"""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.kinds import page
from benchmarks.report import describe_machine
from benchmarks.service import embedding, hour, judging, reading, recovery, scaling
from benchmarks.service.cluster import cluster

MEASURES = {
    "reading": reading.run,
    "embedding": embedding.run,
    "scaling": scaling.run,
    "judging": judging.run,
    "recovery": recovery.run,
    "hour": hour.run,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=MEASURES, nargs="+", default=list(MEASURES), help="what to measure")
    parser.add_argument("--page", type=Path, help="write what was measured into this page, each between its marks")
    given = parser.parse_args()
    with threadpool_limits(1), cluster() as on:
        for name in given.only:
            text = f"{MEASURES[name](on).text}\n\n{about()}"
            print(text, flush=True)
            if given.page:
                page.write(given.page, text, *marks(name))


def about() -> str:
    """Machine, versions, commit and command."""
    said = io.StringIO()
    with redirect_stdout(said):
        describe_machine("benchmarks.service")
        print("kafka   ", ", ".join(f"{name} {version(name)}" for name in ("aiokafka", "faust-streaming")))
    return f"```text\n{said.getvalue()}```"


def marks(name: str) -> tuple[str, str]:
    """What stands in the page before and behind a measurement."""
    return f"<!-- benchmarks.service {name}: begin -->", f"<!-- benchmarks.service {name}: end -->"


if __name__ == "__main__":
    main()
