"""The container image, docker-compose.yml and what it mounts name only things that exist and fit together."""

import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from streams.cli.main import cli
from streams.settings import PREFIX, Live, Settings

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if service["image"].startswith("driftline:")}
PROMETHEUS = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions():
    """Instructions of the Dockerfile with what follows them, a continued line as one."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]


def given(instruction):
    return [rest for name, rest in instructions() if name == instruction]


def image_environment():
    return dict(pair.split("=", 1) for rest in given("ENV") for pair in shlex.split(rest))


def command_lines():
    """Every command line of ours that the files start, with its service."""
    yield "the image", json.loads(given("ENTRYPOINT")[-1]) + json.loads(given("CMD")[-1])
    for name, service in OWN.items():
        if service.get("entrypoint") == ["sh", "-c"]:
            for part in service["command"][0].split("&&"):
                yield name, shlex.split(part.strip().removeprefix("exec "))
        else:
            yield name, ["driftline", *service["command"]]


def tool(name):
    """Path of a program, or a skip that says what is missing."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    return found or pytest.skip(f"{name} is not installed")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_keeps_to_the_compose_specification():
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml"))


def test_hadolint_has_nothing_against_the_dockerfile():
    run(tool("hadolint"), str(ROOT / "Dockerfile"))


@pytest.mark.parametrize(("service", "line"), [*command_lines()])
def test_every_command_line_is_one_that_the_program_takes(service, line):
    program, name, *arguments = line
    assert program == "driftline"
    context = cli.make_context("driftline", [], resilient_parsing=True)
    command = cli.get_command(context, name)
    assert command is not None, f"{service} starts driftline {name}: no such command"
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.get_command(context, name)
    command.make_context(name, arguments, parent=context)  # raises for what it does not take


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name, value in image_environment().items() if name.startswith(PREFIX)),
        *((name, value) for service in OWN.values() for name, value in service["environment"].items()),
    ],
)
def test_every_variable_is_a_setting_and_its_value_one_that_it_can_have(name, value):
    types = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    for table in ("kafka", "live"):
        types |= {f"{table}_{field.name}": field.type for field in msgspec.structs.fields(types[table])}
    assert name.startswith(PREFIX)
    msgspec.convert(value, types[name.removeprefix(PREFIX).lower()], strict=False)


def test_every_image_is_pinned_and_ours_is_of_this_version():
    version = PROJECT["project"]["version"]
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']}"
    assert {service["image"] for service in OWN.values()} == {f"driftline:{version}"}
    assert f'image.version="{version}"' in given("LABEL")[0]
    bases = {rest.split()[0] for rest in given("FROM")}
    assert bases == {"python:${PYTHON}"}
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-\w+", given("ARG")[0])


def test_one_service_makes_the_image_and_the_others_wait_for_it():
    assert [name for name, service in OWN.items() if "build" in service] == ["driftline"]
    assert {service["pull_policy"] for name, service in OWN.items() if name != "driftline"} == {"never"}


def test_every_file_that_is_mounted_exists_and_every_volume_is_declared_and_used():
    sources = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())]
    for path in (source for source in sources if source.startswith("./")):
        assert (ROOT / path).is_file() or any((ROOT / path).iterdir()), path
    assert {source for source in sources if not source.startswith("./")} == COMPOSE["volumes"].keys()


def test_whatever_is_waited_for_says_when_it_is_healthy():
    healthy = {name for name, service in SERVICES.items() if "test" in service.get("healthcheck", {})} | {"driftline"}
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or name in healthy
            assert name in SERVICES


def test_workers_can_be_many():
    worker = SERVICES["driftline"]
    assert "container_name" not in worker
    for port in worker["ports"]:
        first, last = port.split(":")[1].split("-")
        assert int(last) - int(first) >= 2, f"{port} is for fewer than three workers"


def test_stopping_may_take_longer_than_draining():
    assert int(SERVICES["driftline"]["stop_grace_period"].removesuffix("s")) > Live().drain_s


def test_nothing_is_reachable_from_other_machines():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_broker_answers_where_it_is_looked_for_and_makes_no_topics_by_itself():
    broker = SERVICES["kafka"]["environment"]
    advertised = broker["KAFKA_ADVERTISED_LISTENERS"].split(",")
    for service in OWN.values():
        _, port = (address := service["environment"]["DRIFTLINE_KAFKA_BROKERS"]).split(":")
        assert f"INSIDE://{address}" in advertised
        assert f"INSIDE://:{port}" in broker["KAFKA_LISTENERS"].split(",")
    assert broker["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert any(mount.endswith(f":{broker['KAFKA_LOG_DIRS']}") for mount in SERVICES["kafka"]["volumes"])


def test_prometheus_and_grafana_look_for_services_that_exist():
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    (workers,) = jobs["driftline"]["dns_sd_configs"]
    assert workers["names"] == ["driftline"]
    assert str(workers["port"]) == image_environment()["DRIFTLINE_LIVE_LISTEN"].rpartition(":")[2] == given("EXPOSE")[0]
    (alertmanager,) = PROMETHEUS["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/datasources/prometheus.yml").read_text())["datasources"]
    for address in (alertmanager, source["url"].removeprefix("http://")):
        name, port = address.split(":")
        assert any(mapping.endswith(f":{port}") for mapping in SERVICES[name]["ports"])


def test_the_image_holds_every_package_and_no_torch_unless_asked():
    copied = [source for rest in given("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source.rstrip('/')}" in kept, f"{source} is kept out by .dockerignore"
    folders = [source.rstrip("/") for source in copied if (ROOT / source).is_dir()]
    found = [file.parent.relative_to(ROOT) for folder in folders for file in (ROOT / folder).rglob("__init__.py")]
    assert {".".join(path.parts) for path in found} == set(PROJECT["tool"]["setuptools"]["packages"])
    assert "EXTRAS=" in [argument.replace('"', "") for argument in given("ARG")]
    assert not any(name.startswith("torch") for name in PROJECT["project"]["dependencies"])


def test_the_image_runs_as_a_user_by_number_who_is_not_root_and_gets_its_signals_itself():
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", given("USER")[-1])
    assert json.loads(given("ENTRYPOINT")[-1]) == ["driftline"]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_health_check_asks_whether_the_service_lives(status, healthy):
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/live" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        environment = {**os.environ, "DRIFTLINE_LIVE_LISTEN": f"0.0.0.0:{server.server_port}"}
        environment |= {"http_proxy": "http://127.0.0.1:9"}
        if status is None:
            server.server_close()
        else:
            threading.Thread(target=server.handle_request, daemon=True).start()
        _, python, *arguments = json.loads(f'["CMD", {given("HEALTHCHECK")[0].split("CMD [")[1]}')
        done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, timeout=30)
    assert python == "python"
    assert (done.returncode == 0) is healthy
