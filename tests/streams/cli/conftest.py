"""The ``driftline`` command run in this process, as a shell would see it, and files to run it on."""

import io
import sys
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from drift import baseline as baselines
from streams.cli.main import main
from tests.streams import traffic


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


@pytest.fixture(scope="session")
def normal(tmp_path_factory):
    """A file that holds a baseline."""
    path = tmp_path_factory.mktemp("baseline") / "normal.safetensors"
    path.write_bytes(baselines.encode(traffic.baseline()))
    return path


@pytest.fixture
def write(tmp_path):
    """Writes lines to a file, packed or not."""

    def write(lines, pack=bytes):
        path = tmp_path / "calls.jsonl"
        path.write_bytes(pack(b"".join(line + b"\n" for line in lines)))
        return path

    return write
