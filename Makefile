# Two commands on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
WEB := guard/serve/web

.PHONY: setup demo test lint bench web-test clean

setup: .venv/.ready

.venv/.ready: pyproject.toml hatch_build.py $(shell find $(WEB)/src $(WEB)/*.json $(WEB)/*.html -type f 2>/dev/null)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/guard demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint web-test
	$(BIN)/python -m pytest

web-test: setup
	$(BIN)/python hatch_build.py test

bench: setup
	$(BIN)/guard bench engine
	$(BIN)/guard bench latency

clean:
	rm -rf .venv build dist guard/serve/static
