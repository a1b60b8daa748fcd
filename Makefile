# Everything that a fresh machine needs: `make demo` or `make test`. Python 3.11 or newer is the only requirement.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help install demo demo-kafka chaos test test-embedders check bench bench-kinds bench-quality bench-cost bench-service bench-replay clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/developing: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/installed ## a virtual environment in .venv with pinned versions

demo: install ## the main job on simulated traffic
	$(BIN)/driftline demo

demo-kafka: $(VENV)/developing ## the demo through the live service, on a real broker: DRIFTLINE_TEST_KAFKA or KAFKA_HOME name it
	$(BIN)/python -m tests.integration.demo

chaos: $(VENV)/developing ## forty random events while 60,000 calls flow: the verdicts of an undisturbed run (15 minutes)
	$(BIN)/python -m tests.integration.chaos

test: $(VENV)/developing ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-embedders: constraints.txt ## the tests of embedders that need torch, in an environment of their own
	$(PYTHON) -m venv $(VENV)-embedders
	$(VENV)-embedders/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,minilm]'
	$(VENV)-embedders/bin/python -m pytest tests/models

check: $(VENV)/developing ## lint, format, types, import rules, generated files, metrics, rules and routes of Prometheus and Alertmanager
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py tests/streams/cli/test_main.py tests/streams/test_exposition.py tests/test_rules.py tests/test_dashboards.py

bench: $(VENV)/developing ## measurements, minutes
	$(BIN)/python -m benchmarks.speed_models
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.pane_size
	$(BIN)/python -m benchmarks.real_calls
	$(BIN)/python -m benchmarks.new_questions
	$(BIN)/python -m benchmarks.slices
	$(BIN)/python -m benchmarks.provisional
	$(BIN)/python -m benchmarks.redaction
	$(BIN)/python -m benchmarks.scrape
	$(BIN)/python -m benchmarks.archive

bench-kinds: $(VENV)/developing ## which kind of drift is named on real calls, prompt edits, shadow pairs: hours
	$(BIN)/python -m benchmarks.kinds --page docs/benchmarks.md
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.prompt_chain
	$(BIN)/python -m benchmarks.pairs

$(VENV)-peers/installed: pyproject.toml benchmarks/quality/constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check pip==26.3
	$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check --constraint benchmarks/quality/constraints.txt --group peers
	@touch $@

bench-quality: $(VENV)/developing $(VENV)-peers/installed ## how soon Driftline and other detectors find a change: an hour
	$(BIN)/python -m benchmarks.quality --page docs/benchmarks.md

bench-cost: $(VENV)/developing $(VENV)-peers/installed ## what a call and a check cost, beside others: minutes
	$(BIN)/python -m benchmarks.cost --page docs/benchmarks.md

bench-service: $(VENV)/developing ## how fast the live service is, on a real broker: half an hour
	$(BIN)/python -m benchmarks.service --page docs/benchmarks.md

bench-replay: $(VENV)/developing ## how fast the past is judged again, from panes and from calls: minutes
	$(BIN)/python -m benchmarks.replay

clean: ## remove what was installed and cached
	rm -rf $(VENV) $(VENV)-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
