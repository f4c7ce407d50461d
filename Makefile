# The two commands: `make demo` and `make test`. Each sets up its own .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: help demo demo-real test test-faults test-nightly notebooks lint format type check bench clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.venv/.made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[all]' --group dev
	@touch $@

demo: .venv/.made ## The announced example and a long document, offline, with the saving printed
	$(BIN)/moonshot-cache demo

demo-real: .venv/.made ## A long document on a model that runs here, with times (asks before it fetches one)
	$(BIN)/pip install --quiet --editable '.[all,local]'
	$(BIN)/moonshot-cache demo --real

test: .venv/.made ## All tests of the fast suite
	$(BIN)/pytest -n 2

test-faults: .venv/.made ## The long fault trials: processes killed, some minutes
	$(BIN)/pytest -m faults

test-nightly: .venv/.made ## The longest trials: for a night, not for a change
	$(BIN)/pytest -m "faults or nightly"

notebooks: .venv/.made ## Run the notebooks from clean and write their outputs
	$(BIN)/python notebooks/execute.py

lint: .venv/.made ## Style and the walls between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: .venv/.made ## Rewrite the files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: .venv/.made ## mypy, strict
	$(BIN)/mypy
	for file in tests/*/conftest.py; do $(BIN)/mypy $$file || exit 1; done

check: lint type ## Everything that reads the code without running it

bench: .venv/.made ## CPU time per call and what agents send, beside ChatOpenAI
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/agent_loop.py
	$(BIN)/python benchmarks/bookkeeping.py

clean: ## Remove what was built
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
