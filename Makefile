# `make mine` sets everything up and runs the suite `mine`; `make test` sets everything up and runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)

.PHONY: mine test all-tests test-boxes agents agents-ci runners runners-ci podman base-image lint setup dev simulate docs pictures bench clean

setup: $(VENV)/.installed
dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.installed

mine: setup base-image
	$(BIN)/harness run --suite mine

# Boxes start from this image. Without an engine, or where it cannot be made, the run itself says what it misses.
base-image:
	@if docker version >/dev/null 2>&1; then scripts/base-image || true; fi

# Every test. Those that need a container engine are left out where there is none, and the last lines say so.
test: lint all-tests

# Without lint. Workers are more than cores (tests/conftest.py says why).
all-tests: dev base-image
	$(BIN)/python -m pytest -n auto --dist loadgroup -m ''

# Only those that need an engine: boxes, collecting, graders by tests, the attacks, task QA.
test-boxes: dev base-image
	HARNESS_REQUIRE_DOCKER=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m docker

# The two agent CLIs whose tests every CI run has: from the npm registry, kept in the user's cache, outside the tree.
agents-ci: dev base-image
	$(BIN)/harness agent install claude_code codex_cli

# Every agent CLI: installed, tried against a scripted model in a box, and tested. Once a week (.github/workflows/agents.yml).
agents: dev base-image
	$(BIN)/harness agent install claude_code codex_cli opencode gemini_cli qwen_code mini_swe_agent aider
	$(BIN)/harness agent verify
	HARNESS_REQUIRE_AGENTS=1 HARNESS_REQUIRE_DOCKER=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m docker \
	  tests/agents tests/gateway tests/e2e/test_agent_clis.py tests/e2e/test_agent_ends.py tests/e2e/test_agent_others.py

# The test runner that every CI run grades by for real, and every one: images with real runners, and the attacks on them.
# Once a week (.github/workflows/runners.yml).
runners-ci: base-image
	scripts/runners-image node

runners: dev base-image
	scripts/runners-image node js go rust cpp
	HARNESS_REQUIRE_RUNNERS="node js go rust cpp" HARNESS_REQUIRE_DOCKER=1 \
	  $(BIN)/python -m pytest -n 2 -m docker tests/adversarial/test_attacks_on_runners.py

# What a sandbox promises, against Podman's socket instead of Docker's. Once a week (.github/workflows/runners.yml).
PODMAN ?= unix:///run/podman/podman.sock
podman: export DOCKER_HOST = $(PODMAN)
podman: dev
	scripts/base-image
	HARNESS_REQUIRE_DOCKER=1 $(BIN)/python -m pytest -n 0 -m docker tests/sandboxes/test_sandboxes_contract.py \
	  tests/adversarial/test_attacks_on_metadata.py

lint: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: dev
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/overhead.py --sdk anthropic
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/kill9.py --n 6000
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/boxes.py
	$(BIN)/python benchmarks/box_leaks.py

# Every row of docs/validation.md in full, also those that are tests: under 15 minutes on 2 cores.
simulate: dev
	$(BIN)/python scripts/simulate.py

docs: dev
	$(BIN)/python scripts/gen_docs.py

# The pictures of docs/images, from what the commands say now. Needs a container engine, and Chromium (CHROMIUM=PATH).
pictures: dev base-image
	$(BIN)/python scripts/doc_pictures.py

clean:
	rm -rf $(VENV) build dist *.egg-info
