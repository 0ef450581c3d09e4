# make app        installs what serving needs and starts the app
# make install    installs what the app and training need
# make test       runs the suite
# make test-all   runs what trains several times over or in several processes, too, and says which lines no test ran
# make test-fast  runs what needs neither TensorFlow nor Gradio, no browser and no other process
# make test-installed  installs what a Space and the Docker image need into empty environments, and tests the app there
# make fuzz       lets chance attack what strangers can reach, for an hour or more; after Ctrl-C it goes on
# make check      lints, checks format, types and which folder imports which; make format repairs what it can
# Each creates .venv first. PYTHON=python3.12 names the Python of a new .venv; uv is used where it is there.

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)

# The newest Python 3 that has wheels: LiteRT and Gradio for serving, TensorFlow for training and the tests.
OLDEST := 11
NEWEST_TO_SERVE := 14
NEWEST_TO_TRAIN := 13
FITS = import sys; sys.exit(not (3, $(OLDEST)) <= sys.version_info[:2] <= (3, $(NEWEST)))
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14 python

.PHONY: app install test test-all test-fast test-installed fuzz check format browser clean

app: .venv/.app
	$(BIN)/python app.py

install: .venv/.training

test: .venv/.development browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not long"

test-all: .venv/.development browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov

test-fast: .venv/.development
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow"

test-installed: .venv/.development
	INSTALL_REQUIREMENTS=1 $(BIN)/python -m pytest tests/space/test_running.py

fuzz: .venv/.development
	@mkdir -p test-results
	nice $(BIN)/python -m benchmarks.fuzz --state test-results/fuzz.json

# Gradio writes a .pyi beside each file of components; a type checker would read it in the file's place.
check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -f emotion/web/*.pyi
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_layout

format: .venv/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/.app: NEWEST := $(NEWEST_TO_SERVE)
.venv/.app: requirements-app.txt | .venv/pyvenv.cfg
	$(call install,requirements-app.txt)

.venv/.training: NEWEST := $(NEWEST_TO_TRAIN)
.venv/.training: requirements.txt requirements-app.txt | .venv/pyvenv.cfg
	$(call install,requirements.txt)
	@touch .venv/.app

.venv/.development: NEWEST := $(NEWEST_TO_TRAIN)
.venv/.development: requirements-dev.txt .venv/.training
	$(call install,requirements-dev.txt)

define install
	@$(BIN)/python -c '$(FITS)' || { \
		$(BIN)/python --version; \
		echo "is what .venv holds; this needs Python 3.$(OLDEST) to 3.$(NEWEST). Type: make clean, then the same again."; \
		exit 1; \
	}
	$(INSTALL) --requirement $(1)
	@touch $@
endef

# The first Python that fits. Where none does, uv fetches one.
.venv/pyvenv.cfg:
	@for python in $(or $(PYTHON),$(CANDIDATES)); do \
		if $$python -c '$(FITS)' 2>/dev/null; then \
			if [ -n "$(UV)" ]; then exec uv venv --quiet --seed --python $$python .venv; fi; \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	if [ -n "$(UV)" ] && [ -z "$(PYTHON)" ]; then \
		exec uv venv --quiet --seed --python 3.$(NEWEST_TO_TRAIN) .venv; \
	fi; \
	echo "This needs Python 3.$(OLDEST) to 3.$(NEWEST), and $(if $(PYTHON),$(PYTHON) is not,none of $(CANDIDATES) is) that."; \
	echo "Name one: make $(or $(MAKECMDGOALS),app) PYTHON=python3.12"; \
	exit 1

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
