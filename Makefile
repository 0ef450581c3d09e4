# make app        installs what serving needs and starts the app
# make install    installs what the app and training need
# make test       runs the suite
# make test-all   also runs the long tests, which train several times or in several processes, with coverage
# make test-fast  runs the tests that need no TensorFlow, Gradio, browser or other process
# make test-installed  installs the requirements of a Space and of the Docker image into empty environments, and tests
#                 the app there
# make fuzz       attacks at random everything that strangers can reach, for an hour or more; resumes after Ctrl-C
# make check      checks style, types and imports; make format repairs what it can
# Each creates .venv first. PYTHON=python3.12 picks the Python of a new .venv; uv is used if it is installed.

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

# Gradio writes a .pyi beside each file of components, which the type checker would read instead of the file.
check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -f emotion/web/*.pyi
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_layout
	$(BIN)/python -m tools.check_javascript

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
		echo "is the Python of .venv; this needs Python 3.$(OLDEST) to 3.$(NEWEST). Run make clean, then try again."; \
		exit 1; \
	}
	@echo "Installing what $(1) lists. This takes a minute or two."
	@$(INSTALL) --requirement $(1)
	@touch $@
endef

# The first Python that fits. If none does, uv downloads one.
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
	echo "This needs Python 3.$(OLDEST) to 3.$(NEWEST); $(if $(PYTHON),$(PYTHON) is not one,none of $(CANDIDATES) is one)."; \
	echo "Install one and name it: make $(or $(MAKECMDGOALS),app) PYTHON=python3.12"; \
	exit 1

# The browser tests drive the system's Chromium; without it they are skipped, and say so.
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
