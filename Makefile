# make demo: from nothing to two models trained on real data. make test: from nothing to the tests.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test slow check clean

demo: .venv/installed
	rm -rf runs/demo
	$(BIN)/clearhead train two-layer --out runs/demo/two-layer
	$(BIN)/clearhead evaluate runs/demo/two-layer
	$(BIN)/clearhead train attention --out runs/demo/attention
	$(BIN)/clearhead evaluate runs/demo/attention

test: .venv/tests
	$(BIN)/python -m pytest -q

slow: .venv/tests
	$(BIN)/python -m pytest -q -m slow

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf .venv runs/demo

.venv/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "clearhead needs Python 3.11 or newer; name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing; PyTorch is large, so the first time takes some minutes."
	$(INSTALL) --editable .
	touch $@

.venv/tests: .venv/installed
	$(INSTALL) --editable ".[test]"
	touch $@

.venv/dev: .venv/tests
	$(INSTALL) --editable ".[dev]"
	touch $@
