import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ARITHMETIC = {"drift", "numpy", "scipy", "river", "msgspec", "safetensors", "xxhash", "zstandard"}


def files(package):
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in found]


def imported(path):
    """Names of the modules that a file imports anywhere, with what it takes from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name their package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(path):
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", files("drift"))
def test_the_arithmetic_imports_nothing_that_waits_listens_or_writes(path):
    assert packages(path) <= ARITHMETIC | sys.stdlib_module_names
    assert not packages(path) & {"asyncio", "logging", "time", "datetime", "socket", "threading", "random", "pickle"}


@pytest.mark.parametrize("path", files("models"))
def test_embedders_know_neither_the_arithmetic_nor_the_service(path):
    assert not packages(path) & {"drift", "streams"}


@pytest.mark.parametrize("path", files("streams"))
def test_only_the_command_line_imports_the_command_line(path):
    if "cli" not in path.relative_to(ROOT).parts:
        assert not [name for name in imported(path) if name.startswith("streams.cli")]


@pytest.mark.parametrize("path", files("streams"))
def test_only_one_folder_speaks_to_kafka(path):
    if path.parent != ROOT / "streams" / "kafka":
        assert not packages(path) & {"aiokafka", "faust", "mode"}
