"""Grafana's dashboards are what their script makes, and ask only for what is exposed."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from streams.metrics import DECLARED

ROOT = Path(__file__).parents[1]
GRAFANA = ROOT / "deploy/grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
BOARDS = {file.stem: json.loads(file.read_text()) for file in FILES}

PROCESS = {"resident_memory_bytes", "virtual_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds"}
"""Of prometheus-client, beginning with ``process_``."""

WORDS = {"and", "bool", "by", "group_left", "group_right", "ignoring", "offset", "on", "or", "unless", "without"}


def declared():
    """Labels by the name of every metric that may be asked for."""
    found = {name: set(one.labels) for name, one in DECLARED.items()}
    for name in [name for name, one in DECLARED.items() if one.kind == "histogram"]:
        labels = found.pop(name)
        found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return found | {f"process_{name}": set() for name in PROCESS}


def panels():
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield pytest.param(panel, id=f"{name}: {panel['title']}")


def expressions():
    """Every question to Prometheus, with where it stands."""
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
        for mark in board["annotations"].get("list") or ():
            yield pytest.param(mark["target"]["expr"], id=f"{name}: {mark['name']}")
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
                yield pytest.param(f"count by ({label}) ({series})", id=f"{name}: ${variable['name']}")


def parsed(expression):
    """Metrics that an expression names, and the labels that it names or makes."""
    made = re.findall(r'label_replace\(.*?, "(\w+)", "[^"]*", "(\w+)", "[^"]*"\)', expression)
    labels = {name for _, name in made}
    bare = re.sub(r'"[^"]*"', '""', expression)
    for pattern in (r"\{[^}]*\}", r"\b(?:by|on|group_left|group_right)\s*\([^)]*\)"):
        for found in re.findall(pattern, bare):
            labels |= set(re.findall(r"\w+", found)) - WORDS
        bare = re.sub(pattern, " ", bare)
    bare = re.sub(r"\[[^]]*\]", " ", bare)
    names = re.findall(r"[A-Za-z_:][\w:]*(?!\w)(?!\s*\()", bare)
    return {name for name in names if name not in WORDS}, labels


def test_dashboards_are_what_their_script_makes_byte_for_byte():
    made = runpy.run_path(str(GRAFANA / "make_dashboards.py"))["dashboards"]()
    kept = {file.name: file.read_text() for file in FILES}
    assert kept == made, "run: python deploy/grafana/make_dashboards.py"
    for name, text in kept.items():
        assert json.dumps(BOARDS[Path(name).stem], indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_metric_that_is_asked_for_exists_with_the_labels_that_are_named(expression):
    known = declared()
    names, labels = parsed(expression)
    assert names
    assert names <= known.keys()
    assert labels <= {"job", "instance"}.union(*(known[name] for name in names))


def test_expressions_are_parsed_as_meant():
    asked = (
        'topk(2, label_replace(a_b, "x", "$1", "y", "(.+)")) '
        '/ on (z) group_left (u) rate(c:d{e=~"f|g"}[5m]) or vector(0)'
    )
    assert parsed(asked) == ({"a_b", "c:d"}, {"y", "z", "u", "e"})


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_expression_bears_the_job_or_finds_it(expression):
    names, _ = parsed(expression)
    selected = re.findall(r'(\w+)\{job="\$job"', expression)
    assert set(selected) == names or expression == "count by (job) (driftline_build_info)"


def test_promtool_takes_every_expression(tmp_path):
    promtool = shutil.which("promtool") or pytest.skip("promtool is not installed")
    rules = []
    for number, asked in enumerate(one.values[0] for one in expressions()):
        filled = re.sub(r"\$__(rate_interval|interval|range)\b", "5m", asked)
        rules.append({"record": f"asked:number:{number}", "expr": re.sub(r"\$(?!\d)(\w+)", r"some-\1", filled)})
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@pytest.mark.parametrize("panel", [*panels()])
def test_every_panel_says_how_to_read_it_and_has_a_unit(panel):
    assert len(panel["description"]) > 30
    assert panel["datasource"]["uid"] == "${datasource}"
    assert "unit" in panel["fieldConfig"]["defaults"] or panel["type"] == "state-timeline"
    assert panel["targets"]
    if len(panel["targets"]) > 1 or panel["type"] == "timeseries":
        assert all(target["legendFormat"] != "" for target in panel["targets"])


@pytest.mark.parametrize("expression", [*expressions()])
def test_every_expression_copes_with_several_workers(expression):
    """Nothing is asked for as one worker tells it: each series stands in a sum, a count, a greatest or a least."""
    gathered = re.compile(r"\b(?:sum|max|min|avg|count)\s*(?:by\s*\([^)]*\)\s*)?\((?:rate\()?$")
    for found in re.finditer(r"\b(?:driftline|process)_\w+", expression):
        assert gathered.search(expression[: found.start()]), expression[: found.start()]


def test_panels_keep_inside_the_grid_and_apart_and_have_ids_of_their_own():
    for board in BOARDS.values():
        taken, ids = set(), [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        for place in (panel["gridPos"] for panel in board["panels"]):
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in cells) < 24
            assert not cells & taken
            taken |= cells


def test_dashboards_can_be_linked_to_for_ever_and_link_to_each_other():
    assert {board["uid"] for board in BOARDS.values()} == {"driftline-fleet", "driftline-segment", "driftline-service"}
    for name, board in BOARDS.items():
        assert "id" not in board
        assert "driftline" in board["tags"]
        assert any(link["type"] == "dashboards" and link["tags"] == ["driftline"] for link in board["links"])
        for link in re.findall(r"/d/([\w-]+)", json.dumps(board)):
            assert link in {one["uid"] for one in BOARDS.values()}
        assert not re.findall(r"https?://(?!localhost:6066\")", (GRAFANA / f"dashboards/{name}.json").read_text())


@pytest.mark.parametrize("board", [*BOARDS.values()], ids=[*BOARDS])
def test_every_variable_that_is_used_is_one_of_the_dashboard(board):
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board)))
    if board["uid"] != "driftline-segment":
        used -= set(re.findall(r"var-(\w+)=", json.dumps(board))) - known
    assert used == known


def test_grafana_loads_the_dashboards_from_where_they_are_mounted():
    mounts = dict(mount.split(":")[:2] for mount in compose()["grafana"]["volumes"])
    (provider,) = yaml.safe_load((GRAFANA / "providers/driftline.yml").read_text())["providers"]
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/grafana/providers"] == "/etc/grafana/provisioning/dashboards"


def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
