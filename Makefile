.PHONY: help setup lint programs unit live test demo down

# A shell that forbids bytecode, as many container images do, has every process compile all of Airflow again: 4 s each.
unexport PYTHONDONTWRITEBYTECODE

# A distribution builds its Python with every optimisation. With one that was compiled without them, as pyenv does, the
# tests take a fifth more of the processor. Where there is none, uv finds or fetches one.
PYTHON ?= $(firstword $(wildcard $(addprefix /usr/bin/python3.,11 12 13)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install uv, where it is missing, and everything that the lock names
	@command -v uv >/dev/null || python3 -m pip install uv; uv sync --frozen --compile-bytecode $(PYTHON:%=--python=%)

lint: ## ruff and mypy
	@uv run --frozen ruff check . && uv run --frozen ruff format --check . && uv run --frozen mypy plugins/airfreight demo

unit: ## the tests that start no Airflow, on all cores
	@uv run --frozen pytest -m "not live" -n auto --dist worksteal

# Most of the time a live test waits: three at once on one Airflow keep two cores busy.
live: ## the tests that start an Airflow
	@uv run --frozen pytest tests/live -n 3 --dist loadscope --no-loadscope-reorder --durations=20

programs: # one waits for the network while the other computes
	@.ci/setup

test: setup ## everything: lint, unit tests, live tests (installs docker-registry, git, gnupg and OpenSSH where missing)
	@$(MAKE) --no-print-directory --jobs=2 lint programs
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory live

demo: setup ## a running Airflow on localhost with the guestbook pipeline; Ctrl-C stops it
	@uv run --frozen python -m demo

down: ## stop the demo, or what a killed one left running
	@uv run --frozen python -m demo --down
