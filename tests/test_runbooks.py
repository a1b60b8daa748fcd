"""Every alert has a runbook, and what the runbooks tell people to type exists."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from streams.cli.main import cli
from streams.rules import groups
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/runbooks"
PAGES = {file.stem: file.read_text() for file in sorted(FOLDER.glob("*.md"))}
INDEX = PAGES.pop("README")

RULES = [rule for group in groups(Settings()) for rule in group["rules"] if "alert" in rule]
ALERTS = {rule["alert"] for rule in RULES}
HEALTH = {rule["alert"] for rule in RULES if rule["labels"]["category"] == "health"}
DRIFT = {rule["alert"] for rule in RULES if rule["labels"]["category"] == "drift"}

BEGINNING = ["What it means", "How sure it is", "Look first", "Common causes"]
OF_DRIFT = [*BEGINNING, "Acknowledge it", "Make it the new baseline", "When to ignore it"]
OF_HEALTH = [*BEGINNING, "What to do", "Silence it", "When to ignore it"]

ALL = [pytest.param(text, id=name) for name, text in {"README": INDEX, **PAGES}.items()]


def fenced(text, language=""):
    """Blocks of code in this language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for said, block in blocks if said == language]


def command_lines():
    for name, text in PAGES.items():
        for line in re.sub(r"\\\n\s*", "", "\n".join(fenced(text))).splitlines():
            if line.startswith("driftline "):
                yield pytest.param(line, id=f"{name}: {line[:60]}")


def spoken():
    """Commands that stand inside sentences, with or without what they need."""
    for name, text in {"README": INDEX, **PAGES}.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        for line in re.findall(r"`(driftline [a-z][^`]*)`", prose):
            yield pytest.param(" ".join(line.split()), id=f"{name}: {' '.join(line.split())[:60]}")


def command(line):
    """The command of a line, with its name, its context and what follows."""
    _, name, *arguments = shlex.split(line)
    context = cli.make_context("driftline", [], resilient_parsing=True)
    found = cli.get_command(context, name)
    while isinstance(found, click.Group):
        name, *arguments = arguments
        found = found.get_command(context, name)
    assert found is not None, f"no such command: {line}"
    return found, name, context, arguments


def queries():
    for name, text in PAGES.items():
        for number, asked in enumerate(fenced(text, "promql")):
            yield pytest.param(asked, id=f"{name} {number}")


def test_every_alert_has_its_page_and_every_page_its_alert():
    assert PAGES.keys() == ALERTS
    assert set(re.findall(r"\]\((\w+)\.md\)", INDEX)) == ALERTS


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_page_answers_the_same_questions_in_the_same_order(name):
    first, *_ = PAGES[name].splitlines()
    assert first == f"# {name}"
    assert re.findall(r"^## (.+)$", PAGES[name], re.M) == (OF_DRIFT if name in DRIFT else OF_HEALTH)
    assert all(len(part.strip()) > 5 for part in re.split(r"^## .+$", PAGES[name], flags=re.M)[1:])


@pytest.mark.parametrize("line", [*command_lines()])
def test_every_command_line_is_one_that_the_program_takes(line):
    found, name, context, arguments = command(line)
    found.make_context(name, arguments, parent=context)  # raises for what it does not take


@pytest.mark.parametrize("line", [*spoken()])
def test_every_command_that_is_spoken_of_exists(line):
    command(line)


@pytest.mark.parametrize("name", sorted(DRIFT))
def test_drift_pages_say_how_to_acknowledge_and_how_to_move_the_baseline(name):
    text = "\n".join(fenced(PAGES[name]))
    for wanted in (
        "driftline alerts ack ALERT_ID",
        "/acknowledge",
        "driftline baseline build",
        "driftline baseline tag",
    ):
        assert wanted in text


@pytest.mark.parametrize("name", sorted(HEALTH))
def test_health_pages_say_how_to_silence_them(name):
    assert f"alertname={name}\n" in "\n".join(fenced(PAGES[name]))


def anchors(file):
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", ALL)
def test_every_link_leads_somewhere(text):
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        file = (FOLDER / path).resolve()
        assert file.is_file(), link
        assert not anchor or anchor in anchors(file), link


@pytest.mark.parametrize("text", ALL)
def test_every_metric_exists(text):
    known = set(re.findall(r"^\| `(driftline_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.M))
    assert {name.removesuffix("_bucket") for name in re.findall(r"\bdriftline_[a-z_]+", text)} <= known


def test_promtool_takes_every_query(tmp_path):
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed")
    rules = [{"record": f"asked:number:{number}", "expr": one.values[0]} for number, one in enumerate(queries())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
