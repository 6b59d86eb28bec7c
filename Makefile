# Everything starts here: `make` lists the targets. Each does its own set-up; nothing is installed outside .venv,
# except the servers that `make test` takes from the distribution's packages where it may.
.DEFAULT_GOAL := help
.PHONY: help install install-dev servers broker demo run daily test e2e chaos lint format bench lock clean

PYTHON ?= python3
export PYTHON
BIN := .venv/bin
REPORTS := build/reports
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -o faulthandler_timeout=300
# What make hands down must not change what the tests start.
unexport MAKEFLAGS MFLAGS MAKELEVEL

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: ## set up .venv with everything that lumen needs (seconds when nothing changed)
	@sh tools/install.sh run

install-dev: ## the same, with the tools that tests and linters need
	@sh tools/install.sh dev

servers:
	@sh tools/servers.sh

# Where the lock has no bundled Redis (other than x86-64 Linux with Python below 3.13), one comes from the packages.
broker:
	@$(BIN)/python -c "from lumen_workers.local.broker import find_program; find_program()" 2>/dev/null \
		|| sh tools/packages.sh redis-server || true

demo: install broker ## two regions on this machine, from live signals to a signed and verified day; DEMO_EXIT=1 ends afterwards
	@$(BIN)/lumen demo

run: install broker ## the whole system on this machine, until Ctrl-C
	@$(BIN)/lumen run

daily: install ## close a day in this process: make daily DAY=2026-01-31 (default: yesterday)
	@$(BIN)/lumen daily $(if $(DAY),--day $(DAY))

test: install-dev servers ## unit and integration tests, on real Redis, PostgreSQL and workers
	@$(PYTEST) tests --ignore=tests/e2e -m "not deadlines" -n $(WORKERS) --dist loadfile --junitxml=$(REPORTS)/test.xml $(ARGS)
	@$(PYTEST) tests --ignore=tests/e2e -m deadlines --junitxml=$(REPORTS)/deadlines.xml $(ARGS)

e2e: install-dev servers ## the demo from a clean clone of HEAD in a temporary folder
	@$(PYTEST) tests/e2e --junitxml=$(REPORTS)/e2e.xml $(ARGS)

chaos: install-dev servers ## what dies, comes back: two regions under random faults for CHAOS_MINUTES (10); build/chaos.json
	@PYTHONPATH=tests $(BIN)/python -m chaos

lint: install-dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## let ruff format and mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev ## run the benchmarks; one JSON document on standard output: make -s bench >figures.json
	@$(BIN)/python benchmarks/all.py $(ARGS)

lock: ## pin the newest versions that pyproject.toml allows, with hashes
	@sh tools/lock.sh

clean: ## remove .venv, caches and build output (not var/, the default home)
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
