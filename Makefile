# Two commands on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
WEB := guard/serve/web

.PHONY: setup demo test test-tensorrt lint bench web-test clean

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

# Optional: NVIDIA's builder for RTX needs no GPU, but 100 MB, so it comes only for the time of these tests.
test-tensorrt: setup
	rm -rf build/tensorrt
	$(BIN)/python -m venv build/tensorrt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > build/tensorrt/project.path
	cp build/tensorrt/project.path $$(echo build/tensorrt/lib/python*/site-packages)/project.pth
	build/tensorrt/bin/python -m pip install --quiet --disable-pip-version-check 'tensorrt-rtx>=1.7' 'cuda-bindings>=12.9'
	build/tensorrt/bin/python -m pytest tests/engines/tensorrt -rs -s
	rm -rf build/tensorrt

web-test: setup
	$(BIN)/python hatch_build.py test

bench: setup
	$(BIN)/guard bench engine
	$(BIN)/guard bench latency

clean:
	rm -rf .venv build dist guard/serve/static
