# make app    starts the app      make test   runs the whole suite      make check  lints and checks the format
# Each creates .venv and installs what it needs first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test check format install browser clean

app: .venv/.app
	$(BIN)/python app.py

test: .venv/.development browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/.app

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Name one: make app PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.app: requirements.txt .venv/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

.venv/.development: requirements-dev.txt .venv/.app
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

# The browser tests drive the system's Chromium; where it cannot be had they are skipped and say so.
browser:
	@for name in chromium chromium-browser google-chrome; do \
		command -v $$name >/dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update --quiet=2 && apt-get install --yes --quiet=2 chromium >/dev/null || true; \
	else \
		echo "No Chromium found: install it to run the browser tests too."; \
	fi

clean:
	rm -rf .venv test-results
