"""The ``driftline`` command run in this process, as a shell would see it."""

import io
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from streams.cli.main import main


class Ran(NamedTuple):
    """Exit status, standard output, and standard error with its line breaks taken out."""

    status: int
    out: bytes
    err: str


def run(monkeypatch, capture, *args, stdin=b""):
    """Run with these arguments; ``capture`` is pytest's ``capfdbinary``."""
    monkeypatch.setattr(sys, "argv", ["driftline", *map(str, args)])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(stdin))))
    capture.readouterr()
    try:
        main()
        status = 0
    except SystemExit as done:
        status = int(done.code or 0)
    out, err = capture.readouterr()
    return Ran(status, out, " ".join(err.decode().split()))


@pytest.fixture
def driftline(monkeypatch, capfdbinary, tmp_path):
    """The command, in an environment without settings and with an empty store."""
    monkeypatch.setenv("DRIFTLINE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DRIFTLINE_CONFIG", raising=False)

    def driftline(*args, stdin=b""):
        return run(monkeypatch, capfdbinary, *args, stdin=stdin)

    return driftline
