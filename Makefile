# Every target does all of its own set-up in .venv; `make run` and `make test` are the two that matter.
PYTHON ?= python3
ARGS ?=
JOBS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
# One thread a process in the numeric libraries: decisions are bit-equal whatever the number of cores, and test workers do not fight for them.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Compiled files are kept: without them every process of the tests compiles Podium anew, and pytest rewrites 470 files.
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:
.PHONY: help run unit test check lint types fix bench bench-ui proof soak soak-live mutants shots test-stability chromium promtool stress-ng

help:
	@echo "make run     the dashboard with the engine inside, on http://127.0.0.1:8501 (PODIUM_PORT=8600 make run; make run ARGS=\"--feed recorded --path DIR\")"
	@echo "make unit    the fast tests, under a minute    make test    all tests    make check  format, lint, types, tests    make fix  format and mend    make bench  the figures    make bench-ui  bytes and processor time of Overview    make proof  the long statistical proofs"
	@echo "make soak    half an hour under load (PODIUM_SOAK_MINUTES=5 make soak)    make soak-live  half an hour on a fake exchange with every fault in turn    make mutants  200 small faults in the core, and whether the tests see them    make shots  the pictures in docs"
	@echo "make test-stability    all tests 20 times beside a load on every core (RUNS=3 make test-stability)"

run: .venv/run.stamp
	@exec $(BIN)/python -m engine serve $(ARGS)

# The inner loop of a change: what is pure and quick, without browser, recordings and servers.
UNIT := tests/phases tests/features tests/optimizer tests/alerting/test_rules.py tests/alerting/test_messages.py tests/commands tests/probes tests/test_units.py tests/test_names.py \
    tests/test_architecture.py tests/test_broker.py tests/test_matching.py tests/test_explain.py tests/test_intents.py tests/test_health.py tests/test_settings.py tests/test_texts.py

unit: .venv/dev.stamp
	$(BIN)/ruff format --check -q .
	$(BIN)/python -m pytest -q -m "not slow and not browser and not recordings" $(UNIT) $(ARGS)

test: .venv/dev.stamp chromium promtool stress-ng
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

# The whole suite again and again, with both cores kept busy by something else: it must not depend on speed.
RUNS ?= 20
test-stability: .venv/dev.stamp chromium promtool stress-ng
	@PATH="$$PWD/$(BIN):$$PATH"; stress-ng --quiet --cpu $(JOBS) & trap "kill $$!" EXIT; \
	for run in $$(seq $(RUNS)); do \
	    echo "run $$run of $(RUNS)"; $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS) || exit 1; \
	done

check: lint types test

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev.stamp
	$(BIN)/python -m mypy

fix: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Bytes on the wire, paint and processor time of Overview beside their goals; it needs four minutes of a machine with nothing else to do.
bench-ui: .venv/dev.stamp chromium
	$(BIN)/python -m tests.benchmarks ui

proof: .venv/dev.stamp
	$(BIN)/python -m pytest -q -s -o python_files='proof_*.py' tests/proof $(ARGS)

soak: .venv/dev.stamp stress-ng
	$(BIN)/python -m tests.soak.soak

soak-live: .venv/dev.stamp
	$(BIN)/python -m tests.soak.live

# The pictures in docs, taken from the running app.
shots: .venv/dev.stamp chromium
	$(BIN)/python -m tests.shots $(ARGS)

mutants: .venv/dev.stamp
	$(BIN)/python -m tests.mutants --jobs $(JOBS) $(ARGS)

.venv/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)' || { \
	    echo "Podium needs Python 3.11 or newer and \`$(PYTHON)\` is not: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Setting up .venv (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	@echo "Installing what the tests need (once) ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@

chromium:
	@for name in $$CHROMIUM chromium chromium-browser google-chrome; do command -v $$name >/dev/null 2>&1 && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests (once) ..."; \
	    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "The browser tests need Chromium: install it (Debian: apt-get install chromium) or give its path in CHROMIUM" >&2; exit 1

# Prometheus' own checker of what /metrics says, out of its Debian package without installing that: the package would start a server.
promtool:
	@command -v promtool >/dev/null 2>&1 && exit 0; test -x $(BIN)/promtool && exit 0; \
	if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then \
	    echo "Fetching promtool for the tests of /metrics (once) ..."; \
	    folder=$$(mktemp -d) && cd "$$folder" && \
	    { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } >/dev/null 2>&1 && \
	    dpkg-deb -x prometheus_*.deb out && cp out/usr/bin/promtool "$(CURDIR)/$(BIN)/promtool" && rm -rf "$$folder" && exit 0; \
	    rm -rf "$$folder"; \
	fi; \
	echo "The tests of /metrics need promtool: install it (Debian: apt-get install prometheus) or put it on the path" >&2; exit 1

stress-ng:
	@command -v stress-ng >/dev/null 2>&1 && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing stress-ng for the tests under load (once) ..."; \
	    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends stress-ng; } >/dev/null 2>&1 && exit 0; \
	fi; \
	echo "stress-ng is not installed: the tests under load make their load themselves"
