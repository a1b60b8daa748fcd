"""Commands in the test's own process, on the test's own topics."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from streams.cli.main import cli
from streams.settings import Kafka


def invoked(kafka: Kafka, *arguments: str, store: Path | None = None) -> Result:
    """What a command says where the settings name this cluster, and this store if one is given."""
    environment = {"DRIFTLINE_KAFKA": json.dumps({"brokers": kafka.brokers, "prefix": kafka.prefix})}
    if store is not None:
        environment["DRIFTLINE_STORE"] = str(store)
    return CliRunner().invoke(cli, arguments, env=environment)
