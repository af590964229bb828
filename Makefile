# make demo: from nothing to two models trained on real data. make test: from nothing to the tests.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test slow check clean browser

demo: .venv/installed
	rm -rf runs/demo
	$(BIN)/clearhead train two-layer --out runs/demo/two-layer
	$(BIN)/clearhead evaluate runs/demo/two-layer
	$(BIN)/clearhead train attention --out runs/demo/attention
	$(BIN)/clearhead evaluate runs/demo/attention

test: .venv/tests browser
	$(BIN)/python -m pytest -q

slow: .venv/tests browser
	$(BIN)/python -m pytest -q -m slow

check: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@if command -v npm > /dev/null; then $(MAKE) --no-print-directory node_modules/.installed && npm run --silent check; \
		else echo "no npm here: the types of the views are not checked"; fi

# The tests of what is seen need a browser; without one they say so and are skipped.
browser:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null || \
		if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
			echo "Installing chromium for the tests of what is seen."; \
			(apt-get install --yes --quiet chromium || (apt-get update --quiet && apt-get install --yes --quiet chromium)) > /dev/null 2>&1 || true; \
		else echo "no chromium here: install it to run the tests of what is seen"; fi

node_modules/.installed: package.json
	npm install --silent --no-audit --no-fund --no-package-lock
	touch $@

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
